package qwen2vl

import (
	"context"
	"fmt"
	"math"

	"github.com/edgevlm/edgevlm/runtime/compute"
)

// VisionMemory keeps, of one temporal patch, the keys and values of every layer of the tower, as F16, so that a later
// temporal patch of the same grid can be computed where it differs only (Eventful Transformers, Dutson et al. 2023, keep
// more: products and deltas of every token). The zero value is empty. It is used by one goroutine at a time.
type VisionMemory struct {
	grid  GridTHW
	valid bool
	kt, v [][]uint16 // per layer: keys [Embed, stride], values [patches, Embed]

	// working memory
	rows        []int
	x, h, q, at []float32 // of the rows computed
	ffn         []float32
	ktf, vf     []float32 // one layer in F32
	heads       []head    // the same, as attention reads them
	in          []float32 // the rows' patches
	row16       []uint16
	cos, sin    []float32 // of all patches
}

// Valid says whether a temporal patch of that grid can be computed in part.
func (m *VisionMemory) Valid(grid GridTHW) bool { return m.valid && m.grid == grid }

// Reset empties the memory, so that the next temporal patch is computed whole.
func (m *VisionMemory) Reset() { m.valid = false }

// Bytes is the size of the keys and values kept.
func (m *VisionMemory) Bytes() int {
	n := 0
	for i := range m.kt {
		n += 2 * (len(m.kt[i]) + len(m.v[i]))
	}
	return n
}

// EncodeChanged is Encode of one temporal patch, grid[0] == 1, of which only the merged cells of changed are computed:
// they attend to the keys and values that m keeps of all others, and theirs take the place of those kept. dst is
// [h*w/MergeSize^2, OutDim], of which only the changed cells' rows are written. changed nil means all, and so does a memory
// that is empty or of another grid. When it fails, m is empty.
func (v *Vision) EncodeChanged(ctx context.Context, m *VisionMemory, patches []float32, grid GridTHW, changed []bool, dst []float32) (err error) {
	c := &v.c
	h, w, group := grid[1], grid[2], c.MergeSize*c.MergeSize
	n := h * w
	switch {
	case grid[0] != 1 || h < 1 || w < 1 || h%c.MergeSize != 0 || w%c.MergeSize != 0 || h > maxPatches || w > maxPatches || n > maxPatches:
		return fmt.Errorf("qwen2vl: encode: grid %v must be one temporal patch, its height and width multiples of %d, of at most %d patches", grid, c.MergeSize, maxPatches)
	case len(patches) != n*c.PatchLen() || len(dst) != n/group*c.OutDim:
		return fmt.Errorf("qwen2vl: encode: %d values for grid %v with room for %d, want %d and %d", len(patches), grid, len(dst), n*c.PatchLen(), n/group*c.OutDim)
	case changed != nil && len(changed) != n/group:
		return fmt.Errorf("qwen2vl: encode: %d cells marked, the grid has %d", len(changed), n/group)
	}
	whole := changed == nil || !m.Valid(grid)
	v.prepare(m, grid, whole)
	m.rows = m.rows[:0]
	for cell := range n / group {
		for i := 0; (whole || changed[cell]) && i < group; i++ {
			m.rows = append(m.rows, cell*group+i)
		}
	}
	if len(m.rows) == 0 {
		return nil
	}
	m.valid = false // until all layers are through
	if err := v.encodeRows(ctx, m, patches, n, whole); err != nil {
		return err
	}
	v.mergeRows(m, dst)
	m.valid = true
	return nil
}

// prepare sizes the memory for a grid.
func (v *Vision) prepare(m *VisionMemory, grid GridTHW, whole bool) {
	d, n := v.c.Embed, grid[1]*grid[2]
	if m.grid != grid || len(m.kt) != len(v.layers) {
		m.kt, m.v = make([][]uint16, len(v.layers)), make([][]uint16, len(v.layers))
		for i := range v.layers {
			m.kt[i], m.v[i] = make([]uint16, d*stride(n)), make([]uint16, n*d)
		}
		sc := visionScratch{}
		v.angles(&sc, grid[1], grid[2])
		m.cos, m.sin = sc.cos, sc.sin
		m.grid, m.valid = grid, false
	}
	m.ktf, m.vf = sized(m.ktf, d*stride(n)), sized(m.vf, n*d)
}

// encodeRows runs m.rows of the n patches through all layers; their residual stream is then m.x [rows, Embed].
func (v *Vision) encodeRows(ctx context.Context, m *VisionMemory, patches []float32, n int, whole bool) error {
	c, k := &v.c, len(m.rows)
	d, pl := c.Embed, c.PatchLen()
	m.x, m.h, m.q, m.at = sized(m.x, k*d), sized(m.h, k*d), sized(m.q, k*d), sized(m.at, k*d)
	m.ffn = sized(m.ffn, min(k, visionRows)*c.FFN)
	in := patches
	if !whole {
		m.in = sized(m.in, k*pl)
		for i, r := range m.rows {
			copy(m.in[i*pl:(i+1)*pl], patches[r*pl:])
		}
		in = m.in
	}
	each := func(f func(lo, hi int)) {
		for lo := 0; lo < k; lo += visionRows {
			f(lo, min(k, lo+visionRows))
		}
	}
	each(func(lo, hi int) { v.patch.mul(m.x[lo*d:], in[lo*pl:], hi-lo, v.pool) })
	for i := range v.layers {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("qwen2vl: encode: %w", err)
		}
		l := &v.layers[i]
		each(func(lo, hi int) {
			v.layerNorm(m.h[lo*d:], m.x[lo*d:hi*d], l.ln1, hi-lo)
			l.k.mul(m.q[lo*d:], m.h[lo*d:], hi-lo, v.pool)
			l.v.mul(m.at[lo*d:], m.h[lo*d:], hi-lo, v.pool)
		})
		if err := v.keep(m, i, n); err != nil {
			return err
		}
		each(func(lo, hi int) { l.q.mul(m.q[lo*d:], m.h[lo*d:], hi-lo, v.pool) })
		v.attendRows(m)
		each(func(lo, hi int) {
			l.o.mul(m.h[lo*d:], m.at[lo*d:], hi-lo, v.pool)
			add(m.x[lo*d:], m.h[lo*d:], hi-lo, d, v.pool)
			v.feedForwardRows(m, l, lo, hi)
		})
	}
	return nil
}

// keep rotates the rows' keys, m.q, puts them and their values, m.at, into a layer's memory, and reads the layer back as
// F32. All of it passes through F16, so that a row counts the same in the patch that it was computed in and later.
func (v *Vision) keep(m *VisionMemory, layer, n int) (err error) {
	d, ld := v.c.Embed, stride(n)
	kt, vv := m.kt[layer], m.v[layer]
	v.rotateRows(m, m.q)
	m.row16 = sized(m.row16, len(m.rows)*d)
	eachRows(v.pool, len(m.rows), d, func(lo, hi int) {
		compute.ToF16(m.row16[lo*d:hi*d], m.q[lo*d:hi*d])
		for i := lo; i < hi; i++ {
			compute.ToF16(vv[m.rows[i]*d:(m.rows[i]+1)*d], m.at[i*d:(i+1)*d])
		}
	})
	// By elements, not rows: each thread then writes its own part of the transposed keys.
	eachRows(v.pool, d, n+len(m.rows), func(lo, hi int) {
		for e := lo; e < hi; e++ {
			to := kt[e*ld : e*ld+n]
			for i, r := range m.rows {
				to[r] = m.row16[i*d+e]
			}
		}
		compute.FromF16(m.ktf[lo*ld:hi*ld], kt[lo*ld:hi*ld])
	})
	eachRows(v.pool, n, d, func(lo, hi int) { compute.FromF16(m.vf[lo*d:hi*d], vv[lo*d:hi*d]) })
	m.heads, err = v.setHeads(m.heads, v.c.Heads, n, m.ktf, m.vf, d/v.c.Heads, d)
	return err
}

// attendRows computes the rows' attention to all patches, m.at, from their queries, m.q.
func (v *Vision) attendRows(m *VisionMemory) {
	d := v.c.Embed
	hd, k := d/v.c.Heads, len(m.rows)
	v.rotateRows(m, m.q)
	blocks := (k + visionQueries - 1) / visionQueries
	scale := float32(1 / math.Sqrt(float64(hd)))
	v.pool.Do(blocks*v.c.Heads, func(i int) {
		lo, head := i/v.c.Heads*visionQueries, i%v.c.Heads
		o := lo*d + head*hd
		rows := min(k-lo, visionQueries)
		m.heads[head].attend(m.at[o:], d, m.q[o:], d, rows, scale)
	})
}

func (v *Vision) rotateRows(m *VisionMemory, x []float32) {
	d, half := v.c.Embed, 2*len(v.freqs)
	eachRows(v.pool, len(m.rows), d*4, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			p := m.rows[i] * half
			for o := i * d; o < (i+1)*d; o += 2 * half {
				compute.RotateHalves(x[o:o+2*half], m.cos[p:p+half], m.sin[p:p+half])
			}
		}
	})
}

func (v *Vision) feedForwardRows(m *VisionMemory, l *visionLayer, lo, hi int) {
	d, f, n := v.c.Embed, v.c.FFN, hi-lo
	v.layerNorm(m.h[lo*d:], m.x[lo*d:hi*d], l.ln2, n)
	l.ffnUp.mul(m.ffn, m.h[lo*d:], n, v.pool)
	eachRows(v.pool, n, f*4, func(a, b int) {
		if v.exact {
			compute.GELU(m.ffn[a*f : b*f])
		} else {
			compute.QuickGELU(m.ffn[a*f : b*f])
		}
	})
	l.ffnDown.mul(m.h[lo*d:], m.ffn, n, v.pool)
	add(m.x[lo*d:], m.h[lo*d:], n, d, v.pool)
}

// mergeRows joins the rows' merge groups and writes their embeddings to their places in dst.
func (v *Vision) mergeRows(m *VisionMemory, dst []float32) {
	c, group := &v.c, v.c.MergeSize*v.c.MergeSize
	d, cells := group*c.Embed, len(m.rows)/group
	v.layerNorm(m.x, m.x, v.postLN, len(m.rows))
	m.ffn = sized(m.ffn, min(cells, visionRows)*(d+c.OutDim))
	for lo := 0; lo < cells; lo += visionRows {
		n := min(cells-lo, visionRows)
		joined, out := m.ffn[:n*d], m.ffn[n*d:n*(d+c.OutDim)]
		v.mm0.mul(joined, m.x[lo*d:], n, v.pool)
		eachRows(v.pool, n, d*16, func(a, b int) { compute.GELU(joined[a*d : b*d]) })
		v.mm2.mul(out, joined, n, v.pool)
		for i := range n {
			cell := m.rows[(lo+i)*group] / group
			copy(dst[cell*c.OutDim:(cell+1)*c.OutDim], out[i*c.OutDim:])
		}
	}
}
