package compute

import "math"

// SiLUMul sets gate to silu(gate) * up, silu(x) = x / (1 + exp(-x)).
func SiLUMul(gate, up []float32) {
	k := vecSiLUMul(gate, up)
	up = up[k:]
	for i, x := range gate[k:] {
		gate[k+i] = x / (1 + exp32(-x)) * up[i]
	}
}

// QuickGELU sets x to x / (1 + exp(-1.702 x)).
func QuickGELU(x []float32) {
	for i := vecQuickGELU(x); i < len(x); i++ {
		v := x[i]
		x[i] = v / (1 + exp32(-1.702*v))
	}
}

// GELU sets x to x/2 * (1 + erf(x/sqrt 2)), the exact form.
func GELU(x []float32) {
	for i, v := range x {
		x[i] = float32(0.5 * float64(v) * (1 + math.Erf(float64(v)*(1/math.Sqrt2))))
	}
}

// Softmax replaces x by exp(x - max) / sum.
func Softmax(x []float32) {
	if len(x) == 0 {
		return
	}
	Scale(x, 1/Exp(x))
}

// Exp replaces x, which must not be empty, by exp(x - max) and returns the sum: a softmax whose division is left to the caller.
func Exp(x []float32) float32 { return expSum(x, maxOf(x)) }

func maxOf(x []float32) float32 {
	m, k := vecMax(x)
	for _, v := range x[k:] {
		if v > m {
			m = v
		}
	}
	return m
}

// expSum replaces x by exp(x - m) and returns the sum. No x is larger than m; weights below 2^-126 may become 2^-126.
func expSum(x []float32, m float32) float32 {
	s, k := vecExpSum(x, m)
	for i, v := range x[k:] {
		e := exp32(v - m)
		x[k+i] = e
		s += e
	}
	return s
}

const (
	expMax = 88.3762626647949    // exp of more overflows
	expMin = -87.3365447505531   // exp of less is subnormal; it becomes 0
	log2e  = 1.44269504088896341 // log2(e)
	ln2hi  = 0.693359375         // ln2 in two parts, so that n*ln2hi is exact
	ln2lo  = -2.12194440e-4
	roundF = 12582912.0 // 1.5 * 2^23: adding and subtracting it rounds to an integer

	// exp(r) = 1 + r + r^2 (expC2 + expC3 r + expC4 r^2 + expC5 r^3) on [-ln2/2, ln2/2], minimax: relative error 1.1e-7.
	expC2 = 0.4999922811984986
	expC3 = 0.1666711568832399
	expC4 = 0.0418905504047871
	expC5 = 0.0083124777302142
)

// exp32 is exp in float32, within some units in the last place; the vector forms compute the same polynomial.
func exp32(x float32) float32 {
	switch {
	case x > expMax:
		return float32(math.Inf(1))
	case x < expMin:
		return 0
	case x != x:
		return x
	}
	n := float32(x*log2e+roundF) - roundF
	r := x - n*ln2hi - n*ln2lo
	p := float32(expC5)
	p = p*r + expC4
	p = p*r + expC3
	p = p*r + expC2
	p = p*r*r + r + 1
	return p * math.Float32frombits(uint32(int32(n)+127)<<23)
}
