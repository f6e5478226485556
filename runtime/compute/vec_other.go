//go:build !amd64 && !arm64

package compute

// vector says whether the vector forms are used.
var vector = false

// The vec functions do as much of an operator as vector instructions can, from the start, and return how many
// elements that was; the portable code does the rest.

func vecAdd(dst, x []float32) int                            { return 0 }
func vecScale(x []float32, a float32) int                    { return 0 }
func vecSum(x []float32) (float32, int)                      { return 0, 0 }
func vecSumSquares(x []float32, m float32) (float32, int)    { return 0, 0 }
func vecShiftScaleMul(dst, x, w []float32, m, s float32) int { return 0 }
func vecSiLUMul(gate, up []float32) int                      { return 0 }
func vecQuickGELU(x []float32) int                           { return 0 }
func vecMax(x []float32) (float32, int)                      { return x[0], 0 }
func vecExpSum(x []float32, m float32) (float32, int)        { return 0, 0 }
func vecRotateHalves(a, b, cos, sin []float32) int           { return 0 }
func vecToF16(dst []uint16, x []float32) int                 { return 0 }
func vecFromF16(dst []float32, x []uint16) int               { return 0 }
func vecGemm(c []float32, ldc int, a []float32, lda int, b []float32, ldb, m, n, k int, acc bool) int {
	return 0
}
