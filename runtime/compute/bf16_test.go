package compute

import (
	"fmt"
	"math"
	"testing"
)

// eachBF16 runs a test on the machine's forms for bfloat16 and on the portable ones.
func eachBF16(t *testing.T, f func(t *testing.T)) {
	t.Run("portable", func(t *testing.T) {
		defer setVectorBF16(setVectorBF16(false))
		f(t)
	})
	t.Run("avx512bf16", func(t *testing.T) {
		if !vectorBF16 {
			t.Skip("skipped: this CPU has no AVX512-BF16")
		}
		f(t)
	})
}

func fromBF16(h uint32) float64 { return float64(math.Float32frombits(h << 16)) }

func TestRoundingToBF16(t *testing.T) {
	special := []float32{0, 1, -1, 1.00390625, 1.01171875, 1e-45, -1e-38, 3.4e38, float32(math.Inf(-1)), float32(math.NaN())}
	eachBF16(t, func(t *testing.T) {
		for _, n := range []int{1, 15, 16, 17, 48, 80, 100} {
			a, b := randoms(1, n, 3), randoms(2, n, 1e-3)
			copy(a, special)
			copy(b[n/2:], special)
			dst, packed := make([]uint32, n), make([]uint32, (n+1)/2)
			PairBF16(dst, a, b)
			toBF16(packed, a)
			for i := range n {
				for half, x := range []float32{a[i], b[i]} {
					got := dst[i] >> (16 * half) & 0xffff
					nearest := fromBF16(got)
					if x != x {
						if nearest == nearest {
							t.Fatalf("%v became %v", x, nearest)
						}
						continue
					}
					if got != uint32(bf16(x)) {
						t.Fatalf("%v became %v, in portable Go %v", x, nearest, fromBF16(uint32(bf16(x))))
					}
					if math.Abs(float64(x)) > 1e-37 && math.Abs(float64(x)) < 3e38 && math.Abs(nearest-float64(x)) > math.Abs(float64(x))/256 {
						t.Fatalf("%v became %v", x, nearest)
					}
				}
				if got := packed[i/2] >> (16 * (i % 2)) & 0xffff; a[i] == a[i] && got != dst[i]&0xffff {
					t.Fatalf("element %d packed is %v, paired %v", i, fromBF16(got), fromBF16(dst[i]))
				}
			}
			PairBF16(dst, a, nil)
			for i := range dst {
				if dst[i]>>16 != 0 {
					t.Fatal("no second half isn't zeros")
				}
			}
		}
	})
}

// Products are those of the rounded elements, summed in float32.
func TestGemmBF16EqualsFloat64(t *testing.T) {
	eachBF16(t, func(t *testing.T) {
		for _, m := range []int{1, 2, 3, 8, 13} {
			for _, n := range []int{3, 16, 32, 80, 100} {
				for _, k := range []int{1, 5, 40} {
					ldb := (n + 15) &^ 15
					a, b := make([]uint32, m*k), make([]uint32, k*ldb)
					PairBF16(a, randoms(1, m*k, 1), randoms(2, m*k, 1))
					PairBF16(b, randoms(3, k*ldb, 1), randoms(4, k*ldb, 1))
					c := randoms(5, m*ldb, 1)
					want, got := make([]float64, 0, m*n), make([]float32, 0, m*n)
					for i := range m {
						for j := range n {
							s := float64(c[i*ldb+j])
							for l := range k {
								x, y := a[i*k+l], b[l*ldb+j]
								s += fromBF16(x)*fromBF16(y) + fromBF16(x>>16)*fromBF16(y>>16)
							}
							want = append(want, s)
						}
					}
					gemmBF16(c, ldb, a, k, b, ldb, m, n, k, true)
					for i := range m {
						got = append(got, c[i*ldb:i*ldb+n]...)
					}
					near(t, fmt.Sprintf("[%d, %d] of %d pairs", m, n, k), got, want)
				}
			}
		}
	})
}

// Attention loses what three digits lose, whatever the shape.
func TestAttendBF16LosesLittle(t *testing.T) {
	eachBF16(t, func(t *testing.T) {
		for _, c := range []struct{ m, n, hd int }{{1, 1, 16}, {3, 5, 16}, {8, 128, 32}, {33, 129, 80}, {5, 300, 32}} {
			ldq, ldk, ldv := 2*c.hd+1, (c.n+15)&^15, c.hd+2
			q, kt, v := randoms(1, c.m*ldq, 1.5), randoms(2, c.hd*ldk, 1.5), randoms(3, c.n*ldv, 1)
			kp, vp := make([]uint32, c.hd/2*ldk), make([]uint32, (c.n+1)/2*ldv)
			for i := range c.hd / 2 {
				PairBF16(kp[i*ldk:(i+1)*ldk], kt[2*i*ldk:], kt[(2*i+1)*ldk:])
			}
			for j := 0; j < c.n; j += 2 {
				var second []float32
				if j+1 < c.n {
					second = v[(j+1)*ldv:]
				}
				PairBF16(vp[j/2*ldv:][:c.hd], v[j*ldv:], second)
			}
			got := make([]float32, c.m*ldq)
			scale := 1 / math.Sqrt(float64(c.hd))
			AttendBF16(got, ldq, q, ldq, kp, ldk, vp, ldv, c.m, c.n, c.hd, float32(scale))
			var e, s float64
			for i := range c.m {
				want := attend64(q[i*ldq:], func(j, e int) float64 { return float64(kt[e*ldk+j]) },
					func(j, e int) float64 { return float64(v[j*ldv+e]) }, c.n, c.hd, scale)
				for j, w := range want {
					d := float64(got[i*ldq+j]) - w
					e, s = e+d*d, s+w*w
				}
				for _, x := range got[i*ldq+c.hd : (i+1)*ldq] {
					if x != 0 {
						t.Fatal("wrote between the rows")
					}
				}
			}
			if !(e < 3e-5*s) {
				t.Errorf("%+v: NMSE %g", c, e/s)
			}
		}
	})
}
