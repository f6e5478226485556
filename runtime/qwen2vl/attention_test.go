package qwen2vl

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/edgevlm/edgevlm/runtime/compute"
)

func TestHeadsInPairsFollowOnesInFloats(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 16))
	heads := []head{newPairHead()} // the same one for all shapes, as in a tower
	for _, c := range []struct{ m, n, hd int }{{1, 1, 16}, {70, 131, 80}, {65, 1024, 80}, {3, 5, 32}, {33, 300, 32}} {
		ldq, ldk, ldv := 2*c.hd+1, stride(c.n)+16, c.hd+2
		q, kt, v := make([]float32, c.m*ldq), make([]float32, c.hd*ldk), make([]float32, c.n*ldv)
		for _, x := range [][]float32{q, kt, v} {
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
		}
		scale := float32(1 / math.Sqrt(float64(c.hd)))
		want, got := make([]float32, c.m*ldq), make([]float32, c.m*ldq)
		compute.Attend(want, ldq, q, ldq, kt, ldk, v, ldv, c.m, c.n, c.hd, scale)
		heads, err := fitHeads(heads, newPairHead, 1, c.n, c.hd)
		if err != nil {
			t.Fatal(err)
		}
		heads[0].set(kt, ldk, v, ldv)
		heads[0].attend(got, ldq, q, ldq, c.m, scale)
		if cos := cosine(want, got); cos < 0.9999 {
			t.Errorf("%+v: cosine %.6f", c, cos)
		}
	}
}
