package quant

// quantizeBlocksNEON quantizes blocks until one holds a value that needs care (all tiny, infinite, NaN); it returns how
// many it did.
//
//go:noescape
func quantizeBlocksNEON(dst []activation, x []float32) int

func quantizeNEON(dst []activation, x []float32) {
	for len(dst) > 0 {
		n := quantizeBlocksNEON(dst, x)
		dst, x = dst[n:], x[n*blockLen:]
		if len(dst) > 0 {
			dst[0].quantize(x[:blockLen])
			dst, x = dst[1:], x[blockLen:]
		}
	}
}

// panelDOT and panelI8MM fill nb blocks of a panel from eight columns of x, ldx apart, but for the sums, which Q8_0 doesn't need, until a
// block holds a value that needs care; they return how many they did.
//
//go:noescape
func panelDOT(panel []byte, x []float32, ldx, nb int) int

//go:noescape
func panelI8MM(panel []byte, x []float32, ldx, nb int) int

// fill8 is [intKernel.fill] by one of these.
func fill8(some func(panel []byte, x []float32, ldx, nb int) int, pack func([]byte, [][]activation), size int) func(panel []byte, x []float32, ldx, nb int) {
	return func(panel []byte, x []float32, ldx, nb int) {
		for nb > 0 {
			n := some(panel, x, ldx, nb)
			panel, x, nb = panel[n*size:], x[n*blockLen:], nb-n
			if nb == 0 {
				break
			}
			var a [8]activation
			var cols [8][]activation
			for c := range a {
				a[c].quantize(x[c*ldx:][:blockLen])
				cols[c] = a[c : c+1]
			}
			pack(panel[:size], cols[:])
			panel, x, nb = panel[size:], x[blockLen:], nb-1
		}
	}
}

// setQ8_0NEON is setQ8_0; false without having done anything where x has a NaN or an infinity.
//
//go:noescape
func setQ8_0NEON(group []byte, x []float32, ld int) bool

func setQ8_0Fast(group []byte, x []float32, ld int) {
	if !setQ8_0NEON(group, x, ld) {
		setQ8_0(group, x, ld)
	}
}
