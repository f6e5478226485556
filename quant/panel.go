package quant

import "unsafe"

// panel4 is one block of four columns for the many-column kernels, which know this layout (192 bytes).
type panel4 struct {
	d    [4]float32
	s    [4]float32
	bias [4]int32
	half [4][2]int16
	q    [blockLen]uint32 // activations by fours: q[4k+c] is column c's q[4k:4k+4]
}

// pack4 interleaves four columns of equally many blocks. A nil column is zeros.
func pack4(panel []byte, cols [][]activation) {
	p := unsafe.Slice((*panel4)(unsafe.Pointer(unsafe.SliceData(panel))), len(panel)/int(unsafe.Sizeof(panel4{})))
	for c := range 4 {
		col := cols[c]
		if col == nil {
			for b := range p {
				p[b].d[c], p[b].s[c], p[b].bias[c], p[b].half[c] = 0, 0, magic, [2]int16{}
				for k := range 8 {
					p[b].q[4*k+c] = 0
				}
			}
			continue
		}
		for b := range p {
			a, d := &col[b], &p[b]
			d.d[c], d.s[c], d.bias[c], d.half[c] = a.d, a.s, a.bias, a.half
			for k, v := range a.fours() {
				d.q[4*k+c] = v
			}
		}
	}
}

// fours are the quants by four, in memory's order.
func (a *activation) fours() *[8]uint32 { return (*[8]uint32)(unsafe.Pointer(&a.q)) }

// The assembly has these numbers.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(activation{})-48]
	_ = [1]struct{}{}[unsafe.Sizeof(panel4{})-192]
)
