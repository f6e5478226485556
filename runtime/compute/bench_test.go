package compute

import "testing"

func BenchmarkGemm48x64x128(b *testing.B) {
	x, y, c := randoms(1, 48*128, 1), randoms(2, 128*64, 1), make([]float32, 48*64)
	for b.Loop() {
		gemm(c, 64, x, 128, y, 64, 48, 64, 128, false)
	}
	b.ReportMetric(48*64*128*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
}

func BenchmarkExpSum(b *testing.B) {
	x := make([]float32, 1024)
	for b.Loop() {
		clear(x)
		expSum(x, 1)
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/1024*1e9, "ns/element")
}

func BenchmarkQuickGELU(b *testing.B) {
	x := make([]float32, 1024)
	for b.Loop() {
		QuickGELU(x)
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/1024*1e9, "ns/element")
}

// One head of a 448x448 frame pair of the 2B model.
func BenchmarkAttend64x1024x80(b *testing.B) {
	q, kt, v, out := randoms(1, 64*80, 1), randoms(2, 80*1040, 1), randoms(3, 1024*80, 1), make([]float32, 64*80)
	for b.Loop() {
		Attend(out, 80, q, 80, kt, 1040, v, 80, 64, 1024, 80, 0.1)
	}
	b.ReportMetric(2*64*1024*80*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
}

func BenchmarkAttendBF16x64x1024x80(b *testing.B) {
	q, v, out := randoms(1, 64*80, 1), randoms(3, 1024*80, 1), make([]float32, 64*80)
	kt := randoms(2, 80*1040, 1)
	kp, vp := make([]uint32, 40*1040), make([]uint32, 512*80)
	for i := range 40 {
		PairBF16(kp[i*1040:(i+1)*1040], kt[2*i*1040:], kt[(2*i+1)*1040:])
	}
	for j := range 512 {
		PairBF16(vp[j*80:(j+1)*80], v[2*j*80:], v[(2*j+1)*80:])
	}
	for b.Loop() {
		AttendBF16(out, 80, q, 80, kp, 1040, vp, 80, 64, 1024, 80, 0.1)
	}
	b.ReportMetric(2*64*1024*80*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
}
