package quant

import "math"

// Q4_K and Q6_K leave the encoder a choice that Q4_0 does not: a block's scale (and minimum) may be any, and the one that
// maps the largest weight to the largest code is rarely the best. For a given choice of codes the best scale is a linear
// least-squares fit, so the search below goes over candidate scales, rounds, fits, and keeps the fit with the least squared error.

const (
	steps4K = 24    // candidate scales each sub-block tries
	low4K   = 0.76  // the smallest candidate, as a share of the scale that spans the sub-block
	grow4K  = 0.013 // step between candidates
)

// quantizeQ4_K encodes 256 weights: per 32 a 6-bit scale and a 6-bit minimum over fp16 d and dmin.
func quantizeQ4_K(dst []byte, src []float32) {
	var scale, minimum [superSubs]float32
	var topScale, topMin float32
	for j := range superSubs {
		x := src[32*j : 32*j+32]
		scale[j], minimum[j] = fitAffine(x, 15)
		topScale, topMin = max(topScale, scale[j]), max(topMin, minimum[j])
	}
	d, dmin := roundF16(topScale/63), roundF16(topMin/63)
	putF16(dst, d)
	putF16(dst[2:], dmin)
	packed := dst[4:16]
	clear(packed)
	var codes [superLen]byte
	for j := range superSubs {
		x := src[32*j : 32*j+32]
		sc, mn := bestAffineCodes(x, d, dmin, code6(scale[j], d), code6(minimum[j], dmin), codes[32*j:32*j+32])
		if j < 4 {
			packed[j] |= sc
			packed[j+4] |= mn
		} else {
			packed[j+4] |= sc&15 | mn<<4
			packed[j-4] |= sc >> 4 << 6
			packed[j] |= mn >> 4 << 6
		}
	}
	qs := dst[16:144]
	for j := 0; j < superSubs; j += 2 {
		for i := range 32 {
			qs[16*j+i] = codes[32*j+i] | codes[32*j+32+i]<<4
		}
	}
}

// fitAffine returns the scale s >= 0 and minimum m >= 0 for which the codes q in 0..top minimize sum (x - (s*q - m))².
func fitAffine(x []float32, top int) (s, m float32) {
	lo, hi := min(0, x[0]), x[0]
	n, sx := float32(len(x)), float32(0)
	for _, v := range x {
		lo, hi = min(lo, v), max(hi, v)
		sx += v
	}
	if hi <= lo {
		return 0, -lo
	}
	best := float32(math.Inf(1))
	for k := range steps4K {
		step := (hi - lo) / float32(top) * (low4K + grow4K*float32(k))
		inv := 1 / step
		// Two rounds: the second rounds with the first's fit.
		a, b := step, lo
		for range 2 {
			sq, sqq, sxq := affineSums(x, b, inv, top)
			det := float32(n*sqq) - float32(sq*sq)
			if det <= 0 {
				break
			}
			a, b = (float32(n*sxq)-float32(sq*sx))/det, (float32(sqq*sx)-float32(sq*sxq))/det
			if b > 0 { // the format subtracts a minimum, it can't add one
				a, b = sxq/sqq, 0
			}
			if a <= 0 {
				break
			}
			inv = 1 / a
		}
		if a <= 0 {
			continue
		}
		if e := affineError(x, a, -b, top); e < best {
			best, s, m = e, a, -b
		}
	}
	return s, m
}

// affineSums are the sums of the codes, of their squares and of their products with x. It is small so that all of it stays in registers.
func affineSums(x []float32, b, inv float32, top int) (sq, sqq, sxq float32) {
	var i, ii int
	for _, v := range x {
		q := code(float32((v-b)*inv), 0, top)
		i += q
		ii += q * q
		sxq += float32(v * float32(q))
	}
	return float32(i), float32(ii), sxq
}

func affineError(x []float32, s, m float32, top int) (sum float32) {
	inv := inverse(s)
	for _, v := range x {
		e := v - (float32(s*float32(code(float32((v+m)*inv), 0, top))) - m)
		sum += float32(e * e)
	}
	return sum
}

// bestAffineCodes tries the 6-bit scale and minimum and their neighbours, writes the best one's codes and returns it.
func bestAffineCodes(x []float32, d, dmin float32, sc, mn int, codes []byte) (byte, byte) {
	best, bs, bm := float32(math.Inf(1)), 0, 0
	for s := max(0, sc-1); s <= min(63, sc+1); s++ {
		for m := max(0, mn-1); m <= min(63, mn+1); m++ {
			if e := affineError(x, d*float32(s), dmin*float32(m), 15); e < best {
				best, bs, bm = e, s, m
			}
		}
	}
	s, m := d*float32(bs), dmin*float32(bm)
	inv := inverse(s)
	for i, v := range x {
		codes[i] = byte(code(float32((v+m)*inv), 0, 15))
	}
	return byte(bs), byte(bm)
}

// code6 is v in units of d, as a 6-bit code.
func code6(v, d float32) int {
	return int(min(63, max(0, roundEven(v*inverse(d)))))
}

// quantizeQ6_K encodes 256 weights: per 16 a signed 8-bit scale over fp16 d, codes -32..31.
func quantizeQ6_K(dst []byte, src []float32) {
	const subs, subLen = 16, 16
	var scale [subs]float32
	var top float32
	for j := range subs {
		scale[j] = fitLinear(src[subLen*j:subLen*j+subLen], 32)
		if abs(scale[j]) > abs(top) {
			top = scale[j]
		}
	}
	d := roundF16(top / -128)
	clear(dst)
	putF16(dst[208:], d)
	inv := inverse(d)
	for j := range subs {
		x := src[subLen*j : subLen*j+subLen]
		sc := min(127, max(-128, roundEven(scale[j]*inv)))
		sc = bestLinearScale(x, d, sc, 32)
		dst[192+j] = byte(int8(sc))
		is := inverse(d * sc)
		for i, v := range x {
			q := byte(code(float32(v*is), -32, 31) + 32)
			// Weight 128h+32g+l sits in nibble g>>1 of low byte 64h+32(g&1)+l and in bits 2g of high byte 32h+l.
			at := subLen*j + i
			h, g, l := at/128, at/32%4, at%32
			dst[64*h+32*(g&1)+l] |= q & 15 << (4 * (g >> 1))
			dst[128+32*h+l] |= q >> 4 << (2 * g)
		}
	}
}

// fitLinear returns the scale s, of either sign, for which the codes q in -n..n-1 minimize sum (x - s*q)².
func fitLinear(x []float32, n float32) (s float32) {
	var top float32
	for _, v := range x {
		if abs(v) > abs(top) {
			top = v
		}
	}
	if top == 0 {
		return 0
	}
	best := float32(math.Inf(1))
	for k := -9; k <= 9; k++ {
		inv := -(n + 0.1*float32(k)) / top
		var sxq, sqq float32
		for _, v := range x {
			q := within(float32(v*inv), -n, n-1)
			sxq += float32(v * q)
			sqq += float32(q * q)
		}
		if sqq == 0 {
			continue
		}
		a := sxq / sqq
		if e := linearError(x, a, n); e < best {
			best, s = e, a
		}
	}
	return s
}

func linearError(x []float32, s, n float32) (sum float32) {
	inv := inverse(s)
	for _, v := range x {
		e := v - float32(s*within(float32(v*inv), -n, n-1))
		sum += float32(e * e)
	}
	return sum
}

// bestLinearScale is the 8-bit scale near sc with the least error.
func bestLinearScale(x []float32, d, sc, n float32) float32 {
	best, at := float32(math.Inf(1)), sc
	for s := max(-128, sc-1); s <= min(127, sc+1); s++ {
		if e := linearError(x, d*s, n); e < best {
			best, at = e, s
		}
	}
	return at
}

func roundF16(f float32) float32 { return F16ToF32(F32ToF16(f)) }

// code is the integer nearest to f, the even one of two, within lo and hi. Most of the search is spent here, so it is without branches: f plus
// 1.5*2^23 has the integer in its lowest bits, and its bits as an int32 still tell too large from too small.
func code(f float32, lo, hi int) int {
	return min(hi, max(lo, int(int32(math.Float32bits(float32(f+0x1.8p23))))-magic))
}

// within is code with branches, which is faster where few codes are at the ends.
func within(f, lo, hi float32) float32 {
	switch {
	case f <= lo:
		return lo
	case f >= hi:
		return hi
	}
	return float32(f+0x1.8p23) - 0x1.8p23
}

func roundEven(f float32) float32 { return float32(math.RoundToEven(float64(f))) }
