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

// The assembly has these numbers.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(activation{})-48]
	_ = [1]struct{}{}[unsafe.Sizeof(panel4{})-192]
)
