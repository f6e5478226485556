package compute

import (
	"os"

	"golang.org/x/sys/cpu"
)

// vector says whether the vector forms are used: they need AVX2 and FMA (every CPU with AVX2 has F16C as well).
// EDGEVLM_ISA=generic turns them off, as it does for the matrix kernels.
var vector = cpu.X86.HasAVX2 && cpu.X86.HasFMA && os.Getenv("EDGEVLM_ISA") != "generic"

// vector512 says whether the forms with 512-bit registers are used besides: where the matrix kernels are those of AVX512-VNNI, so
// not on the older processors that slow down for 512 bits.
var vector512 = vector && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VNNI && os.Getenv("EDGEVLM_ISA") != "avx2"

// The vec functions do as much of an operator as vector instructions can, from the start, and return how many
// elements that was; the portable code does the rest.

// whole returns the elements of n that fill vectors.
func whole(n int) int {
	if !vector {
		return 0
	}
	return n &^ 7
}

// whole512 returns those that fill 512-bit registers.
func whole512(n int) int {
	if !vector || !vector512 {
		return 0
	}
	return n &^ 15
}

func vecAdd(dst, x []float32) int {
	n := whole(len(dst))
	if n > 0 {
		_ = x[n-1]
		addAVX2(&dst[0], &x[0], n)
	}
	return n
}

func vecScale(x []float32, a float32) int {
	k, n := whole512(len(x)), whole(len(x))
	if k > 0 {
		scaleAVX512(&x[0], k, a)
	}
	if k < n {
		scaleAVX2(&x[k], n-k, a)
	}
	return n
}

func vecSum(x []float32) (float32, int) {
	n := whole(len(x))
	if n == 0 {
		return 0, 0
	}
	return sumAVX2(&x[0], n), n
}

func vecSumSquares(x []float32, m float32) (float32, int) {
	n := whole(len(x))
	if n == 0 {
		return 0, 0
	}
	return sumSquaresAVX2(&x[0], n, m), n
}

func vecShiftScaleMul(dst, x, w []float32, m, s float32) int {
	n := whole(len(dst))
	if n > 0 {
		_, _ = x[n-1], w[n-1]
		shiftScaleMulAVX2(&dst[0], &x[0], &w[0], n, m, s)
	}
	return n
}

func vecSiLUMul(gate, up []float32) int {
	k, n := whole512(len(gate)), whole(len(gate))
	if k > 0 {
		_ = up[k-1]
		siluMulAVX512(&gate[0], &up[0], k)
	}
	if k < n {
		_ = up[n-1]
		siluMulAVX2(&gate[k], &up[k], n-k)
	}
	return n
}

func vecQuickGELU(x []float32) int {
	k, n := whole512(len(x)), whole(len(x))
	if k > 0 {
		quickGELUAVX512(&x[0], k)
	}
	if k < n {
		quickGELUAVX2(&x[k], n-k)
	}
	return n
}

func vecMax(x []float32) (float32, int) {
	n := whole(len(x))
	if n == 0 {
		return x[0], 0
	}
	k := whole512(n)
	if k == 0 {
		return maxAVX2(&x[0], n), n
	}
	m := maxAVX512(&x[0], k)
	if k < n {
		m = max(m, maxAVX2(&x[k], n-k))
	}
	return m, n
}

func vecExpSum(x []float32, m float32) (float32, int) {
	n := whole(len(x))
	if n == 0 {
		return 0, 0
	}
	k := whole512(n)
	if k == 0 {
		return expSumAVX2(&x[0], n, m), n
	}
	s := expSumAVX512(&x[0], k, m)
	if k < n {
		s += expSumAVX2(&x[k], n-k, m)
	}
	return s, n
}

func vecRotateHalves(a, b, cos, sin []float32) int {
	n := whole(len(a))
	if n > 0 {
		_, _, _ = b[n-1], cos[n-1], sin[n-1]
		rotateAVX2(&a[0], &b[0], &cos[0], &sin[0], n)
	}
	return n
}

func vecToF16(dst []uint16, x []float32) int {
	n := whole(len(x))
	if n > 0 {
		_ = dst[n-1]
		toF16AVX2(&dst[0], &x[0], n)
	}
	return n
}

func vecFromF16(dst []float32, x []uint16) int {
	n := whole(len(x))
	if n > 0 {
		_ = dst[n-1]
		fromF16AVX2(&dst[0], &x[0], n)
	}
	return n
}

//go:noescape
func addAVX2(dst, x *float32, n int)

//go:noescape
func scaleAVX2(x *float32, n int, a float32)

//go:noescape
func sumAVX2(x *float32, n int) float32

//go:noescape
func sumSquaresAVX2(x *float32, n int, m float32) float32

//go:noescape
func shiftScaleMulAVX2(dst, x, w *float32, n int, m, s float32)

//go:noescape
func siluMulAVX2(gate, up *float32, n int)

//go:noescape
func quickGELUAVX2(x *float32, n int)

//go:noescape
func maxAVX2(x *float32, n int) float32

//go:noescape
func expSumAVX2(x *float32, n int, m float32) float32

//go:noescape
func rotateAVX2(a, b, cos, sin *float32, n int)

//go:noescape
func toF16AVX2(dst *uint16, x *float32, n int)

//go:noescape
func fromF16AVX2(dst *float32, x *uint16, n int)

//go:noescape
func scaleAVX512(x *float32, n int, a float32)

//go:noescape
func siluMulAVX512(gate, up *float32, n int)

//go:noescape
func quickGELUAVX512(x *float32, n int)

//go:noescape
func maxAVX512(x *float32, n int) float32

//go:noescape
func expSumAVX512(x *float32, n int, m float32) float32
