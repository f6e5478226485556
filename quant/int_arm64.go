package quant

//go:noescape
func gemvQ4_0NEON(w []byte, a []activation, out []float32)

//go:noescape
func gemvQ4_0DOT(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ4_0NEON(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ4_0DOT(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ4_0I8MM(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemvQ4_1NEON(w []byte, a []activation, out []float32)

//go:noescape
func gemvQ4_1DOT(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ4_1NEON(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ4_1DOT(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ4_1I8MM(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemvQ8_0NEON(w []byte, a []activation, out []float32)

//go:noescape
func gemvQ8_0DOT(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ8_0NEON(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ8_0DOT(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ8_0I8MM(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemvQ8_1NEON(w []byte, a []activation, out []float32)

//go:noescape
func gemvQ8_1DOT(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ8_1NEON(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ8_1DOT(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ8_1I8MM(w, panel []byte, nb int, out []float32, ldo int)
