package quant

import (
	"encoding/binary"
	"fmt"
	"math"
)

// NewInt8 makes a matrix [rows, cols] of zeros in about eight bits, cols rounded up to whole blocks of 32. SetTransposed gives it weights that
// are only known while a model runs: the keys and values of attention.
func NewInt8(rows, cols int) (*Matrix, error) {
	if active().setInt8 != nil {
		return newInt8(Int8, rows, cols)
	}
	return newInt8(Q8_0, rows, cols)
}

func newInt8(typ Type, rows, cols int) (*Matrix, error) {
	m, err := newMatrix(typ, rows, (cols+blockLen-1)/blockLen*blockLen)
	if err != nil {
		return nil, err
	}
	m.packed = aligned(m.packedBytes())
	return m, nil
}

// SetTransposed sets the weights of a matrix of NewInt8 to the transpose of x [cols, rows], whose rows lie ld apart; rows and columns that
// the matrix has beside these become zeros. A block of 32 has a scale; where it has a NaN or an infinity the scale is a NaN, so that it
// shows in every output. Nobody may multiply with the matrix meanwhile.
func (m *Matrix) SetTransposed(x []float32, ld, rows, cols int) {
	set, size := active().setQ8_0, groupQ8_0
	if m.layout == layoutInt8 {
		set, size = setInt8Generic, groupInt8
		if k := active(); k.setInt8 != nil {
			set = k.setInt8
		}
	}
	if m.layout != layoutQ8_0 && m.layout != layoutInt8 || rows < 1 || rows > m.rows || cols < 1 || cols > m.cols || ld < rows || len(x) < (cols-1)*ld+rows {
		panic(fmt.Sprintf("quant: %d values, %d by %d with rows %d apart, for a [%d, %d] matrix of %v", len(x), cols, rows, ld, m.rows, m.cols, m.typ))
	}
	for g := range m.rowGroups() {
		at, stride := g*m.nb*size, size
		if m.layout == layoutInt8 {
			at, stride = m.int8Group(g)
		}
		for b := range m.nb {
			group := m.packed[at+b*stride:][:size]
			r, k := min(groupRows, rows-g*groupRows), min(blockLen, cols-b*blockLen)
			switch {
			case r <= 0 || k <= 0:
				clear(group)
			case r == groupRows && k == blockLen:
				set(group, x[b*blockLen*ld+g*groupRows:], ld)
			default:
				var edge [blockLen * groupRows]float32
				for i := range k {
					copy(edge[i*groupRows:][:r], x[(b*blockLen+i)*ld+g*groupRows:])
				}
				set(group, edge[:], groupRows)
			}
		}
	}
}

// setQ8_0 fills a group of Q8_0 with the columns of x [32, 8].
func setQ8_0(group []byte, x []float32, ld int) {
	var top [groupRows]uint32
	for k := range blockLen {
		for r, v := range x[k*ld:][:groupRows] {
			top[r] = max(top[r], math.Float32bits(v)&^(1<<31))
		}
	}
	var inverse [groupRows]float32
	for r, bits := range top {
		amax := math.Float32frombits(bits)
		d := F32ToF16(amax / 127)
		switch {
		case bits >= hugeBits:
			d = 0x7e00 // NaN
		case amax >= tinyActivation:
			inverse[r] = 127 / amax
		}
		binary.LittleEndian.PutUint16(group[2*r:], d)
	}
	chunks := group[2*groupRows:]
	for k := range blockLen {
		to := chunks[k/4*chunkBytes+k%4:][: 4*groupRows-3 : 4*groupRows-3]
		for r, v := range x[k*ld:][:groupRows:groupRows] {
			if inverse[r] == 0 {
				v = 0
			}
			to[4*r] = byte(int32(math.Float32bits(float32(v*inverse[r])+0x1.8p23)) - magic)
		}
	}
}

// setInt8Generic fills a group of Int8 with the columns of x [32, 8]. Rounding may add a half to each of four weights, so that their sum may
// be 2 less than int8MaxFour: no scale has to be tried twice, as in roundInt8.
func setInt8Generic(group []byte, x []float32, ld int) {
	at := func(k, r int) float32 { return x[k*ld+r] }
	for r := range groupRows {
		var top uint32
		var most float32
		for k := range blockLen {
			top = max(top, math.Float32bits(at(k, r))&^(1<<31))
		}
		for k := 0; k < blockLen; k += 8 {
			for _, odd := range [2]int{k, k + 2} {
				a, b, c, d := at(odd, r), at(odd+1, r), at(odd+4, r), at(odd+5, r)
				positive := (max(0, a) + max(0, b)) + (max(0, c) + max(0, d))
				most = max(most, positive, positive-((a+b)+(c+d)))
			}
		}
		amax := math.Float32frombits(top)
		d := max(amax*(1./127), most*(1./(int8MaxFour-2)))
		inverse := 1 / d
		switch {
		case top >= hugeBits:
			d, inverse = math.Float32frombits(1<<32-1), 0
		case amax < tinyActivation:
			d, inverse = 0, 0
		}
		sum := int32(0)
		for k := range blockLen {
			q := int32(0)
			if inverse != 0 {
				q = int32(math.Float32bits(float32(at(k, r)*inverse)+0x1.8p23)) - magic
			}
			group[k/4*chunkBytes+4*r+k%4] = byte(q)
			sum += q
		}
		binary.LittleEndian.PutUint32(group[int8Scales+4*r:], math.Float32bits(d))
		binary.LittleEndian.PutUint32(group[int8Sums+4*r:], uint32(-int8ActZero*sum))
	}
}
