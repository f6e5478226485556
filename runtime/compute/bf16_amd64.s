#include "textflag.h"

// Rounding to bfloat16 is AVX512-BF16's, which Go's assembler lacks: EVEX.512.F3.0F38.W0 72 /r.

// func pairBF16(dst *uint32, a, b *float32, n int)
TEXT ·pairBF16(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	MOVQ n+24(FP), CX
pair_loop:
	VMOVUPS (SI), Z0
	VMOVUPS (DX), Z1
	BYTE $0x62; BYTE $0xf2; BYTE $0x7e; BYTE $0x48; BYTE $0x72; BYTE $0xd0 // vcvtneps2bf16 ymm2, zmm0
	BYTE $0x62; BYTE $0xf2; BYTE $0x7e; BYTE $0x48; BYTE $0x72; BYTE $0xd9 // vcvtneps2bf16 ymm3, zmm1
	VPMOVZXWD Y2, Z2
	VPMOVZXWD Y3, Z3
	VPSLLD $16, Z3, Z3
	VPORD Z3, Z2, Z2
	VMOVDQU32 Z2, (DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	SUBQ $16, CX
	JNZ pair_loop
	VZEROUPPER
	RET

// func toBF16x16(dst *uint32, x *float32, n int)
TEXT ·toBF16x16(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
to_loop:
	VMOVUPS (SI), Z0
	BYTE $0x62; BYTE $0xf2; BYTE $0x7e; BYTE $0x48; BYTE $0x72; BYTE $0xd0 // vcvtneps2bf16 ymm2, zmm0
	VMOVDQU Y2, (DI)
	ADDQ $64, SI
	ADDQ $32, DI
	SUBQ $16, CX
	JNZ to_loop
	VZEROUPPER
	RET
