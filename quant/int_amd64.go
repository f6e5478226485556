package quant

//go:noescape
func gemvQ4_0AVX2(w []byte, a []activation, out []float32)

//go:noescape
func gemvQ4_1AVX2(w []byte, a []activation, out []float32)

//go:noescape
func gemvQ8_0AVX2(w []byte, a []activation, out []float32)

//go:noescape
func gemvQ8_1AVX2(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ4_0AVX2(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ4_1AVX2(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ8_0AVX2(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ8_1AVX2(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func mulInt8AVX2(w []byte, stride, groups, nb int, a []activation, n int, out []float32, ldo int)

// mulSmallAVX2 is an int8Kernel for weights in [-8, 7] and activations of the full byte.
//
//go:noescape
func mulSmallAVX2(w []byte, stride, groups, nb int, a []activation, n int, out []float32, ldo int)

//go:noescape
func spreadQ4_0AVX2(dst []byte, stride int, w []byte, nb int)
