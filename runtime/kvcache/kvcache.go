// Package kvcache keeps the keys and values of a decoder, as F16, for all layers of one sequence.
//
// Rows lie in pages of PageRows. A page belongs to all sequences that share it and is copied when one of them appends
// to it, so that a fork costs no more than its own tail and an evicted range no copy at all: a sequence is a list of
// row ranges of pages.
package kvcache

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// PageRows is the number of rows of a page.
const PageRows = 64

// ErrFull is returned by Grow when the sequence would pass its bound.
var ErrFull = errors.New("kvcache: sequence is full")

// Config is the shape of a cache.
type Config struct {
	Layers, KVHeads, HeadDim int
	MaxRows                  int // the bound of one sequence
}

// A Cache is one sequence. It is not safe for concurrent use, but different forks may be used concurrently.
type Cache struct {
	c    Config
	pool *pages
	segs []segment
	n    int // rows
}

// segment is the rows [lo, hi) of a page.
type segment struct {
	p      *page
	lo, hi int
}

// page holds PageRows rows of all layers: per layer and head the keys [HeadDim, PageRows], then the values
// [PageRows, HeadDim]. Keys are transposed because that makes both products of attention run along contiguous memory.
type page struct {
	refs atomic.Int32
	data []uint16
}

// pages recycles the pages that sequences of one family drop.
type pages struct {
	size int // elements of one page
	mu   sync.Mutex
	free []*page
}

// keepFree bounds the dropped pages that are kept for reuse; the garbage collector takes the rest.
const keepFree = 8

// New returns an empty sequence.
func New(c Config) (*Cache, error) {
	if c.Layers < 1 || c.KVHeads < 1 || c.HeadDim < 1 || c.MaxRows < 1 {
		return nil, fmt.Errorf("kvcache: shape %+v: all must be positive", c)
	}
	return &Cache{c: c, pool: &pages{size: c.Layers * c.KVHeads * 2 * c.HeadDim * PageRows}}, nil
}

// Len returns the number of rows; Max the bound.
func (c *Cache) Len() int { return c.n }

// Max returns the bound that New was given.
func (c *Cache) Max() int { return c.c.MaxRows }

// Grow appends n rows of undefined content; the caller fills them with Put, layer by layer. Spans includes them at
// once. On ErrFull nothing has changed.
func (c *Cache) Grow(n int) error {
	if n < 0 || n > c.c.MaxRows-c.n {
		return fmt.Errorf("%w: %d rows in use of %d, %d more asked for", ErrFull, c.n, c.c.MaxRows, n)
	}
	for n > 0 {
		s := c.tail()
		k := min(n, PageRows-s.hi)
		s.hi += k
		c.n += k
		n -= k
	}
	return nil
}

// tail returns the last segment, made writable behind its end and with room for at least one row.
func (c *Cache) tail() *segment {
	if len(c.segs) > 0 {
		s := &c.segs[len(c.segs)-1]
		if s.hi < PageRows && s.p.refs.Load() == 1 {
			return s
		}
		if s.hi < PageRows {
			c.own(s)
			return s
		}
	}
	c.segs = append(c.segs, segment{p: c.pool.get()})
	return &c.segs[len(c.segs)-1]
}

// Put stores the key and value of one row in one layer: [KVHeads, HeadDim] each, as F16 bits. The row must have come
// from Grow of this Cache, and no fork may have been taken since. Goroutines may put different rows at once.
func (c *Cache) Put(layer, row int, k, v []uint16) {
	s, r := c.find(row)
	r += s.lo
	hd := c.c.HeadDim
	for h := range c.c.KVHeads {
		o := (layer*c.c.KVHeads + h) * 2 * hd * PageRows
		kp := s.p.data[o : o+hd*PageRows]
		for i, x := range k[h*hd : (h+1)*hd] {
			kp[i*PageRows+r] = x
		}
		o += hd * PageRows
		copy(s.p.data[o+r*hd:o+(r+1)*hd], v[h*hd:(h+1)*hd])
	}
}

// find returns the segment of a row and the row's place within the segment's range. Appended rows are asked for most.
func (c *Cache) find(row int) (*segment, int) {
	end := c.n
	for i := len(c.segs) - 1; i >= 0; i-- {
		s := &c.segs[i]
		start := end - (s.hi - s.lo)
		if row >= start && row < end {
			return s, row - start
		}
		end = start
	}
	panic(fmt.Sprintf("kvcache: row %d of %d", row, c.n))
}

// A Span is a run of consecutive rows of one layer and head: rows [Lo, Hi) of the page's K [HeadDim, PageRows] and
// V [PageRows, HeadDim]. Content outside [Lo, Hi) is undefined.
type Span struct {
	K, V   []uint16
	Lo, Hi int
}

// Spans returns the number of spans, in the order of rows.
func (c *Cache) Spans() int { return len(c.segs) }

// Span returns the i-th span of a layer and head.
func (c *Cache) Span(i, layer, head int) Span {
	s := &c.segs[i]
	hd := c.c.HeadDim
	o := (layer*c.c.KVHeads + head) * 2 * hd * PageRows
	m := o + hd*PageRows
	return Span{K: s.p.data[o:m:m], V: s.p.data[m : m+hd*PageRows : m+hd*PageRows], Lo: s.lo, Hi: s.hi}
}

// EditKeys calls f with the keys of the rows [from, to), for every layer and head a run of consecutive rows at a time: columns
// [lo, hi) of k [HeadDim, PageRows], which f may change. Forks keep the keys that they had.
func (c *Cache) EditKeys(from, to int, f func(layer, head int, k []uint16, lo, hi int)) error {
	if from < 0 || to < from || to > c.n {
		return fmt.Errorf("kvcache: edit rows %d to %d of %d", from, to, c.n)
	}
	start := 0
	for i := range c.segs {
		s := &c.segs[i]
		lo, hi := s.lo+max(from-start, 0), min(s.hi, s.lo+to-start)
		start += s.hi - s.lo
		if lo >= hi {
			continue
		}
		if s.p.refs.Load() > 1 {
			c.own(s)
		}
		for layer := range c.c.Layers {
			for head := range c.c.KVHeads {
				o := (layer*c.c.KVHeads + head) * 2 * c.c.HeadDim * PageRows
				f(layer, head, s.p.data[o:o+c.c.HeadDim*PageRows], lo, hi)
			}
		}
	}
	return nil
}

// own gives a segment a page of its own.
func (c *Cache) own(s *segment) {
	p := c.pool.get()
	copy(p.data, s.p.data)
	c.pool.put(s.p)
	s.p = p
}

// Truncate drops all rows from n on.
func (c *Cache) Truncate(n int) error {
	if n < 0 || n > c.n {
		return fmt.Errorf("kvcache: truncate to %d of %d rows", n, c.n)
	}
	for c.n > n {
		s := &c.segs[len(c.segs)-1]
		k := min(c.n-n, s.hi-s.lo)
		s.hi -= k
		c.n -= k
		if s.hi == s.lo {
			c.pool.put(s.p)
			c.segs = c.segs[:len(c.segs)-1]
		}
	}
	return nil
}

// Evict removes the rows [from, to); later rows move down, their content (positions included) stays as it was.
func (c *Cache) Evict(from, to int) error {
	if from < 0 || to < from || to > c.n {
		return fmt.Errorf("kvcache: evict rows %d to %d of %d", from, to, c.n)
	}
	kept := make([]segment, 0, len(c.segs)+1)
	start := 0
	for _, s := range c.segs {
		n := s.hi - s.lo
		a, b := min(max(from-start, 0), n), min(max(to-start, 0), n) // the part of this segment that goes
		start += n
		head, tail := segment{s.p, s.lo, s.lo + a}, segment{s.p, s.lo + b, s.hi}
		if a == b {
			head, tail = s, segment{}
		}
		switch h, t := head.hi > head.lo, tail.hi > tail.lo; {
		case h && t:
			s.p.refs.Add(1)
			kept = append(kept, head, tail)
		case h:
			kept = append(kept, head)
		case t:
			kept = append(kept, tail)
		default:
			c.pool.put(s.p)
		}
	}
	c.segs, c.n = kept, c.n-(to-from)
	return nil
}

// Fork returns a sequence with the same rows. Pages are shared until one of the two appends.
func (c *Cache) Fork() *Cache {
	f := &Cache{c: c.c, pool: c.pool, n: c.n, segs: append([]segment(nil), c.segs...)}
	for _, s := range f.segs {
		s.p.refs.Add(1)
	}
	return f
}

// Close gives the pages back; the Cache is then empty.
func (c *Cache) Close() { _ = c.Truncate(0) }

// Pages returns how many pages the sequence refers to, and how many of these it shares with forks.
func (c *Cache) Pages() (all, shared int) {
	for _, s := range c.segs {
		if s.p.refs.Load() > 1 {
			shared++
		}
	}
	return len(c.segs), shared
}

func (p *pages) get() *page {
	p.mu.Lock()
	defer p.mu.Unlock()
	var pg *page
	if n := len(p.free); n > 0 {
		pg, p.free = p.free[n-1], p.free[:n-1]
	} else {
		pg = &page{data: make([]uint16, p.size)}
	}
	pg.refs.Store(1)
	return pg
}

func (p *pages) put(pg *page) {
	if pg.refs.Add(-1) > 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) < keepFree {
		p.free = append(p.free, pg)
	}
}
