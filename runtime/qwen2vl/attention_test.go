package qwen2vl

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/edgevlm/edgevlm/runtime/compute"
)

// followsFloats compares a kind of head with compute.Attend; the smallest head has hd elements. The same head is used for all shapes, as in
// a tower.
func followsFloats(t *testing.T, kind func() head, hd int, least float64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 8))
	random := func(n int, sigma float64) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(sigma * rng.NormFloat64())
		}
		return x
	}
	var heads []head
	for _, c := range []struct {
		m, n, hd int
		sharp    float64 // standard deviation of the scores
	}{{1, 1, hd, 1}, {3, 5, 16, 1}, {70, 131, 80, 1}, {65, 1024, 80, 1}, {65, 1024, 80, 4}, {33, 300, 32, 2}} {
		ldq, ldk, ldv := 2*c.hd+1, stride(c.n)+16, c.hd+2
		q, kt, v := random(c.m*ldq, c.sharp), random(c.hd*ldk, 1), random(c.n*ldv, 1)
		for e := range c.hd {
			v[e] += 3 // and a key whose value stands out
		}
		want, got := make([]float32, c.m*ldq), make([]float32, c.m*ldq)
		scale := float32(1 / math.Sqrt(float64(c.hd)))
		compute.Attend(want, ldq, q, ldq, kt, ldk, v, ldv, c.m, c.n, c.hd, scale)
		var err error
		if heads, err = fitHeads(heads, kind, 1, c.n, c.hd); err != nil {
			t.Fatal(err)
		}
		heads[0].set(kt, ldk, v, ldv)
		heads[0].attend(got, ldq, q, ldq, c.m, scale)
		if cos := cosine(want, got); cos < least {
			t.Errorf("%+v: cosine %.6f", c, cos)
		}
	}
}

func TestAttentionInPairsFollowsThatOfFloats(t *testing.T) { followsFloats(t, newPairHead, 16, 0.9999) }
