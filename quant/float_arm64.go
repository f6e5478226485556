package quant

//go:noescape
func dotF32x44NEON(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

//go:noescape
func dotF32x41NEON(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

//go:noescape
func dotF32x11NEON(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

//go:noescape
func dotF16x44NEON(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

//go:noescape
func dotF16x41NEON(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

//go:noescape
func dotF16x11NEON(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

//go:noescape
func dotBF16x44NEON(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

//go:noescape
func dotBF16x41NEON(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)

//go:noescape
func dotBF16x11NEON(w []byte, ldw int, x []float32, ldx, k int, out []float32, ldo int)
