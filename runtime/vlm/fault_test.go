package vlm

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/edgevlm/edgevlm/demo"
	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/npu/nputest"
	"github.com/edgevlm/edgevlm/runtime/compute"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/qwen2vl"
)

// accelerator is a driver whose device computes what the CPU does, and fails by script.
type accelerator struct {
	faults []nputest.Fault
	device *nputest.Faulty
	stages npu.Stage
}

func (a *accelerator) Name() string { return "fake" }

func (a *accelerator) Probe(context.Context) ([]npu.Device, error) {
	return []npu.Device{{Driver: "fake", Name: "fake GPU", Stages: a.stages}}, nil
}

func (a *accelerator) Open(_ context.Context, d npu.Device, m npu.Model, _ npu.Options) (npu.Delegate, error) {
	f := m.(*model).files
	pool := &compute.Pool{}
	text, err := qwen2vl.LoadText(f[0], pool, nil)
	if err != nil {
		return nil, err
	}
	c := &cpu{text: text}
	if len(f) > 1 {
		if c.vision, err = qwen2vl.LoadVision(f[1], pool, nil); err != nil {
			return nil, err
		}
	}
	a.device = nputest.Wrap(renamed{c, d}, a.faults...)
	return a.device, nil
}

type renamed struct {
	npu.Delegate
	device npu.Device
}

func (r renamed) Device() npu.Device  { return r.device }
func (r renamed) Supports() npu.Stage { return r.device.Stages }

func (r renamed) AppendBatch(ctx context.Context, sessions []npu.Session, chunks []npu.Chunk, logits [][]float32) error {
	return npu.AppendBatch(ctx, r.Delegate, sessions, chunks, logits)
}

var faultOps = []nputest.Op{nputest.OpVision, nputest.OpNewSession, nputest.OpAppend, nputest.OpLen, nputest.OpClose}

func TestWhateverFailsInMidGenerationTheTokensStayTheSame(t *testing.T) {
	text, mmproj := tiny(t, "qwen2vl.gguf", bytewise), tiny(t, "mmproj.gguf", nil)
	r := Request{
		Prompt:    "What is happening?",
		Media:     []Media{{Frames: []imageproc.RGB{picture(60, 60, 0)}}, {Video: true, Frames: []imageproc.RGB{picture(90, 60, 1), picture(90, 60, 2), picture(90, 60, 3)}}},
		MaxTokens: 8,
	}
	cache := t.TempDir() // holds the self-check's verdict after the first run
	open := func(a *accelerator) *Engine {
		t.Helper()
		o := Options{Threads: 1, CacheDir: cache, MinPixels: goldenPixels.MinPixels, MaxPixels: goldenPixels.MaxPixels}
		if a != nil {
			o.Drivers, o.Backend = []npu.Driver{a}, "fake"
		}
		e, err := OpenBytes(t.Context(), text, mmproj, o)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	generate := func(e *Engine) Result {
		t.Helper()
		defer e.Close()
		res, err := e.Generate(t.Context(), r, nil)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	want := generate(open(nil))

	// A healthy run counts the calls of a generation.
	both := npu.StageVision | npu.StageDecoder
	_ = open(&accelerator{stages: both}).Close()
	healthy := &accelerator{stages: both}
	if res := generate(open(healthy)); !slices.Equal(res.Tokens, want.Tokens) || res.Backend != "fake" {
		t.Fatalf("healthy: %v on %s, want %v", res.Tokens, res.Backend, want.Tokens)
	}
	if healthy.device.Calls(nputest.OpAppend) < 8 || healthy.device.Calls(nputest.OpVision) != 2 {
		t.Fatalf("the generation made %d appends and encoded %d media", healthy.device.Calls(nputest.OpAppend), healthy.device.Calls(nputest.OpVision))
	}
	for _, op := range faultOps {
		for n := 1; n <= healthy.device.Calls(op); n++ {
			for _, kind := range []nputest.Kind{nputest.DeviceLost, nputest.Panic, nputest.NaN, nputest.WrongLen, nputest.Half} {
				a := &accelerator{stages: both, faults: []nputest.Fault{{Op: op, N: n, Kind: kind}}}
				res := generate(open(a))
				if !slices.Equal(res.Tokens, want.Tokens) || res.Text != want.Text {
					t.Errorf("%s at call %d of %s: %v, want %v", kind, n, op, res.Tokens, want.Tokens)
				}
				if a.device.Hits() != 1 {
					t.Errorf("%s at call %d of %s: hit %d times", kind, n, op, a.device.Hits())
				}
				if kind == nputest.Half && op != nputest.OpClose && op != nputest.OpLen && res.Backend != "cpu" {
					t.Errorf("%s at call %d of %s: backend %s after the fault", kind, n, op, res.Backend)
				}
			}
		}
	}
}

// The same at a few places with the 4-bit model, whose kernels for one row and for many differ.
func TestFaultsLeaveTheDemoModelsWordsAsTheyAre(t *testing.T) {
	var m Media
	for _, f := range demo.Clips()[0].Frames {
		m.Frames, m.Video = append(m.Frames, imageproc.FromImage(f)), true
	}
	r := Request{Media: []Media{m}, Prompt: gate.Prompts()[0], MaxTokens: 24}
	say := func(a *accelerator, cache string) Result {
		t.Helper()
		o := Options{CacheDir: cache}
		if a != nil {
			o.Drivers, o.Backend = []npu.Driver{a}, "fake"
		}
		e, err := OpenBytes(t.Context(), demo.Text(), demo.MMProj(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		res, err := e.Generate(t.Context(), r, nil)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	want, cache := say(nil, ""), t.TempDir()
	both := npu.StageVision | npu.StageDecoder
	say(&accelerator{stages: both}, cache) // leaves the verdict
	for _, f := range []nputest.Fault{
		{Op: nputest.OpVision, N: 1, Kind: nputest.Unwritten},
		{Op: nputest.OpAppend, N: 2, Kind: nputest.DeviceLost},
		{Op: nputest.OpAppend, N: 4, Kind: nputest.NaN},
		{Op: nputest.OpAppend, N: 9, Kind: nputest.Panic},
	} {
		if got := say(&accelerator{stages: both, faults: []nputest.Fault{f}}, cache); !slices.Equal(got.Tokens, want.Tokens) {
			t.Errorf("%s: %q, want %q", f, got.Text, want.Text)
		}
	}
}

func TestABackendThatSharesTheWorkIsNamedSo(t *testing.T) {
	text, mmproj := tiny(t, "qwen2vl.gguf", bytewise), tiny(t, "mmproj.gguf", nil)
	for _, c := range []struct {
		stages npu.Stage
		mmproj []byte
		want   string
	}{{npu.StageVision, mmproj, "fake+cpu"}, {npu.StageDecoder, mmproj, "fake+cpu"}, {npu.StageDecoder, nil, "fake"}} {
		e, err := OpenBytes(t.Context(), text, c.mmproj, Options{Drivers: []npu.Driver{&accelerator{stages: c.stages}}, Backend: "fake"})
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Info().Backend; got != c.want {
			t.Errorf("%s: backend %q, want %q", c.stages, got, c.want)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestADeviceThatFailsItsSelfCheckIsRefusedByNameAndPassedOverByAuto(t *testing.T) {
	text := tiny(t, "qwen2vl.gguf", bytewise)
	wrong := &accelerator{stages: npu.StageDecoder, faults: []nputest.Fault{{Op: nputest.OpAppend, N: 3, Kind: nputest.Wrong}}}
	if _, err := OpenBytes(t.Context(), text, nil, Options{Drivers: []npu.Driver{wrong}, Backend: "fake"}); !errors.Is(err, npu.ErrNumeric) {
		t.Errorf("by name: %v", err)
	}
	e, err := OpenBytes(t.Context(), text, nil, Options{Drivers: []npu.Driver{wrong}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.Info().Backend != "cpu" || len(e.Report().Tried) != 1 {
		t.Errorf("auto: %s\n%s", e.Info().Backend, e.Report())
	}
}
