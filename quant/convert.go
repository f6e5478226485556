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
	m, err := newPadded(t, rows, cols)
	if err != nil {
		return nil, err
	}
	m.allocate()
	if err := m.fill(from, data, r); err != nil {
		return nil, err
	}
	return m, nil
}

// PackingVersion changes whenever repacked weights do: memory that Pack filled under another version is no use.
const PackingVersion = 3

// PackedBytes is the memory that weights of type t take once repacked, 0 for types that are used as they are and for
// shapes that can't be.
func PackedBytes(t Type, rows, cols int) int {
	m, err := newPadded(t, rows, cols)
	if err != nil {
		return 0
	}
	return m.packedBytes()
}

// Pack is NewMatrixAs into memory of the caller's, of PackedBytes(t, rows, cols) bytes, all zero.
func Pack(packed []byte, t, from Type, data []byte, rows, cols int) error {
	m, err := PackedMatrix(packed, t, rows, cols)
	if err != nil {
		return err
	}
	return m.fill(from, data, nil)
}

// PackedMatrix is the matrix of weights that Pack put into packed, which must stay as it is while the matrix is in use.
func PackedMatrix(packed []byte, t Type, rows, cols int) (*Matrix, error) {
	m, err := newPadded(t, rows, cols)
	if err != nil {
		return nil, err
	}
	if len(packed) != m.packedBytes() {
		return nil, fmt.Errorf("quant: %d bytes aren't a repacked [%d, %d] matrix of %v", len(packed), rows, cols, t)
	}
	m.packed = packed
	return m, nil
}

// newPadded is a matrix of a type that is repacked, without weights, its rows padded to whole blocks.
func newPadded(t Type, rows, cols int) (*Matrix, error) {
	if layoutOf(t) == layoutNone {
		return nil, fmt.Errorf("quant: %v isn't repacked: quantize the file", t)
	}
	m, err := newMatrix(t, rows, (cols+t.BlockLen()-1)/t.BlockLen()*t.BlockLen())
	if err != nil {
		return nil, err
	}
	m.cols = cols
	return m, nil
}

// fill repacks weights into m's memory, by way of Quantize where they are of another type.
func (m *Matrix) fill(from Type, data []byte, r Runner) error {
	if from.own() {
		return fmt.Errorf("quant: no file holds weights of %v", from)
	}
	source, err := newMatrix(from, m.rows, m.cols)
	if err == nil {
		err = source.check(data)
	}
	if err != nil {
		return err
	}
	if from == m.typ {
		repack(m.layout, m.typ, m.packed, data, m.rows, m.cols)
		return nil
	}
	if r == nil {
		r = serial{}
	}
	switch m.layout {
	case layoutInt8:
		return m.fillInt8(from, data, r)
	case layoutInt8Wide:
		return m.fillInt8Wide(from, data, r)
	}
	wide := m.nb * blockLen
	size, to, in := m.packedBytes()/m.rowGroups(), m.typ.RowBytes(wide), from.RowBytes(m.cols)
	errs := make([]error, m.rowGroups())
	r.Do(m.rowGroups(), func(g int) {
		weights, encoded := make([]float32, wide), make([]byte, groupRows*to)
		live := min(groupRows, m.rows-g*groupRows)
		for i := range live {
			dequantize(from, weights[:m.cols], data[(g*groupRows+i)*in:][:in])
			if errs[g] = Quantize(m.typ, encoded[i*to:][:to], weights); errs[g] != nil {
				return
			}
		}
		repack(m.layout, m.typ, m.packed[g*size:][:size], encoded, live, wide)
	})
	runtime.KeepAlive(m)
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
