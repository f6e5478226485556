package compute

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// lengths cover every tail of an 8- or 16-wide vector loop.
var lengths = []int{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 255, 1280}

func randoms(seed uint64, n int, scale float32) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64()) * scale
	}
	return x
}

// near fails unless the normalised mean squared error is at most 1e-10.
func near(t *testing.T, name string, got []float32, want []float64) {
	t.Helper()
	var e, s float64
	for i, w := range want {
		d := float64(got[i]) - w
		if d != d {
			t.Fatalf("%s: element %d is %v, want %v", name, i, got[i], w)
		}
		e, s = e+d*d, s+w*w
	}
	if e > 1e-10*s {
		t.Errorf("%s: NMSE %.3g, want at most 1e-10", name, e/s)
	}
}

func wide(x []float32) []float64 {
	w := make([]float64, len(x))
	for i, v := range x {
		w[i] = float64(v)
	}
	return w
}

func clone(x []float32) []float32 { return append([]float32(nil), x...) }

// bothForms runs a test on the machine's vector forms and on the portable ones.
func bothForms(t *testing.T, f func(t *testing.T)) {
	t.Run("portable", func(t *testing.T) {
		defer setVector(setVector(false))
		f(t)
	})
	t.Run("vector", func(t *testing.T) {
		if !vector {
			t.Skip("skipped: this CPU has no vector form")
		}
		defer setVector512(setVector512(false))
		f(t)
	})
	t.Run("vector 512 bits", func(t *testing.T) {
		if !vector512 {
			t.Skip("skipped: this CPU has no 512-bit form")
		}
		f(t)
	})
}

func setVector(v bool) (before bool) { before, vector = vector, v; return before }

func TestNormsEqualFloat64(t *testing.T) {
	bothForms(t, func(t *testing.T) {
		for _, d := range lengths {
			const n = 3
			x, w, b := randoms(1, n*d, 2), randoms(2, d, 1), randoms(3, d, 1)
			for i := range x {
				x[i] += 3
			}
			rms, ln := make([]float64, n*d), make([]float64, n*d)
			for r := range n {
				var s, mean, va float64
				for _, v := range x[r*d : (r+1)*d] {
					s += float64(v) * float64(v) / float64(d)
					mean += float64(v) / float64(d)
				}
				for _, v := range x[r*d : (r+1)*d] {
					va += (float64(v) - mean) * (float64(v) - mean) / float64(d)
				}
				for i := range d {
					v := float64(x[r*d+i])
					rms[r*d+i] = v / math.Sqrt(s+1e-5) * float64(w[i])
					ln[r*d+i] = (v-mean)/math.Sqrt(va+1e-6)*float64(w[i]) + float64(b[i])
				}
			}
			got := make([]float32, n*d)
			RMSNorm(got, x, w, n, 1e-5)
			near(t, fmt.Sprintf("RMSNorm %d", d), got, rms)
			got = clone(x)
			LayerNorm(got, got, w, b, n, 1e-6)
			if d > 1 { // the norm of one element is its bias
				near(t, fmt.Sprintf("LayerNorm %d", d), got, ln)
			}
		}
	})
}

func TestActivationsEqualFloat64(t *testing.T) {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	bothForms(t, func(t *testing.T) {
		for _, n := range lengths {
			x, up := randoms(4, n, 4), randoms(5, n, 1)
			x[0] = -200 // exp overflows: the result is 0, not NaN
			silu, quick, gelu := make([]float64, n), make([]float64, n), make([]float64, n)
			for i, v := range wide(x) {
				silu[i] = v * sigmoid(v) * float64(up[i])
				quick[i] = v * sigmoid(1.702*v)
				gelu[i] = v / 2 * math.Erfc(-v/math.Sqrt2)
			}
			silu[0], quick[0], gelu[0] = 0, 0, 0
			got := clone(x)
			SiLUMul(got, up)
			near(t, fmt.Sprintf("SiLUMul %d", n), got, silu)
			got = clone(x)
			QuickGELU(got)
			near(t, fmt.Sprintf("QuickGELU %d", n), got, quick)
			got = clone(x)
			GELU(got)
			near(t, fmt.Sprintf("GELU %d", n), got, gelu)
		}
	})
}

func TestSoftmaxEqualsFloat64(t *testing.T) {
	bothForms(t, func(t *testing.T) {
		for _, n := range lengths {
			for _, shift := range []float32{0, 300, -300} {
				x := randoms(6, n, 5)
				for i := range x {
					x[i] += shift
				}
				m, s := math.Inf(-1), 0.0
				for _, v := range wide(x) {
					m = max(m, v)
				}
				want := wide(x)
				for i, v := range want {
					want[i] = math.Exp(v - m)
					s += want[i]
				}
				for i := range want {
					want[i] /= s
				}
				Softmax(x)
				near(t, fmt.Sprintf("Softmax %d shifted by %v", n, shift), x, want)
			}
		}
		Softmax(nil)
	})
}

func TestExpIsAccurateOverItsRange(t *testing.T) {
	for x := float32(-87.3); x < 88.3; x += 0.0017 {
		if want := math.Exp(float64(x)); math.Abs(float64(exp32(x))-want) > 3e-7*want {
			t.Fatalf("exp(%v) = %v, want %v", x, exp32(x), want)
		}
	}
	inf := float32(math.Inf(1))
	if exp32(-inf) != 0 || exp32(-88) != 0 || exp32(89) != inf || exp32(inf) != inf || exp32(0) != 1 {
		t.Error("exp is wrong at its ends")
	}
	bothForms(t, func(t *testing.T) {
		const n = 1 << 16
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(i)/n*90 - 80
		}
		got := clone(x)
		sum, want := expSum(got, 10), 0.0
		for i, v := range x {
			w := math.Exp(float64(v) - 10)
			want += w
			if d := math.Abs(float64(got[i]) - w); d > 6e-7*w && w > 0x1p-126 {
				t.Fatalf("exp(%v - 10) = %v, want %v", v, got[i], w)
			}
		}
		if math.Abs(float64(sum)-want) > 1e-6*want {
			t.Errorf("sum %v, want %v", sum, want)
		}
		low := []float32{-inf, -1e30, 0, -104, -inf, 0, 0, 0, 0, -inf}
		if s := expSum(low, 0); s != 5 || low[0] > 0x1p-125 || low[1] > 0x1p-125 || low[3] > 0x1p-125 || low[9] > 0x1p-125 || low[2] != 1 {
			t.Errorf("exp of very negative numbers: %v, sum %v", low, s)
		}
	})
}

func TestAddScaleMax(t *testing.T) {
	bothForms(t, func(t *testing.T) {
		for _, n := range lengths {
			x, y := randoms(7, n, 1), randoms(8, n, 1)
			got := clone(x)
			Add(got, y)
			Scale(got, 3)
			m := x[0]
			for i := range got {
				if want := (x[i] + y[i]) * 3; got[i] != want {
					t.Fatalf("length %d: element %d is %v, want %v", n, i, got[i], want)
				}
				m = max(m, x[i])
			}
			if maxOf(x) != m {
				t.Errorf("length %d: max %v, want %v", n, maxOf(x), m)
			}
		}
	})
}

func TestRotaryEqualsFloat64(t *testing.T) {
	bothForms(t, func(t *testing.T) {
		for _, half := range []int{1, 3, 4, 8, 20, 32, 64} {
			x := randoms(9, 2*half+3, 1)
			freqs := RopeFreqs(10000, 2*half)
			cos, sin := make([]float32, half), make([]float32, half)
			RopeAngles(cos, sin, freqs, 1234)
			halves, pairs := wide(x), wide(x)
			for i := range half {
				s, c := math.Sincos(float64(float32(1234 * freqs[i])))
				u, v := float64(x[i]), float64(x[half+i])
				halves[i], halves[half+i] = u*c-v*s, v*c+u*s
				u, v = float64(x[2*i]), float64(x[2*i+1])
				pairs[2*i], pairs[2*i+1] = u*c-v*s, v*c+u*s
			}
			got := clone(x)
			RotateHalves(got, cos, sin)
			near(t, fmt.Sprintf("RotateHalves %d", half), got, halves)
			got = clone(x)
			RotatePairs(got, cos, sin)
			near(t, fmt.Sprintf("RotatePairs %d", half), got, pairs)
		}
	})
}

func TestHalfPrecisionRoundTripsAndRounds(t *testing.T) {
	bothForms(t, func(t *testing.T) {
		all := make([]uint16, 1<<16)
		for i := range all {
			all[i] = uint16(i)
		}
		wideAll := make([]float32, len(all))
		FromF16(wideAll, all)
		back := make([]uint16, len(all))
		ToF16(back, wideAll)
		for i, h := range all {
			nan := h&0x7c00 == 0x7c00 && h&0x3ff != 0
			if nan != (wideAll[i] != wideAll[i]) || (!nan && back[i] != h) {
				t.Fatalf("%#04x became %v and then %#04x", h, wideAll[i], back[i])
			}
		}
		x := []float32{1, 1.00048828125, 1.0004884, 1.00146484375, 65504, 65519.9, 65520, -1e9, 5.9604645e-8, 2.98e-8, 2.99e-8, 0, 1e-30}
		want := []uint16{0x3c00, 0x3c00, 0x3c01, 0x3c02, 0x7bff, 0x7bff, 0x7c00, 0xfc00, 1, 0, 1, 0, 0}
		got := make([]uint16, len(x))
		for i := range x { // in the vector lanes and in the tail
			for _, n := range []int{1, 8, 11} {
				in, out := make([]float32, n), make([]uint16, n)
				in[n-1], in[0] = x[i], x[i]
				ToF16(out, in)
				if got[i] = out[n-1]; got[i] != want[i] || out[0] != want[i] {
					t.Errorf("%v rounds to %#04x and %#04x, want %#04x", x[i], out[0], got[i], want[i])
				}
			}
		}
	})
}

func TestGemmEqualsFloat64(t *testing.T) {
	bothForms(t, func(t *testing.T) {
		for _, m := range []int{1, 2, 3, 4, 5, 6, 7, 12, 13} {
			for _, n := range []int{1, 3, 4, 7, 8, 9, 16, 17, 24, 40, 64, 80} {
				for _, k := range []int{1, 2, 5, 16, 33} {
					lda, ldb, ldc := k+3, n+5, n+2
					a, b, c := randoms(10, m*lda, 1), randoms(11, k*ldb, 1), randoms(12, m*ldc, 1)
					for _, acc := range []bool{false, true} {
						got, want := clone(c), wide(c)
						for i := range m {
							for j := range n {
								s := 0.0
								if acc {
									s = want[i*ldc+j]
								}
								for l := range k {
									s += float64(a[i*lda+l]) * float64(b[l*ldb+j])
								}
								want[i*ldc+j] = s
							}
						}
						gemm(got, ldc, a, lda, b[:(k-1)*ldb+n:(k-1)*ldb+n], ldb, m, n, k, acc)
						near(t, fmt.Sprintf("gemm %dx%dx%d acc %v", m, n, k, acc), got, want)
						for i := range m { // the gap between rows stays
							for j := n; j < ldc; j++ {
								if got[i*ldc+j] != c[i*ldc+j] {
									t.Fatalf("gemm %dx%dx%d wrote past column %d", m, n, k, n)
								}
							}
						}
					}
				}
			}
		}
	})
}
