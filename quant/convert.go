package quant

import (
	"fmt"
	"runtime"
)

// Repacked reports whether the matrix keeps its weights apart from the data it was made from, so that the caller may let
// go of that.
func (m *Matrix) Repacked() bool { return m.packed != nil }

// NewMatrixAs makes a matrix of type t from weights of another type, row-major [rows, cols]: the vision tower's F16 as
// Q8_0, say. t is a block type that Quantize can encode. cols may be any width: rows are padded with zeros to whole
// blocks. r may be nil.
func NewMatrixAs(t, from Type, data []byte, rows, cols int, r Runner) (*Matrix, error) {
	if t == from {
		return NewMatrix(t, data, rows, cols)
	}
	source, err := NewMatrix(from, data, rows, cols)
	if err != nil {
		return nil, err
	}
	l := layoutOf(t)
	if l == layoutNone {
		return nil, fmt.Errorf("quant: can't turn %v into %v at load: quantize the file", from, t)
	}
	wide := (cols + t.BlockLen() - 1) / t.BlockLen() * t.BlockLen()
	m, err := newMatrix(t, rows, wide)
	if err != nil {
		return nil, err
	}
	m.cols = cols
	m.allocate()
	if r == nil {
		r = serial{}
	}
	size, row := m.packedBytes()/m.rowGroups(), t.RowBytes(wide)
	errs := make([]error, m.rowGroups())
	r.Do(m.rowGroups(), func(g int) {
		weights, encoded := make([]float32, wide), make([]byte, groupRows*row)
		live := min(groupRows, rows-g*groupRows)
		for i := range live {
			source.Row(weights[:cols], g*groupRows+i)
			if errs[g] = Quantize(t, encoded[i*row:][:row], weights); errs[g] != nil {
				return
			}
		}
		repack(l, t, m.packed[g*size:][:size], encoded, live, wide)
	})
	runtime.KeepAlive(source)
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}
