package quant

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPackedMatrixMultipliesLikeNewMatrix(t *testing.T) {
	const rows, cols, n = 19, 512, 3
	rng := rand.New(rand.NewPCG(8, 9))
	w, x := make([]float32, rows*cols), make([]float32, n*cols)
	for i := range w {
		w[i] = float32(rng.NormFloat64())
	}
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	for _, ty := range []Type{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q6_K} {
		data := make([]byte, rows*ty.RowBytes(cols))
		if err := Quantize(ty, data, w); err != nil {
			t.Fatal(err)
		}
		want, err := NewMatrix(ty, data, rows, cols)
		if err != nil {
			t.Fatal(err)
		}
		packed := aligned(PackedBytes(ty, rows, cols))
		if err := Pack(packed, ty, ty, data, rows, cols); err != nil {
			t.Fatal(err)
		}
		got, err := PackedMatrix(packed, ty, rows, cols)
		if err != nil {
			t.Fatal(err)
		}
		a, b := make([]float32, n*rows), make([]float32, n*rows)
		want.Mul(a, x, n, goroutines(1))
		got.Mul(b, x, n, goroutines(1))
		if !slices.Equal(a, b) {
			t.Errorf("%v: the products differ", ty)
		}
		if _, err := PackedMatrix(packed[1:], ty, rows, cols); err == nil {
			t.Errorf("%v: too few bytes were accepted", ty)
		}
	}
	if got := PackedBytes(F16, rows, cols); got != 0 {
		t.Errorf("F16 isn't repacked, yet takes %d bytes", got)
	}
}
