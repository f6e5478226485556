// Package jpeg decodes JPEG to the very samples that libjpeg-turbo, and so PIL
// and OpenCV, decode: image/jpeg's inverse DCT rounds 1 % of them otherwise.
//
// reader.go, scan.go and huffman.go are image/jpeg of Go 1.26 (BSD licence, in
// LICENSE-Go), with image.RegisterFormat and the deprecated Reader taken out and
// image/draw in the place of an internal package. This file is edgevlm's.
package jpeg

const blockSize = 8 * 8

type block [blockSize]int32

// The constants of libjpeg's jidctint.c, times 2^13.
const (
	fix0298631336 = 2446
	fix0390180644 = 3196
	fix0541196100 = 4433
	fix0765366865 = 6270
	fix0899976223 = 7373
	fix1175875602 = 9633
	fix1501321110 = 12299
	fix1847759065 = 15137
	fix1961570560 = 16069
	fix2053119869 = 16819
	fix2562915447 = 20995
	fix3072711026 = 25172

	constBits = 13
	pass1Bits = 2
)

// idct is libjpeg's accurate integer inverse DCT (jidctint.c, JDCT_ISLOW):
// columns first, then rows, on dequantised coefficients in natural order. The
// result is not yet shifted by 128 and may lie outside a byte.
func idct(b *block) {
	for i := range 8 {
		c := b[i:][:57]
		if c[8]|c[16]|c[24]|c[32]|c[40]|c[48]|c[56] == 0 {
			dc := c[0] << pass1Bits
			c[0], c[8], c[16], c[24], c[32], c[40], c[48], c[56] = dc, dc, dc, dc, dc, dc, dc, dc
			continue
		}
		e0, e1, e2, e3, o0, o1, o2, o3 := butterfly(c[0], c[8], c[16], c[24], c[32], c[40], c[48], c[56])
		const shift = constBits - pass1Bits
		const half = 1 << (shift - 1)
		c[0], c[56] = (e0+o0+half)>>shift, (e0-o0+half)>>shift
		c[8], c[48] = (e1+o1+half)>>shift, (e1-o1+half)>>shift
		c[16], c[40] = (e2+o2+half)>>shift, (e2-o2+half)>>shift
		c[24], c[32] = (e3+o3+half)>>shift, (e3-o3+half)>>shift
	}
	for i := range 8 {
		r := b[8*i:][:8]
		e0, e1, e2, e3, o0, o1, o2, o3 := butterfly(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7])
		const shift = constBits + pass1Bits + 3
		const half = 1 << (shift - 1)
		r[0], r[7] = (e0+o0+half)>>shift, (e0-o0+half)>>shift
		r[1], r[6] = (e1+o1+half)>>shift, (e1-o1+half)>>shift
		r[2], r[5] = (e2+o2+half)>>shift, (e2-o2+half)>>shift
		r[3], r[4] = (e3+o3+half)>>shift, (e3-o3+half)>>shift
	}
}

// butterfly is the one-dimensional transform, scaled by 2^13: output k is
// ek+ok, output 7-k is ek-ok.
func butterfly(x0, x1, x2, x3, x4, x5, x6, x7 int32) (e0, e1, e2, e3, o0, o1, o2, o3 int32) {
	z1 := (x2 + x6) * fix0541196100
	t2 := z1 - x6*fix1847759065
	t3 := z1 + x2*fix0765366865
	t0, t1 := (x0+x4)<<constBits, (x0-x4)<<constBits

	z5 := (x7 + x3 + x5 + x1) * fix1175875602
	z1 = -(x7 + x1) * fix0899976223
	z2 := -(x5 + x3) * fix2562915447
	z3 := z5 - (x7+x3)*fix1961570560
	z4 := z5 - (x5+x1)*fix0390180644
	return t0 + t3, t1 + t2, t1 - t2, t0 - t3,
		x1*fix1501321110 + z1 + z4,
		x3*fix3072711026 + z2 + z3,
		x5*fix2053119869 + z2 + z4,
		x7*fix0298631336 + z1 + z3
}
