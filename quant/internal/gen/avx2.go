package main

// Registers of the integer kernels: DI weights, SI activations, CX blocks left, DX out, R8 the stride of out in bytes.
// Y13 = 1.5*2^23 as int32 and float32, Y14 = 1 in every int16, Y15 = 15 in every byte.
func intAMD64(a *asm) {
	a.line(`
DATA nibble<>+0(SB)/4, $0x0F0F0F0F
DATA ones<>+0(SB)/4, $0x00010001
DATA magic<>+0(SB)/4, $0x4B400000
DATA eight<>+0(SB)/4, $0x08080808
DATA one<>+0(SB)/4, $0x01010101
GLOBL eight<>(SB), RODATA|NOPTR, $4
GLOBL one<>(SB), RODATA|NOPTR, $4
GLOBL nibble<>(SB), RODATA|NOPTR, $4
GLOBL ones<>(SB), RODATA|NOPTR, $4
GLOBL magic<>(SB), RODATA|NOPTR, $4`)
	columnsAVX2(a)
	for _, f := range formats() {
		gemmAVX2(a, f)
	}
	int8AVX2(a, "mulInt8AVX2", false)
	int8AVX2(a, "mulSmallAVX2", true)
	spreadQ4_0AVX2(a, formats()[0])
}

func constsAVX2(a *asm, f format) {
	a.p("VPBROADCASTD magic<>(SB), Y13")
	a.p("VPBROADCASTD ones<>(SB), Y14")
	if f.nibbles {
		a.p("VPBROADCASTD nibble<>(SB), Y15")
	}
}

// unpackAVX2 loads nibble chunk k: low nibbles to Y1, high ones to Y2.
func unpackAVX2(a *asm, f format, k int) {
	a.p("VMOVDQU %d(DI), Y0", f.chunks+32*k)
	a.p("VPAND Y15, Y0, Y1")
	a.p("VPSRLW $4, Y0, Y2")
	a.p("VPAND Y15, Y2, Y2")
}

// dotNibblesAVX2 adds Y1 and Y2 times the 4 activations at lo and hi to the int16 sums in acc. The sum of a whole block
// fits: |sum| <= 8*2*15*127 = 30480.
func dotNibblesAVX2(a *asm, lo, hi, acc int) {
	a.p("VPBROADCASTD %d(SI), Y3", lo)
	a.p("VPBROADCASTD %d(SI), Y4", hi)
	a.p("VPMADDUBSW Y3, Y1, Y3")
	a.p("VPMADDUBSW Y4, Y2, Y4")
	a.p("VPADDW Y3, Y%d, Y%d", acc, acc)
	a.p("VPADDW Y4, Y%d, Y%d", acc, acc)
}

// dotBytesAVX2 adds Y0 (with Y1 = |Y0|) times the 4 activations at off to the int32 sums in acc: the weights' signs go
// to the activations, because VPMADDUBSW wants one side unsigned. 2*128*127 = 32512 fits an int16.
func dotBytesAVX2(a *asm, off, acc, tmp int) {
	a.p("VPBROADCASTD %d(SI), Y%d", off, tmp)
	a.p("VPSIGNB Y0, Y%d, Y%d", tmp, tmp)
	a.p("VPMADDUBSW Y%d, Y1, Y%d", tmp, tmp)
	a.p("VPMADDWD Y14, Y%d, Y%d", tmp, tmp)
	a.p("VPADDD Y%d, Y%d, Y%d", tmp, acc, acc)
}

// gemmHead loads the arguments and the 8x4 tile of out (Y9-Y12).
func gemmHead(a *asm) {
	a.p("MOVQ w_base+0(FP), DI")
	a.p("MOVQ panel_base+24(FP), SI")
	a.p("MOVQ nb+48(FP), CX")
	a.p("MOVQ out_base+56(FP), DX")
	a.p("MOVQ ldo+80(FP), R8")
	a.p("SHLQ $2, R8")
	a.p("LEAQ (DX)(R8*2), R9")
	a.p("VMOVUPS (DX), Y9")
	a.p("VMOVUPS (DX)(R8*1), Y10")
	a.p("VMOVUPS (R9), Y11")
	a.p("VMOVUPS (R9)(R8*1), Y12")
	a.p("TESTQ CX, CX")
	a.p("JZ   done")
}

func gemmTail(a *asm, f format) {
	a.p("ADDQ $%d, DI", f.group)
	a.p("ADDQ $%d, SI", p4Size)
	a.p("DECQ CX")
	a.p("JNZ  loop")
	a.label("done")
	a.p("VMOVUPS Y9, (DX)")
	a.p("VMOVUPS Y10, (DX)(R8*1)")
	a.p("VMOVUPS Y11, (R9)")
	a.p("VMOVUPS Y12, (R9)(R8*1)")
	a.p("VZEROUPPER")
	a.p("RET")
}

// gemmAVX2: 8 rows x 4 columns; integer sums in Y5-Y8.
func gemmAVX2(a *asm, f format) {
	a.fn("gemm"+f.name+"AVX2", gemmSignature, gemmArgs)
	gemmHead(a)
	constsAVX2(a, f)
	a.label("loop")
	if f.nibbles {
		for c := range 4 {
			a.p("VPXOR Y%d, Y%d, Y%d", 5+c, 5+c, 5+c)
		}
		for k := range 4 {
			unpackAVX2(a, f, k)
			for c := range 4 {
				dotNibblesAVX2(a, p4Q+16*k+4*c, p4Q+64+16*k+4*c, 5+c)
			}
		}
	} else {
		for c := range 4 {
			a.p("VMOVDQA Y13, Y%d", 5+c)
		}
		for k := range 8 {
			a.p("VMOVDQU %d(DI), Y0", f.chunks+32*k)
			a.p("VPABSB Y0, Y1")
			for c := range 4 {
				dotBytesAVX2(a, p4Q+16*k+4*c, 5+c, []int{2, 3, 4, 15}[c])
			}
		}
	}
	a.p("VCVTPH2PS (DI), Y0")
	if f.minimum {
		a.p("VCVTPH2PS 16(DI), Y1")
	}
	for c := range 4 {
		if f.nibbles {
			a.p("VPMADDWD Y14, Y%d, Y%d", 5+c, 5+c)
			if f.offset {
				a.p("VPBROADCASTD %d(SI), Y2", p4Bias+4*c)
				a.p("VPADDD Y2, Y%d, Y%d", 5+c, 5+c)
			} else {
				a.p("VPADDD Y13, Y%d, Y%d", 5+c, 5+c)
			}
		}
		a.p("VSUBPS Y13, Y%d, Y%d", 5+c, 5+c)
		a.p("VBROADCASTSS %d(SI), Y3", p4D+4*c)
		a.p("VMULPS Y3, Y0, Y3")
		a.p("VFMADD231PS Y3, Y%d, Y%d", 5+c, 9+c)
		if f.minimum {
			a.p("VBROADCASTSS %d(SI), Y3", p4S+4*c)
			a.p("VFMADD231PS Y3, Y1, Y%d", 9+c)
		}
	}
	gemmTail(a, f)
}
