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
	done := 0
	if vector512 {
		done = n &^ 15
		gemmTiles512.mul(c, ldc, a, lda, b, ldb, m, done, k, add)
		c, b, n = c[done:], b[done:], n-done
	}
	if n == 0 {
		return done
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
	return done + n
}

// tiles512 are kernels for registers of 16 columns by rows, then of 16 and of 32 columns. T is a float32, or two bfloat16.
type tiles512[T float32 | uint32] [9][2]func(c *float32, ldc int, a *T, lda int, b *T, ldb, k, acc int)

// mul is a product whose n is a multiple of 16. Each element is the same sum in the same order, whatever tile it lies in.
func (t *tiles512[T]) mul(c []float32, ldc int, a []T, lda int, b []T, ldb, m, n, k, acc int) {
	for i := 0; i < m && n > 0; {
		rows := 8
		for rows > m-i {
			rows /= 2
		}
		for j := 0; j < n; {
			cols := min(32, n-j)
			t[rows][cols/32](&c[i*ldc+j], 4*ldc, &a[i*lda], 4*lda, &b[j], 4*ldb, k, acc)
			j += cols
		}
		i += rows
	}
}

var gemmTiles512 = tiles512[float32]{
	1: {gemm1x16AVX512, gemm1x32AVX512},
	2: {gemm2x16AVX512, gemm2x32AVX512},
	4: {gemm4x16AVX512, gemm4x32AVX512},
	8: {gemm8x16AVX512, gemm8x32AVX512},
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

//go:noescape
func gemm8x32AVX512(c *float32, ldc int, a *float32, lda int, b *float32, ldb, k, acc int)

//go:noescape
func gemm8x16AVX512(c *float32, ldc int, a *float32, lda int, b *float32, ldb, k, acc int)

//go:noescape
func gemm4x32AVX512(c *float32, ldc int, a *float32, lda int, b *float32, ldb, k, acc int)

//go:noescape
func gemm4x16AVX512(c *float32, ldc int, a *float32, lda int, b *float32, ldb, k, acc int)

//go:noescape
func gemm2x32AVX512(c *float32, ldc int, a *float32, lda int, b *float32, ldb, k, acc int)

//go:noescape
func gemm2x16AVX512(c *float32, ldc int, a *float32, lda int, b *float32, ldb, k, acc int)

//go:noescape
func gemm1x32AVX512(c *float32, ldc int, a *float32, lda int, b *float32, ldb, k, acc int)

//go:noescape
func gemm1x16AVX512(c *float32, ldc int, a *float32, lda int, b *float32, ldb, k, acc int)
