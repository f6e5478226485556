package quant

import "unsafe"

// panel8 is one block of eight columns for SDOT (448 bytes); the biases are spread over the lanes of an accumulator.
type panel8 struct {
	d    [8]float32
	s    [8]float32
	bias [8][4]int32
	q    [2 * blockLen]uint32 // q[8k+c] is column c's q[4k:4k+4]
}

// panel8K6 is the same for Q6_K.
type panel8K6 struct {
	panel8
	half [2][8][4]int32 // -32 times the sum of each half: where its sums start
}

// panel8Pairs is one block of eight columns for SMMLA (448 bytes); columns 2i and 2i+1 take turns in the lanes of an
// accumulator.
type panel8Pairs struct {
	d    [4][4]float32
	s    [4][4]float32
	bias [4][4]int32
	q    [2 * blockLen]uint32 // q[16k+2c], q[16k+2c+1] are column c's q[8k:8k+8]
}

// panel8PairsK6 is the same for Q6_K.
type panel8PairsK6 struct {
	panel8Pairs
	half [2][4][4]int32
}

// blocksOf views a panel as its blocks.
func blocksOf[P any](panel []byte) []P {
	var one P
	return unsafe.Slice((*P)(unsafe.Pointer(unsafe.SliceData(panel))), len(panel)/int(unsafe.Sizeof(one)))
}

var zeroActivation = activation{bias: magic}

// blockOf is block b of a column; a nil column is zeros.
func blockOf(col []activation, b int) *activation {
	if col == nil {
		return &zeroActivation
	}
	return &col[b]
}

func pack8(panel []byte, cols [][]activation) {
	p := blocksOf[panel8](panel)
	for c, col := range cols {
		for b := range p {
			p[b].set(c, blockOf(col, b))
		}
	}
}

func (p *panel8) set(c int, a *activation) {
	c &= 7 // as the compiler can't see
	p.d[c], p.s[c] = a.d, a.s
	p.bias[c] = [4]int32{a.bias, a.bias, a.bias, a.bias}
	q := a.fours()
	for k := range q {
		p.q[8*k+c] = q[k]
	}
}

func pack8K6(panel []byte, cols [][]activation) {
	p := blocksOf[panel8K6](panel)
	for c, col := range cols {
		for b := range p {
			a := blockOf(col, b)
			p[b].panel8.set(c, a)
			for h := range p[b].half {
				v := -32 * int32(a.half[h])
				p[b].half[h][c&7] = [4]int32{v, v, v, v}
			}
		}
	}
}

func pack8Pairs(panel []byte, cols [][]activation) {
	p := blocksOf[panel8Pairs](panel)
	for c, col := range cols {
		for b := range p {
			p[b].set(c, blockOf(col, b))
		}
	}
}

func (p *panel8Pairs) set(c int, a *activation) {
	c &= 7
	d, s, bias := &p.d[c/2], &p.s[c/2], &p.bias[c/2]
	i := c % 2
	d[i], d[i+2] = a.d, a.d
	s[i], s[i+2] = a.s, a.s
	bias[i], bias[i+2] = a.bias, a.bias
	q := a.fours()
	for k := range 4 {
		p.q[16*k+2*c], p.q[16*k+2*c+1] = q[2*k], q[2*k+1]
	}
}

func pack8PairsK6(panel []byte, cols [][]activation) {
	p := blocksOf[panel8PairsK6](panel)
	for c, col := range cols {
		i, j := c&7/2, c%2
		for b := range p {
			a := blockOf(col, b)
			p[b].panel8Pairs.set(c, a)
			for h := range p[b].half {
				v := -32 * int32(a.half[h])
				p[b].half[h][i][j], p[b].half[h][i][j+2] = v, v
			}
		}
	}
}

// The assembly has these numbers.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(panel8{})-448]
	_ = [1]struct{}{}[unsafe.Sizeof(panel8K6{})-704]
	_ = [1]struct{}{}[unsafe.Sizeof(panel8Pairs{})-448]
	_ = [1]struct{}{}[unsafe.Sizeof(panel8PairsK6{})-576]
)
