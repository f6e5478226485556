package quant

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Several products at once give the bits that each gives alone, for mixed types, odd rows and any number of threads.
func TestMulAllGivesWhatMulGives(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(7, 8))
		for _, cols := range []int{256, 1536} {
			for _, types := range [][]Type{{Q4_0}, {Q4_K, Q6_K, Q4_K}, {Q4_0, Q8_0}, {Q4_0, F16}, {F32, F32}, {Q5_1, Q4_1, Q5_0, Q5_K}} {
				for _, n := range []int{1, 3} {
					x := randomFloats(rng, n*cols)
					var ps []Product
					var want [][]float32
					for i, ty := range types {
						rows := []int{301, 64, 7, 1}[i]
						m, err := NewMatrix(ty, randomWeights(rng, ty, rows, cols), rows, cols)
						if err != nil {
							t.Fatal(err)
						}
						w := make([]float32, n*rows)
						m.Mul(w, x, n, nil)
						want = append(want, w)
						ps = append(ps, Product{W: m, Out: randomFloats(rng, n*rows)})
					}
					for _, r := range []Runner{nil, goroutines(1), goroutines(2), goroutines(5)} {
						MulAll(ps, x, n, r)
						for i, p := range ps {
							for j, v := range p.Out {
								if v != want[i][j] {
									t.Fatalf("%v, %d columns, %v threads: value %d of product %d is %g instead of %g", types, n, r, j, i, v, want[i][j])
								}
							}
						}
					}
				}
			}
		}
	})
}

func TestMulAllRefusesAnOutputOfAnotherSize(t *testing.T) {
	m, err := NewMatrix(Q4_0, randomWeights(rand.New(rand.NewPCG(1, 1)), Q4_0, 8, 32), 8, 32)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if s, ok := recover().(string); !ok || !strings.Contains(s, "[8, 32]") {
			t.Errorf("%v", s)
		}
	}()
	MulAll([]Product{{m, make([]float32, 9)}}, make([]float32, 32), 1, goroutines(2))
}
