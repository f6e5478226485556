package quant

import (
	"encoding/binary"
	"math"
)

// F16ToF32 converts an IEEE 754 binary16; exact.
func F16ToF32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	u := uint32(h&0x7fff) << 13
	if u >= 31<<23 { // Inf, NaN
		return math.Float32frombits(sign | u | 255<<23)
	}
	// The exponent is off by 127-15: a multiplication puts it right for subnormals too.
	return math.Float32frombits(sign | math.Float32bits(math.Float32frombits(u)*0x1p112))
}

// F32ToF16 rounds to the nearest binary16, ties to even; too large becomes an infinity.
func F32ToF16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 255<<23: // NaN: keep the payload's top, stay a NaN
		m := uint16(b>>13) & 0x3ff
		if m == 0 {
			m = 1
		}
		return sign | 0x7c00 | m
	case b >= 143<<23: // 2^16 and above
		return sign | 0x7c00
	case b >= 113<<23: // normal; a carry out of the mantissa is the right exponent, up to infinity
		b += 0xfff + b>>13&1
		return sign | uint16((b>>13)-(112<<10))
	case b < 102<<23: // below half of the smallest subnormal
		return sign
	}
	e := b >> 23
	m := b&0x7fffff | 0x800000
	shift := 126 - e // 14..24
	half := uint32(1) << (shift - 1)
	r := m >> shift
	if rest := m & (1<<shift - 1); rest > half || rest == half && r&1 == 1 {
		r++
	}
	return sign | uint16(r)
}

// BF16ToF32 converts a bfloat16; exact.
func BF16ToF32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// F32ToBF16 rounds to the nearest bfloat16, ties to even, NaNs quieted, as ggml_compute_fp32_to_bf16 does.
func F32ToBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 255<<23 {
		return uint16(b>>16) | 64
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

func f16At(b []byte) float32 { return F16ToF32(binary.LittleEndian.Uint16(b)) }

func putF16(b []byte, f float32) { binary.LittleEndian.PutUint16(b, F32ToF16(f)) }
