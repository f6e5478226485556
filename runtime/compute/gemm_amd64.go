package compute

func vecGemm(c []float32, ldc int, a []float32, lda int, b []float32, ldb, m, n, k int, acc bool) int {
	n = whole(n)
	if n == 0 || m == 0 || k == 0 {
		return 0
	}
	_, _, _ = c[(m-1)*ldc+n-1], a[(m-1)*lda+k-1], b[(k-1)*ldb+n-1]
	add := 0
	if acc {
		add = 1
	}
	for i := 0; i < m; {
		ap, rows := &a[i*lda], 1
		for j := 0; j < n; {
			cp, bp, cols := &c[i*ldc+j], &b[j], 16
			if n-j < 16 {
				cols = 8
			}
			switch left := m - i; {
			case left >= 6 && cols == 16:
				rows = 6
				gemm6x16AVX2(cp, 4*ldc, ap, 4*lda, bp, 4*ldb, k, add)
			case left >= 6:
				rows = 6
				gemm6x8AVX2(cp, 4*ldc, ap, 4*lda, bp, 4*ldb, k, add)
			case left >= 4 && cols == 16:
				rows = 4
				gemm4x16AVX2(cp, 4*ldc, ap, 4*lda, bp, 4*ldb, k, add)
			case left >= 4:
				rows = 4
				gemm4x8AVX2(cp, 4*ldc, ap, 4*lda, bp, 4*ldb, k, add)
			case left >= 2 && cols == 16:
				rows = 2
				gemm2x16AVX2(cp, 4*ldc, ap, 4*lda, bp, 4*ldb, k, add)
			case left >= 2:
				rows = 2
				gemm2x8AVX2(cp, 4*ldc, ap, 4*lda, bp, 4*ldb, k, add)
			case cols == 16:
				gemm1x16AVX2(cp, 4*ldc, ap, 4*lda, bp, 4*ldb, k, add)
			default:
				gemm1x8AVX2(cp, 4*ldc, ap, 4*lda, bp, 4*ldb, k, add)
			}
			j += cols
		}
		i += rows
	}
	return n
}

// The kernels compute tiles of C = A*B, or C += A*B with acc = 1; strides are in bytes, k is positive.

//go:noescape
func gemm6x16AVX2(c *float32, ldc int, a *float32, lda int, b *float32, ldb, k, acc int)

//go:noescape
func gemm4x16AVX2(c *float32, ldc int, a *float32, lda int, b *float32, ldb, k, acc int)

//go:noescape
func gemm2x16AVX2(c *float32, ldc int, a *float32, lda int, b *float32, ldb, k, acc int)

//go:noescape
func gemm1x16AVX2(c *float32, ldc int, a *float32, lda int, b *float32, ldb, k, acc int)

//go:noescape
func gemm6x8AVX2(c *float32, ldc int, a *float32, lda int, b *float32, ldb, k, acc int)

//go:noescape
func gemm4x8AVX2(c *float32, ldc int, a *float32, lda int, b *float32, ldb, k, acc int)

//go:noescape
func gemm2x8AVX2(c *float32, ldc int, a *float32, lda int, b *float32, ldb, k, acc int)

//go:noescape
func gemm1x8AVX2(c *float32, ldc int, a *float32, lda int, b *float32, ldb, k, acc int)
