#include "textflag.h"

#define I32X8(name, v) \
	DATA name<>+0(SB)/4, $v; DATA name<>+4(SB)/4, $v; \
	DATA name<>+8(SB)/4, $v; DATA name<>+12(SB)/4, $v; \
	DATA name<>+16(SB)/4, $v; DATA name<>+20(SB)/4, $v; \
	DATA name<>+24(SB)/4, $v; DATA name<>+28(SB)/4, $v; \
	GLOBL name<>(SB), RODATA|NOPTR, $32

// The constants of idct.go.
I32X8(cosR18, 70936)
I32X8(aR18, -242190)
I32X8(bR18, 100318)
I32X8(cosR12, 1108)
I32X8(aR12, -3784)
I32X8(bR12, 1568)
I32X8(cosP, 3406)
I32X8(aP, -5682)
I32X8(bP, -1130)
I32X8(cosQ, 4017)
I32X8(aQ, -4816)
I32X8(bQ, -3218)
I32X8(half8, 181)
I32X8(half14, 11585)
I32X8(round, 0x80000)
I32X8(middle, 0x00800080)

DATA halves<>+0(SB)/4, $0
DATA halves<>+4(SB)/4, $4
DATA halves<>+8(SB)/4, $1
DATA halves<>+12(SB)/4, $5
DATA halves<>+16(SB)/4, $2
DATA halves<>+20(SB)/4, $6
DATA halves<>+24(SB)/4, $3
DATA halves<>+28(SB)/4, $7
GLOBL halves<>(SB), RODATA|NOPTR, $32

// The vector forms of idct.go and colour.go, to the bit the same for any input: all is done in 32 bits that wrap, and what is packed
// to 16 fits.

// ROTATE is a rotation of x and y: the new x ends up in y, the new y in x. t is changed.
#define ROTATE(x, y, t, cos, a, b) \
	VPADDD y, x, t; \
	VPMULLD cos<>(SB), t, t; \
	VPMULLD a<>(SB), y, y; \
	VPMULLD b<>(SB), x, x; \
	VPADDD t, y, y; \
	VPADDD t, x, x

// BUTTERFLIES is what the rows' pass and the columns' have in common: from x0, x1 (Y8, Y9), x2 and x3 rotated (Y6, Y2), and x7,
// x4, x5, x6 (Y1, Y7, Y3, Y5) to the outputs 0-7 in Y10, Y12, Y14, Y2, Y5, Y15, Y13, Y11.
#define BUTTERFLIES(shift) \
	VPADDD Y6, Y9, Y0; \
	VPSUBD Y6, Y9, Y4; \
	VPADDD Y2, Y8, Y6; \
	VPSUBD Y2, Y8, Y9; \
	VPADDD Y7, Y1, Y8; \
	VPSUBD Y7, Y1, Y10; \
	VPADDD Y3, Y8, Y1; \
	VPSUBD Y3, Y8, Y7; \
	VPADDD Y5, Y10, Y3; \
	VPSUBD Y5, Y10, Y8; \
	VPSRAD shift, Y1, Y1; \
	VPSRAD shift, Y7, Y7; \
	VPSRAD shift, Y3, Y3; \
	VPSRAD shift, Y8, Y8; \
	ROTATE(Y3, Y1, Y10, cosP, aP, bP); \
	ROTATE(Y7, Y8, Y11, cosQ, aQ, bQ); \
	VPADDD Y3, Y6, Y10; \
	VPSUBD Y3, Y6, Y11; \
	VPADDD Y7, Y0, Y12; \
	VPSUBD Y7, Y0, Y13; \
	VPADDD Y8, Y4, Y14; \
	VPSUBD Y8, Y4, Y15; \
	VPADDD Y1, Y9, Y2; \
	VPSUBD Y1, Y9, Y5

// func idctAVX2(c *[64]int32, dst *byte, stride int)
TEXT ·idctAVX2(SB), NOSPLIT, $0-24
	MOVQ c+0(FP), SI
	MOVQ dst+8(FP), DI
	MOVQ stride+16(FP), R8

	// Rows: a register has one coefficient of each of the 8 rows.
	VMOVDQU (SI), Y0
	VMOVDQU 128(SI), Y4
	VMOVDQU 64(SI), Y2
	VMOVDQU 192(SI), Y6
	VPSLLD $17, Y0, Y0
	VPSLLD $17, Y4, Y4
	VPADDD Y4, Y0, Y8
	VPSUBD Y4, Y0, Y9
	ROTATE(Y2, Y6, Y10, cosR18, aR18, bR18)
	VMOVDQU 32(SI), Y1
	VPSLLD $7, Y1, Y1
	VMOVDQU 224(SI), Y7
	VPSLLD $7, Y7, Y7
	VMOVDQU half8<>(SB), Y5
	VPMULLD 96(SI), Y5, Y3
	VPMULLD 160(SI), Y5, Y5
	BUTTERFLIES($2)

	// Transposed, a register has a row.
	VPUNPCKLDQ Y12, Y10, Y0
	VPUNPCKHDQ Y12, Y10, Y1
	VPUNPCKLDQ Y2, Y14, Y3
	VPUNPCKHDQ Y2, Y14, Y4
	VPUNPCKLDQ Y15, Y5, Y6
	VPUNPCKHDQ Y15, Y5, Y7
	VPUNPCKLDQ Y11, Y13, Y8
	VPUNPCKHDQ Y11, Y13, Y9
	VPUNPCKLQDQ Y3, Y0, Y10
	VPUNPCKHQDQ Y3, Y0, Y11
	VPUNPCKLQDQ Y4, Y1, Y12
	VPUNPCKHQDQ Y4, Y1, Y13
	VPUNPCKLQDQ Y8, Y6, Y14
	VPUNPCKHQDQ Y8, Y6, Y15
	VPUNPCKLQDQ Y9, Y7, Y2
	VPUNPCKHQDQ Y9, Y7, Y5
	VPERM2I128 $0x20, Y14, Y10, Y0
	VPERM2I128 $0x31, Y14, Y10, Y4
	VPERM2I128 $0x20, Y15, Y11, Y1
	VPERM2I128 $0x31, Y15, Y11, Y8
	VPERM2I128 $0x20, Y5, Y13, Y3
	VPERM2I128 $0x31, Y5, Y13, Y7
	VPERM2I128 $0x31, Y2, Y12, Y6
	VPERM2I128 $0x20, Y2, Y12, Y2
	VMOVDQA Y8, Y5

	// Columns.
	VPADDD round<>(SB), Y0, Y0
	VPADDD Y4, Y0, Y8
	VPSUBD Y4, Y0, Y9
	VPSRAD $2, Y8, Y8
	VPSRAD $2, Y9, Y9
	VPSRAD $13, Y2, Y2
	VPSRAD $13, Y6, Y6
	ROTATE(Y2, Y6, Y10, cosR12, aR12, bR12)
	VPSRAD $13, Y3, Y3
	VPSRAD $13, Y5, Y5
	VPMULLD half14<>(SB), Y3, Y3
	VPMULLD half14<>(SB), Y5, Y5
	BUTTERFLIES($14)
	VPSRAD $18, Y10, Y10
	VPSRAD $18, Y12, Y12
	VPSRAD $18, Y14, Y14
	VPSRAD $18, Y2, Y2
	VPSRAD $18, Y5, Y5
	VPSRAD $18, Y15, Y15
	VPSRAD $18, Y13, Y13
	VPSRAD $18, Y11, Y11

	// To bytes: a half has four samples of each of four rows.
	VPACKSSDW Y12, Y10, Y0
	VPACKSSDW Y2, Y14, Y1
	VPACKSSDW Y15, Y5, Y3
	VPACKSSDW Y11, Y13, Y4
	VMOVDQU middle<>(SB), Y6
	VPADDW Y6, Y0, Y0
	VPADDW Y6, Y1, Y1
	VPADDW Y6, Y3, Y3
	VPADDW Y6, Y4, Y4
	VPACKUSWB Y1, Y0, Y0
	VPACKUSWB Y4, Y3, Y3
	VMOVDQU halves<>(SB), Y6
	VPERMD Y0, Y6, Y0
	VPERMD Y3, Y6, Y3
	LEAQ (R8)(R8*2), R9
	LEAQ (DI)(R8*4), R10
	VEXTRACTI128 $1, Y0, X1
	VEXTRACTI128 $1, Y3, X4
	VMOVQ X0, (DI)
	VPEXTRQ $1, X0, (DI)(R8*1)
	VMOVQ X1, (DI)(R8*2)
	VPEXTRQ $1, X1, (DI)(R9*1)
	VMOVQ X3, (R10)
	VPEXTRQ $1, X3, (R10)(R8*1)
	VMOVQ X4, (R10)(R8*2)
	VPEXTRQ $1, X4, (R10)(R9*1)

	VPXOR Y0, Y0, Y0
	VMOVDQU Y0, (SI)
	VMOVDQU Y0, 32(SI)
	VMOVDQU Y0, 64(SI)
	VMOVDQU Y0, 96(SI)
	VMOVDQU Y0, 128(SI)
	VMOVDQU Y0, 160(SI)
	VMOVDQU Y0, 192(SI)
	VMOVDQU Y0, 224(SI)
	VZEROUPPER
	RET

// The constants of chroma in colour.go.
I32X8(crR, 91881)
I32X8(cbG, -22554)
I32X8(crG, -46802)
I32X8(cbB, 116130)
I32X8(centre, 128)

#define BYTES16X2(name, lo, hi) \
	DATA name<>+0(SB)/8, $lo; DATA name<>+8(SB)/8, $hi; \
	DATA name<>+16(SB)/8, $lo; DATA name<>+24(SB)/8, $hi; \
	GLOBL name<>(SB), RODATA|NOPTR, $32

// Of each 4 bytes, the first three times, or the second.
BYTES16X2(first, 0x8004040480000000, 0x800C0C0C80080808)
BYTES16X2(second, 0x8005050580010101, 0x800D0D0D80090909)

// Pixels from R, G, B of the even ones and R of the odd ones (four bytes each), and from G, B of the odd ones: 16 bytes, and 8.
BYTES16X2(orderA1, 0x050180800C080400, 0x0E0A060280800D09)
BYTES16X2(orderA2, 0x8080040080808080, 0x8080808005018080)
BYTES16X2(orderB1, 0x80800F0B07038080, 0x8080808080808080)
BYTES16X2(orderB2, 0x0703808080800602, 0x8080808080808080)

// func rgbRowAVX2(out, ys, cb, cr *byte, n int)
TEXT ·rgbRowAVX2(SB), NOSPLIT, $0-40
	MOVQ out+0(FP), DI
	MOVQ ys+8(FP), SI
	MOVQ cb+16(FP), R8
	MOVQ cr+24(FP), R9
	MOVQ n+32(FP), CX
	VMOVDQU centre<>(SB), Y14
	VMOVDQU first<>(SB), Y15

loop:
	// What 8 samples of colour add to red, green and blue.
	VPMOVZXBD (R8), Y0
	VPMOVZXBD (R9), Y1
	VPSUBD Y14, Y0, Y0
	VPSUBD Y14, Y1, Y1
	VPMULLD crR<>(SB), Y1, Y2
	VPMULLD cbB<>(SB), Y0, Y4
	VPMULLD cbG<>(SB), Y0, Y0
	VPMULLD crG<>(SB), Y1, Y1
	VPADDD Y0, Y1, Y3

	// 16 pixels' brightness times 0x10101, the even ones and the odd ones.
	VPMOVZXWD (SI), Y5
	VPSHUFB Y15, Y5, Y6
	VPSHUFB second<>(SB), Y5, Y7
	VPADDD Y2, Y6, Y8
	VPADDD Y3, Y6, Y9
	VPADDD Y4, Y6, Y10
	VPADDD Y2, Y7, Y11
	VPADDD Y3, Y7, Y12
	VPADDD Y4, Y7, Y13
	VPSRAD $16, Y8, Y8
	VPSRAD $16, Y9, Y9
	VPSRAD $16, Y10, Y10
	VPSRAD $16, Y11, Y11
	VPSRAD $16, Y12, Y12
	VPSRAD $16, Y13, Y13

	// To bytes, and into the order of pixels.
	VPACKUSDW Y9, Y8, Y8
	VPACKUSDW Y11, Y10, Y10
	VPACKUSDW Y13, Y12, Y12
	VPACKUSWB Y10, Y8, Y8
	VPACKUSWB Y12, Y12, Y12
	VPSHUFB orderA1<>(SB), Y8, Y0
	VPSHUFB orderA2<>(SB), Y12, Y1
	VPSHUFB orderB1<>(SB), Y8, Y2
	VPSHUFB orderB2<>(SB), Y12, Y3
	VPOR Y1, Y0, Y0
	VPOR Y3, Y2, Y2
	VEXTRACTI128 $1, Y0, X1
	VEXTRACTI128 $1, Y2, X3
	VMOVDQU X0, (DI)
	VMOVQ X2, 16(DI)
	VMOVDQU X1, 24(DI)
	VMOVQ X3, 40(DI)

	ADDQ $16, SI
	ADDQ $8, R8
	ADDQ $8, R9
	ADDQ $48, DI
	SUBQ $16, CX
	JNZ loop
	VZEROUPPER
	RET
