#include "textflag.h"

// All lengths n are multiples of 4 and positive. Operators and constants equal the portable forms in activate.go and
// norm.go; sums are taken in another order. The WORD macros are instructions that Go's assembler lacks; operands are
// register numbers, destination first, four lanes of float32.

#define FADD(d, n, m)  WORD $(0x4E20D400 | (m)<<16 | (n)<<5 | (d))
#define FSUB(d, n, m)  WORD $(0x4EA0D400 | (m)<<16 | (n)<<5 | (d))
#define FMUL(d, n, m)  WORD $(0x6E20DC00 | (m)<<16 | (n)<<5 | (d))
#define FDIV(d, n, m)  WORD $(0x6E20FC00 | (m)<<16 | (n)<<5 | (d))
#define FMLA(d, n, m)  WORD $(0x4E20CC00 | (m)<<16 | (n)<<5 | (d))
#define FMLS(d, n, m)  WORD $(0x4EA0CC00 | (m)<<16 | (n)<<5 | (d))
#define FMAX(d, n, m)  WORD $(0x4E20F400 | (m)<<16 | (n)<<5 | (d))
#define FMIN(d, n, m)  WORD $(0x4EA0F400 | (m)<<16 | (n)<<5 | (d))
#define FCMGT(d, n, m) WORD $(0x6EA0E400 | (m)<<16 | (n)<<5 | (d))
#define FADDP(d, n, m) WORD $(0x6E20D400 | (m)<<16 | (n)<<5 | (d))
#define BIC(d, n, m)   WORD $(0x4E601C00 | (m)<<16 | (n)<<5 | (d))
#define FRINTN(d, n)   WORD $(0x4E218800 | (n)<<5 | (d))
#define FCVTNS(d, n)   WORD $(0x4E21A800 | (n)<<5 | (d))
#define FNEG(d, n)     WORD $(0x6EA0F800 | (n)<<5 | (d))
#define FMAXV(d, n)    WORD $(0x6E30F800 | (n)<<5 | (d))
#define FCVTL(d, n)    WORD $(0x0E217800 | (n)<<5 | (d))
#define FCVTN(d, n)    WORD $(0x0E216800 | (n)<<5 | (d))
#define MOV(d, n)      WORD $(0x4EA01C00 | (n)<<16 | (n)<<5 | (d))

#define CONST(v, bits) MOVD $bits, R9; VDUP R9, v.S4

// EXP_CONSTANTS keeps what EXP uses in V16-V25.
#define EXP_CONSTANTS \
	CONST(V16, 0x42b0c0a5); \
	CONST(V17, 0xc2aeac50); \
	CONST(V18, 0x3fb8aa3b); \
	CONST(V19, 0x3f318000); \
	CONST(V20, 0xb95e8083); \
	CONST(V21, 0x3c08310f); \
	CONST(V22, 0x3d2b956d); \
	CONST(V23, 0x3e2aabd8); \
	CONST(V24, 0x3efffefd); \
	CONST(V25, 0x3f800000)

// EXP replaces V0 by exp(V0); V1-V5 are changed. Below the minimum the result is 0; NaN stays.
#define EXP \
	FCMGT(4, 17, 0); \
	FMIN(0, 0, 16); \
	FMUL(1, 0, 18); \
	FRINTN(1, 1); \
	FMLS(0, 1, 19); \
	FMLS(0, 1, 20); \
	MOV(2, 22); FMLA(2, 21, 0); \
	MOV(3, 24); FMLA(3, 23, 0); \
	FMUL(5, 0, 0); \
	FMLA(3, 2, 5); \
	FMLA(0, 3, 5); \
	FADD(0, 0, 25); \
	FCVTNS(1, 1); \
	VSHL $23, V1.S4, V1.S4; \
	VADD V25.S4, V1.S4, V1.S4; \
	FMUL(0, 0, 1); \
	BIC(0, 0, 4)

// func addNEON(dst, x *float32, n int)
TEXT ·addNEON(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2
add_loop:
	VLD1 (R0), [V0.S4]
	VLD1.P 16(R1), [V1.S4]
	FADD(0, 0, 1)
	VST1.P [V0.S4], 16(R0)
	SUBS $4, R2, R2
	BNE add_loop
	RET

// func scaleNEON(x *float32, n int, a float32)
TEXT ·scaleNEON(SB), NOSPLIT, $0-20
	MOVD x+0(FP), R0
	MOVD n+8(FP), R2
	FMOVS a+16(FP), F1
	VDUP V1.S[0], V1.S4
scale_loop:
	VLD1 (R0), [V0.S4]
	FMUL(0, 0, 1)
	VST1.P [V0.S4], 16(R0)
	SUBS $4, R2, R2
	BNE scale_loop
	RET

// func sumNEON(x *float32, n int) float32
TEXT ·sumNEON(SB), NOSPLIT, $0-20
	MOVD x+0(FP), R0
	MOVD n+8(FP), R2
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V2.B16, V2.B16, V2.B16
sum_pair:
	SUBS $8, R2, R2
	BLT sum_rest
	VLD1.P 32(R0), [V4.S4, V5.S4]
	FADD(0, 0, 4)
	FADD(2, 2, 5)
	B sum_pair
sum_rest:
	CMP $-8, R2
	BEQ sum_end
	VLD1 (R0), [V4.S4]
	FADD(0, 0, 4)
sum_end:
	FADD(0, 0, 2)
	FADDP(0, 0, 0)
	FADDP(0, 0, 0)
	FMOVS F0, ret+16(FP)
	RET

// func sumSquaresNEON(x *float32, n int, m float32) float32
TEXT ·sumSquaresNEON(SB), NOSPLIT, $0-28
	MOVD x+0(FP), R0
	MOVD n+8(FP), R2
	FMOVS m+16(FP), F1
	VDUP V1.S[0], V1.S4
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V2.B16, V2.B16, V2.B16
squares_pair:
	SUBS $8, R2, R2
	BLT squares_rest
	VLD1.P 32(R0), [V4.S4, V5.S4]
	FSUB(4, 4, 1)
	FSUB(5, 5, 1)
	FMLA(0, 4, 4)
	FMLA(2, 5, 5)
	B squares_pair
squares_rest:
	CMP $-8, R2
	BEQ squares_end
	VLD1 (R0), [V4.S4]
	FSUB(4, 4, 1)
	FMLA(0, 4, 4)
squares_end:
	FADD(0, 0, 2)
	FADDP(0, 0, 0)
	FADDP(0, 0, 0)
	FMOVS F0, ret+24(FP)
	RET

// func shiftScaleMulNEON(dst, x, w *float32, n int, m, s float32)
TEXT ·shiftScaleMulNEON(SB), NOSPLIT, $0-40
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD w+16(FP), R3
	MOVD n+24(FP), R2
	FMOVS m+32(FP), F1
	FMOVS s+36(FP), F2
	VDUP V1.S[0], V1.S4
	VDUP V2.S[0], V2.S4
shift_loop:
	VLD1.P 16(R1), [V0.S4]
	VLD1.P 16(R3), [V3.S4]
	FSUB(0, 0, 1)
	FMUL(0, 0, 2)
	FMUL(0, 0, 3)
	VST1.P [V0.S4], 16(R0)
	SUBS $4, R2, R2
	BNE shift_loop
	RET

// func siluMulNEON(gate, up *float32, n int)
TEXT ·siluMulNEON(SB), NOSPLIT, $0-24
	MOVD gate+0(FP), R0
	MOVD up+8(FP), R1
	MOVD n+16(FP), R2
	EXP_CONSTANTS
silu_loop:
	VLD1 (R0), [V6.S4]
	VLD1.P 16(R1), [V7.S4]
	FNEG(0, 6)
	EXP
	FADD(0, 0, 25)
	FDIV(6, 6, 0)
	FMUL(6, 6, 7)
	VST1.P [V6.S4], 16(R0)
	SUBS $4, R2, R2
	BNE silu_loop
	RET

// func quickGELUNEON(x *float32, n int)
TEXT ·quickGELUNEON(SB), NOSPLIT, $0-16
	MOVD x+0(FP), R0
	MOVD n+8(FP), R2
	EXP_CONSTANTS
	CONST(V28, 0xbfd9db23)
quick_loop:
	VLD1 (R0), [V6.S4]
	FMUL(0, 6, 28)
	EXP
	FADD(0, 0, 25)
	FDIV(6, 6, 0)
	VST1.P [V6.S4], 16(R0)
	SUBS $4, R2, R2
	BNE quick_loop
	RET

// func maxNEON(x *float32, n int) float32
TEXT ·maxNEON(SB), NOSPLIT, $0-20
	MOVD x+0(FP), R0
	MOVD n+8(FP), R2
	VLD1 (R0), [V0.S4]
max_loop:
	VLD1.P 16(R0), [V1.S4]
	FMAX(0, 0, 1)
	SUBS $4, R2, R2
	BNE max_loop
	FMAXV(0, 0)
	FMOVS F0, ret+16(FP)
	RET

// WEIGHT replaces Vx by exp(Vx - V6), adds it to Vs, and changes the three registers t, u and w. The arguments of exp are
// not positive, and a weight of 2^-126 is as good as 0: no clamping to 0, ln2 in one part, and the power of two goes
// straight into the exponent.
#define WEIGHT(x, Vx, t, Vt, u, w, s) \
	FSUB(x, x, 6); \
	FMAX(x, x, 17); \
	MOV(t, 16); FMLA(t, x, 18); \
	FSUB(u, t, 16); \
	FMLS(x, u, 19); \
	MOV(u, 22); FMLA(u, 21, x); \
	MOV(w, 24); FMLA(w, 23, x); \
	FMUL(20, x, x); \
	FMLA(w, u, 20); \
	FADD(x, x, 25); \
	FMLA(x, w, 20); \
	VSHL $23, Vt.S4, Vt.S4; \
	VADD Vt.S4, Vx.S4, Vx.S4; \
	FADD(s, s, x)

// func expSumNEON(x *float32, n int, m float32) float32
TEXT ·expSumNEON(SB), NOSPLIT, $0-28
	MOVD x+0(FP), R0
	MOVD n+8(FP), R2
	FMOVS m+16(FP), F6
	VDUP V6.S[0], V6.S4
	VEOR V7.B16, V7.B16, V7.B16
	EXP_CONSTANTS
	CONST(V16, 0x4b400000)
	CONST(V19, 0x3f317218)
exp_pair:
	SUBS $8, R2, R2
	BLT exp_rest
	VLD1 (R0), [V0.S4, V1.S4]
	WEIGHT(0, V0, 2, V2, 3, 4, 7)
	WEIGHT(1, V1, 2, V2, 3, 4, 7)
	VST1.P [V0.S4, V1.S4], 32(R0)
	B exp_pair
exp_rest:
	CMP $-8, R2
	BEQ exp_end
	VLD1 (R0), [V0.S4]
	WEIGHT(0, V0, 2, V2, 3, 4, 7)
	VST1 [V0.S4], (R0)
exp_end:
	FADDP(7, 7, 7)
	FADDP(7, 7, 7)
	FMOVS F7, ret+24(FP)
	RET

// func rotateNEON(a, b, cos, sin *float32, n int)
TEXT ·rotateNEON(SB), NOSPLIT, $0-40
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD cos+16(FP), R3
	MOVD sin+24(FP), R4
	MOVD n+32(FP), R2
rotate_loop:
	VLD1 (R0), [V0.S4]
	VLD1 (R1), [V1.S4]
	VLD1.P 16(R3), [V2.S4]
	VLD1.P 16(R4), [V3.S4]
	FMUL(4, 0, 2)
	FMLS(4, 1, 3)
	FMUL(5, 1, 2)
	FMLA(5, 0, 3)
	VST1.P [V4.S4], 16(R0)
	VST1.P [V5.S4], 16(R1)
	SUBS $4, R2, R2
	BNE rotate_loop
	RET

// func toF16NEON(dst *uint16, x *float32, n int)
TEXT ·toF16NEON(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2
tohalf_loop:
	VLD1.P 16(R1), [V0.S4]
	FCVTN(0, 0)
	VST1.P [V0.H4], 8(R0)
	SUBS $4, R2, R2
	BNE tohalf_loop
	RET

// func fromF16NEON(dst *float32, x *uint16, n int)
TEXT ·fromF16NEON(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2
fromhalf_loop:
	VLD1.P 8(R1), [V0.H4]
	FCVTL(0, 0)
	VST1.P [V0.S4], 16(R0)
	SUBS $4, R2, R2
	BNE fromhalf_loop
	RET
