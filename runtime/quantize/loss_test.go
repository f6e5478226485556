package quantize

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/edgevlm/edgevlm/runtime/compute"
)

const tiny = "../qwen2vl/testdata/"

func TestVisionLossGrowsWithFewerBits(t *testing.T) {
	pool := compute.NewPool(2)
	defer pool.Close()
	cosine := map[Target]float64{}
	for _, target := range []Target{Q8_0, Q4_0} {
		out := filepath.Join(t.TempDir(), "mmproj.gguf")
		if _, err := File(context.Background(), tiny+"mmproj.gguf", out, Options{Target: target, Runner: pool}); err != nil {
			t.Fatal(err)
		}
		c, err := Vision(context.Background(), tiny+"mmproj.gguf", out, pool)
		if err != nil {
			t.Fatal(err)
		}
		cosine[target] = c
	}
	if !(cosine[Q8_0] > 0.999 && cosine[Q4_0] < cosine[Q8_0] && cosine[Q4_0] > 0.5) {
		t.Errorf("cosines %v", cosine)
	}
}

func TestTextLossIsNothingAgainstItself(t *testing.T) {
	pool := compute.NewPool(2)
	defer pool.Close()
	l, err := Text(context.Background(), tiny+"qwen2vl.gguf", tiny+"qwen2vl.gguf", 4, pool, nil)
	if err != nil {
		t.Fatal(err)
	}
	if l.Agreement != 1 || l.KL != 0 || l.Positions != 4*len(lossPrompts) {
		t.Errorf("%+v", l)
	}
}

func TestDivergenceIsTheTextbooks(t *testing.T) {
	// p = (3/4, 1/4), q = (1/2, 1/2): sum p log p/q.
	a, b := []float32{float32(math.Log(3)), 0}, []float32{5, 5}
	want := 0.75*math.Log(1.5) + 0.25*math.Log(0.5)
	if got := divergence(a, b); math.Abs(got-want) > 1e-6 {
		t.Errorf("%v, want %v", got, want)
	}
}
