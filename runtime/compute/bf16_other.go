//go:build !amd64

package compute

// vectorBF16 says whether there are forms for bfloat16.
const vectorBF16 = false

func vecPairBF16([]uint32, []float32, []float32) int { return 0 }
func vecToBF16([]uint32, []float32) int              { return 0 }
func vecGemmBF16(c []float32, ldc int, a []uint32, lda int, b []uint32, ldb, m, n, k int, acc bool) bool {
	return false
}
