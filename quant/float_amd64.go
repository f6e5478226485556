package quant

//go:noescape
func dotF32x43AVX2(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

//go:noescape
func dotF32x41AVX2(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

//go:noescape
func dotF32x11AVX2(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

//go:noescape
func dotF16x43AVX2(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

//go:noescape
func dotF16x41AVX2(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

//go:noescape
func dotF16x11AVX2(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

//go:noescape
func dotBF16x43AVX2(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

//go:noescape
func dotBF16x41AVX2(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

//go:noescape
func dotBF16x11AVX2(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)
