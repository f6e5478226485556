package mjpeg

// The inverse DCT is that of image/jpeg (Go 1.26), to the bit: a flow graph after Loeffler, Ligtenberg and Moschytz with three
// multiplications for each rotation, rows first, then columns. What is known to be zero is left out of it.

// A rotation by k cos and k sin takes x, y to (x+y)*cos + y*a and (x+y)*cos + x*b, where each is in fixed point.
const (
	cosR18, aR18, bR18 = 70936, -242190, 100318 // 6 pi/16 by 1/sqrt 2, 18 bits
	cosR12, aR12, bR12 = 1108, -3784, 1568      // the same, 12 bits
	cosP, aP, bP       = 3406, -5682, -1130     // 3 pi/16, 12 bits
	cosQ, aQ, bQ       = 4017, -4816, -3218     // 1 pi/16, 12 bits
	half8, half14      = 181, 11585             // 1/sqrt 2, 8 and 14 bits
)

const firstRow = 0x0101010101010101 // of a block's places

// idct writes a block's 8x8 samples to dst, whose rows are stride apart, and makes c zero. c stands column by column; set has a
// bit for each place in it that is not zero, and for the first.
func idct(c *[64]int32, set uint64, dst []byte, stride int) {
	if set == 1 {
		flat(dst, stride, sample((c[0]<<17+1<<19)>>20))
		c[0] = 0
		return
	}
	if !vecIDCT(c, dst, stride) {
		portableIDCT(c, set, dst, stride)
	}
}

func portableIDCT(c *[64]int32, set uint64, dst []byte, stride int) {
	for y := range 8 {
		row := set >> y & firstRow
		x := c[y:][:57:57]
		switch row {
		case 0:
			continue
		case 1:
			v := x[0] << 17
			x[0], x[8], x[16], x[24], x[32], x[40], x[48], x[56] = v, v, v, v, v, v, v, v
			continue
		}
		x0, x2, x1, x3 := x[0]<<17, x[16], x[32]<<17, x[48]
		x0, x1 = x0+x1, x0-x1
		k := cosR18 * (x2 + x3)
		x2, x3 = k+aR18*x3, k+bR18*x2
		x1, x2 = x1+x2, x1-x2
		x0, x3 = x0+x3, x0-x3

		x7, x5, x6, x4 := x[8]<<7, half8*x[24], half8*x[40], x[56]<<7
		x7, x4 = x7+x4, x7-x4
		x7, x5 = x7+x5, x7-x5
		x4, x6 = x4+x6, x4-x6
		x4, x7, x5, x6 = x4>>2, x7>>2, x5>>2, x6>>2
		k = cosP * (x4 + x7)
		x4, x7 = k+aP*x7, k+bP*x4
		k = cosQ * (x5 + x6)
		x5, x6 = k+aQ*x6, k+bQ*x5

		x[0], x[56] = x0+x7, x0-x7
		x[8], x[48] = x1+x6, x1-x6
		x[16], x[40] = x2+x5, x2-x5
		x[24], x[32] = x3+x4, x3-x4
	}
	if set&^firstRow == 0 {
		// The rows below are zero, and so all come out alike.
		var line [8]byte
		for x := range line {
			line[x] = sample((c[8*x] + 1<<19) >> 20)
		}
		for y := range 8 {
			copy(dst[y*stride:][:8], line[:])
		}
		*c = [64]int32{}
		return
	}
	for i := range 8 {
		x := c[8*i:][:8:8]
		x0, x2, x1, x3 := x[0]+1<<19, x[2]>>13, x[4], x[6]>>13
		x0, x1 = (x0+x1)>>2, (x0-x1)>>2
		k := cosR12 * (x2 + x3)
		x2, x3 = k+aR12*x3, k+bR12*x2
		x1, x2 = x1+x2, x1-x2
		x0, x3 = x0+x3, x0-x3

		x7, x5, x6, x4 := x[1], half14*(x[3]>>13), half14*(x[5]>>13), x[7]
		x7, x4 = x7+x4, x7-x4
		x7, x5 = x7+x5, x7-x5
		x4, x6 = x4+x6, x4-x6
		x4, x7, x5, x6 = x4>>14, x7>>14, x5>>14, x6>>14
		k = cosP * (x4 + x7)
		x4, x7 = k+aP*x7, k+bP*x4
		k = cosQ * (x5 + x6)
		x5, x6 = k+aQ*x6, k+bQ*x5

		dst[i] = sample((x0 + x7) >> 18)
		dst[stride+i] = sample((x1 + x6) >> 18)
		dst[2*stride+i] = sample((x2 + x5) >> 18)
		dst[3*stride+i] = sample((x3 + x4) >> 18)
		dst[4*stride+i] = sample((x3 - x4) >> 18)
		dst[5*stride+i] = sample((x2 - x5) >> 18)
		dst[6*stride+i] = sample((x1 - x6) >> 18)
		dst[7*stride+i] = sample((x0 - x7) >> 18)
	}
	*c = [64]int32{}
}

func flat(dst []byte, stride int, v uint8) {
	line := [8]byte{v, v, v, v, v, v, v, v}
	for y := range 8 {
		copy(dst[y*stride:][:8], line[:])
	}
}

// sample is what stands for a brightness or colour around 0.
func sample(v int32) uint8 {
	if v += 128; uint32(v) > 255 {
		return uint8(^v >> 31)
	}
	return uint8(v)
}
