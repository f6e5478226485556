package quant

import (
	"encoding/binary"
	"math"
	"os"
	"testing"
)

// quant_k.bin is testdata/make_k_goldens.py's: weights, and the squared errors llama.cpp's encoder leaves on them.
func TestKQuantErrorIsAtMostLlamaCpps(t *testing.T) {
	b, err := os.ReadFile("testdata/quant_k.bin")
	if err != nil {
		t.Fatal(err)
	}
	for kind := 0; len(b) > 0; kind++ {
		n := int(binary.LittleEndian.Uint32(b))
		x := make([]float32, n)
		for i := range x {
			x[i] = f16At(b[4+2*i:])
		}
		b = b[4+2*n:]
		for _, ty := range []Type{Q4_K, Q6_K} {
			reference := math.Float64frombits(binary.LittleEndian.Uint64(b))
			b = b[8:]
			enc, dec := make([]byte, ty.RowBytes(n)), make([]float32, n)
			if err := Quantize(ty, enc, x); err != nil {
				t.Fatal(err)
			}
			if err := Dequantize(ty, dec, enc); err != nil {
				t.Fatal(err)
			}
			var sum float64
			for i := range x {
				e := float64(dec[i]) - float64(x[i])
				sum += e * e
			}
			// The bar is on the root of the mean square.
			ratio := math.Sqrt(sum / reference)
			t.Logf("kind %d %v: error %.4f of llama.cpp's", kind, ty, ratio)
			if ratio > 1.02 {
				t.Errorf("kind %d %v: error is %.4f of llama.cpp's, over 1.02", kind, ty, ratio)
			}
		}
	}
}

func TestKQuantHoldsExtremes(t *testing.T) {
	for name, f := range map[string]func(i int) float32{
		"zeros":        func(int) float32 { return 0 },
		"one value":    func(int) float32 { return 3 },
		"negative":     func(int) float32 { return -3 },
		"ramp":         func(i int) float32 { return float32(i) - 128 },
		"one spike":    func(i int) float32 { return map[bool]float32{true: 1000, false: 0.001}[i == 77] },
		"denormal":     func(i int) float32 { return 1e-40 * float32(i) },
		"tiny":         func(i int) float32 { return 1e-9 * float32(i%7-3) },
		"largest fp16": func(i int) float32 { return 65504 * float32(i%2*2-1) },
	} {
		x := make([]float32, superLen)
		var top float64
		for i := range x {
			x[i] = f(i)
			top = max(top, math.Abs(float64(x[i])))
		}
		for _, ty := range []Type{Q4_K, Q6_K} {
			enc, dec := make([]byte, ty.RowBytes(superLen)), make([]float32, superLen)
			if err := Quantize(ty, enc, x); err != nil {
				t.Fatal(err)
			}
			dequantize(ty, dec, enc)
			for i := range x {
				if e := math.Abs(float64(dec[i]) - float64(x[i])); !(e <= top/7+1e-5) {
					t.Errorf("%s %v: weight %d is %v, was %v", name, ty, i, dec[i], x[i])
					break
				}
			}
		}
	}
}
