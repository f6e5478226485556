#include "textflag.h"

DATA absMask<>+0(SB)/4, $0x7fffffff
DATA f127<>+0(SB)/4, $0x42fe0000
DATA ones16<>+0(SB)/4, $0x00010001
// order of the dwords after two in-lane packs
DATA unlane<>+0(SB)/4, $0
DATA unlane<>+4(SB)/4, $4
DATA unlane<>+8(SB)/4, $1
DATA unlane<>+12(SB)/4, $5
DATA unlane<>+16(SB)/4, $2
DATA unlane<>+20(SB)/4, $6
DATA unlane<>+24(SB)/4, $3
DATA unlane<>+28(SB)/4, $7
GLOBL absMask<>(SB), RODATA|NOPTR, $4
GLOBL f127<>(SB), RODATA|NOPTR, $4
GLOBL ones16<>(SB), RODATA|NOPTR, $4
GLOBL unlane<>(SB), RODATA|NOPTR, $32

// func quantizeBlocksAVX2(dst []activation, x []float32) int
TEXT ·quantizeBlocksAVX2(SB), NOSPLIT, $0-56
	MOVQ dst_base+0(FP), DI
	MOVQ dst_len+8(FP), CX
	MOVQ x_base+24(FP), SI
	XORQ BX, BX
	VPBROADCASTD absMask<>(SB), Y15
	VPBROADCASTD ones16<>(SB), Y14
	VMOVDQU unlane<>(SB), Y13
	VMOVSS f127<>(SB), X12
	CMPQ BX, CX
	JGE  done

loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS 64(SI), Y2
	VMOVUPS 96(SI), Y3
	VPAND   Y15, Y0, Y4
	VPAND   Y15, Y1, Y5
	VPAND   Y15, Y2, Y6
	VPAND   Y15, Y3, Y7
	VPMAXUD Y4, Y5, Y4           // as unsigned integers: NaN above infinity above all numbers
	VPMAXUD Y6, Y7, Y6
	VPMAXUD Y4, Y6, Y4
	VEXTRACTI128 $1, Y4, X5
	VPMAXUD X4, X5, X4
	VPSHUFD $0x4E, X4, X5
	VPMAXUD X4, X5, X4
	VPSHUFD $0xB1, X4, X5
	VPMAXUD X4, X5, X4
	VMOVD   X4, AX
	CMPL    AX, $0x7f800000      // hugeBits
	JAE     done
	CMPL    AX, $0x0d800000      // tinyActivation = 2^-100
	JB      done
	VDIVSS  X12, X4, X5          // d = max/127
	VDIVSS  X4, X12, X6          // 127/max
	VBROADCASTSS X6, Y6
	VMULPS  Y6, Y0, Y0
	VMULPS  Y6, Y1, Y1
	VMULPS  Y6, Y2, Y2
	VMULPS  Y6, Y3, Y3
	VCVTPS2DQ Y0, Y0
	VCVTPS2DQ Y1, Y1
	VCVTPS2DQ Y2, Y2
	VCVTPS2DQ Y3, Y3
	VPACKSSDW Y1, Y0, Y0         // q[:16] in some order
	VPACKSSDW Y3, Y2, Y2         // q[16:]
	VPMADDWD Y14, Y0, Y7
	VPMADDWD Y14, Y2, Y8
	VPHADDD Y8, Y7, Y7           // lanes: [a a b b]
	VEXTRACTI128 $1, Y7, X8
	VPADDD  X7, X8, X7
	VPHADDD X7, X7, X7           // [sum(q[:16]), sum(q[16:]), ...]
	VPACKSSWB Y2, Y0, Y0
	VPERMD  Y0, Y13, Y0
	VPACKSSDW X7, X7, X9         // the two halves as int16
	VPHADDD X7, X7, X7
	VMOVD   X7, AX               // sum
	VCVTDQ2PS X7, X7
	VMULSS  X5, X7, X7           // s = d*sum
	SHLL    $3, AX
	NEGL    AX
	ADDL    $0x4B400000, AX
	VMOVSS  X5, (DI)
	VMOVSS  X7, 4(DI)
	MOVL    AX, 8(DI)
	VMOVD   X9, 12(DI)
	VMOVDQU Y0, 16(DI)
	ADDQ    $128, SI
	ADDQ    $48, DI
	INCQ    BX
	CMPQ    BX, CX
	JLT     loop

done:
	MOVQ BX, ret+48(FP)
	VZEROUPPER
	RET

DATA f96<>+0(SB)/4, $0x42c00000
DATA bytes96<>+0(SB)/4, $0x60606060
GLOBL f96<>(SB), RODATA|NOPTR, $4
GLOBL bytes96<>(SB), RODATA|NOPTR, $4

// func quantizeU8BlocksAVX2(dst *activation, stride, n int, x []float32) int
TEXT ·quantizeU8BlocksAVX2(SB), NOSPLIT, $0-56
	MOVQ dst+0(FP), DI
	MOVQ stride+8(FP), DX
	MOVQ n+16(FP), CX
	MOVQ x_base+24(FP), SI
	XORQ BX, BX
	VPBROADCASTD absMask<>(SB), Y15
	VPBROADCASTD bytes96<>(SB), Y14
	VMOVDQU unlane<>(SB), Y13
	VMOVSS f96<>(SB), X12
	CMPQ BX, CX
	JGE  done

loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS 64(SI), Y2
	VMOVUPS 96(SI), Y3
	VPAND   Y15, Y0, Y4
	VPAND   Y15, Y1, Y5
	VPAND   Y15, Y2, Y6
	VPAND   Y15, Y3, Y7
	VPMAXUD Y4, Y5, Y4           // as unsigned integers: NaN above infinity above all numbers
	VPMAXUD Y6, Y7, Y6
	VPMAXUD Y4, Y6, Y4
	VEXTRACTI128 $1, Y4, X5
	VPMAXUD X4, X5, X4
	VPSHUFD $0x4E, X4, X5
	VPMAXUD X4, X5, X4
	VPSHUFD $0xB1, X4, X5
	VPMAXUD X4, X5, X4
	VMOVD   X4, AX
	CMPL    AX, $0x7f800000      // hugeBits
	JAE     done
	CMPL    AX, $0x0d800000      // tinyActivation = 2^-100
	JB      done
	VDIVSS  X12, X4, X5          // d = max/96
	VDIVSS  X4, X12, X6          // 96/max
	VBROADCASTSS X6, Y6
	VMULPS  Y6, Y0, Y0
	VMULPS  Y6, Y1, Y1
	VMULPS  Y6, Y2, Y2
	VMULPS  Y6, Y3, Y3
	VCVTPS2DQ Y0, Y0
	VCVTPS2DQ Y1, Y1
	VCVTPS2DQ Y2, Y2
	VCVTPS2DQ Y3, Y3
	VPACKSSDW Y1, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPACKSSWB Y2, Y0, Y0
	VPERMD  Y0, Y13, Y0
	VPADDB  Y14, Y0, Y0
	VMOVSS  X5, (DI)
	VMOVDQU Y0, 16(DI)
	ADDQ    $128, SI
	ADDQ    DX, DI
	INCQ    BX
	CMPQ    BX, CX
	JLT     loop

done:
	MOVQ BX, ret+48(FP)
	VZEROUPPER
	RET
