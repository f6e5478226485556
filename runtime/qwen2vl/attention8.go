package qwen2vl

import (
	"fmt"
	"sync"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/compute"
)

// Attention on bytes: keys and values become weights of 8 bits, queries and the softmax's weights activations of 8 bits, all in blocks
// of 32 with a scale each. With block scales a large weight makes only its own 31 neighbours coarse, so that many small ones
// elsewhere still count (a scale for a whole row would lose them).

// bytesRows is how many queries go through at once: with 1,024 keys their scores take 256 KiB.
const bytesRows = 64

// attendsBytes says whether this tower's attention runs on bytes: where that is fastest, and all of the tower's other products are of
// eight bits anyway.
func (v *Vision) attendsBytes() bool {
	typ, ok := map[string]quant.Type{"dotprod": quant.Q8_0, "i8mm": quant.Q8_0, "avx2": quant.Int8}[quant.ISA()]
	return ok && v.keeps(typ)
}

// byteHead is the keys [patches, head size] and the values [head size, patches] of a head. Both are padded with zeros.
type byteHead struct {
	keys, values *quant.Matrix
	n, hd        int
}

// fitHeads makes count heads for n keys of hd elements; what is there already is used again.
func fitHeads(heads []byteHead, count, n, hd int) ([]byteHead, error) {
	for len(heads) < count {
		heads = append(heads, byteHead{})
	}
	for i := range heads[:count] {
		h := &heads[i]
		if h.n == n && h.hd == hd {
			continue
		}
		values, err := quant.NewInt8(hd, n)
		if err == nil {
			h.keys, err = quant.NewInt8(values.Cols(), hd) // as many scores as the values take weights
		}
		if err != nil {
			return heads, fmt.Errorf("qwen2vl: encode: %w", err)
		}
		h.values, h.n, h.hd = values, n, hd
	}
	return heads, nil
}

// set takes keys [hd, n] with rows ldk apart and values [n, hd] with rows ldv apart.
func (h *byteHead) set(kt []float32, ldk int, v []float32, ldv int) {
	h.keys.SetTransposed(kt, ldk, h.n, h.hd)
	h.values.SetTransposed(v, ldv, h.hd, h.n)
}

// byteScratch is the working memory of a block of queries.
type byteScratch struct{ q, s, o []float32 }

var byteScratches = sync.Pool{New: func() any { return new(byteScratch) }}

// attend is compute.Attend with these keys and values.
func (h *byteHead) attend(out []float32, ldo int, q []float32, ldq, m int, scale float32) {
	f := byteScratches.Get().(*byteScratch)
	defer byteScratches.Put(f)
	cols, wide := h.keys.Cols(), h.keys.Rows()
	f.q, f.s, f.o = sized(f.q, bytesRows*cols), sized(f.s, bytesRows*wide), sized(f.o, bytesRows*h.hd)
	for lo := 0; lo < m; lo += bytesRows {
		k := min(bytesRows, m-lo)
		for i := range k {
			row := f.q[i*cols:][:cols]
			clear(row[copy(row[:h.hd], q[(lo+i)*ldq:]):])
		}
		compute.Scale(f.q[:k*cols], scale)
		h.keys.Mul(f.s[:k*wide], f.q[:k*cols], k, nil)
		sums := f.q[:k] // the queries are done with
		for i := range k {
			row := f.s[i*wide:][:wide]
			sums[i] = compute.Exp(row[:h.n])
			clear(row[h.n:])
		}
		h.values.Mul(f.o[:k*h.hd], f.s[:k*wide], k, nil)
		for i := range k {
			row := out[(lo+i)*ldo:][:h.hd]
			copy(row, f.o[i*h.hd:])
			compute.Scale(row, 1/sums[i])
		}
	}
}
