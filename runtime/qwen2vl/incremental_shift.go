package qwen2vl

import (
	"fmt"
	"math"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/kvcache"
)

// Shift moves the positions of the rows [from, to) by delta: their keys are turned by the difference of the angles, in F16
// as they are stored. Only text whose rotary pairs are halves of a head (qwen2, qwen2vl) can be shifted.
func (s *Session) Shift(from, to int, delta [3]int32) error {
	if s.kv == nil {
		return errClosed
	}
	m := s.m
	if m.c.Arch == "llama" {
		return fmt.Errorf("qwen2vl: shift: architecture llama stores its keys in another order")
	}
	half := len(m.freqs)
	cos, sin := make([]float32, half), make([]float32, half)
	for i, f := range m.freqs {
		sn, cs := math.Sincos(float64(delta[m.axis[i]]) * float64(f))
		cos[i], sin[i] = float32(cs), float32(sn)
	}
	err := s.kv.EditKeys(from, to, func(_, _ int, k []uint16, lo, hi int) {
		for i := range half {
			if sin[i] == 0 && cos[i] == 1 {
				continue
			}
			a := k[i*kvcache.PageRows : (i+1)*kvcache.PageRows]
			b := k[(i+half)*kvcache.PageRows : (i+half+1)*kvcache.PageRows]
			for r := lo; r < hi; r++ {
				u, v := quant.F16ToF32(a[r]), quant.F16ToF32(b[r])
				a[r] = quant.F32ToF16(float32(u*cos[i]) - float32(v*sin[i]))
				b[r] = quant.F32ToF16(float32(v*cos[i]) + float32(u*sin[i]))
			}
		}
	})
	if err != nil {
		return fmt.Errorf("qwen2vl: %w", err)
	}
	return nil
}
