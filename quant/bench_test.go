//go:build unix

package quant

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is what this process has used. Timings divide by it where other programs share the machine.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano())
}

// BenchmarkMul: one thread, the shapes of a 2B decoder's feed-forward. MB/s is weight bytes as they are kept; MAC/ns the
// multiplications a nanosecond, MAC/cpu-ns the same of processor time, where a neighbour's load is left out. One column is
// decoding, over more matrices than the caches hold; 256 a prefill.
func BenchmarkMul(b *testing.B) {
	was := ISA()
	defer func() { _ = SetISA(was) }()
	const rows, cols = 8960, 1536
	for _, ty := range Types() {
		for _, isa := range ISAs() {
			for _, n := range []int{1, 256} {
				b.Run(fmt.Sprintf("%v/%s/columns=%d", ty, isa, n), func(b *testing.B) {
					if isa == "generic" && n > 1 {
						b.Skip("minutes")
					}
					if err := SetISA(isa); err != nil {
						b.Fatal(err)
					}
					copies := benchMatrices(b, ty, rows, cols, n)
					x := randomFloats(rand.New(rand.NewPCG(3, 4)), n*cols)
					out := make([]float32, n*rows)
					b.SetBytes(int64(copies[0].Bytes()))
					i, before := 0, cpuTime()
					for b.Loop() {
						copies[i%len(copies)].Mul(out, x, n, nil)
						i++
					}
					macs := float64(b.N) * rows * cols * float64(n)
					b.ReportMetric(macs/float64(b.Elapsed().Nanoseconds()), "MAC/ns")
					b.ReportMetric(macs/float64(cpuTime()-before), "MAC/cpu-ns")
				})
			}
		}
	}
}

// benchMatrices makes one matrix, or for a single column as many as 128 MB hold.
func benchMatrices(b *testing.B, ty Type, rows, cols, n int) []*Matrix {
	m, err := NewMatrix(ty, randomWeights(rand.New(rand.NewPCG(1, 2)), ty, rows, cols), rows, cols)
	if err != nil {
		b.Fatal(err)
	}
	copies := []*Matrix{m}
	for size := m.Bytes(); n == 1 && size < 128<<20; size += m.Bytes() {
		c := *m
		c.packed = append([]byte(nil), m.packed...)
		c.raw = append([]byte(nil), m.raw...)
		copies = append(copies, &c)
	}
	return copies
}

// BenchmarkKernel: one kernel on weights that stay in the caches. best-MAC/ns is the fastest of many passes: what the kernel
// can do, also on a machine that others use.
func BenchmarkKernel(b *testing.B) {
	const rows, cols = 128, 1536
	for _, ty := range Types() {
		if layoutOf(ty) == layoutNone {
			continue
		}
		m, err := NewMatrix(ty, randomWeights(rand.New(rand.NewPCG(1, 2)), ty, rows, cols), rows, cols)
		if err != nil {
			b.Fatal(err)
		}
		a := make([]activation, m.nb)
		quantizeActivations(a, randomFloats(rand.New(rand.NewPCG(3, 4)), cols))
		group := m.packedBytes() / m.rowGroups()
		for _, k := range installed() {
			ik := &k.ints[m.layout]
			b.Run(fmt.Sprintf("%v/%s/gemv", ty, k.name), func(b *testing.B) {
				out := make([]float32, groupRows)
				benchBest(b, rows*cols, func() {
					for g := range m.rowGroups() {
						ik.gemv(m.groups(g)[:group], a, out)
					}
				})
			})
			if ik.gemm == nil {
				continue
			}
			b.Run(fmt.Sprintf("%v/%s/gemm", ty, k.name), func(b *testing.B) {
				columns := make([][]activation, ik.tile)
				for c := range columns {
					columns[c] = a
				}
				panel, out := make([]byte, m.nb*ik.panelBytes), make([]float32, groupRows*ik.tile)
				ik.pack(panel, columns)
				benchBest(b, rows*cols*ik.tile, func() {
					for g := range m.rowGroups() {
						ik.gemm(m.groups(g)[:group], panel, m.nb, out, groupRows)
					}
				})
			})
		}
	}
}

func benchBest(b *testing.B, macs int, f func()) {
	best := time.Duration(1 << 62)
	for b.Loop() {
		start := time.Now()
		f()
		best = min(best, time.Since(start))
	}
	b.ReportMetric(float64(macs)/float64(best.Nanoseconds()), "best-MAC/ns")
}

// BenchmarkQuantizeActivations: one row of 1536.
func BenchmarkQuantizeActivations(b *testing.B) {
	x := randomFloats(rand.New(rand.NewPCG(3, 4)), 1536)
	a := make([]activation, 48)
	for _, k := range installed() {
		b.Run(k.name, func(b *testing.B) {
			b.SetBytes(4 * 1536)
			for b.Loop() {
				k.quantize(a, x)
			}
		})
	}
}

// BenchmarkStrip: a strip's kernels on weights and columns that stay in the L1 cache.
func BenchmarkStrip(b *testing.B) {
	for _, k := range installed() {
		kernels := map[string]*stripTiles{"INT8W": &k.int8Wide}
		for l, t := range map[layout]Type{layoutQ4_0: Q4_0, layoutQ4_1: Q4_1, layoutQ4_K: Q4_K, layoutQ6_K: Q6_K} {
			kernels[t.String()] = &k.ints[l].strip.mul
		}
		for _, name := range slices.Sorted(maps.Keys(kernels)) {
			for i, mul := range kernels[name] {
				if mul == nil || k.name == "generic" {
					continue
				}
				cols := stripColumns >> i
				b.Run(fmt.Sprintf("%s/%s/columns=%d", name, k.name, cols), func(b *testing.B) {
					w, blocks := aligned(len(stripBuffer{})), stripBlocks
					if name == "INT8W" {
						blocks /= 2
					}
					panel, out := aligned(stripBlocks*widePanelBytes), make([]float32, 1280*cols)
					benchBest(b, 100*stripRows32*stripBlocks*blockLen*cols, func() {
						for range 100 {
							mul(w, panel, blocks, out, 1280, 1)
						}
					})
				})
			}
		}
	}
}
