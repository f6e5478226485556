package quant

//go:noescape
func gemvQ4_KAVX2(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ4_KAVX2(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemvQ5_KAVX2(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ5_KAVX2(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemvQ6_KAVX2(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ6_KAVX2(w, panel []byte, nb int, out []float32, ldo int)
