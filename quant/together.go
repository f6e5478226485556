package quant

import (
	"fmt"
	"runtime"
)

// A Product is one of several products with the same x: Out [n, rows] = x [n, cols] * W^T.
type Product struct {
	W   *Matrix
	Out []float32
}

// MulAll computes products whose matrices have the same number of columns, with the results of Mul. For a single column,
// where the weights' way from memory is what takes the time, x is quantized once and threads meet once for all of them.
func MulAll(ps []Product, x []float32, n int, r Runner) {
	if n != 1 || r == nil || !together(ps) {
		for _, p := range ps {
			p.W.Mul(p.Out, x, n, r)
		}
		return
	}
	m := ps[0].W
	for _, p := range ps {
		if len(x) != m.cols || len(p.Out) != p.W.rows {
			panic(fmt.Sprintf("quant: %d by %d values for one column of a [%d, %d] matrix", len(p.Out), len(x), p.W.rows, p.W.cols))
		}
	}
	k := active()
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	acts := grow(&s.acts, m.nb)
	quantizeRow(k.quantize, acts, x)
	// Chunks of all matrices count through: starts[i] is the first of matrix i.
	work, starts, sizes := 0, grow(&s.starts, len(ps)+1), grow(&s.sizes, len(ps))
	for _, p := range ps {
		work += p.W.rowGroups() * p.W.nb
	}
	starts[0] = 0
	for i, p := range ps {
		groups := p.W.rowGroups()
		sizes[i] = groups
		if work > singleWork {
			// A thread gets about four pieces of all matrices together, so each may be cut by its share of the work.
			mine := max(1, 4*r.Threads()*groups*p.W.nb/work)
			sizes[i] = min(p.W.gemvGroups(), (groups+mine-1)/mine)
		}
		starts[i+1] = starts[i] + (groups+sizes[i]-1)/sizes[i]
	}
	do := func(c int) {
		i := 0
		for c >= starts[i+1] {
			i++
		}
		w := ps[i].W
		from := (c - starts[i]) * sizes[i]
		to := min(w.rowGroups(), from+sizes[i])
		p := product{m: w, ik: &k.ints[w.layout], out: ps[i].Out, n: 1}
		clear(p.out[from*groupRows : min(w.rows, to*groupRows)])
		p.rows(from, to, func(int) []activation { return acts })
	}
	if work <= singleWork {
		for c := range starts[len(ps)] {
			do(c)
		}
	} else {
		r.Do(starts[len(ps)], do)
	}
	for _, p := range ps {
		runtime.KeepAlive(p.W)
	}
}

// together says whether the products can share a quantized column.
func together(ps []Product) bool {
	for _, p := range ps {
		switch p.W.layout {
		case layoutNone, layoutInt8, layoutInt8Wide:
			return false
		}
		if p.W.cols != ps[0].W.cols || p.W.nb != ps[0].W.nb {
			return false
		}
	}
	return len(ps) > 0
}

// Weights are the bytes of the matrix as it is kept, in about the order in which a product reads them.
func (m *Matrix) Weights() []byte {
	if m.packed != nil {
		return m.packed
	}
	return m.raw
}
