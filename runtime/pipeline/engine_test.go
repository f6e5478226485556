package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/demo"
	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/npu/nputest"
	"github.com/edgevlm/edgevlm/runtime/compute"
	"github.com/edgevlm/edgevlm/runtime/gguf"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/qwen2vl"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// These tests run the embedded model. They have a real clock, so that their source is one that waits: nothing is skipped however
// slow the machine is.

// film is n frames of the demo's world, clip after clip.
type film struct {
	n, i int
	pix  []byte
}

func (f *film) Unpaced() bool { return true }
func (f *film) Close() error  { return nil }

func (f *film) at(i int) time.Time {
	return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(i) * 500 * time.Millisecond)
}

func (f *film) Next(context.Context) (capture.Frame, error) {
	if f.i == f.n {
		return capture.Frame{}, io.EOF
	}
	const frames = 8 // of a clip
	if f.i%frames == 0 {
		r := gate.New(gate.Test, 5)
		s := r.SceneOf(uint64(f.i/frames), gate.Normal, frames)
		f.pix = make([]byte, s.Bytes())
		r.Render(s, f.pix)
	}
	o := f.i % frames * gate.FrameBytes
	fr := capture.Frame{Seq: uint64(f.i), At: f.at(f.i), Format: capture.RGB24, Width: gate.Size, Height: gate.Size,
		Data: f.pix[o : o+gate.FrameBytes : o+gate.FrameBytes]}
	f.i++
	return fr, nil
}

// fresh is what the model says of a description's frames in a run that knows nothing of windows.
func fresh(t *testing.T, e *vlm.Engine, frames []capture.Frame, d pipeline.Description) []int32 {
	t.Helper()
	m := vlm.Media{Video: true, Period: 500 * time.Millisecond}
	for _, f := range d.Frames {
		c := frames[f.Seq]
		m.Frames, m.Times = append(m.Frames, imageproc.RGB{W: c.Width, H: c.Height, Pix: c.Data}), append(m.Times, f.At.Sub(d.First()))
	}
	r, err := e.Generate(t.Context(), vlm.Request{Media: []vlm.Media{m}, Prompt: gate.Prompts()[0], MaxTokens: 40}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r.Tokens
}

// played is what the pipeline says of a film of n frames.
func played(t *testing.T, e *vlm.Engine, n int, s *pipeline.Stream) ([]pipeline.Description, pipeline.Stats) {
	t.Helper()
	out, f := &sink{}, &film{n: n}
	p := mustNew(t, pipeline.Engine{Engine: e}, out, pipeline.Options{}, pipeline.Camera{
		Name: "yard", Ends: true, Patient: true, FPS: 2, Frames: 8, Prompt: gate.Prompts()[0], MaxTokens: 40, Stream: s, Open: opener(f),
		Questions: []vlm.Question{{Name: "a", Text: "Is there a parcel?", Kind: vlm.KindYesNo}, {Name: "b", Text: "Is there a dog?", Kind: vlm.KindYesNo}},
	})
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out.got, p.Stats()[0]
}

func openDemo(t *testing.T, o vlm.Options) *vlm.Engine {
	t.Helper()
	e, err := vlm.OpenBytes(t.Context(), demo.Text(), demo.MMProj(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func TestTheModelSaysOfItsWindowWhatAFreshRunSays(t *testing.T) {
	const n = 40
	e := openDemo(t, vlm.Options{})
	var frames []capture.Frame
	for f := (&film{n: n}); len(frames) < n; {
		fr, err := f.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, fr)
	}
	got, st := played(t, e, n, &pipeline.Stream{})
	if len(got) != n/2-1 || st.Stream.Missed != 0 || st.Dropped != 0 {
		t.Fatalf("%d descriptions, %+v", len(got), st)
	}
	for i, d := range got {
		if want := fresh(t, e, frames, d); !slices.Equal(d.Result.Tokens, want) {
			t.Errorf("window %d of %d frames: %v, a fresh run says %v", i, len(d.Frames), d.Result.Tokens, want)
		}
		if len(d.Answers) != 2 || d.Answers[0].Probability < 0.5 || d.Result.Timings.Vision <= 0 || d.Result.Timings.Decode <= 0 {
			t.Errorf("window %d: %+v", i, d)
		}
	}
	// Each pair was encoded once, 16 cells of 4 patches.
	if c := st.Stream; c.Patches != n/2*64 || c.Tokens != uint64(16*(2+2*(n/2-2))) || c.Skipped != 0 {
		t.Errorf("%+v", c)
	}
}

func TestAFaultOfTheAcceleratorChangesNoTokenOfAWindow(t *testing.T) {
	const n = 16
	cache := t.TempDir() // holds the self-check's verdict after the first run
	run := func(faults ...nputest.Fault) ([]pipeline.Description, *nputest.Faulty, string) {
		var dev *nputest.Faulty
		d := &nputest.Driver{DriverName: "fake", Delegates: []npu.Delegate{&accelerator{}}}
		d.OpenModel = func(context.Context, npu.Device, npu.Model, npu.Options) (npu.Delegate, error) {
			a, err := newAccelerator()
			dev = nputest.Wrap(a, faults...)
			return dev, err
		}
		e := openDemo(t, vlm.Options{Drivers: []npu.Driver{d}, Backend: "fake", CacheDir: cache, NoWeightsCache: true})
		got, _ := played(t, e, n, &pipeline.Stream{Savings: stream.DefaultSavings()})
		return got, dev, e.Info().Backend
	}
	run() // makes the self-check, whose calls are none of a window's
	want, healthy, backend := run()
	if backend != "fake" || len(want) != n/2-1 {
		t.Fatalf("%d descriptions on %s", len(want), backend)
	}
	for _, op := range []nputest.Op{nputest.OpVision, nputest.OpFork, nputest.OpAppend, nputest.OpBatch} {
		calls := healthy.Calls(op)
		if calls < 2 {
			t.Errorf("%s: %d calls", op, calls)
			continue
		}
		for i, kind := range []nputest.Kind{nputest.DeviceLost, nputest.Half} {
			at := calls * (i + 1) / 3
			got, dev, backend := run(nputest.Fault{Op: op, N: max(1, at), Kind: kind})
			if dev.Hits() != 1 || backend != "cpu" {
				t.Errorf("%s at call %d of %s: hit %d times, then on %s", kind, at, op, dev.Hits(), backend)
			}
			same := slices.EqualFunc(got, want, func(a, b pipeline.Description) bool {
				return slices.Equal(a.Result.Tokens, b.Result.Tokens) && fmt.Sprint(values(a)) == fmt.Sprint(values(b))
			})
			if !same {
				t.Errorf("%s at call %d of %s: %q, want %q", kind, at, op, texts(got), texts(want))
			}
		}
	}
}

func values(d pipeline.Description) (all []string) {
	for _, a := range d.Answers {
		all = append(all, a.Value)
	}
	return all
}

// accelerator is package qwen2vl as an accelerator: it computes what the CPU does.
type accelerator struct {
	text   *qwen2vl.Text
	vision *qwen2vl.Vision
}

func newAccelerator() (*accelerator, error) {
	pool := &compute.Pool{}
	text, err := gguf.Parse(demo.Text())
	if err != nil {
		return nil, err
	}
	mmproj, err := gguf.Parse(demo.MMProj())
	if err != nil {
		return nil, err
	}
	a := &accelerator{}
	if a.text, err = qwen2vl.LoadText(text, pool, nil); err != nil {
		return nil, err
	}
	a.vision, err = qwen2vl.LoadVision(mmproj, pool, nil)
	return a, err
}

func (a *accelerator) Device() npu.Device {
	return npu.Device{Driver: "fake", Name: "fake GPU", Stages: a.Supports()}
}
func (a *accelerator) Supports() npu.Stage { return npu.StageVision | npu.StageDecoder }
func (a *accelerator) Close() error        { return nil }

func (a *accelerator) EncodeVision(ctx context.Context, in npu.VisionInput, dst []float32) error {
	return a.vision.Encode(ctx, in.Patches, in.GridTHW, dst)
}

func (a *accelerator) NewSession(_ context.Context, most int) (npu.Session, error) {
	s, err := a.text.NewSession(most)
	return &session{s}, err
}

func (a *accelerator) AppendBatch(ctx context.Context, sessions []npu.Session, chunks []npu.Chunk, logits [][]float32) error {
	own, in := make([]*qwen2vl.Session, len(sessions)), make([]qwen2vl.Input, len(sessions))
	for i, s := range sessions {
		s, ok := s.(*session)
		if !ok {
			return errors.New("a session of another device")
		}
		own[i], in[i] = s.Session, qwen2vl.Input{Tokens: chunks[i].Tokens, Embeds: chunks[i].Embeds, Pos: chunks[i].Pos, Logits: logits[i]}
	}
	return qwen2vl.AppendBatch(ctx, own, in)
}

type session struct{ *qwen2vl.Session }

func (s *session) Append(ctx context.Context, c npu.Chunk, logits []float32) error {
	return s.Session.Append(ctx, c.Tokens, c.Embeds, c.Pos, logits)
}

func (s *session) Fork(context.Context) (npu.Session, error) {
	f, err := s.Session.Fork()
	return &session{f}, err
}
