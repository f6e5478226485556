package quant

import (
	"fmt"
	"runtime"
	"sync"
)

// Sizes of the pieces Mul works in.
const (
	gemvChunkBytes = 512 << 10 // weights a chunk of a single-column product: what is prefetched past its end is lost
	gemmGroups     = 8         // 8-row groups a chunk of a many-column product: their weights stay in the L2 cache
	kBlocks        = 64        // blocks a kernel call (a multiple of 8), so that it ends within some 15 µs and 8 rows of weights stay in L1
	columnBlock    = 32        // columns that stay in L2 while a chunk's weights pass
	singleWork     = 4096      // row groups times blocks times columns up to which a product isn't worth waking others for
)

// Mul computes out [n, rows] = x [n, cols] * W^T, all row-major. r may be nil: all in the caller. A row of out depends on
// its row of x only, bit for bit: not on n, nor on the number of threads.
func (m *Matrix) Mul(out, x []float32, n int, r Runner) {
	if n < 0 || len(x) != n*m.cols || len(out) != n*m.rows {
		panic(fmt.Sprintf("quant: %d by %d values for %d columns of a [%d, %d] matrix", len(out), len(x), n, m.rows, m.cols))
	}
	if n == 0 {
		return
	}
	if r == nil {
		r = serial{}
	}
	switch m.layout {
	case layoutNone:
		m.mulFloat(out, x, n, r)
	case layoutInt8:
		m.mulInt8(out, x, n, r)
	case layoutInt8Wide:
		m.mulInt8Wide(out, x, n, r)
	default:
		m.mulInt(out, x, n, r)
	}
	runtime.KeepAlive(m)
}

type serial struct{}

func (serial) Threads() int { return 1 }
func (serial) Do(chunks int, f func(int)) {
	for i := range chunks {
		f(i)
	}
}

// run calls f on [0, n) in pieces of at most size; a single piece stays in the caller.
func run(r Runner, n, size int, f func(from, to int)) {
	chunks := (n + size - 1) / size
	if chunks == 1 {
		f(0, n)
		return
	}
	r.Do(chunks, func(i int) { f(i*size, min(n, (i+1)*size)) })
}

// share lessens size until every thread gets about four pieces of n.
func share(n, size int, r Runner) int { return max(1, min(size, n/(4*r.Threads()))) }

// scratch is what one Mul needs beside its arguments.
type scratch struct {
	acts   []activation
	panels []byte
	row    []float32
	starts []int // see MulAll
	sizes  []int
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func grow[T any](s *[]T, n int) []T {
	if cap(*s) < n {
		*s = make([]T, n)
	}
	return (*s)[:n]
}

func (m *Matrix) mulInt(out, x []float32, n int, r Runner) {
	k := active()
	ik := &k.ints[m.layout]
	if ik.strip.from > 0 && n >= ik.strip.from {
		m.mulStrips(k, out, x, n, r)
		return
	}
	if ik.wide != nil && n >= wideFrom {
		m.mulWide(k, ik, out, x, n, r)
		return
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	nb := m.nb
	acts := grow(&s.acts, n*nb)
	column := func(c int) []activation { return acts[c*nb:][:nb] }

	tiles, single := 0, 0 // full or padded tiles from column 0 on; columns from single on go one by one
	if ik.gemm != nil {
		tiles = n / ik.tile
		if n%ik.tile >= ik.padFrom {
			tiles++
		}
		single = min(n, tiles*ik.tile)
	}
	panels := grow(&s.panels, tiles*nb*ik.panelBytes)
	prepare := func(from, to int) { // in units of tile columns
		for t := from; t < to; t++ {
			lo, hi := t*max(1, ik.tile), min(n, (t+1)*max(1, ik.tile))
			if ik.fill != nil && t < tiles && hi-lo == ik.tile && m.cols == nb*blockLen {
				ik.fill(panels[t*nb*ik.panelBytes:][:nb*ik.panelBytes], x[lo*m.cols:hi*m.cols], m.cols, nb)
				continue
			}
			for c := lo; c < hi; c++ {
				quantizeRow(k.quantize, column(c), x[c*m.cols:][:m.cols])
			}
			if t < tiles {
				var cols [8][]activation
				for c := range ik.tile {
					if lo+c < n {
						cols[c] = column(lo + c)
					}
				}
				ik.pack(panels[t*nb*ik.panelBytes:][:nb*ik.panelBytes], cols[:ik.tile])
			}
		}
	}
	units := (n + max(1, ik.tile) - 1) / max(1, ik.tile)
	run(r, units, max(1, 16384/(m.cols*max(1, ik.tile))), prepare)

	groups := m.rowGroups()
	size := gemmGroups
	if tiles == 0 {
		size = m.gemvGroups()
	}
	if n*m.rows*nb > singleWork*groupRows {
		size = share(groups, size, r)
	} else {
		size = groups
	}
	run(r, groups, size, func(from, to int) {
		p := product{m: m, ik: ik, out: out, n: n}
		for c := range n {
			clear(out[c*m.rows:][from*groupRows : min(m.rows, to*groupRows)])
		}
		if tiles == 0 {
			p.rows(from, to, column)
			return
		}
		for k0 := 0; k0 < nb; k0 += kBlocks {
			p.k0, p.k1 = k0, min(nb, k0+kBlocks)
			for t := 0; t < tiles; t += columnBlock / ik.tile {
				for g := from; g < to; g++ {
					p.tiles(g, panels, t, min(tiles, t+columnBlock/ik.tile))
				}
			}
			for g := from; g < to; g++ {
				for c := single; c < n; c++ {
					p.column(g, c, column(c))
				}
			}
		}
	})
}

// gemvGroups is the largest piece of a product of one column, in row groups.
func (m *Matrix) gemvGroups() int {
	return max(1, gemvChunkBytes/(m.nb/m.layout.blocks()*m.layout.groupBytes()))
}

// product is a piece of a product: blocks [k0, k1) of every row.
type product struct {
	m      *Matrix
	ik     *intKernel
	out    []float32
	n      int
	k0, k1 int
}

func (p *product) weights(g int) []byte {
	l := p.m.layout
	return p.m.groups(g)[p.k0/l.blocks()*l.groupBytes() : p.k1/l.blocks()*l.groupBytes()]
}

// rows adds groups [from, to) times all columns, group by group, so that weights are read in their order.
func (p *product) rows(from, to int, column func(c int) []activation) {
	for g := from; g < to; g++ {
		for p.k0 = 0; p.k0 < p.m.nb; p.k0 = p.k1 {
			p.k1 = min(p.m.nb, p.k0+kBlocks)
			for c := range p.n {
				p.column(g, c, column(c))
			}
		}
	}
}

// column adds group g times column c.
func (p *product) column(g, c int, a []activation) {
	rows := p.m.rows
	row := g * groupRows
	o := p.out[c*rows+row:]
	if rows-row >= groupRows {
		p.ik.gemv(p.weights(g), a[p.k0:p.k1], o[:groupRows])
		return
	}
	edge := make([]float32, groupRows)
	copy(edge, o[:rows-row])
	p.ik.gemv(p.weights(g), a[p.k0:p.k1], edge)
	copy(o[:rows-row], edge)
}

// tiles adds group g times tiles [from, to).
func (p *product) tiles(g int, panels []byte, from, to int) {
	rows, nb, ik := p.m.rows, p.m.nb, p.ik
	row := g * groupRows
	w := p.weights(g)
	for t := from; t < to; t++ {
		panel := panels[(t*nb+p.k0)*ik.panelBytes : (t*nb+p.k1)*ik.panelBytes]
		c := t * ik.tile
		if c+ik.tile <= p.n && row+groupRows <= rows {
			ik.gemm(w, panel, p.k1-p.k0, p.out[c*rows+row:][:(ik.tile-1)*rows+groupRows], rows)
			continue
		}
		edge := make([]float32, groupRows*ik.tile)
		cols, live := min(ik.tile, p.n-c), min(groupRows, rows-row)
		for i := range cols {
			copy(edge[i*groupRows:][:live], p.out[(c+i)*rows+row:])
		}
		ik.gemm(w, panel, p.k1-p.k0, edge, groupRows)
		for i := range cols {
			copy(p.out[(c+i)*rows+row:][:live], edge[i*groupRows:])
		}
	}
}
