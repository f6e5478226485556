package quant

import "math"

// activation is one block of 32 activations for the integer kernels: x = d*q, q in [-127, 127]. The assembly knows
// this layout (48 bytes).
type activation struct {
	d    float32
	s    float32  // d * sum(q): what a weight's minimum is multiplied with
	bias int32    // magic - 8*sum(q): takes the 8 off unsigned nibbles, and makes the sum a float (see magic)
	half [2]int16 // sum(q[:16]), sum(q[16:])
	q    [blockLen]int8
}

// magic is the bit pattern of 1.5*2^23. An integer below 2^22 in magnitude that is added to it, read as a float32 and
// lessened by 1.5*2^23, has become that integer as a float32, exactly.
const magic = 0x4B400000

// Activations outside these magnitudes have no useful int8 form: below, the block counts as zeros (127/max would
// overflow); an infinity or NaN makes the block's scale a NaN, so that it shows in every output.
const (
	tinyActivation = 0x1p-100
	hugeBits       = 0x7f800000
)

// quantizeActivations fills dst from 32*len(dst) values of x. All instruction sets return the same bits.
func quantizeActivations(dst []activation, x []float32) {
	for i := range dst {
		dst[i].quantize(x[i*blockLen:][:blockLen:blockLen])
	}
}

func (a *activation) quantize(x []float32) {
	var top uint32 // as bits: orders like the magnitudes, NaN above all
	for _, v := range x[:blockLen] {
		top = max(top, math.Float32bits(v)&^(1<<31))
	}
	amax := math.Float32frombits(top)
	switch {
	case top >= hugeBits:
		*a = activation{d: float32(math.NaN()), s: float32(math.NaN()), bias: magic}
		return
	case amax < tinyActivation:
		*a = activation{bias: magic}
		return
	}
	a.d = amax / 127
	inverse := 127 / amax
	var sums [2]int32
	for i, v := range x[:blockLen] {
		// Adding 1.5*2^23 rounds to the nearest integer, ties to even, as VCVTPS2DQ and FCVTNS do.
		q := int32(math.Float32bits(float32(v*inverse)+0x1.8p23)) - magic
		a.q[i] = int8(q)
		sums[i>>4] += q
	}
	a.half = [2]int16{int16(sums[0]), int16(sums[1])}
	sum := sums[0] + sums[1]
	a.bias = magic - 8*sum
	a.s = a.d * float32(sum)
}

// quantizeRow fills dst from x, whose last blocks may be partly or wholly missing: zeros.
func quantizeRow(q func([]activation, []float32), dst []activation, x []float32) {
	whole := len(x) / blockLen
	q(dst[:whole], x[:whole*blockLen])
	for i := whole; i < len(dst); i++ {
		var pad [blockLen]float32
		copy(pad[:], x[min(len(x), i*blockLen):])
		dst[i].quantize(pad[:])
	}
}

// fma32 is a*b + c rounded once to float32, as the FMA instructions do.
func fma32(a, b, c float32) float32 {
	p := float64(a) * float64(b) // exact: 48 bits
	t := p + float64(c)
	bits := math.Float64bits(t)
	// Rounding t to float32 is a second rounding. It only differs from rounding once where t lies on the middle between
	// two float32s, or where the result is a subnormal.
	if bits&(1<<29-1) != 1<<28 && bits&^(1<<63) > 0x3810<<48 {
		return float32(t)
	}
	return fmaOdd(p, float64(c), t)
}

// fmaOdd rounds p+c to odd first, so that the rounding to float32 comes out as if it were the only one.
func fmaOdd(p, c, t float64) float32 {
	z := t - p
	e := (p - (t - z)) + (c - z) // p+c = t+e exactly
	if bits := math.Float64bits(t); e != 0 && e == e && bits&1 == 0 {
		if (e > 0) == (t > 0) {
			bits++
		} else {
			bits--
		}
		t = math.Float64frombits(bits)
	}
	return float32(t)
}
