package quant

//go:noescape
func gemvQ4_0VNNI(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ4_0VNNI(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemvQ4_1VNNI(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ4_1VNNI(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemvQ8_0VNNI(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ8_0VNNI(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemvQ8_1VNNI(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ8_1VNNI(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemvQ4_KVNNI(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ4_KVNNI(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemvQ5_KVNNI(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ5_KVNNI(w, panel []byte, nb int, out []float32, ldo int)

//go:noescape
func gemvQ6_KVNNI(w []byte, a []activation, out []float32)

//go:noescape
func gemmQ6_KVNNI(w, panel []byte, nb int, out []float32, ldo int)
