package quant

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// BenchmarkMul: one thread, the shapes of a 2B decoder's feed-forward. B/s is weight bytes as they are kept, MAC/ns the
// multiplications. Columns 1 is decoding (more matrices than the caches hold), 256 a prefill.
func BenchmarkMul(b *testing.B) {
	was := ISA()
	defer func() { _ = SetISA(was) }()
	const rows, cols = 8960, 1536
	for _, ty := range Types() {
		m, err := NewMatrix(ty, randomWeights(rand.New(rand.NewPCG(1, 2)), ty, rows, cols), rows, cols)
		if err != nil {
			b.Fatal(err)
		}
		copies := []*Matrix{m}
		for size := m.Bytes(); size < 128<<20; size += m.Bytes() {
			c := *m
			c.packed = append([]byte(nil), m.packed...)
			c.raw = append([]byte(nil), m.raw...)
			copies = append(copies, &c)
		}
		for _, isa := range ISAs() {
			for _, n := range []int{1, 256} {
				b.Run(fmt.Sprintf("%v/%s/columns=%d", ty, isa, n), func(b *testing.B) {
					if isa == "generic" && n > 1 {
						b.Skip("minutes")
					}
					if err := SetISA(isa); err != nil {
						b.Fatal(err)
					}
					x := randomFloats(rand.New(rand.NewPCG(3, 4)), n*cols)
					out := make([]float32, n*rows)
					i := 0
					for b.Loop() {
						copies[i%len(copies)].Mul(out, x, n, nil)
						i++
					}
					b.SetBytes(int64(m.Bytes()))
					b.ReportMetric(float64(b.N)*rows*cols*float64(n)/float64(b.Elapsed().Nanoseconds()), "MAC/ns")
				})
			}
		}
		copies = nil
		runtime.GC()
	}
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
