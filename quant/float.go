package quant

// A floatKernel multiplies weights of one float encoding in float32. Each function adds, for every row r and column c of
// its tile, the dot product of k values to out[c*ldo+r]. k is a multiple of 8, and more than 0. Rows of weights are ldw
// bytes apart, columns of x ldx values. All three sum in the same order.
type floatKernel struct {
	tile   floatFunc // 4 rows x cols columns
	cols   int
	strip  floatFunc // 4 rows x 1 column
	single floatFunc // 1 x 1
}

type floatFunc func(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

// Sizes of the float kernels' work.
const (
	stripRows    = 4
	kFloats      = 1024    // values a kernel call: its rows and columns stay in L1
	floatRows    = 32      // rows a chunk of a many-column product
	floatColumns = 48      // columns that stay in L2 while a chunk's rows pass
	floatChunk   = 1 << 18 // multiplications a chunk, about
)

// floatKind indexes kernels.floats; -1 for types without kernels.
func floatKind(t Type) int {
	switch t {
	case F32:
		return 0
	case F16:
		return 1
	case BF16:
		return 2
	}
	return -1
}

func (m *Matrix) mulFloat(out, x []float32, n int, r Runner) {
	var fk floatKernel
	if kind := floatKind(m.typ); kind >= 0 {
		fk = active().floats[kind]
	}
	size := m.rows
	if n*m.rows*m.cols >= 1<<16 {
		size = (share(m.rows, max(1, floatChunk/(m.cols*n)), r) + stripRows - 1) / stripRows * stripRows
		if n > 1 {
			size = min(m.rows, max(size, floatRows))
		}
	}
	run(r, m.rows, size, func(from, to int) {
		if fk.tile == nil {
			m.decodeAndDot(out, x, n, from, to)
			return
		}
		for c := range n {
			clear(out[c*m.rows:][from:to])
		}
		whole := m.cols &^ 7
		for k := 0; k < whole; k += kFloats {
			p := floatProduct{m, &fk, out, x, n, k, min(kFloats, whole-k)}
			for c := 0; c < n; c += floatColumns / fk.cols * fk.cols {
				p.rows(from, to, c, min(n, c+floatColumns/fk.cols*fk.cols))
			}
		}
		if whole < m.cols {
			m.tail(out, x, n, from, to, whole)
		}
	})
}

// decodeAndDot is the portable path, also for the types that have no kernels yet.
func (m *Matrix) decodeAndDot(out, x []float32, n, from, to int) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	row := grow(&s.row, m.cols)
	for i := from; i < to; i++ {
		m.Row(row, i)
		for c := range n {
			out[c*m.rows+i] = dotGeneric(row, x[c*m.cols:][:m.cols])
		}
	}
}

// tail adds the columns from whole on: fewer than 8, which the kernels don't take.
func (m *Matrix) tail(out, x []float32, n, from, to, whole int) {
	var w [8]float32
	odd := w[:m.cols-whole]
	size, row := m.typ.BlockBytes(), m.typ.RowBytes(m.cols)
	for i := from; i < to; i++ {
		dequantize(m.typ, odd, m.raw[i*row+whole*size:][:len(odd)*size])
		for c := range n {
			out[c*m.rows+i] += dotGeneric(odd, x[c*m.cols+whole:][:len(odd)])
		}
	}
}

// floatProduct is a piece of a product: values [k0, k0+k) of every row.
type floatProduct struct {
	m     *Matrix
	fk    *floatKernel
	out   []float32
	x     []float32
	n     int
	k0, k int
}

// rows adds rows [from, to) times columns [c0, c1). The columns of a tile stay in L1 while the rows pass.
func (p *floatProduct) rows(from, to, c0, c1 int) {
	m := p.m
	size, ldw := m.typ.BlockBytes(), m.typ.RowBytes(m.cols)
	w := func(row int) []byte { return m.raw[row*ldw+p.k0*size:] }
	for c := c0; c < c1; {
		x := p.x[c*m.cols+p.k0:]
		cols, f := 1, p.fk.strip
		if c+p.fk.cols <= c1 {
			cols, f = p.fk.cols, p.fk.tile
		}
		row := from
		for ; row+stripRows <= to; row += stripRows {
			f(w(row), ldw, x, m.cols, p.k, p.out[c*m.rows+row:], m.rows)
		}
		for ; row < to; row++ {
			for i := range cols {
				p.fk.single(w(row), ldw, x[i*m.cols:], m.cols, p.k, p.out[(c+i)*m.rows+row:], m.rows)
			}
		}
		c += cols
	}
}
