package qwen2vl

import (
	"context"
	"fmt"
	"math"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/compute"
)

// textScratch is the working memory of one forward pass.
type textScratch struct {
	x, h      []float32 // [rows, Hidden]: residual stream; its norm, or what is added to it
	q, k, v   []float32 // [rows, heads*HeadDim]
	att       []float32 // [rows, Heads*HeadDim]
	gate, up  []float32 // [rows, FFN]
	cos, sin  []float32 // [rows, RopeDim/2]
	k16, v16  []uint16  // [rows, KVHeads*HeadDim]
	logits    []float32 // [parts, VocabSize], for batches
	spans     []compute.KVSpan
	blocks    []attnBlock
	lastParts []part
	products  []quant.Product
}

// attnBlock is the attention of a few rows of one part over one key-value head.
type attnBlock struct {
	row, n, first, head int
	spans               []compute.KVSpan
}

// attnRows is about how many query rows (of all heads that share keys) one block has.
const attnRows = 48

// forward runs one chunk through all layers, storing keys and values, and writes the logits that the parts ask for.
func (m *Text) forward(ctx context.Context, sc *textScratch, parts []part, n int) error {
	m.resize(sc, n)
	for i := range parts {
		p := &parts[i]
		if err := p.s.kv.Grow(p.n); err != nil {
			return fmt.Errorf("qwen2vl: %w", err)
		}
		m.inputs(sc, p)
	}
	for i := range m.layers {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("qwen2vl: append: %w", err)
		}
		l := &m.layers[i]
		last := i == len(m.layers)-1
		m.project(sc, l, n, !last)
		m.keep(sc, i, parts, n)
		next := m.output
		if last {
			// What follows matters only for rows whose logits are wanted.
			if parts, n = m.keepLast(sc, parts); n == 0 {
				return nil
			}
			l.q.mul(sc.q, sc.h, n, m.pool)
		} else {
			next = m.layers[i+1].k.w
		}
		m.attend(sc, l, i, parts, n)
		m.feedForward(sc, l, next, n)
	}
	compute.RMSNorm(sc.h, sc.x, m.norm, n, m.c.NormEps)
	v := m.c.VocabSize
	if n == 1 {
		m.output.Mul(parts[0].logits(), sc.h[:m.c.Hidden], 1, m.pool)
		return nil
	}
	sc.logits = sized(sc.logits, n*v)
	m.output.Mul(sc.logits, sc.h[:n*m.c.Hidden], n, m.pool)
	for i := range parts {
		copy(parts[i].logits(), sc.logits[i*v:(i+1)*v])
	}
	return nil
}

// inputs fills the rows of one part: embeddings and rotary angles.
func (m *Text) inputs(sc *textScratch, p *part) {
	d, half := m.c.Hidden, len(m.freqs)
	if p.in.Embeds != nil {
		copy(sc.x[p.at*d:], p.in.Embeds[p.from*d:(p.from+p.n)*d])
	}
	eachRows(m.pool, p.n, d*4+half*64, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := p.at + i
			if p.in.Tokens != nil {
				m.embed.Row(sc.x[row*d:(row+1)*d], int(p.in.Tokens[p.from+i]))
			}
			pos := p.in.Pos[p.from+i]
			for j, f := range m.freqs {
				s, c := math.Sincos(float64(float32(float32(pos[m.axis[j]]) * f)))
				sc.cos[row*half+j], sc.sin[row*half+j] = float32(c), float32(s)
			}
		}
	})
}

// project computes a layer's keys and values, and its queries too unless some rows may not need them. It leaves the normed
// input in sc.h.
func (m *Text) project(sc *textScratch, l *textLayer, n int, queries bool) {
	m.rmsNorm(sc.h, sc.x, l.attnNorm, n)
	if queries {
		m.ahead(n, l.o.w)
		m.mulAll(sc, sc.h, n, linearOut{&l.k, sc.k}, linearOut{&l.v, sc.v}, linearOut{&l.q, sc.q})
	} else {
		m.ahead(n, l.q.w)
		m.mulAll(sc, sc.h, n, linearOut{&l.k, sc.k}, linearOut{&l.v, sc.v})
	}
}

// keep rotates the keys and stores keys and values.
func (m *Text) keep(sc *textScratch, layer int, parts []part, n int) {
	kd := m.c.KVHeads * m.c.HeadDim
	eachRows(m.pool, n, kd*8, func(lo, hi int) {
		m.rotate(sc, sc.k, m.c.KVHeads, lo, hi)
		compute.ToF16(sc.k16[lo*kd:hi*kd], sc.k[lo*kd:hi*kd])
		compute.ToF16(sc.v16[lo*kd:hi*kd], sc.v[lo*kd:hi*kd])
	})
	for i := range parts {
		p := &parts[i]
		eachRows(m.pool, p.n, kd*2, func(lo, hi int) { // many rows at once: neighbours share a key's cache lines
			for r := lo; r < hi; r++ {
				o := (p.at + r) * kd
				p.s.kv.Put(layer, p.first+r, sc.k16[o:o+kd], sc.v16[o:o+kd])
			}
		})
	}
}

// attend adds the attention of a layer to sc.x.
func (m *Text) attend(sc *textScratch, l *textLayer, layer int, parts []part, n int) {
	c := &m.c
	qd, group := c.Heads*c.HeadDim, c.Heads/c.KVHeads
	eachRows(m.pool, n, qd*4, func(lo, hi int) { m.rotate(sc, sc.q, c.Heads, lo, hi) })
	sc.spans, sc.blocks = sc.spans[:0], sc.blocks[:0]
	rows := max(1, attnRows/group)
	for i := range parts {
		p := &parts[i]
		for head := range c.KVHeads {
			from := len(sc.spans)
			for s := range p.s.kv.Spans() {
				sc.spans = append(sc.spans, compute.KVSpan(p.s.kv.Span(s, layer, head)))
			}
			spans := sc.spans[from:len(sc.spans):len(sc.spans)]
			for r := 0; r < p.n; r += rows {
				sc.blocks = append(sc.blocks, attnBlock{row: p.at + r, n: min(rows, p.n-r), first: p.first + r, head: head, spans: spans})
			}
		}
	}
	scale := float32(1 / math.Sqrt(float64(c.HeadDim)))
	m.pool.Do(len(sc.blocks), func(i int) {
		b := &sc.blocks[i]
		o := b.row*qd + b.head*group*c.HeadDim
		compute.AttendSpans(sc.att[o:], qd, sc.q[o:], qd, b.n, group, c.HeadDim, scale, b.first, b.spans)
	})
	m.ahead(n, l.gate.w)
	l.o.mul(sc.h, sc.att, n, m.pool)
	add(sc.x, sc.h, n, c.Hidden, m.pool)
}

// feedForward adds a layer's MLP to sc.x; next is the matrix that comes after it.
func (m *Text) feedForward(sc *textScratch, l *textLayer, next *quant.Matrix, n int) {
	m.rmsNorm(sc.h, sc.x, l.ffnNorm, n)
	m.ahead(n, l.down.w)
	m.mulAll(sc, sc.h, n, linearOut{&l.gate, sc.gate}, linearOut{&l.up, sc.up})
	f := m.c.FFN
	eachRows(m.pool, n, f*4, func(lo, hi int) { compute.SiLUMul(sc.gate[lo*f:hi*f], sc.up[lo*f:hi*f]) })
	m.ahead(n, next)
	l.down.mul(sc.h, sc.gate, n, m.pool)
	add(sc.x, sc.h, n, m.c.Hidden, m.pool)
}

// keepLast moves the rows whose logits are wanted to the front of the chunk.
func (m *Text) keepLast(sc *textScratch, parts []part) (kept []part, n int) {
	sc.lastParts = sc.lastParts[:0]
	d, half := m.c.Hidden, len(m.freqs)
	for _, p := range parts {
		if p.logits() == nil {
			continue
		}
		row := p.at + p.n - 1
		copy(sc.x[n*d:(n+1)*d], sc.x[row*d:])
		copy(sc.h[n*d:(n+1)*d], sc.h[row*d:])
		copy(sc.cos[n*half:(n+1)*half], sc.cos[row*half:])
		copy(sc.sin[n*half:(n+1)*half], sc.sin[row*half:])
		sc.lastParts = append(sc.lastParts, part{s: p.s, in: p.in, from: p.from + p.n - 1, n: 1, at: n, first: p.first + p.n - 1})
		n++
	}
	return sc.lastParts, n
}

// rotate applies the rotary embedding to rows [lo, hi) of x [rows, heads*HeadDim]. The converter stores llama's query and
// key rows so that neighbours form a pair; the others pair element i with i + RopeDim/2.
func (m *Text) rotate(sc *textScratch, x []float32, heads, lo, hi int) {
	hd, half := m.c.HeadDim, len(m.freqs)
	for r := lo; r < hi; r++ {
		cos, sin := sc.cos[r*half:(r+1)*half], sc.sin[r*half:(r+1)*half]
		for h := range heads {
			y := x[(r*heads+h)*hd : (r*heads+h+1)*hd]
			if m.c.Arch == "llama" {
				compute.RotatePairs(y, cos, sin)
			} else {
				compute.RotateHalves(y, cos, sin)
			}
		}
	}
}

func (m *Text) rmsNorm(dst, x, w []float32, n int) {
	d := len(w)
	eachRows(m.pool, n, d*2, func(lo, hi int) { compute.RMSNorm(dst[lo*d:hi*d], x[lo*d:hi*d], w, hi-lo, m.c.NormEps) })
}

// ahead says which weights come after the next product. With one row, reading weights is nearly all that a step does, and
// threads that wait for others can begin with it.
func (m *Text) ahead(n int, next *quant.Matrix) {
	if n == 1 {
		m.pool.Ahead(next.Weights())
	}
}

// linearOut is a linear layer and where its output goes.
type linearOut struct {
	l   *linear
	out []float32
}

// mulAll is mul of several layers that have the same input.
func (m *Text) mulAll(sc *textScratch, x []float32, n int, ls ...linearOut) {
	sc.products = sc.products[:0]
	for _, l := range ls {
		sc.products = append(sc.products, quant.Product{W: l.l.w, Out: l.out[:n*l.l.w.Rows()]})
	}
	quant.MulAll(sc.products, x[:n*ls[0].l.w.Cols()], n, m.pool)
	for _, l := range ls {
		l.l.bias(l.out, n, m.pool)
	}
}

// mul computes out [n, rows] = x W^T + b.
func (l *linear) mul(out, x []float32, n int, p *compute.Pool) {
	l.w.Mul(out[:n*l.w.Rows()], x[:n*l.w.Cols()], n, p)
	l.bias(out, n, p)
}

func (l *linear) bias(out []float32, n int, p *compute.Pool) {
	rows := l.w.Rows()
	if l.b != nil {
		eachRows(p, n, rows, func(lo, hi int) { compute.AddBias(out[lo*rows:hi*rows], l.b, hi-lo) })
	}
}

// add adds x to dst, [n, d] both.
func add(dst, x []float32, n, d int, p *compute.Pool) {
	eachRows(p, n, d, func(lo, hi int) { compute.Add(dst[lo*d:hi*d], x[lo*d:hi*d]) })
}

// rowWork is how many operations are worth a chunk of their own on another thread.
const rowWork = 1 << 15

// eachRows calls f on ranges of [0, n) in parallel when there is enough to do; work is the operations of one row.
func eachRows(p *compute.Pool, n, work int, f func(lo, hi int)) {
	size := max(1, rowWork/max(1, work))
	if n <= size || p.Threads() == 1 {
		f(0, n)
		return
	}
	p.Do((n+size-1)/size, func(i int) { f(i*size, min(n, (i+1)*size)) })
}

func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

func (m *Text) resize(sc *textScratch, n int) {
	c := &m.c
	qd, kd, half := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim, len(m.freqs)
	sc.x, sc.h = sized(sc.x, n*c.Hidden), sized(sc.h, n*c.Hidden)
	sc.q, sc.att = sized(sc.q, n*qd), sized(sc.att, n*qd)
	sc.k, sc.v = sized(sc.k, n*kd), sized(sc.v, n*kd)
	sc.k16, sc.v16 = sized(sc.k16, n*kd), sized(sc.v16, n*kd)
	sc.gate, sc.up = sized(sc.gate, n*c.FFN), sized(sc.up, n*c.FFN)
	sc.cos, sc.sin = sized(sc.cos, n*half), sized(sc.sin, n*half)
}

// getScratch takes working memory that no other call uses.
func (m *Text) getScratch() *textScratch {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.scratch); n > 0 {
		sc := m.scratch[n-1]
		m.scratch = m.scratch[:n-1]
		return sc
	}
	return new(textScratch)
}

// putScratch gives it back. It keeps references into the caches' pages only until the next call, in sc.spans.
func (m *Text) putScratch(sc *textScratch) {
	clear(sc.spans[:cap(sc.spans)])
	clear(sc.blocks[:cap(sc.blocks)])
	clear(sc.lastParts[:cap(sc.lastParts)])
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.scratch) < 2 {
		m.scratch = append(m.scratch, sc)
	}
}
