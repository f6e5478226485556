package main

func quantizePanels(a *asm) {
	a.line(`
DATA absS<>+0(SB)/4, $0x7fffffff
DATA f127S<>+0(SB)/4, $0x42fe0000
DATA onesS<>+0(SB)/4, $0x01010101
DATA nanS<>+0(SB)/4, $0x7fc00000
GLOBL nanS<>(SB), RODATA|NOPTR, $4
GLOBL absS<>(SB), RODATA|NOPTR, $4
GLOBL f127S<>(SB), RODATA|NOPTR, $4
GLOBL onesS<>(SB), RODATA|NOPTR, $4`)
	quantizePanel(a, "quantizeWideVNNI", "(panel []byte, x []float32, ldx, cols, nb int)", 72, wideAt)
	quantizePanel(a, "quantizeStripVNNI", "(panel []byte, x []float32, ldx, cols, nb int, zero, second int32)", 80, stripAt)
}

// quantizePanel fills blocks of a panel from up to 8 columns of x, rows ldx values apart. A column's bytes are written one after the
// other first and then transposed in place, 8 by 8 fours of them; what is in the places of columns that there aren't is of no use
// and does no harm. Sums of a column's bytes come out of the transposed form side by side: of all 64, or of each half of 32. Of
// these, sums start at -zero times the first half's, to which second, -1 or 0, adds the other half or doesn't.
//
// DI panel, SI x, R8 ldx in bytes, CX blocks left; BX column, R9 its values, R10 columns left.
func quantizePanel(a *asm, name, signature string, args int, at stripPlaces) {
	regs := at.steps / 4 // of a column's block
	a.fn(name, signature, args)
	a.p("MOVQ panel_base+0(FP), DI")
	a.p("MOVQ x_base+24(FP), SI")
	a.p("MOVQ ldx+48(FP), R8")
	a.p("SHLQ $2, R8")
	a.p("MOVQ nb+64(FP), CX")
	a.p("VPBROADCASTD absS<>(SB), Z30")
	a.p("VMOVSS f127S<>(SB), X29")
	a.p("VPBROADCASTD onesS<>(SB), Y28")
	a.label("block")
	a.p("MOVQ SI, R9")
	a.p("MOVQ DI, BX")
	a.p("LEAQ %d(DI), R11", at.d)
	a.p("MOVQ cols+56(FP), R10")
	a.label("column")
	for i := range regs {
		a.p("VMOVUPS %d(R9), Z%d", 64*i, i)
		a.p("VPANDD Z%d, Z30, Z%d", i, 4+i)
	}
	a.note("as unsigned integers: NaN above infinity above all numbers")
	a.p("VPMAXUD Z4, Z5, Z4")
	if regs == 4 {
		a.p("VPMAXUD Z6, Z7, Z6")
		a.p("VPMAXUD Z4, Z6, Z4")
	}
	a.p("VEXTRACTI64X4 $1, Z4, Y5")
	a.p("VPMAXUD Y4, Y5, Y4")
	a.p("VEXTRACTI128 $1, Y4, X5")
	a.p("VPMAXUD X4, X5, X4")
	a.p("VPSHUFD $0x4E, X4, X5")
	a.p("VPMAXUD X4, X5, X4")
	a.p("VPSHUFD $0xB1, X4, X5")
	a.p("VPMAXUD X4, X5, X4")
	a.p("VMOVD X4, AX")
	a.p("CMPL AX, $0x7f800000")
	a.p("JAE  huge")
	a.p("CMPL AX, $0x0d800000")
	a.p("JB   tiny")
	a.p("VDIVSS X29, X4, X5")
	a.p("VDIVSS X4, X29, X6")
	a.p("VBROADCASTSS X6, Z6")
	for i := range regs {
		a.p("VMULPS Z6, Z%d, Z%d", i, i)
		a.p("VCVTPS2DQ Z%d, Z%d", i, i)
	}
	a.label("store")
	for i := range regs {
		a.p("VPMOVDB Z%d, %d(BX)", i, 16*i)
	}
	a.p("VMOVSS X5, (R11)")
	a.p("ADDQ $%d, BX", 16*regs)
	a.p("ADDQ $4, R11")
	a.p("ADDQ R8, R9")
	a.p("DECQ R10")
	a.p("JNZ  column")
	for half := range regs / 2 {
		for c := range 8 {
			a.p("VMOVDQU64 %d(DI), Y%d", 16*regs*c+32*half, 8*half+c)
		}
	}
	a.p("VPXORD Y31, Y31, Y31")
	a.p("VPXORD Y27, Y27, Y27")
	for half := range regs / 2 {
		r := func(i int) int { return 8*half + i }
		for i := 0; i < 8; i += 2 {
			a.p("VPUNPCKLDQ Y%d, Y%d, Y%d", r(i+1), r(i), 16+i)
			a.p("VPUNPCKHDQ Y%d, Y%d, Y%d", r(i+1), r(i), 17+i)
		}
		for i := range 2 { // columns 0-3, then 4-7
			for j := range 2 {
				lo, hi := 16+4*i+j, 18+4*i+j
				a.p("VPUNPCKLQDQ Y%d, Y%d, Y%d", hi, lo, r(4*i+2*j))
				a.p("VPUNPCKHQDQ Y%d, Y%d, Y%d", hi, lo, r(4*i+2*j+1))
			}
		}
		for k := range 4 {
			for i, lanes := range []int{0x00, 0x03} {
				a.p("VSHUFI64X2 $%d, Y%d, Y%d, Y16", lanes, r(4+k), r(k))
				a.p("VPDPBUSD Y16, Y28, Y%d", 31-4*i)
				a.p("VMOVDQU64 Y16, %d(DI)", 32*(8*half+4*i+k))
			}
		}
	}
	a.p("VPADDD Y27, Y31, Y20")
	a.p("VPXORD Y16, Y16, Y16")
	if regs == 4 {
		a.p("VPSLLD $7, Y20, Y20")
		a.p("VPSUBD Y20, Y16, Y17")
	} else {
		a.p("VCVTDQ2PS Y20, Y18")
		a.p("VMULPS %d(DI), Y18, Y18", at.d)
		a.p("VMOVUPS Y18, %d(DI)", at.s)
		a.p("MOVL zero+72(FP), AX")
		a.p("VPBROADCASTD AX, Y19")
		a.p("MOVL second+76(FP), AX")
		a.p("VPBROADCASTD AX, Y17")
		a.p("VPANDD Y17, Y27, Y17")
		a.p("VPADDD Y17, Y31, Y17")
		a.p("VPMULLD Y19, Y17, Y17")
		a.p("VPSUBD Y17, Y16, Y17")
		a.p("VPMULLD Y19, Y27, Y27")
		a.p("VPSUBD Y27, Y16, Y27")
		a.p("VMOVDQU64 Y27, %d(DI)", spBias2)
	}
	a.p("VMOVDQU64 Y17, %d(DI)", at.bias)
	a.p("ADDQ $%d, DI", at.size)
	a.p("ADDQ $%d, SI", 64*regs)
	a.p("DECQ CX")
	a.p("JNZ  block")
	a.p("VZEROUPPER")
	a.p("RET")
	a.label("huge")
	a.p("VMOVSS nanS<>(SB), X5")
	a.p("JMP  zeros")
	a.label("tiny")
	a.p("VPXOR X5, X5, X5")
	a.label("zeros")
	for i := range regs {
		a.p("VPXORD Z%d, Z%d, Z%d", i, i, i)
	}
	a.p("JMP  store")
	a.last = "RET" // all ways lead back
}
