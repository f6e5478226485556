#include "textflag.h"

// Constants of setInt8AVX2: the mask of magnitudes, 1/127, 1/168, 1, 2^-100 and the largest number as bits, a byte, -96.
DATA setInt8<>+0(SB)/4, $0x7fffffff
DATA setInt8<>+4(SB)/4, $0x3c010204
DATA setInt8<>+8(SB)/4, $0x3bc30c31
DATA setInt8<>+12(SB)/4, $0x3f800000
DATA setInt8<>+16(SB)/4, $0x0d800000
DATA setInt8<>+20(SB)/4, $0x7f7fffff
DATA setInt8<>+24(SB)/4, $0x000000ff
DATA setInt8<>+28(SB)/4, $0xffffffa0
GLOBL setInt8<>(SB), RODATA|NOPTR, $32

// EIGHT loads the columns of 8 rows to Y0-Y7.
#define EIGHT \
	VMOVUPS (SI), Y0         \
	VMOVUPS (SI)(R8*1), Y1   \
	VMOVUPS (SI)(R8*2), Y2   \
	VMOVUPS (SI)(R9*1), Y3   \
	LEAQ    (SI)(R8*4), R10  \
	VMOVUPS (R10), Y4        \
	VMOVUPS (R10)(R8*1), Y5  \
	VMOVUPS (R10)(R8*2), Y6  \
	VMOVUPS (R10)(R9*1), Y7  \
	LEAQ    (R10)(R8*4), SI

#define TOP(x) \
	VANDPS  Y15, x, Y8    \
	VPMAXUD Y8, Y14, Y14

// FOUR raises Y12 to the sum of the positive ones of four, and to that of the negative ones.
#define FOUR(a, b, c, d) \
	VMAXPS Y13, a, Y8   \
	VMAXPS Y13, b, Y9   \
	VADDPS Y9, Y8, Y8   \
	VMAXPS Y13, c, Y9   \
	VMAXPS Y13, d, Y10  \
	VADDPS Y10, Y9, Y9  \
	VADDPS Y9, Y8, Y8   \
	VADDPS b, a, Y9     \
	VADDPS d, c, Y10    \
	VADDPS Y10, Y9, Y9  \
	VSUBPS Y9, Y8, Y9   \
	VMAXPS Y8, Y12, Y12 \
	VMAXPS Y9, Y12, Y12

// ROUND makes integers of x and adds them to the sums.
#define ROUND(x) \
	VMULPS    Y11, x, x     \
	VCVTPS2DQ x, x          \
	VPADDD    x, Y12, Y12

// CHUNK stores four columns' bytes row by row.
#define CHUNK(a, b, c, d, off) \
	VPAND   Y15, a, a   \
	VPAND   Y15, b, b   \
	VPAND   Y15, c, c   \
	VPSLLD  $8, b, b    \
	VPSLLD  $16, c, c   \
	VPSLLD  $24, d, d   \
	VPOR    b, a, a     \
	VPOR    d, c, c     \
	VPOR    c, a, a     \
	VMOVDQU a, off(DI)

// func setInt8AVX2(group []byte, x []float32, ld int)
TEXT ·setInt8AVX2(SB), NOSPLIT, $0-56
	MOVQ         group_base+0(FP), DI
	MOVQ         x_base+24(FP), SI
	MOVQ         ld+48(FP), R8
	SHLQ         $2, R8
	LEAQ         (R8)(R8*2), R9
	VBROADCASTSS setInt8<>+0(SB), Y15
	VXORPS       Y14, Y14, Y14
	VXORPS       Y13, Y13, Y13
	VXORPS       Y12, Y12, Y12
	MOVQ         SI, DX
	MOVL         $4, CX

top:
	EIGHT
	TOP(Y0)
	TOP(Y1)
	TOP(Y2)
	TOP(Y3)
	TOP(Y4)
	TOP(Y5)
	TOP(Y6)
	TOP(Y7)
	FOUR(Y0, Y1, Y4, Y5)
	FOUR(Y2, Y3, Y6, Y7)
	DECL CX
	JNZ  top

	VBROADCASTSS setInt8<>+4(SB), Y0
	VBROADCASTSS setInt8<>+8(SB), Y1
	VBROADCASTSS setInt8<>+12(SB), Y2
	VMULPS       Y0, Y14, Y8
	VMULPS       Y1, Y12, Y9
	VMAXPS       Y9, Y8, Y8
	VDIVPS       Y8, Y2, Y11
	VPBROADCASTD setInt8<>+16(SB), Y0
	VPCMPGTD     Y14, Y0, Y0
	VPBROADCASTD setInt8<>+20(SB), Y1
	VPCMPGTD     Y1, Y14, Y1
	VPOR         Y1, Y0, Y2
	VPANDN       Y11, Y2, Y11
	VPANDN       Y8, Y0, Y8
	VPOR         Y1, Y8, Y8
	VMOVUPS      Y8, 256(DI)

	VPBROADCASTD setInt8<>+24(SB), Y15
	VPXOR        Y12, Y12, Y12
	MOVQ         DX, SI
	MOVQ         DI, DX
	MOVL         $4, CX

round:
	EIGHT
	ROUND(Y0)
	ROUND(Y1)
	ROUND(Y2)
	ROUND(Y3)
	ROUND(Y4)
	ROUND(Y5)
	ROUND(Y6)
	ROUND(Y7)
	CHUNK(Y0, Y1, Y2, Y3, 0)
	CHUNK(Y4, Y5, Y6, Y7, 32)
	ADDQ $64, DI
	DECL CX
	JNZ  round

	VPBROADCASTD setInt8<>+28(SB), Y0
	VPMULLD      Y0, Y12, Y12
	VMOVDQU      Y12, 288(DX)
	VZEROUPPER
	RET
