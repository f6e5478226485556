package qwen2vl

import (
	"fmt"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/compute"
)

// head is the keys and values of one attention head, kept in the way its products want them.
type head interface {
	// fit makes room for n keys and values of hd elements; what is there already is used again.
	fit(n, hd int) error
	// set takes keys [hd, n] with rows ldk apart, ldk at least n rounded up to 16, and values [n, hd] with rows ldv apart. Both must
	// stay as they are until the last attend.
	set(kt []float32, ldk int, v []float32, ldv int)
	// attend computes softmax(Q K^T * scale) V of m queries: q and out are [m, hd] with rows ldq and ldo apart.
	attend(out []float32, ldo int, q []float32, ldq, m int, scale float32)
}

// fitHeads makes count heads for n keys of hd elements.
func fitHeads(heads []head, kind func() head, count, n, hd int) ([]head, error) {
	for len(heads) < count {
		heads = append(heads, kind())
	}
	for _, h := range heads[:count] {
		if err := h.fit(n, hd); err != nil {
			return heads, fmt.Errorf("qwen2vl: encode: %w", err)
		}
	}
	return heads, nil
}

// setHeads gives attention the keys and values of count heads: of head i keys [head size, n] from kt[i*head size*stride(n)] on, and values [n, head
// size], rows ldv apart, from values[i*apart] on.
func (v *Vision) setHeads(heads []head, count, n int, kt, values []float32, apart, ldv int) ([]head, error) {
	hd, ld := v.c.Embed/v.c.Heads, stride(n)
	heads, err := fitHeads(heads, v.newHead, count, n, hd)
	if err != nil {
		return heads, err
	}
	v.pool.Do(count, func(i int) { heads[i].set(kt[i*hd*ld:], ld, values[i*apart:], ldv) })
	return heads, nil
}

// attention is the kind of head that is fastest here. Less than float32 it is only where all of the tower's other products are of
// eight bits anyway.
func (v *Vision) attention() func() head {
	bytes := map[string]quant.Type{"dotprod": quant.Q8_0, "i8mm": quant.Q8_0, "avx2": quant.Int8}
	typ, ok := bytes[quant.ISA()]
	switch {
	case ok && v.keeps(typ):
		return newByteHead
	case compute.BF16() && v.keeps(quant.Int8Wide) && v.c.Embed/v.c.Heads%16 == 0:
		return newPairHead
	}
	return newFloatHead
}

// floatHead attends in float32 to keys and values where they lie.
type floatHead struct {
	kt, v    []float32
	ldk, ldv int
	n, hd    int
}

func newFloatHead() head { return new(floatHead) }

func (h *floatHead) fit(n, hd int) error { h.n, h.hd = n, hd; return nil }

func (h *floatHead) set(kt []float32, ldk int, v []float32, ldv int) {
	h.kt, h.ldk, h.v, h.ldv = kt, ldk, v, ldv
}

func (h *floatHead) attend(out []float32, ldo int, q []float32, ldq, m int, scale float32) {
	compute.Attend(out, ldo, q, ldq, h.kt, h.ldk, h.v, h.ldv, m, h.n, h.hd, scale)
}

// pairHead attends in bfloat16: keys [hd/2, ld] and values [(n+1)/2, hd] in pairs.
type pairHead struct {
	keys, values []uint32
	ld           int
	n, hd        int
}

func newPairHead() head { return new(pairHead) }

func (h *pairHead) fit(n, hd int) error {
	h.n, h.hd, h.ld = n, hd, stride(n)
	h.keys, h.values = sized(h.keys, hd/2*h.ld), sized(h.values, (n+1)/2*hd)
	return nil
}

func (h *pairHead) set(kt []float32, ldk int, v []float32, ldv int) {
	pairRows(h.keys, h.ld, kt, ldk, h.hd, (h.n+15)/16*16)
	pairRows(h.values, h.hd, v, ldv, h.n, h.hd)
}

func (h *pairHead) attend(out []float32, ldo int, q []float32, ldq, m int, scale float32) {
	compute.AttendBF16(out, ldo, q, ldq, h.keys, h.ld, h.values, h.hd, m, h.n, h.hd, scale)
}

// pairRows makes pairs of rows 2i and 2i+1 of x [n, width], ldx apart; of a last row alone, pairs with zeros.
func pairRows(dst []uint32, ld int, x []float32, ldx, n, width int) {
	for i := 0; i < n; i += 2 {
		var second []float32
		if i+1 < n {
			second = x[(i+1)*ldx:][:width]
		}
		compute.PairBF16(dst[i/2*ld:][:width], x[i*ldx:][:width], second)
	}
}
