package vlm_test

import (
	"context"
	"image"
	"slices"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/demo"
	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

func openDemo(t testing.TB, o vlm.Options) *vlm.Engine {
	t.Helper()
	e, err := vlm.OpenBytes(context.Background(), demo.Text(), demo.MMProj(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func media(c demo.Clip) vlm.Media {
	m := vlm.Media{Video: true}
	for i, f := range c.Frames {
		m.Frames = append(m.Frames, imageproc.FromImage(image.Image(f)))
		m.Times = append(m.Times, time.Duration(float64(i)/c.FPS*float64(time.Second)))
	}
	return m
}

func TestTheDemoModelSpeaksOfItsClips(t *testing.T) {
	e := openDemo(t, vlm.Options{})
	if i := e.Info(); !i.HasVision || i.Arch != "qwen2vl" || i.Quant != "Q4_0" || i.Params < 3e6 || i.Params > 10e6 {
		t.Errorf("%+v", i)
	}
	for _, c := range demo.Clips()[:2] {
		r := vlm.Request{Media: []vlm.Media{media(c)}, Prompt: gate.Prompts()[0], MaxTokens: 40}
		one, err := e.Generate(t.Context(), r, nil)
		if err != nil {
			t.Fatal(err)
		}
		two, err := e.Generate(t.Context(), r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(one.Tokens) == 0 || !slices.Equal(one.Tokens, two.Tokens) {
			t.Errorf("%s: %v, then %v", c.Name, one.Tokens, two.Tokens)
		}
		// 112x112 pixels: pairs of 8x8 patches, whatever the model has learnt.
		if one.GridTHW[0] != [3]int{len(c.Frames) / 2, 8, 8} {
			t.Errorf("grid %v: the model's own pixel limits were not used", one.GridTHW[0])
		}
		t.Logf("%s: %q (truth %q)", c.Name, one.Text, c.Truth)
	}
}

// BenchmarkDescribe is a whole description of an 8-frame clip by the demo model.
func BenchmarkDescribe(b *testing.B) {
	e := openDemo(b, vlm.Options{})
	r := vlm.Request{Media: []vlm.Media{media(demo.Clips()[0])}, Prompt: gate.Prompts()[0], MaxTokens: 32}
	var tokens int
	var t vlm.Timings
	for b.Loop() {
		res, err := e.Generate(context.Background(), r, nil)
		if err != nil {
			b.Fatal(err)
		}
		tokens += len(res.Tokens) - 1 // the first needs no decode step
		t.Preprocess += res.Timings.Preprocess
		t.Vision += res.Timings.Vision
		t.Prefill += res.Timings.Prefill
		t.Decode += res.Timings.Decode
	}
	n := float64(b.N)
	if tokens > 0 {
		b.ReportMetric(float64(tokens)/t.Decode.Seconds(), "tokens/s")
	}
	b.ReportMetric(t.Preprocess.Seconds()*1e3/n, "preprocess-ms")
	b.ReportMetric(t.Vision.Seconds()*1e3/n, "vision-ms")
	b.ReportMetric(t.Prefill.Seconds()*1e3/n, "prefill-ms")
}

// BenchmarkFirstDescription is from opening the model to the end of the first description.
func BenchmarkFirstDescription(b *testing.B) {
	r := vlm.Request{Media: []vlm.Media{media(demo.Clips()[0])}, Prompt: gate.Prompts()[0], MaxTokens: 32}
	for b.Loop() {
		e, err := vlm.OpenBytes(context.Background(), demo.Text(), demo.MMProj(), vlm.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := e.Generate(context.Background(), r, nil); err != nil {
			b.Fatal(err)
		}
		_ = e.Close()
	}
}

func TestALimitOfThreadsTakesHoldDuringACallAndChangesNoAnswer(t *testing.T) {
	var e *vlm.Engine
	tokens := 0
	e = openDemo(t, vlm.Options{Threads: 3, Progress: func(stage string, done, _ int64) {
		if stage == "decode" {
			tokens++
			e.LimitThreads(1 + int(done)%3)
		}
	}})
	if e.Threads() != 3 {
		t.Fatalf("%d threads", e.Threads())
	}
	r := vlm.Request{Media: []vlm.Media{media(demo.Clips()[0])}, Prompt: gate.Prompts()[0], MaxTokens: 40}
	changing, err := e.Generate(t.Context(), r, nil)
	if err != nil || tokens < 3 {
		t.Fatalf("%d tokens, %v", tokens, err)
	}
	one := openDemo(t, vlm.Options{Threads: 3})
	one.LimitThreads(1)
	limited, err := one.Generate(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	full, err := openDemo(t, vlm.Options{Threads: 3}).Generate(t.Context(), r, nil)
	if err != nil || !slices.Equal(full.Tokens, changing.Tokens) || !slices.Equal(full.Tokens, limited.Tokens) {
		t.Errorf("%v; full %v, with changing limits %v, with one thread %v", err, full.Tokens, changing.Tokens, limited.Tokens)
	}
	if one.Threads() != 3 {
		t.Errorf("a limit changed Threads to %d", one.Threads())
	}
}
