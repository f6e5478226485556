package qwen2vl

import (
	"context"
	"fmt"
	"math"

	"github.com/edgevlm/edgevlm/runtime/compute"
)

const (
	// visionRows is how many patches go through the matrix products at once.
	visionRows = 512
	// visionQueries is how many query rows one block of attention has.
	visionQueries = 256
	// maxPatches bounds the patches of one temporal patch, with which the memory grows: some 13 megapixels.
	maxPatches = 1 << 16
	// maxTemporal bounds the temporal patches of one Encode.
	maxTemporal = 1 << 20
)

// visionScratch is the working memory of one Encode.
type visionScratch struct {
	x         []float32 // of a group of temporal patches [rows, Embed]
	kt, v     []float32 // per temporal patch and head: keys [head size, stride], values [patches, head size]
	heads     []head    // the same, as attention reads them
	h, q, att []float32 // of a block of rows [visionRows, Embed]
	ffn       []float32 // [visionRows, FFN]
	cos, sin  []float32 // [patches of a temporal patch, head size/2]
	merged    []float32
	blocks    [][2]int // row ranges of attention
}

// Encode computes the embeddings of an image or video: patches [t*h*w, PatchLen] in merge-group order, as imageproc
// makes them, grid in patches, dst [t*h*w/MergeSize^2, OutDim]. Temporal patches do not see each other. It stops
// between layers when ctx ends; dst is then undefined.
func (v *Vision) Encode(ctx context.Context, patches []float32, grid GridTHW, dst []float32) error {
	c := &v.c
	t, h, w := grid[0], grid[1], grid[2]
	switch m := c.MergeSize; {
	case t < 1 || h < 1 || w < 1 || h%m != 0 || w%m != 0:
		return fmt.Errorf("qwen2vl: encode: grid %v must be positive, its height and width multiples of %d", grid, m)
	case t > maxTemporal || h > maxPatches || w > maxPatches || h*w > maxPatches:
		return fmt.Errorf("qwen2vl: encode: grid %v is larger than %d times %d patches: scale the image down", grid, maxTemporal, maxPatches)
	case len(patches) != t*h*w*c.PatchLen():
		return fmt.Errorf("qwen2vl: encode: %d values for grid %v, want %d", len(patches), grid, t*h*w*c.PatchLen())
	case len(dst) != t*h*w/(m*m)*c.OutDim:
		return fmt.Errorf("qwen2vl: encode: room for %d values for grid %v, want %d", len(dst), grid, t*h*w/(m*m)*c.OutDim)
	}
	sc := v.getScratch()
	defer v.putScratch(sc)
	v.angles(sc, h, w)
	// Small temporal patches go through the products together.
	n := h * w
	out := n / (c.MergeSize * c.MergeSize) * c.OutDim
	step := max(1, visionRows/n)
	for i := 0; i < t; i += step {
		k := min(step, t-i)
		err := v.encode(ctx, sc, patches[i*n*c.PatchLen():(i+k)*n*c.PatchLen()], n, k, dst[i*out:(i+k)*out])
		if err != nil {
			return err
		}
	}
	return nil
}

// encode runs k temporal patches of n patches each.
func (v *Vision) encode(ctx context.Context, sc *visionScratch, patches []float32, n, k int, dst []float32) error {
	c := &v.c
	rows := n * k
	sc.x, sc.v, sc.kt = sized(sc.x, rows*c.Embed), sized(sc.v, rows*c.Embed), sized(sc.kt, stride(n)*k*c.Embed)
	b := min(rows, visionRows)
	sc.h, sc.q, sc.att, sc.ffn = sized(sc.h, b*c.Embed), sized(sc.q, b*c.Embed), sized(sc.att, b*c.Embed), sized(sc.ffn, b*c.FFN)
	err := v.eachBlock(ctx, rows, func(lo, hi int) {
		v.patch.mul(sc.x[lo*c.Embed:], patches[lo*c.PatchLen():], hi-lo, v.pool)
	})
	for i := range v.layers {
		l := &v.layers[i]
		if err == nil {
			err = v.eachBlock(ctx, rows, func(lo, hi int) { v.keysValues(sc, l, n, lo, hi) })
		}
		if err == nil {
			hd := c.Embed / c.Heads
			sc.heads, err = v.setHeads(sc.heads, k*c.Heads, n, sc.kt, sc.v, n*hd, hd)
		}
		if err == nil {
			err = v.eachBlock(ctx, rows, func(lo, hi int) {
				v.attend(sc, l, n, lo, hi)
				v.feedForward(sc, l, lo, hi)
			})
		}
	}
	if err == nil {
		err = v.merge(ctx, sc, rows, dst)
	}
	return err
}

func (v *Vision) eachBlock(ctx context.Context, rows int, f func(lo, hi int)) error {
	for lo := 0; lo < rows; lo += visionRows {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("qwen2vl: encode: %w", err)
		}
		f(lo, min(rows, lo+visionRows))
	}
	return nil
}

// angles fills the 2-D rotary angles of one temporal patch, in merge-group order: the first half of the pairs follows
// the row, the second the column.
func (v *Vision) angles(sc *visionScratch, h, w int) {
	m, quarter := v.c.MergeSize, len(v.freqs)
	half := 2 * quarter
	sc.cos, sc.sin = sized(sc.cos, h*w*half), sized(sc.sin, h*w*half)
	o := 0
	set := func(pos int) {
		compute.RopeAngles(sc.cos[o:o+quarter], sc.sin[o:o+quarter], v.freqs, float32(pos))
		o += quarter
	}
	for y := 0; y < h; y += m {
		for x := 0; x < w; x += m {
			for dy := range m {
				for dx := range m {
					set(y + dy)
					set(x + dx)
				}
			}
		}
	}
}

// stride is the distance of the transposed keys' rows: an odd multiple of a cache line, since powers of two would all
// fall into the same few sets of the cache.
func stride(n int) int { return (n+15)/16*16 | 16 }

// keysValues computes keys and values of rows [lo, hi) and stores them head by head, as attention reads them.
func (v *Vision) keysValues(sc *visionScratch, l *visionLayer, n, lo, hi int) {
	d := v.c.Embed
	hd, ld := d/v.c.Heads, stride(n)
	v.layerNorm(sc.h, sc.x[lo*d:hi*d], l.ln1, hi-lo)
	l.k.mul(sc.q, sc.h, hi-lo, v.pool)
	l.v.mul(sc.att, sc.h, hi-lo, v.pool)
	eachRows(v.pool, hi-lo, d*8, func(a, b int) {
		v.rotate(sc, sc.q, n, lo, a, b)
		for r := a; r < b; r++ {
			row := lo + r
			to := sc.v[row/n*n*d+row%n*hd:]
			for o := 0; o < d; o += hd {
				copy(to[o*n:o*n+hd], sc.att[r*d+o:])
			}
		}
		for a < b {
			// Eight rows at a time write eight neighbours of each transposed row.
			row := lo + a
			e := min(b, a+8, a+n-row%n)
			kt := sc.kt[row/n*ld*d+row%n:]
			for i := range d {
				to := kt[i*ld:][:e-a]
				for j := range to {
					to[j] = sc.q[(a+j)*d+i]
				}
			}
			a = e
		}
	})
}

// attend adds the attention of rows [lo, hi) to sc.x.
func (v *Vision) attend(sc *visionScratch, l *visionLayer, n, lo, hi int) {
	d := v.c.Embed
	hd := d / v.c.Heads
	v.layerNorm(sc.h, sc.x[lo*d:hi*d], l.ln1, hi-lo)
	l.q.mul(sc.q, sc.h, hi-lo, v.pool)
	eachRows(v.pool, hi-lo, d*4, func(a, b int) { v.rotate(sc, sc.q, n, lo, a, b) })
	sc.blocks = sc.blocks[:0]
	for r := lo; r < hi; {
		e := min(hi, r+visionQueries, (r/n+1)*n)
		sc.blocks = append(sc.blocks, [2]int{r, e})
		r = e
	}
	scale := float32(1 / math.Sqrt(float64(hd)))
	v.pool.Do(len(sc.blocks)*v.c.Heads, func(i int) {
		b, head := sc.blocks[i/v.c.Heads], i%v.c.Heads
		o := (b[0]-lo)*d + head*hd
		sc.heads[b[0]/n*v.c.Heads+head].attend(sc.att[o:], d, sc.q[o:], d, b[1]-b[0], scale)
	})
	l.o.mul(sc.h, sc.att, hi-lo, v.pool)
	add(sc.x[lo*d:], sc.h, hi-lo, d, v.pool)
}

// feedForward adds the MLP of rows [lo, hi) to sc.x.
func (v *Vision) feedForward(sc *visionScratch, l *visionLayer, lo, hi int) {
	d, f := v.c.Embed, v.c.FFN
	v.layerNorm(sc.h, sc.x[lo*d:hi*d], l.ln2, hi-lo)
	l.ffnUp.mul(sc.ffn, sc.h, hi-lo, v.pool)
	eachRows(v.pool, hi-lo, f*4, func(a, b int) {
		if v.exact {
			compute.GELU(sc.ffn[a*f : b*f])
		} else {
			compute.QuickGELU(sc.ffn[a*f : b*f])
		}
	})
	l.ffnDown.mul(sc.h, sc.ffn, hi-lo, v.pool)
	add(sc.x[lo*d:], sc.h, hi-lo, d, v.pool)
}

// merge joins each merge group to one vector and projects it to the decoder's size.
func (v *Vision) merge(ctx context.Context, sc *visionScratch, rows int, dst []float32) error {
	c := &v.c
	v.layerNorm(sc.x, sc.x[:rows*c.Embed], v.postLN, rows)
	m := c.MergeSize * c.MergeSize
	d := m * c.Embed
	sc.merged = sized(sc.merged, min(rows/m, visionRows)*d)
	return v.eachBlock(ctx, rows/m, func(lo, hi int) {
		n := hi - lo
		v.mm0.mul(sc.merged, sc.x[lo*d:], n, v.pool)
		eachRows(v.pool, n, d*16, func(a, b int) { compute.GELU(sc.merged[a*d : b*d]) })
		v.mm2.mul(dst[lo*c.OutDim:], sc.merged, n, v.pool)
	})
}

// rotate applies the rotary embedding to rows [a, b) of x [rows, Embed], whose first row is row lo of the group.
func (v *Vision) rotate(sc *visionScratch, x []float32, n, lo, a, b int) {
	d, half := v.c.Embed, 2*len(v.freqs)
	for r := a; r < b; r++ {
		p := (lo + r) % n * half
		cos, sin := sc.cos[p:p+half], sc.sin[p:p+half]
		for o := r * d; o < (r+1)*d; o += 2 * half {
			compute.RotateHalves(x[o:o+2*half], cos, sin)
		}
	}
}

func (v *Vision) layerNorm(dst, x []float32, w norm, n int) {
	d := v.c.Embed
	eachRows(v.pool, n, d*4, func(lo, hi int) {
		compute.LayerNorm(dst[lo*d:hi*d], x[lo*d:hi*d], w.w, w.b, hi-lo, v.c.NormEps)
	})
}

func (v *Vision) getScratch() *visionScratch {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n := len(v.scratch); n > 0 {
		sc := v.scratch[n-1]
		v.scratch = v.scratch[:n-1]
		return sc
	}
	return new(visionScratch)
}

func (v *Vision) putScratch(sc *visionScratch) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.scratch) < 1 {
		v.scratch = append(v.scratch, sc)
	}
}
