package mjpeg

import (
	"os"

	"golang.org/x/sys/cpu"
)

// vector says whether the vector forms are used: they need AVX2. EDGEVLM_ISA=generic turns them off, as it does for the model's.
var vector = cpu.X86.HasAVX2 && os.Getenv("EDGEVLM_ISA") != "generic"

// vecIDCT does what portableIDCT does, for any block, or nothing.
func vecIDCT(c *[64]int32, dst []byte, stride int) bool {
	if !vector {
		return false
	}
	_ = dst[7*stride+7]
	idctAVX2(c, &dst[0], stride)
	return true
}

// vecRGBRow does as much of a row in which two pixels share a sample of colour as it can, and returns how many pixels that was: a
// multiple of 16.
func vecRGBRow(out, ys, cb, cr []byte) int {
	n := len(ys) &^ 15
	if !vector || n == 0 {
		return 0
	}
	_, _, _ = out[3*n-1], cb[n/2-1], cr[n/2-1]
	rgbRowAVX2(&out[0], &ys[0], &cb[0], &cr[0], n)
	return n
}

//go:noescape
func idctAVX2(c *[64]int32, dst *byte, stride int)

//go:noescape
func rgbRowAVX2(out, ys, cb, cr *byte, n int)
