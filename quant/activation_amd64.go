package quant

import "unsafe"

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

// quantizeU8BlocksAVX2 is quantizeU8 with stride in bytes, of blocks until one holds a value that needs care; it returns how many it did.
//
//go:noescape
func quantizeU8BlocksAVX2(dst *activation, stride, n int, x []float32) int

func quantizeU8AVX2(dst []activation, stride int, x []float32) {
	nb := len(x) / blockLen
	for b := 0; b < nb; {
		_ = dst[(nb-1)*stride]
		b += quantizeU8BlocksAVX2(&dst[b*stride], stride*int(unsafe.Sizeof(activation{})), nb-b, x[b*blockLen:])
		if b < nb {
			dst[b*stride].quantizeU8(x[b*blockLen:][:blockLen])
			b++
		}
	}
}
