package compute

import (
	"os"

	"golang.org/x/sys/cpu"
)

// vectorBF16 says whether the forms of AVX512-BF16 are used.
var vectorBF16 = vector512 && cpu.X86.HasAVX512BF16 && cpu.X86.HasAVX512BW && os.Getenv("EDGEVLM_ISA") != "avx2"

func vecPairBF16(dst []uint32, a, b []float32) int {
	n := whole512(len(dst))
	if !vectorBF16 || n == 0 || b == nil {
		return 0
	}
	_, _ = a[n-1], b[n-1]
	pairBF16(&dst[0], &a[0], &b[0], n)
	return n
}

func vecToBF16(dst []uint32, x []float32) int {
	n := whole512(len(x))
	if !vectorBF16 || n == 0 {
		return 0
	}
	_ = dst[n/2-1]
	toBF16x16(&dst[0], &x[0], n)
	return n
}

func vecGemmBF16(c []float32, ldc int, a []uint32, lda int, b []uint32, ldb, m, n, k int, acc bool) bool {
	if !vectorBF16 || k == 0 {
		return false
	}
	n = (n + 15) &^ 15
	_, _, _ = c[(m-1)*ldc+n-1], a[(m-1)*lda+k-1], b[(k-1)*ldb+n-1]
	add := 0
	if acc {
		add = 1
	}
	gemmTilesBF16.mul(c, ldc, a, lda, b, ldb, m, n, k, add)
	return true
}

var gemmTilesBF16 = tiles512[uint32]{
	1: {gemm1x16BF16, gemm1x32BF16},
	2: {gemm2x16BF16, gemm2x32BF16},
	4: {gemm4x16BF16, gemm4x32BF16},
	8: {gemm8x16BF16, gemm8x32BF16},
}

// pairBF16 does n elements, a positive multiple of 16.
//
//go:noescape
func pairBF16(dst *uint32, a, b *float32, n int)

// toBF16x16 packs n elements, a positive multiple of 16.
//
//go:noescape
func toBF16x16(dst *uint32, x *float32, n int)

//go:noescape
func gemm8x32BF16(c *float32, ldc int, a *uint32, lda int, b *uint32, ldb, k, acc int)

//go:noescape
func gemm8x16BF16(c *float32, ldc int, a *uint32, lda int, b *uint32, ldb, k, acc int)

//go:noescape
func gemm4x32BF16(c *float32, ldc int, a *uint32, lda int, b *uint32, ldb, k, acc int)

//go:noescape
func gemm4x16BF16(c *float32, ldc int, a *uint32, lda int, b *uint32, ldb, k, acc int)

//go:noescape
func gemm2x32BF16(c *float32, ldc int, a *uint32, lda int, b *uint32, ldb, k, acc int)

//go:noescape
func gemm2x16BF16(c *float32, ldc int, a *uint32, lda int, b *uint32, ldb, k, acc int)

//go:noescape
func gemm1x32BF16(c *float32, ldc int, a *uint32, lda int, b *uint32, ldb, k, acc int)

//go:noescape
func gemm1x16BF16(c *float32, ldc int, a *uint32, lda int, b *uint32, ldb, k, acc int)
