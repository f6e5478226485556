package quant

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Dequantize decodes len(dst) weights of src. src must hold exactly that many, in whole blocks. The result equals
// gguf.quants.dequantize bit for bit.
func Dequantize(t Type, dst []float32, src []byte) error {
	if !t.Known() {
		return fmt.Errorf("quant: can't decode %v: convert the file to one of %v", t, Types())
	}
	if len(dst)%t.BlockLen() != 0 || len(src) != t.RowBytes(len(dst)) {
		return fmt.Errorf("quant: %d bytes of %v don't make %d weights", len(src), t, len(dst))
	}
	dequantize(t, dst, src)
	return nil
}

// dequantize is Dequantize on checked arguments.
func dequantize(t Type, dst []float32, src []byte) {
	switch t {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
		return
	case F16:
		for i := range dst {
			dst[i] = f16At(src[2*i:])
		}
		return
	case BF16:
		for i := range dst {
			dst[i] = BF16ToF32(binary.LittleEndian.Uint16(src[2*i:]))
		}
		return
	}
	n, size := t.BlockLen(), t.BlockBytes()
	for len(dst) > 0 {
		d, b := dst[:n:n], src[:size:size]
		switch t {
		case Q4_0:
			dequantizeQ4_0(d, b)
		case Q4_1:
			dequantizeQ4_1(d, b)
		case Q5_0:
			dequantizeQ5_0(d, b)
		case Q5_1:
			dequantizeQ5_1(d, b)
		case Q8_0:
			dequantizeQ8_0(d, b)
		case Q4_K:
			dequantizeQ4_K(d, b)
		case Q5_K:
			dequantizeQ5_K(d, b)
		case Q6_K:
			dequantizeQ6_K(d, b)
		}
		dst, src = dst[n:], src[size:]
	}
}

// Every product below is written float32(a*b): without it Go may fuse it with the sum that follows on arm64, and the
// result would no longer be the reference's.

// dequantizeQ4_0: fp16 d, 16 bytes: low nibbles are weights 0-15, high nibbles 16-31; w = d*(q-8).
func dequantizeQ4_0(dst []float32, b []byte) {
	d := f16At(b)
	for i, q := range b[2:18] {
		dst[i] = d * float32(int(q&15)-8)
		dst[i+16] = d * float32(int(q>>4)-8)
	}
}

// dequantizeQ4_1: fp16 d and m, nibbles as Q4_0; w = d*q + m.
func dequantizeQ4_1(dst []float32, b []byte) {
	d, m := f16At(b), f16At(b[2:])
	for i, q := range b[4:20] {
		dst[i] = float32(d*float32(q&15)) + m
		dst[i+16] = float32(d*float32(q>>4)) + m
	}
}

// dequantizeQ5_0: fp16 d, the 32 fifth bits, nibbles as Q4_0; w = d*(q-16).
func dequantizeQ5_0(dst []float32, b []byte) {
	d, h := f16At(b), binary.LittleEndian.Uint32(b[2:])
	for i, q := range b[6:22] {
		dst[i] = d * float32(int(q&15|byte(h>>i&1)<<4)-16)
		dst[i+16] = d * float32(int(q>>4|byte(h>>(i+16)&1)<<4)-16)
	}
}

// dequantizeQ5_1: fp16 d and m, the 32 fifth bits, nibbles as Q4_0; w = d*q + m.
func dequantizeQ5_1(dst []float32, b []byte) {
	d, m, h := f16At(b), f16At(b[2:]), binary.LittleEndian.Uint32(b[4:])
	for i, q := range b[8:24] {
		dst[i] = float32(d*float32(q&15|byte(h>>i&1)<<4)) + m
		dst[i+16] = float32(d*float32(q>>4|byte(h>>(i+16)&1)<<4)) + m
	}
}

// dequantizeQ8_0: fp16 d, 32 signed bytes; w = d*q.
func dequantizeQ8_0(dst []float32, b []byte) {
	d := f16At(b)
	for i, q := range b[2:34] {
		dst[i] = float32(int8(q)) * d
	}
}

// scaleMinK unpacks the 6-bit scale and minimum of sub-block j (0-7) from the 12 bytes that Q4_K and Q5_K share.
func scaleMinK(s []byte, j int) (scale, minimum byte) {
	if j < 4 {
		return s[j] & 63, s[j+4] & 63
	}
	return s[j+4]&15 | s[j-4]>>2&0x30, s[j+4]>>4 | s[j]>>2&0x30
}

// dequantizeQ4_K: fp16 d and dmin, 8 six-bit scales and minima, then 4 times 32 bytes: the low nibbles of each are one
// sub-block of 32, the high nibbles the next; w = d*scale*q - dmin*min.
func dequantizeQ4_K(dst []float32, b []byte) {
	d, dmin := f16At(b), f16At(b[2:])
	for j := range superSubs {
		sc, mn := scaleMinK(b[4:16], j)
		ds, dm := d*float32(sc), dmin*float32(mn)
		shift := 4 * (j & 1)
		qs := b[16+j/2*32:][:32]
		out := dst[32*j:][:32]
		for i, q := range qs {
			out[i] = float32(ds*float32(q>>shift&15)) - dm
		}
	}
}

// dequantizeQ5_K: as Q4_K with 32 bytes of fifth bits before the nibbles: bit j of byte i belongs to sub-block j.
func dequantizeQ5_K(dst []float32, b []byte) {
	d, dmin := f16At(b), f16At(b[2:])
	qh := b[16:48]
	for j := range superSubs {
		sc, mn := scaleMinK(b[4:16], j)
		ds, dm := d*float32(sc), dmin*float32(mn)
		shift := 4 * (j & 1)
		qs := b[48+j/2*32:][:32]
		out := dst[32*j:][:32]
		for i, q := range qs {
			out[i] = float32(ds*float32(q>>shift&15|qh[i]>>j&1<<4)) - dm
		}
	}
}

// dequantizeQ6_K: 128 bytes of low nibbles, 64 of two high bits, 16 signed scales (one per 16 weights), fp16 d;
// w = d*scale*(q-32). Sub-block j of 32 takes nibbles from bytes 64*(j/4)+32*(j&1), the high ones where j&2 is set, and
// bits 2*(j&3) of bytes 32*(j/4) of the high part.
func dequantizeQ6_K(dst []float32, b []byte) {
	d := f16At(b[208:])
	for j := range superSubs {
		ql := b[64*(j/4)+32*(j&1):][:32]
		qh := b[128+32*(j/4):][:32]
		shiftL, shiftH := 4*(j>>1&1), 2*(j&3)
		d0 := d * float32(int8(b[192+2*j]))
		d1 := d * float32(int8(b[193+2*j]))
		out := dst[32*j:][:32]
		for i := range out {
			q := float32(int(ql[i]>>shiftL&15|qh[i]>>shiftH&3<<4) - 32)
			if i < 16 {
				out[i] = d0 * q
			} else {
				out[i] = d1 * q
			}
		}
	}
}
