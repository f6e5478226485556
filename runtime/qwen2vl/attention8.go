package qwen2vl

import (
	"sync"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/compute"
)

// Attention on bytes: keys and values become weights of 8 bits, queries and the softmax's weights activations of 8 bits, all in blocks
// of 32 with a scale each. With block scales a large weight makes only its own 31 neighbours coarse, so that many small ones
// elsewhere still count (a scale for a whole row would lose them).

// bytesRows is how many queries go through at once: with 1,024 keys their scores take 256 KiB.
const bytesRows = 64

// byteHead is the keys [patches, head size] and the values [head size, patches] of a head. Both are padded with zeros.
type byteHead struct {
	keys, values *quant.Matrix
	n, hd        int
}

func newByteHead() head { return new(byteHead) }

func (h *byteHead) fit(n, hd int) error {
	if h.n == n && h.hd == hd {
		return nil
	}
	values, err := quant.NewInt8(hd, n)
	if err != nil {
		return err
	}
	keys, err := quant.NewInt8(values.Cols(), hd) // as many scores as the values take weights
	if err != nil {
		return err
	}
	h.keys, h.values, h.n, h.hd = keys, values, n, hd
	return nil
}

func (h *byteHead) set(kt []float32, ldk int, v []float32, ldv int) {
	h.keys.SetTransposed(kt, ldk, h.n, h.hd)
	h.values.SetTransposed(v, ldv, h.hd, h.n)
}

// byteScratch is the working memory of a block of queries.
type byteScratch struct{ q, s, o []float32 }

var byteScratches = sync.Pool{New: func() any { return new(byteScratch) }}

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
