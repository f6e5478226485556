package quant

// Groups of the K formats hold 8 rows x 256 weights: 8 sub-blocks of 32.
//
//	Q4_K, Q5_K: 8 d, 8 dmin (fp16); 8 sub-blocks x 8 rows of scales, then of minima (a byte each); then per sub-block 4
//	  nibble chunks, and for Q5_K 32 bytes of fifth bits: bit k of byte 4r+i is weight 4k+i of row r
//	Q6_K: 8 d; per sub-block 8 rows of scales for its first 16 weights, then for the others (signed bytes); then per
//	  sub-block 4 nibble chunks and 2 x 32 bytes of high bits: bits 2k of byte 4r+i are weight 4k+i of row r, in the
//	  first 32 bytes; weight 16+4k+i in the others
//
// The 6-bit scales and minima of Q4_K and Q5_K are spread to bytes: a group is 1184 bytes where the file has 1152.
const (
	groupQ4_K = 16 + 16 + 64 + 64 + superSubs*128
	groupQ5_K = 16 + 16 + 64 + 64 + superSubs*(128+32)
	groupQ6_K = 16 + 128 + superSubs*(128+64)

	scalesAtK = 32 // of Q4_K and Q5_K
	minimaAtK = 96
	chunksAtK = 160
	scalesAt6 = 16 // of Q6_K
	chunksAt6 = 144
)

// subQuants are the 32 unsigned quants of sub-block j of a block in the file.
func subQuants(l layout, s []byte, j int) (q [blockLen]byte) {
	switch l {
	case layoutQ4_K:
		for i, b := range s[16+j/2*32:][:32] {
			q[i] = b >> (4 * (j & 1)) & 15
		}
	case layoutQ5_K:
		for i, b := range s[48+j/2*32:][:32] {
			q[i] = b>>(4*(j&1))&15 | s[16+i]>>j&1<<4
		}
	case layoutQ6_K:
		for i, b := range s[64*(j/4)+32*(j&1):][:32] {
			q[i] = b>>(4*(j>>1&1))&15 | s[128+32*(j/4)+i]>>(2*(j&3))&3<<4
		}
	}
	return q
}

// subStride is the size of a sub-block's chunks and high bits in a group; subAt where the first begins.
func (l layout) subStride() int {
	switch l {
	case layoutQ5_K:
		return 160
	case layoutQ6_K:
		return 192
	}
	return 128
}

func (l layout) subAt() int {
	if l == layoutQ6_K {
		return chunksAt6
	}
	return chunksAtK
}

// repackK is repack for the K formats.
func repackK(l layout, dst, src []byte, rows, cols int) {
	var t = map[layout]Type{layoutQ4_K: Q4_K, layoutQ5_K: Q5_K, layoutQ6_K: Q6_K}[l]
	ns, size := cols/superLen, t.BlockBytes()
	for row := range rows {
		r := row % groupRows
		for b := range ns {
			s := src[(row*ns+b)*size:][:size]
			g := dst[(row/groupRows*ns+b)*l.groupBytes():][:l.groupBytes()]
			if l == layoutQ6_K {
				copy(g[2*r:2*r+2], s[208:210])
			} else {
				copy(g[2*r:2*r+2], s[:2])
				copy(g[16+2*r:16+2*r+2], s[2:4])
			}
			for j := range superSubs {
				if l == layoutQ6_K {
					g[scalesAt6+16*j+r] = s[192+2*j]
					g[scalesAt6+16*j+8+r] = s[193+2*j]
				} else {
					g[scalesAtK+8*j+r], g[minimaAtK+8*j+r] = scaleMinK(s[4:16], j)
				}
				packSub(l, g[l.subAt()+l.subStride()*j:][:l.subStride()], subQuants(l, s, j), r)
			}
		}
	}
}

// packSub writes row r's 32 quants into a sub-block's chunks and high bits.
func packSub(l layout, c []byte, q [blockLen]byte, r int) {
	for i := range 16 {
		c[i/4*chunkBytes+4*r+i%4] = q[i]&15 | q[i+16]&15<<4
	}
	for i, v := range q {
		switch l {
		case layoutQ5_K:
			c[128+4*r+i%4] |= v >> 4 << (i / 4)
		case layoutQ6_K:
			c[128+i/16*32+4*r+i%4] |= v >> 4 << (2 * (i % 16 / 4))
		}
	}
}

// unpackSub is packSub's inverse.
func unpackSub(l layout, c []byte, r int) (q [blockLen]byte) {
	for i := range 16 {
		b := c[i/4*chunkBytes+4*r+i%4]
		q[i], q[i+16] = b&15, b>>4
	}
	for i := range q {
		switch l {
		case layoutQ5_K:
			q[i] |= c[128+4*r+i%4] >> (i / 4) & 1 << 4
		case layoutQ6_K:
			q[i] |= c[128+i/16*32+4*r+i%4] >> (2 * (i % 16 / 4)) & 3 << 4
		}
	}
	return q
}

// unpackRowK is unpackRow for the K formats.
func unpackRowK(l layout, dst []float32, groups []byte, r int) {
	for ; len(dst) > 0; dst, groups = dst[superLen:], groups[l.groupBytes():] {
		d, dmin := f16At(groups[2*r:]), float32(0)
		if l != layoutQ6_K {
			dmin = f16At(groups[16+2*r:])
		}
		for j := range superSubs {
			out := dst[blockLen*j:][:blockLen]
			q := unpackSub(l, groups[l.subAt()+l.subStride()*j:], r)
			if l == layoutQ6_K {
				for i := range out {
					sc := int8(groups[scalesAt6+16*j+i/16*8+r])
					out[i] = d * float32(sc) * float32(int(q[i])-32)
				}
				continue
			}
			ds, dm := d*float32(groups[scalesAtK+8*j+r]), dmin*float32(groups[minimaAtK+8*j+r])
			for i := range out {
				out[i] = float32(ds*float32(q[i])) - dm
			}
		}
	}
}
