package quant

// quantizeBlocksAVX2 quantizes blocks until one holds a value that needs care (all tiny, infinite, NaN); it returns how
// many it did.
//
//go:noescape
func quantizeBlocksAVX2(dst []activation, x []float32) int

func quantizeAVX2(dst []activation, x []float32) {
	for len(dst) > 0 {
		n := quantizeBlocksAVX2(dst, x)
		dst, x = dst[n:], x[n*blockLen:]
		if len(dst) > 0 {
			dst[0].quantize(x[:blockLen])
			dst, x = dst[1:], x[blockLen:]
		}
	}
}
