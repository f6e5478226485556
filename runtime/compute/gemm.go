package compute

//go:generate go run ./internal/gen

// gemm computes C = A*B, or C += A*B with acc, for row-major C [m, n], A [m, k], B [k, n] with row strides ldc, lda,
// ldb. Both products of attention have this form.
func gemm(c []float32, ldc int, a []float32, lda int, b []float32, ldb, m, n, k int, acc bool) {
	if m == 0 || n == 0 {
		return
	}
	// The vector kernel takes whole columns from the left.
	j := vecGemm(c, ldc, a, lda, b, ldb, m, n, k, acc)
	for ; j+4 <= n; j += 4 {
		i := 0
		for ; i+2 <= m; i += 2 {
			gemm2x4(c[i*ldc+j:], ldc, a[i*lda:], lda, b[j:], ldb, k, acc)
		}
		if i < m {
			gemm1x4(c[i*ldc+j:], a[i*lda:], b[j:], ldb, k, acc)
		}
	}
	for ; j < n; j++ {
		for i := range m {
			s := float32(0)
			for l, x := range a[i*lda : i*lda+k] {
				s += x * b[l*ldb+j]
			}
			if acc {
				s += c[i*ldc+j]
			}
			c[i*ldc+j] = s
		}
	}
}

func gemm2x4(c []float32, ldc int, a []float32, lda int, b []float32, ldb, k int, acc bool) {
	var s00, s01, s02, s03, s10, s11, s12, s13 float32
	a0, a1 := a[:k], a[lda:lda+k]
	a1 = a1[:len(a0)]
	for l, x := range a0 {
		y := a1[l]
		p := b[l*ldb:][:4:4]
		s00, s01, s02, s03 = s00+x*p[0], s01+x*p[1], s02+x*p[2], s03+x*p[3]
		s10, s11, s12, s13 = s10+y*p[0], s11+y*p[1], s12+y*p[2], s13+y*p[3]
	}
	c0, c1 := c[:4:4], c[ldc:ldc+4:ldc+4]
	if acc {
		s00, s01, s02, s03 = s00+c0[0], s01+c0[1], s02+c0[2], s03+c0[3]
		s10, s11, s12, s13 = s10+c1[0], s11+c1[1], s12+c1[2], s13+c1[3]
	}
	c0[0], c0[1], c0[2], c0[3] = s00, s01, s02, s03
	c1[0], c1[1], c1[2], c1[3] = s10, s11, s12, s13
}

func gemm1x4(c []float32, a, b []float32, ldb, k int, acc bool) {
	var s0, s1, s2, s3 float32
	for l, x := range a[:k] {
		p := b[l*ldb:][:4:4]
		s0, s1, s2, s3 = s0+x*p[0], s1+x*p[1], s2+x*p[2], s3+x*p[3]
	}
	c = c[:4:4]
	if acc {
		s0, s1, s2, s3 = s0+c[0], s1+c[1], s2+c[2], s3+c[3]
	}
	c[0], c[1], c[2], c[3] = s0, s1, s2, s3
}
