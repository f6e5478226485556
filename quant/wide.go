package quant

import (
	"runtime"
	"sync"
	"unsafe"
)

// Many columns: unpacking a weight for every few of them takes longer than multiplying it. Here the weights of a piece are
// spread once to the Int8 layout, with a sum of -128*sum(q), and multiplied by all columns, whose bytes have 128 added. Every
// sum of integers is the same as the other kernels', and floats follow in the same order, so that the results are the same bits.

// wideFrom is the number of columns from which that pays.
const wideFrom = 16

var spreads = sync.Pool{New: func() any { return new([int8Groups * int8Blocks * groupInt8]byte) }}

func (m *Matrix) mulWide(k *kernels, ik *intKernel, out, x []float32, n int, r Runner) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	nb := m.nb
	acts := grow(&s.acts, n*nb)
	run(r, n, max(1, 16384/m.cols), func(from, to int) {
		row := rowBuffers.Get().(*[]activation)
		defer rowBuffers.Put(row)
		a := grow(row, nb)
		for c := from; c < to; c++ {
			quantizeRow(k.quantize, a, x[c*m.cols:][:m.cols])
			p := c / int8Panel
			w := min(int8Panel, n-p*int8Panel)
			dst := acts[p*int8Panel*nb+c%int8Panel:]
			for b := range a {
				d := &dst[b*w]
				d.d = a[b].d
				addSign(&d.q, &a[b].q)
			}
		}
	})
	groups := m.rowGroups()
	run(r, groups, groupsOfChunk(groups, r), func(from, to int) {
		buffer := spreads.Get().(*[int8Groups * int8Blocks * groupInt8]byte)
		defer spreads.Put(buffer)
		stride := (to - from) * groupInt8
		for c := range n {
			clear(out[c*m.rows:][from*groupRows : min(m.rows, to*groupRows)])
		}
		for b := 0; b < nb; b += int8Blocks {
			blocks := min(nb, b+int8Blocks) - b
			for g := from; g < to; g++ {
				ik.spread(buffer[(g-from)*groupInt8:], stride, m.groups(g)[b*m.layout.groupBytes():], blocks)
			}
			for c := 0; c < n; c += int8Panel {
				w := min(int8Panel, n-c)
				m.addGroups(ik.wide, buffer[:], stride, from, to, blocks, acts[c*nb+b*w:], w, out[c*m.rows:])
			}
		}
	})
	runtime.KeepAlive(m)
}

var rowBuffers = sync.Pool{New: func() any { return new([]activation) }}

// addSign adds 128 to every byte.
func addSign(dst, src *[blockLen]int8) {
	for i := 0; i < blockLen; i += 8 {
		d, s := (*uint64)(unsafe.Pointer(&dst[i])), (*uint64)(unsafe.Pointer(&src[i]))
		*d = *s ^ 0x8080808080808080
	}
}
