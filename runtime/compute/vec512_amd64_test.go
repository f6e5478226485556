package compute

import "testing"

func setVector512(v bool) (before bool) { before, vector512 = vector512, v; return before }

// Wider registers change nothing in what an element is: tiles of all shapes return the bits of the narrow ones.
func TestMatrixTilesOf512BitsReturnTheSameBits(t *testing.T) {
	if !vector512 {
		t.Skip("skipped: this CPU has no 512-bit form")
	}
	for _, m := range []int{1, 2, 3, 5, 8, 13, 15} {
		for _, n := range []int{8, 16, 24, 32, 40, 80, 128} {
			for _, k := range []int{1, 7, 80} {
				a, b := randoms(1, m*k, 1), randoms(2, k*n, 1)
				c := randoms(3, m*n, 1)
				want := clone(c)
				gemm(c, n, a, k, b, n, m, n, k, true)
				was := setVector512(false)
				gemm(want, n, a, k, b, n, m, n, k, true)
				setVector512(was)
				for i, v := range c {
					if v != want[i] {
						t.Fatalf("[%d, %d] of %d products: element %d is %v, %v in narrow registers", m, n, k, i, v, want[i])
					}
				}
			}
		}
	}
}

func setVectorBF16(v bool) (before bool) { before, vectorBF16 = vectorBF16, v; return before }
