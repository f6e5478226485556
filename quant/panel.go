package quant

import "unsafe"

// panel4 is one block of four columns for the many-column kernels, which know this layout (192 bytes).
type panel4 struct {
	d    [4]float32
	s    [4]float32
	bias [4]int32
	half [4][2]int16
	q    [blockLen]uint32 // activations by fours: see pack4 and pack4by8
}

// pack4 interleaves four columns by four activations: q[4k+c] is column c's q[4k:4k+4]. A nil column is zeros.
func pack4(panel []byte, cols [][]activation) { fill4(panel, cols, false) }

// pack4by8 interleaves by eight, for SMMLA: q[8k+2c], q[8k+2c+1] are column c's q[8k:8k+8].
func pack4by8(panel []byte, cols [][]activation) { fill4(panel, cols, true) }

func fill4(panel []byte, cols [][]activation, by8 bool) {
	p := unsafe.Slice((*panel4)(unsafe.Pointer(unsafe.SliceData(panel))), len(panel)/int(unsafe.Sizeof(panel4{})))
	for c := range 4 {
		col := cols[c]
		if col == nil {
			for b := range p {
				p[b].d[c], p[b].s[c], p[b].bias[c], p[b].half[c] = 0, 0, magic, [2]int16{}
				for k := range 8 {
					p[b].q[slot4(k, c, by8)] = 0
				}
			}
			continue
		}
		for b := range p {
			a, d := &col[b], &p[b]
			d.d[c], d.s[c], d.bias[c], d.half[c] = a.d, a.s, a.bias, a.half
			q := (*[8]uint32)(unsafe.Pointer(&a.q))
			for k, v := range q {
				d.q[slot4(k, c, by8)] = v
			}
		}
	}
}

// slot4 is where four activations k of column c go.
func slot4(k, c int, by8 bool) int {
	if by8 {
		return k/2*8 + 2*c + k%2
	}
	return 4*k + c
}

// panel8 is one block of eight columns (448 bytes); the biases are spread over the lanes of an accumulator.
type panel8 struct {
	d    [8]float32
	s    [8]float32
	bias [8][4]int32
	q    [2 * blockLen]uint32
}

// pack8 interleaves eight columns by four activations: q[8k+c] is column c's q[4k:4k+4]. A nil column is zeros.
func pack8(panel []byte, cols [][]activation) {
	p := unsafe.Slice((*panel8)(unsafe.Pointer(unsafe.SliceData(panel))), len(panel)/int(unsafe.Sizeof(panel8{})))
	zero := activation{bias: magic}
	for c := range 8 {
		for b := range p {
			a, d := &zero, &p[b]
			if cols[c] != nil {
				a = &cols[c][b]
			}
			d.d[c], d.s[c] = a.d, a.s
			d.bias[c] = [4]int32{a.bias, a.bias, a.bias, a.bias}
			q := (*[8]uint32)(unsafe.Pointer(&a.q))
			for k, v := range q {
				d.q[8*k+c] = v
			}
		}
	}
}

// The assembly has these numbers.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(activation{})-48]
	_ = [1]struct{}{}[unsafe.Sizeof(panel4{})-192]
	_ = [1]struct{}{}[unsafe.Sizeof(panel8{})-448]
)
