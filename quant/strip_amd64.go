package quant

//go:noescape
func spreadStripQ4_0AVX2(dst, w []byte, nb int)

//go:noescape
func spreadStripQ4_1AVX2(dst, w []byte, nb int)

//go:noescape
func spreadStripQ8_0AVX2(dst, w []byte, nb int)

//go:noescape
func spreadStripQ8_1AVX2(dst, w []byte, nb int)

//go:noescape
func spreadStripQ4_KAVX2(dst, w []byte, nb int)

//go:noescape
func spreadStripQ5_KAVX2(dst, w []byte, nb int)

//go:noescape
func spreadStripQ6_KAVX2(dst, w []byte, nb int)

//go:noescape
func strip8VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func strip4VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func strip2VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func strip1VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func stripMin8VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func stripMin4VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func stripMin2VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func stripMin1VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func strip_K4VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func strip_K2VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func strip_K1VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func strip_K6x4VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func strip_K6x2VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func strip_K6x1VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func int8Wide8VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func int8Wide4VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func int8Wide2VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func int8Wide1VNNI(w, panel []byte, nb int, out []float32, ldo, add int)

//go:noescape
func quantizeWideVNNI(panel []byte, x []float32, ldx, cols, nb int)

//go:noescape
func prefetchL2(p *byte, n int)

//go:noescape
func quantizeStripVNNI(panel []byte, x []float32, ldx, cols, nb int, zero, second int32)
