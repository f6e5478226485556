package quant

//go:noescape
func gemvQ4_KNEON(w []byte, a []activation, out []float32)

//go:noescape
func gemvQ4_KDOT(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ4_KDOT(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemvQ5_KNEON(w []byte, a []activation, out []float32)

//go:noescape
func gemvQ5_KDOT(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ5_KDOT(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemvQ6_KNEON(w []byte, a []activation, out []float32)

//go:noescape
func gemvQ6_KDOT(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ6_KDOT(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ4_KNEON(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ4_KI8MM(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ5_KNEON(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ5_KI8MM(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ6_KNEON(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemmQ6_KI8MM(w, panel []byte, nb int, out []float32, ldo int)
