package quant

import "unsafe"

// pack4by8 interleaves by eight, for SMMLA: q[8k+2c], q[8k+2c+1] are column c's q[8k:8k+8].
func pack4by8(panel []byte, cols [][]activation) { fill4(panel, cols, true) }

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

var _ = [1]struct{}{}[unsafe.Sizeof(panel8{})-448]
