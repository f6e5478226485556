package quant

import (
	"fmt"
	"math"
	"runtime"
	"unsafe"
)

// A Runner spreads work over threads: Do calls f(0) ... f(chunks-1), each once, and returns when all have returned.
type Runner interface {
	Threads() int
	Do(chunks int, f func(chunk int))
}

// Matrix holds weights [rows, cols] for multiplication. It is read-only once made: goroutines may share it.
type Matrix struct {
	typ        Type
	rows, cols int
	nb         int // blocks of 32 a row, for a repacked matrix; the last may be padded
	layout     layout
	raw        []byte // row-major as in the file; nil once repacked
	packed     []byte // see layout
}

// NewMatrix takes weights of type t, row-major [rows, cols], each row in whole blocks. The block types are repacked into
// memory of the matrix's own, and data isn't touched afterwards; F32, F16 and BF16 are read from data, which must stay as
// it is while the matrix is in use. An infinity or NaN among the scales or the weights is an error.
func NewMatrix(t Type, data []byte, rows, cols int) (*Matrix, error) {
	if t.own() {
		return nil, fmt.Errorf("quant: no file holds weights of %v: make them with NewMatrixAs", t)
	}
	m, err := newMatrix(t, rows, cols)
	if err == nil {
		err = m.check(data)
	}
	if err != nil {
		return nil, err
	}
	if m.layout == layoutNone {
		m.raw = data
		return m, nil
	}
	m.allocate()
	repack(m.layout, t, m.packed, data, rows, cols)
	return m, nil
}

// newMatrix is a matrix without weights.
func newMatrix(t Type, rows, cols int) (*Matrix, error) {
	if err := startISA(); err != nil {
		return nil, err
	}
	if !t.Known() && !t.own() {
		return nil, fmt.Errorf("quant: can't multiply %v: convert the file to one of %v", t, Types())
	}
	if rows < 1 || cols < 1 || cols%t.BlockLen() != 0 {
		return nil, fmt.Errorf("quant: [%d, %d] is no shape for %v, whose rows are whole blocks of %d", rows, cols, t, t.BlockLen())
	}
	// Repacked weights take at most twice the bytes, and a strip at least.
	if row := t.RowBytes(cols); row == 0 || rows > (math.MaxInt>>4)/row-stripRows32 {
		return nil, fmt.Errorf("quant: a [%d, %d] matrix of %v is too large", rows, cols, t)
	}
	m := &Matrix{typ: t, rows: rows, cols: cols, layout: layoutOf(t)}
	if m.layout != layoutNone {
		m.nb = cols / blockLen
	}
	return m, nil
}

func (m *Matrix) packedBytes() int {
	if m.layout == layoutInt8Wide {
		return m.strips() * m.stripSize()
	}
	return m.rowGroups() * m.nb / m.layout.blocks() * m.layout.groupBytes()
}

// rowGroups is the number of 8-row groups.
func (m *Matrix) rowGroups() int { return (m.rows + groupRows - 1) / groupRows }

// strips is the number of strips.
func (m *Matrix) strips() int { return (m.rows + stripRows32 - 1) / stripRows32 }

// allocate gives the matrix zeroed memory for its packed weights, which lives as long as the matrix.
func (m *Matrix) allocate() {
	var free func([]byte)
	m.packed, free = allocate(m.packedBytes())
	if free != nil {
		runtime.AddCleanup(m, free, m.packed)
	}
}

// check says whether data can be m's weights.
func (m *Matrix) check(data []byte) error {
	if len(data) != m.rows*m.typ.RowBytes(m.cols) {
		return fmt.Errorf("quant: %d bytes aren't a [%d, %d] matrix of %v", len(data), m.rows, m.cols, m.typ)
	}
	if b := checkWeights(m.typ, data); b >= 0 {
		at := b * m.typ.BlockLen()
		return fmt.Errorf("quant: NaN or infinity at row %d, column %d: the file is damaged or badly converted", at/m.cols, at%m.cols)
	}
	return nil
}

// Rows is the length of an output vector.
func (m *Matrix) Rows() int { return m.rows }

// Cols is the length of an input vector.
func (m *Matrix) Cols() int { return m.cols }

// Type is the encoding the weights came in.
func (m *Matrix) Type() Type { return m.typ }

// Bytes is the size of the weights as they are kept.
func (m *Matrix) Bytes() int { return len(m.raw) + len(m.packed) }

// Row decodes row i into dst [cols], with the values of Dequantize.
func (m *Matrix) Row(dst []float32, i int) {
	if i < 0 || i >= m.rows || len(dst) != m.cols {
		panic(fmt.Sprintf("quant: row %d into %d values of a [%d, %d] matrix", i, len(dst), m.rows, m.cols))
	}
	if m.layout == layoutNone {
		n := m.typ.RowBytes(m.cols)
		dequantize(m.typ, dst, m.raw[i*n:][:n])
		return
	}
	if wide := m.nb * blockLen; wide > m.cols {
		whole := make([]float32, wide)
		m.unpack(whole, i)
		copy(dst, whole)
	} else {
		m.unpack(dst, i)
	}
	runtime.KeepAlive(m)
}

// unpack decodes row i, padding included.
func (m *Matrix) unpack(dst []float32, i int) {
	switch m.layout {
	case layoutInt8:
		at, stride := m.int8Group(i / groupRows)
		unpackInt8(dst, m.packed[at:], stride, i%groupRows)
		return
	case layoutInt8Wide:
		unpackInt8Wide(dst, m.packed[i/stripRows32*m.stripSize():], i%stripRows32)
		return
	}
	unpackRow(m.layout, dst, m.groups(i/groupRows), i%groupRows)
}

// groups is the packed weights from 8-row group g on.
func (m *Matrix) groups(g int) []byte {
	return m.packed[g*m.nb/m.layout.blocks()*m.layout.groupBytes():]
}

// aligned returns n zeroed bytes of the Go heap that begin at a multiple of 64.
func aligned(n int) []byte {
	b := make([]byte, n+63)
	o := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & 63)
	return b[o : o+n : o+n]
}
