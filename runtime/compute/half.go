package compute

import "math"

// ToF16 stores x as IEEE half precision bits, rounded to nearest even.
func ToF16(dst []uint16, x []float32) {
	for i := vecToF16(dst, x); i < len(x); i++ {
		dst[i] = f16(x[i])
	}
}

// FromF16 stores half precision bits as float32.
func FromF16(dst []float32, x []uint16) {
	for i := vecFromF16(dst, x); i < len(x); i++ {
		dst[i] = f32(x[i])
	}
}

func f32(h uint16) float32 {
	sign, mag := uint32(h&0x8000)<<16, uint32(h&0x7fff)<<13
	switch {
	case h&0x7c00 == 0x7c00: // infinity, NaN
		return math.Float32frombits(sign | mag | 0x7f800000)
	default: // 2^112 moves the exponent's bias from 15 to 127; subnormals come out right as well
		f := math.Float32frombits(mag) * 0x1p112
		return math.Float32frombits(sign | math.Float32bits(f))
	}
}

func f16(f float32) uint16 {
	b := math.Float32bits(f)
	sign, mag := uint16(b>>16&0x8000), b&0x7fffffff
	switch {
	case mag > 0x7f800000:
		return sign | 0x7e00 | uint16(mag>>13&0x3ff)
	case mag >= 0x477ff000: // rounds to 65536 or more
		return sign | 0x7c00
	case mag < 0x38800000: // subnormal: adding 0.5 leaves the rounded bits at the bottom of the mantissa
		return sign | uint16(math.Float32bits(math.Float32frombits(mag)+0.5)-0x3f000000)
	default:
		return sign | uint16((mag-0x38000000+0xfff+mag>>13&1)>>13)
	}
}
