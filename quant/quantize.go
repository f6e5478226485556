package quant

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Quantize encodes src into dst, which must have exactly t.RowBytes(len(src)) bytes. Types: F32, F16, BF16, Q8_0, Q5_1,
// Q5_0, Q4_1 and Q4_0, whose bytes equal gguf.quants.quantize's, and Q4_K and Q6_K, which that package can't write. A
// NaN or an infinity in src is an error for the block types, which can't hold one.
func Quantize(t Type, dst []byte, src []float32) error {
	n := t.BlockLen()
	if n == 0 || len(src)%n != 0 || len(dst) != t.RowBytes(len(src)) {
		return fmt.Errorf("quant: %d weights don't make %d bytes of %v", len(src), len(dst), t)
	}
	if n > 1 {
		for i, f := range src {
			if math.Float32bits(f)&0x7f800000 == 0x7f800000 {
				return fmt.Errorf("quant: weight %d is %v, which %v can't hold", i, f, t)
			}
		}
	}
	switch t {
	case F32:
		for i, f := range src {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(f))
		}
	case F16:
		for i, f := range src {
			putF16(dst[2*i:], f)
		}
	case BF16:
		for i, f := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], F32ToBF16(f))
		}
	case Q4_0:
		eachBlock(dst, src, bytesQ4_0, quantizeQ4_0)
	case Q4_1:
		eachBlock(dst, src, bytesQ4_1, quantizeQ4_1)
	case Q5_0:
		eachBlock(dst, src, bytesQ5_0, quantizeQ5_0)
	case Q5_1:
		eachBlock(dst, src, bytesQ5_1, quantizeQ5_1)
	case Q8_0:
		eachBlock(dst, src, bytesQ8_0, quantizeQ8_0)
	case Q4_K:
		eachBlock(dst, src, bytesQ4_K, quantizeQ4_K)
	case Q6_K:
		eachBlock(dst, src, bytesQ6_K, quantizeQ6_K)
	default:
		return fmt.Errorf("quant: can't encode %v: use F32, F16, BF16, Q8_0, Q6_K, Q4_K, or Q5 or Q4 with _0 or _1", t)
	}
	return nil
}

func eachBlock(dst []byte, src []float32, size int, f func(dst []byte, src []float32)) {
	if len(src) == 0 {
		return
	}
	n := len(src) / (len(dst) / size)
	for ; len(src) > 0; dst, src = dst[size:], src[n:] {
		f(dst[:size:size], src[:n:n])
	}
}

// inverse is 1/d, and 0 where that is infinite: such a d is 0 as an fp16, whatever the weights are.
func inverse(d float32) float32 {
	if abs(d) < 0x1p-126 {
		return 0
	}
	return 1 / d
}

// symmetric returns the codes 0 ... 2n-1 of 32 weights whose value of largest magnitude (the first of equals) becomes -n,
// stored with n added, and their scale.
func symmetric(src []float32, n float32) (q [blockLen]byte, d float32) {
	var top, amax float32
	for _, v := range src {
		if a := abs(v); a > amax {
			amax, top = a, v
		}
	}
	d = top / -n
	id := inverse(d)
	for i, v := range src[:blockLen] {
		q[i] = min(byte(2*n-1), uint8(float32(v*id)+(n+0.5)))
	}
	return q, d
}

// affine returns the codes 0 ... top of 32 weights, their scale and the smallest weight, which is code 0.
func affine(src []float32, top float32) (q [blockLen]byte, d, lo float32) {
	lo, hi := src[0], src[0]
	for _, v := range src[1:] {
		lo, hi = min(lo, v), max(hi, v)
	}
	d = (hi - lo) / top
	id := inverse(d)
	for i, v := range src[:blockLen] {
		q[i] = min(byte(top), uint8(float32((v-lo)*id)+0.5))
	}
	return q, d, lo
}

// putNibbles packs the low four bits of 32 codes: those of code i+16 above those of code i.
func putNibbles(dst []byte, q *[blockLen]byte) {
	for i := range 16 {
		dst[i] = q[i]&15 | q[i+16]<<4
	}
}

// putFifthBits packs the fifth bits of 32 codes, code i's as bit i.
func putFifthBits(dst []byte, q *[blockLen]byte) {
	var h uint32
	for i, v := range q {
		h |= uint32(v>>4) << i
	}
	binary.LittleEndian.PutUint32(dst, h)
}

func quantizeQ4_0(dst []byte, src []float32) {
	q, d := symmetric(src, 8)
	putF16(dst, d)
	putNibbles(dst[2:], &q)
}

func quantizeQ4_1(dst []byte, src []float32) {
	q, d, lo := affine(src, 15)
	putF16(dst, d)
	putF16(dst[2:], lo)
	putNibbles(dst[4:], &q)
}

func quantizeQ5_0(dst []byte, src []float32) {
	q, d := symmetric(src, 16)
	putF16(dst, d)
	putFifthBits(dst[2:], &q)
	putNibbles(dst[6:], &q)
}

func quantizeQ5_1(dst []byte, src []float32) {
	q, d, lo := affine(src, 31)
	putF16(dst, d)
	putF16(dst[2:], lo)
	putFifthBits(dst[4:], &q)
	putNibbles(dst[8:], &q)
}

func quantizeQ8_0(dst []byte, src []float32) {
	var amax float32
	for _, v := range src {
		amax = max(amax, abs(v))
	}
	d := amax / 127
	id := inverse(d)
	putF16(dst, d)
	for i, v := range src {
		dst[2+i] = byte(roundAway(v * id))
	}
}

// roundAway rounds half away from zero, as C's roundf.
func roundAway(v float32) int8 {
	a := float64(abs(v))
	f := math.Floor(a)
	f += math.Floor(2 * (a - f))
	if v < 0 {
		f = -f
	}
	return int8(f)
}

func abs(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }
