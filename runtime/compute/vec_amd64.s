#include "textflag.h"

// All lengths n are multiples of 8 and positive. Operators and constants equal the portable forms in activate.go and
// norm.go; sums are taken in another order.

#define F32X8(name, bits) \
	DATA name<>+0(SB)/4, $bits; DATA name<>+4(SB)/4, $bits; \
	DATA name<>+8(SB)/4, $bits; DATA name<>+12(SB)/4, $bits; \
	DATA name<>+16(SB)/4, $bits; DATA name<>+20(SB)/4, $bits; \
	DATA name<>+24(SB)/4, $bits; DATA name<>+28(SB)/4, $bits; \
	GLOBL name<>(SB), RODATA|NOPTR, $32

F32X8(expMax, 0x42b0c0a5)
F32X8(expMin, 0xc2aeac50)
F32X8(log2e, 0x3fb8aa3b)
F32X8(magic, 0x4b400000)
F32X8(ln2hi, 0x3f318000)
F32X8(ln2lo, 0xb95e8083)
F32X8(ln2, 0x3f317218)
F32X8(c5, 0x3c08310f)
F32X8(c4, 0x3d2b956d)
F32X8(c3, 0x3e2aabd8)
F32X8(c2, 0x3efffefd)
F32X8(one, 0x3f800000)
F32X8(bias, 127)
F32X8(quick, 0xbfd9db23)

// EXP_CONSTANTS keeps what EXP uses most in Y8-Y15.
#define EXP_CONSTANTS \
	VMOVUPS expMax<>(SB), Y8; \
	VMOVUPS expMin<>(SB), Y9; \
	VMOVUPS log2e<>(SB), Y10; \
	VMOVUPS magic<>(SB), Y11; \
	VMOVUPS ln2hi<>(SB), Y12; \
	VMOVUPS ln2lo<>(SB), Y13; \
	VMOVUPS one<>(SB), Y14; \
	VMOVDQU bias<>(SB), Y15

// EXP replaces Y0 by exp(Y0); Y1-Y4 are changed. Below the minimum the result is 0; NaN stays.
#define EXP \
	VCMPPS $1, Y9, Y0, Y4; \
	VMINPS Y0, Y8, Y0; \
	VMOVAPS Y11, Y1; \
	VFMADD231PS Y10, Y0, Y1; \
	VSUBPS Y11, Y1, Y1; \
	VFNMADD231PS Y12, Y1, Y0; \
	VFNMADD231PS Y13, Y1, Y0; \
	VMOVUPS c5<>(SB), Y2; \
	VFMADD213PS c4<>(SB), Y0, Y2; \
	VFMADD213PS c3<>(SB), Y0, Y2; \
	VFMADD213PS c2<>(SB), Y0, Y2; \
	VMULPS Y0, Y0, Y3; \
	VFMADD213PS Y0, Y3, Y2; \
	VADDPS Y14, Y2, Y2; \
	VCVTPS2DQ Y1, Y1; \
	VPADDD Y15, Y1, Y1; \
	VPSLLD $23, Y1, Y1; \
	VMULPS Y1, Y2, Y0; \
	VANDNPS Y0, Y4, Y0

// SUM8 adds the elements of Y0 into X0.
#define SUM8 \
	VEXTRACTF128 $1, Y0, X1; \
	VADDPS X1, X0, X0; \
	VMOVHLPS X0, X0, X1; \
	VADDPS X1, X0, X0; \
	VMOVSHDUP X0, X1; \
	VADDSS X1, X0, X0

// func addAVX2(dst, x *float32, n int)
TEXT ·addAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
add_loop:
	VMOVUPS (DI), Y0
	VADDPS (SI), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, DI
	ADDQ $32, SI
	SUBQ $8, CX
	JNZ add_loop
	VZEROUPPER
	RET

// func scaleAVX2(x *float32, n int, a float32)
TEXT ·scaleAVX2(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), DI
	MOVQ n+8(FP), CX
	VBROADCASTSS a+16(FP), Y1
scale_loop:
	VMULPS (DI), Y1, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, DI
	SUBQ $8, CX
	JNZ scale_loop
	VZEROUPPER
	RET

// func sumAVX2(x *float32, n int) float32
TEXT ·sumAVX2(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y2, Y2, Y2
sum_pair:
	SUBQ $16, CX
	JL sum_rest
	VADDPS (SI), Y0, Y0
	VADDPS 32(SI), Y2, Y2
	ADDQ $64, SI
	JMP sum_pair
sum_rest:
	CMPQ CX, $-16
	JE sum_end
	VADDPS (SI), Y0, Y0
sum_end:
	VADDPS Y2, Y0, Y0
	SUM8
	VMOVSS X0, ret+16(FP)
	VZEROUPPER
	RET

// func sumSquaresAVX2(x *float32, n int, m float32) float32
TEXT ·sumSquaresAVX2(SB), NOSPLIT, $0-28
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS m+16(FP), Y5
	VXORPS Y0, Y0, Y0
	VXORPS Y2, Y2, Y2
squares_pair:
	SUBQ $16, CX
	JL squares_rest
	VMOVUPS (SI), Y3
	VMOVUPS 32(SI), Y4
	VSUBPS Y5, Y3, Y3
	VSUBPS Y5, Y4, Y4
	VFMADD231PS Y3, Y3, Y0
	VFMADD231PS Y4, Y4, Y2
	ADDQ $64, SI
	JMP squares_pair
squares_rest:
	CMPQ CX, $-16
	JE squares_end
	VMOVUPS (SI), Y3
	VSUBPS Y5, Y3, Y3
	VFMADD231PS Y3, Y3, Y0
squares_end:
	VADDPS Y2, Y0, Y0
	SUM8
	VMOVSS X0, ret+24(FP)
	VZEROUPPER
	RET

// func shiftScaleMulAVX2(dst, x, w *float32, n int, m, s float32)
TEXT ·shiftScaleMulAVX2(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ w+16(FP), DX
	MOVQ n+24(FP), CX
	VBROADCASTSS m+32(FP), Y1
	VBROADCASTSS s+36(FP), Y2
shift_loop:
	VMOVUPS (SI), Y0
	VSUBPS Y1, Y0, Y0
	VMULPS Y2, Y0, Y0
	VMULPS (DX), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, SI
	ADDQ $32, DX
	ADDQ $32, DI
	SUBQ $8, CX
	JNZ shift_loop
	VZEROUPPER
	RET

// func siluMulAVX2(gate, up *float32, n int)
TEXT ·siluMulAVX2(SB), NOSPLIT, $0-24
	MOVQ gate+0(FP), DI
	MOVQ up+8(FP), SI
	MOVQ n+16(FP), CX
	EXP_CONSTANTS
silu_loop:
	VMOVUPS (DI), Y5
	VXORPS Y0, Y0, Y0
	VSUBPS Y5, Y0, Y0
	EXP
	VADDPS Y14, Y0, Y0
	VDIVPS Y0, Y5, Y5
	VMULPS (SI), Y5, Y5
	VMOVUPS Y5, (DI)
	ADDQ $32, DI
	ADDQ $32, SI
	SUBQ $8, CX
	JNZ silu_loop
	VZEROUPPER
	RET

// func quickGELUAVX2(x *float32, n int)
TEXT ·quickGELUAVX2(SB), NOSPLIT, $0-16
	MOVQ x+0(FP), DI
	MOVQ n+8(FP), CX
	EXP_CONSTANTS
	VMOVUPS quick<>(SB), Y6
quick_loop:
	VMOVUPS (DI), Y5
	VMULPS Y6, Y5, Y0
	EXP
	VADDPS Y14, Y0, Y0
	VDIVPS Y0, Y5, Y5
	VMOVUPS Y5, (DI)
	ADDQ $32, DI
	SUBQ $8, CX
	JNZ quick_loop
	VZEROUPPER
	RET

// func maxAVX2(x *float32, n int) float32
TEXT ·maxAVX2(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VMOVUPS (SI), Y0
max_loop:
	VMAXPS (SI), Y0, Y0
	ADDQ $32, SI
	SUBQ $8, CX
	JNZ max_loop
	VEXTRACTF128 $1, Y0, X1
	VMAXPS X1, X0, X0
	VMOVHLPS X0, X0, X1
	VMAXPS X1, X0, X0
	VMOVSHDUP X0, X1
	VMAXSS X1, X0, X0
	VMOVSS X0, ret+16(FP)
	VZEROUPPER
	RET

// func expSumAVX2(x *float32, n int, m float32) float32
//
// The arguments of exp are not positive here, and a weight of 2^-126 is as good as 0: no clamping to 0, ln2 in one part,
// and the power of two goes straight into the exponent.
TEXT ·expSumAVX2(SB), NOSPLIT, $0-28
	MOVQ x+0(FP), DI
	MOVQ n+8(FP), CX
	VBROADCASTSS m+16(FP), Y6
	VXORPS Y7, Y7, Y7
	VMOVUPS expMin<>(SB), Y8
	VMOVUPS log2e<>(SB), Y9
	VMOVUPS magic<>(SB), Y10
	VMOVUPS ln2<>(SB), Y11
	VMOVUPS c4<>(SB), Y12
	VMOVUPS c3<>(SB), Y13
	VMOVUPS c2<>(SB), Y14
	VMOVUPS one<>(SB), Y15
exp_loop:
	VMOVUPS (DI), Y0
	VSUBPS Y6, Y0, Y0
	VMAXPS Y0, Y8, Y0
	VMOVAPS Y10, Y1
	VFMADD231PS Y9, Y0, Y1
	VSUBPS Y10, Y1, Y2
	VFNMADD231PS Y11, Y2, Y0
	VMOVUPS c5<>(SB), Y2
	VFMADD213PS Y12, Y0, Y2
	VFMADD213PS Y13, Y0, Y2
	VFMADD213PS Y14, Y0, Y2
	VMULPS Y0, Y0, Y3
	VADDPS Y15, Y0, Y0
	VFMADD231PS Y3, Y2, Y0
	VPSLLD $23, Y1, Y1
	VPADDD Y1, Y0, Y0
	VADDPS Y0, Y7, Y7
	VMOVUPS Y0, (DI)
	ADDQ $32, DI
	SUBQ $8, CX
	JNZ exp_loop
	VMOVAPS Y7, Y0
	SUM8
	VMOVSS X0, ret+24(FP)
	VZEROUPPER
	RET

// func rotateAVX2(a, b, cos, sin *float32, n int)
TEXT ·rotateAVX2(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), SI
	MOVQ cos+16(FP), R8
	MOVQ sin+24(FP), R9
	MOVQ n+32(FP), CX
rotate_loop:
	VMOVUPS (DI), Y0
	VMOVUPS (SI), Y1
	VMOVUPS (R8), Y2
	VMOVUPS (R9), Y3
	VMULPS Y2, Y0, Y4
	VFNMADD231PS Y3, Y1, Y4
	VMULPS Y2, Y1, Y5
	VFMADD231PS Y3, Y0, Y5
	VMOVUPS Y4, (DI)
	VMOVUPS Y5, (SI)
	ADDQ $32, DI
	ADDQ $32, SI
	ADDQ $32, R8
	ADDQ $32, R9
	SUBQ $8, CX
	JNZ rotate_loop
	VZEROUPPER
	RET

// func toF16AVX2(dst *uint16, x *float32, n int)
TEXT ·toF16AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
tohalf_loop:
	VMOVUPS (SI), Y0
	VCVTPS2PH $0, Y0, X0
	VMOVUPS X0, (DI)
	ADDQ $32, SI
	ADDQ $16, DI
	SUBQ $8, CX
	JNZ tohalf_loop
	VZEROUPPER
	RET

// func fromF16AVX2(dst *float32, x *uint16, n int)
TEXT ·fromF16AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
fromhalf_loop:
	VCVTPH2PS (SI), Y0
	VMOVUPS Y0, (DI)
	ADDQ $16, SI
	ADDQ $32, DI
	SUBQ $8, CX
	JNZ fromhalf_loop
	VZEROUPPER
	RET
