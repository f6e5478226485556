package quant

import (
	"encoding/binary"
)

// A layout is the order in which the integer kernels read weights: groups of 8 rows x 32 weights (256 for the K formats), one group after the
// other along the row, then the next 8 rows. All instruction sets share it. A group begins with its rows' scales
// (fp16), then their minima where the format has them, then chunks of 8 rows x 4 bytes. Rows past the last are zeros.
//
// In a nibble chunk k the low nibbles are weights 4k..4k+3, the high ones 16+4k..16+4k+3; in a byte chunk k they are
// weights 4k..4k+3.
type layout uint8

const (
	layoutNone layout = iota // not repacked: decoded row by row
	layoutQ4_0               // 8 d, 4 nibble chunks; w = d*(q-8)
	layoutQ4_1               // 8 d, 8 m, 4 nibble chunks; w = d*q + m
	layoutQ8_0               // 8 d, 8 byte chunks, signed; w = d*q
	layoutQ8_1               // 8 d, 8 m, 8 byte chunks, signed; w = d*q + m
	layoutQ4_K               // see layout_k.go
	layoutQ5_K
	layoutQ6_K
	layouts // those whose kernels are in kernels.ints

	layoutInt8     // see int8.go
	layoutInt8Wide // see int8wide.go
)

const (
	groupRows  = 8
	groupQ4_0  = 16 + 128
	groupQ4_1  = 16 + 16 + 128
	groupQ8_0  = 16 + 256
	groupQ8_1  = 16 + 16 + 256
	chunkBytes = groupRows * 4
)

// layoutOf says how weights of type t are kept.
func layoutOf(t Type) layout {
	switch t {
	case Q4_0:
		return layoutQ4_0
	case Q4_1:
		return layoutQ4_1
	case Q8_0, Q5_0:
		return layoutQ8_0
	case Q5_1:
		return layoutQ8_1
	case Q4_K:
		return layoutQ4_K
	case Q5_K:
		return layoutQ5_K
	case Q6_K:
		return layoutQ6_K
	case Int8:
		return layoutInt8
	case Int8Wide:
		return layoutInt8Wide
	}
	return layoutNone
}

// groupBytes is the size of a group.
func (l layout) groupBytes() int {
	switch l {
	case layoutQ4_0:
		return groupQ4_0
	case layoutQ4_1:
		return groupQ4_1
	case layoutQ8_0:
		return groupQ8_0
	case layoutQ8_1:
		return groupQ8_1
	case layoutQ4_K:
		return groupQ4_K
	case layoutQ5_K:
		return groupQ5_K
	case layoutQ6_K:
		return groupQ6_K
	case layoutInt8:
		return groupInt8
	}
	return 0
}

// blocks is the number of blocks of 32 weights a row that a group holds.
func (l layout) blocks() int {
	if l >= layoutQ4_K && l <= layoutQ6_K {
		return superSubs
	}
	return 1
}

// chunksAt is where a group's chunks begin.
func (l layout) chunksAt() int {
	switch l {
	case layoutQ4_1, layoutQ8_1:
		return 32
	}
	return 16
}

// repack writes rows of type t (row-major blocks) as groups. dst must be zeroed where rows is no multiple of 8.
func repack(l layout, t Type, dst, src []byte, rows, cols int) {
	if l.blocks() > 1 {
		repackK(l, dst, src, rows, cols)
		return
	}
	nb, size := cols/blockLen, t.BlockBytes()
	for row := range rows {
		r := row % groupRows
		for b := range nb {
			s := src[(row*nb+b)*size:][:size]
			g := dst[(row/groupRows*nb+b)*l.groupBytes():][:l.groupBytes()]
			chunks := g[l.chunksAt():]
			copy(g[2*r:2*r+2], s[:2])
			switch t {
			case Q4_0:
				for k := range 4 {
					copy(chunks[k*chunkBytes+4*r:][:4], s[2+4*k:])
				}
			case Q4_1:
				copy(g[16+2*r:16+2*r+2], s[2:4])
				for k := range 4 {
					copy(chunks[k*chunkBytes+4*r:][:4], s[4+4*k:])
				}
			case Q8_0:
				for k := range 8 {
					copy(chunks[k*chunkBytes+4*r:][:4], s[2+4*k:])
				}
			case Q5_0:
				high := binary.LittleEndian.Uint32(s[2:])
				for i, q := range s[6:22] {
					chunks[i/4*chunkBytes+4*r+i%4] = q&15 | byte(high>>i&1)<<4 - 16
					chunks[(4+i/4)*chunkBytes+4*r+i%4] = q>>4 | byte(high>>(i+16)&1)<<4 - 16
				}
			case Q5_1:
				copy(g[16+2*r:16+2*r+2], s[2:4])
				high := binary.LittleEndian.Uint32(s[4:])
				for i, q := range s[8:24] {
					chunks[i/4*chunkBytes+4*r+i%4] = q&15 | byte(high>>i&1)<<4
					chunks[(4+i/4)*chunkBytes+4*r+i%4] = q>>4 | byte(high>>(i+16)&1)<<4
				}
			}
		}
	}
}

// unpackRow decodes one row of a group sequence; the values equal those of Dequantize. groups begins with the row's
// 8-row group, r is the row in it.
func unpackRow(l layout, dst []float32, groups []byte, r int) {
	if l.blocks() > 1 {
		unpackRowK(l, dst, groups, r)
		return
	}
	size := l.groupBytes()
	for b := 0; b < len(dst)/blockLen; b++ {
		g := groups[b*size:][:size]
		out := dst[b*blockLen:][:blockLen]
		chunks := g[l.chunksAt():]
		d := f16At(g[2*r:])
		var m float32
		if l == layoutQ4_1 || l == layoutQ8_1 {
			m = f16At(g[16+2*r:])
		}
		switch l {
		case layoutQ4_0, layoutQ4_1:
			zero := 0
			if l == layoutQ4_0 {
				zero = 8
			}
			for i := range 16 {
				q := int(chunks[i/4*chunkBytes+4*r+i%4])
				out[i] = d * float32(q&15-zero)
				out[i+16] = d * float32(q>>4-zero)
			}
		case layoutQ8_0, layoutQ8_1:
			for i := range out {
				out[i] = d * float32(int8(chunks[i/4*chunkBytes+4*r+i%4]))
			}
		}
		if l == layoutQ4_1 || l == layoutQ8_1 {
			for i := range out {
				out[i] += m
			}
		}
	}
}

// checkWeights names the first scale of a block format, or the first value of a float format, that is a NaN or an
// infinity; -1 if there is none.
func checkWeights(t Type, data []byte) (block int) {
	bad16 := func(off int) bool { return binary.LittleEndian.Uint16(data[off:])&0x7c00 == 0x7c00 }
	n := t.BlockBytes()
	for i := 0; i < len(data); i += n {
		var bad bool
		switch t {
		case F32:
			bad = binary.LittleEndian.Uint32(data[i:])&hugeBits == hugeBits
		case BF16:
			bad = binary.LittleEndian.Uint16(data[i:])&0x7f80 == 0x7f80
		case F16, Q4_0, Q5_0, Q8_0:
			bad = bad16(i)
		case Q4_1, Q5_1, Q4_K, Q5_K:
			bad = bad16(i) || bad16(i+2)
		case Q6_K:
			bad = bad16(i + bytesQ6_K - 2)
		}
		if bad {
			return i / n
		}
	}
	return -1
}
