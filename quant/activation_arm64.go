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
