package compute

import "math"

// RopeFreqs returns the rotary frequencies base^(-2i/dim) of dim/2 pairs, rounded to float32 as transformers does.
func RopeFreqs(base float64, dim int) []float32 {
	f := make([]float32, dim/2)
	for i := range f {
		f[i] = float32(1 / float64(float32(math.Pow(base, float64(float32(2*i)/float32(dim))))))
	}
	return f
}

// RopeAngles stores the cosine and sine of pos * freqs.
func RopeAngles(cos, sin, freqs []float32, pos float32) {
	for i, f := range freqs {
		s, c := math.Sincos(float64(float32(pos * f))) // the product is rounded as the reference rounds it
		cos[i], sin[i] = float32(c), float32(s)
	}
}

// RotateHalves rotates the pairs (x[i], x[i+n]), n = len(cos), in place; elements from 2n on stay.
func RotateHalves(x, cos, sin []float32) {
	n := len(cos)
	a, b := x[:n], x[n:2*n]
	k := vecRotateHalves(a, b, cos, sin)
	a, b, cos = a[k:], b[k:], cos[k:]
	sin = sin[k:]
	b, cos, sin = b[:len(a)], cos[:len(a)], sin[:len(a)]
	for i, u := range a {
		v, c, s := b[i], cos[i], sin[i]
		a[i], b[i] = u*c-v*s, v*c+u*s
	}
}

// RotatePairs rotates the pairs (x[2i], x[2i+1]), i < len(cos), in place; elements from 2*len(cos) on stay.
func RotatePairs(x, cos, sin []float32) {
	sin = sin[:len(cos)]
	for i, c := range cos {
		p := x[2*i : 2*i+2 : 2*i+2]
		u, v, s := p[0], p[1], sin[i]
		p[0], p[1] = u*c-v*s, v*c+u*s
	}
}
