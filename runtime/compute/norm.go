package compute

import "math"

// RMSNorm sets each row of dst [n, len(w)] to x / sqrt(mean(x^2) + eps) * w. dst may be x.
func RMSNorm(dst, x, w []float32, n int, eps float64) {
	d := len(w)
	for i := range n {
		row, out := x[i*d:(i+1)*d], dst[i*d:(i+1)*d]
		s := 1 / math.Sqrt(float64(sumSquares(row, 0))/float64(d)+eps)
		scaleMul(out, row, w, float32(s))
	}
}

// LayerNorm sets each row of dst [n, len(w)] to (x - mean) / sqrt(variance + eps) * w + b. dst may be x; b may be nil.
func LayerNorm(dst, x, w, b []float32, n int, eps float64) {
	d := len(w)
	for i := range n {
		row, out := x[i*d:(i+1)*d], dst[i*d:(i+1)*d]
		mean := sum(row) / float32(d)
		s := float32(1 / math.Sqrt(float64(sumSquares(row, mean))/float64(d)+eps))
		shiftScaleMul(out, row, w, mean, s)
		if b != nil {
			Add(out, b)
		}
	}
}

// Add adds x to dst.
func Add(dst, x []float32) {
	k := vecAdd(dst, x)
	x = x[k:]
	for i, v := range dst[k:] {
		dst[k+i] = v + x[i]
	}
}

// AddBias adds b to each row of x [n, len(b)]; a nil b is no bias.
func AddBias(x, b []float32, n int) {
	if b == nil {
		return
	}
	for i := range n {
		Add(x[i*len(b):(i+1)*len(b)], b)
	}
}

// Scale multiplies x by a.
func Scale(x []float32, a float32) {
	for i := vecScale(x, a); i < len(x); i++ {
		x[i] *= a
	}
}

func sum(x []float32) float32 {
	s, k := vecSum(x)
	x = x[k:]
	var a, b, c, d float32
	for len(x) >= 4 {
		a, b, c, d = a+x[0], b+x[1], c+x[2], d+x[3]
		x = x[4:]
	}
	for _, v := range x {
		a += v
	}
	return s + (a + b) + (c + d)
}

// sumSquares returns the sum of (x - m)^2.
func sumSquares(x []float32, m float32) float32 {
	s, k := vecSumSquares(x, m)
	x = x[k:]
	var a, b, c, d float32
	for len(x) >= 4 {
		e, f, g, h := x[0]-m, x[1]-m, x[2]-m, x[3]-m
		a, b, c, d = a+e*e, b+f*f, c+g*g, d+h*h
		x = x[4:]
	}
	for _, v := range x {
		a += (v - m) * (v - m)
	}
	return s + (a + b) + (c + d)
}

// scaleMul sets dst to x * s * w.
func scaleMul(dst, x, w []float32, s float32) { shiftScaleMul(dst, x, w, 0, s) }

// shiftScaleMul sets dst to (x - m) * s * w.
func shiftScaleMul(dst, x, w []float32, m, s float32) {
	k := vecShiftScaleMul(dst, x, w, m, s)
	dst = dst[k:]
	x, w = x[k:][:len(dst)], w[k:][:len(dst)]
	for i := range dst {
		dst[i] = (x[i] - m) * s * w[i]
	}
}
