package vlm

import (
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/edgevlm/edgevlm/demo"
	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/gguf"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
)

// halfTower is a tower with its matrices in F16, as published mmproj files are.
func halfTower(t *testing.T, mmproj []byte) []byte {
	t.Helper()
	f, err := gguf.Parse(mmproj)
	if err != nil {
		t.Fatal(err)
	}
	return edit(t, f, func(g *gguf.Tensor) {
		if len(g.Shape) != 2 || g.Type == quant.F16 {
			return
		}
		x := make([]float32, g.Len())
		if err := quant.Dequantize(g.Type, x, g.Data); err != nil {
			t.Fatal(err)
		}
		g.Type, g.Data = quant.F16, make([]byte, quant.F16.RowBytes(len(x)))
		if err := quant.Quantize(g.Type, g.Data, x); err != nil {
			t.Fatal(err)
		}
	})
}

// bothTowers opens a model with its tower in float and in 8 bits.
func bothTowers(t *testing.T, text, mmproj []byte, o Options) (float, int8 *Engine) {
	t.Helper()
	var e [2]*Engine
	for i, mode := range []string{"float", ""} {
		o.Threads, o.Vision = 1, mode
		var err error
		if e[i], err = OpenBytes(t.Context(), text, mmproj, o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e[i].Close() })
	}
	return e[0], e[1]
}

// leastCosine compares every embedding of m.
func leastCosine(t *testing.T, a, b *Engine, m Media) float64 {
	t.Helper()
	want, err := a.Embed(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Embed(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	least, width := 1.0, len(want.Rows)/want.Tokens()
	for i := 0; i < len(want.Rows); i += width {
		var ab, aa, bb float64
		for j := i; j < i+width; j++ {
			x, y := float64(want.Rows[j]), float64(got.Rows[j])
			ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
		}
		least = min(least, ab/math.Sqrt(aa*bb))
	}
	return least
}

// The gate that a tower in 8 bits has to pass. First half: the cosine of every embedding is at least 0.999.
func TestTowerInEightBitsKeepsItsEmbeddings(t *testing.T) {
	mmproj, err := os.ReadFile(filepath.Join(goldenDir, "mmproj.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	exact, int8 := bothTowers(t, tiny(t, "qwen2vl.gguf", numbered), halfTower(t, mmproj), goldenPixels)
	f32 := openTiny(t, "qwen2vl.gguf", "mmproj.gguf", numbered, goldenPixels)
	for _, g := range goldens(t).Qwen2VL {
		r, _ := g.request(false)
		for _, m := range r.Media {
			c := leastCosine(t, f32, int8, m)
			t.Logf("%s: %.6f", g.Name, c)
			if c < 0.999 {
				t.Errorf("%s: least cosine %.6f", g.Name, c)
			}
			if c > 0.9999999 {
				t.Errorf("%s: the tower didn't run in 8 bits", g.Name)
			}
			if c := leastCosine(t, f32, exact, m); c < 0.999999 {
				t.Errorf("%s: least cosine in float %.9f", g.Name, c)
			}
		}
	}
}

// Second half: a model that has learnt something says the same, token by token. (The tiny models' weights are random, and
// their best tokens a hair apart.)
func TestTowerInEightBitsLeavesTheDemosTokens(t *testing.T) {
	exact, int8 := bothTowers(t, demo.Text(), halfTower(t, demo.MMProj()), Options{})
	for _, c := range demo.Clips() {
		m := Media{Video: true}
		for _, f := range c.Frames {
			m.Frames = append(m.Frames, imageproc.FromImage(image.Image(f)))
		}
		if c := leastCosine(t, exact, int8, m); c < 0.999 {
			t.Errorf("least cosine %.6f", c)
		}
		r := Request{Media: []Media{m}, Prompt: gate.Prompts()[0], MaxTokens: 40}
		want, err := exact.Generate(t.Context(), r, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := int8.Generate(t.Context(), r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Tokens, want.Tokens) {
			t.Errorf("%s: %q in 8 bits, %q in float", c.Name, got.Text, want.Text)
		}
	}
}

func TestUnknownVisionModeIsRefused(t *testing.T) {
	if _, err := OpenBytes(t.Context(), demo.Text(), demo.MMProj(), Options{Vision: "int4"}); err == nil {
		t.Error("int4 was accepted")
	}
}
