package main

// Few columns with AVX512-VL and VNNI: VPDPBUSD with an embedded broadcast sums four products straight into int32. These
// are the products of a group of 8 rows and four columns (gemm); vnni_column.go has those of one.
//
// Registers besides those of AVX2's kernels: sums of a column's first 16 products in Y0-Y3 and of the others in Y4-Y7, out or the
// inner sums in Y8-Y11, minima in Y24-Y27, constants in Y20-Y22.
func rowsAMD64(a *asm) {
	dataBytes(a, "scales01", func(row int) [4]int { return [4]int{128, row, 128, row + 8} })
	a.line(`
DATA nibbleR<>+0(SB)/4, $0x0F0F0F0F
DATA signR<>+0(SB)/4, $0x80808080
DATA magicR<>+0(SB)/4, $0x4B400000
DATA bit4R<>+0(SB)/4, $0x10101010
DATA bits45R<>+0(SB)/4, $0x30303030
GLOBL nibbleR<>(SB), RODATA|NOPTR, $4
GLOBL signR<>(SB), RODATA|NOPTR, $4
GLOBL magicR<>(SB), RODATA|NOPTR, $4
GLOBL bit4R<>(SB), RODATA|NOPTR, $4
GLOBL bits45R<>(SB), RODATA|NOPTR, $4`)
	for _, f := range formats() {
		rows(a, f)
	}
	for _, f := range kformats() {
		rowsK(a, f)
	}
	columnsAMD64(a)
}

// rowsCols are the columns of a panel.
const rowsCols = 4

// rowsQ is where four activations k of column c are.
func rowsQ(c, k int) int { return p4Q + 16*k + 4*c }

// rowsHead begins a function: DI weights, SI activations, CX blocks, and where the columns of out are.
func rowsHead(a *asm, name string) {
	a.fn("gemm"+name+"VNNI", gemmSignature, gemmArgs)
	a.p("MOVQ w_base+0(FP), DI")
	a.p("MOVQ panel_base+24(FP), SI")
	a.p("MOVQ nb+48(FP), CX")
	a.p("MOVQ out_base+56(FP), DX")
	a.p("MOVQ ldo+80(FP), R8")
	a.p("SHLQ $2, R8")
	a.p("LEAQ (DX)(R8*2), R9")
}

var rowsOut = []string{"(DX)", "(DX)(R8*1)", "(R9)", "(R9)(R8*1)"}

func rows(a *asm, f format) {
	rowsHead(a, f.name)
	if f.nibbles {
		a.p("VPBROADCASTD nibbleR<>(SB), Y20")
	} else {
		a.p("VPBROADCASTD signR<>(SB), Y20")
	}
	a.p("VPBROADCASTD magicR<>(SB), Y21")
	for c := range rowsCols {
		a.p("VMOVUPS %s, Y%d", rowsOut[c], 8+c)
	}
	a.p("TESTQ CX, CX")
	a.p("JZ   done")
	a.label("loop")
	for c := range rowsCols {
		switch {
		case f.offset, !f.nibbles: // -8 or -128 times the sum of the activations
			a.p("VPBROADCASTD %d(SI), Y%d", p4Bias+4*c, c)
			a.p("VPSUBD Y21, Y%d, Y%d", c, c)
			if !f.nibbles {
				a.p("VPSLLD $4, Y%d, Y%d", c, c)
			}
		default:
			a.p("VPXORD Y%d, Y%d, Y%d", c, c, c)
		}
		a.p("VPXORD Y%d, Y%d, Y%d", 4+c, 4+c, 4+c)
	}
	for k := range 4 {
		if f.nibbles {
			a.p("VMOVDQU %d(DI), Y12", f.chunks+32*k)
			a.p("VPSRLW $4, Y12, Y13")
			a.p("VPANDD Y20, Y12, Y12")
			a.p("VPANDD Y20, Y13, Y13")
		} else {
			a.p("VPXORD %d(DI), Y20, Y12", f.chunks+32*k)
			a.p("VPXORD %d(DI), Y20, Y13", f.chunks+32*(k+4))
		}
		rowsProducts(a, k)
	}
	a.p("VCVTPH2PS (DI), Y16")
	if f.minimum {
		a.p("VCVTPH2PS 16(DI), Y17")
	}
	for c := range rowsCols {
		a.p("VPADDD Y%d, Y%d, Y%d", 4+c, c, c)
		a.p("VCVTDQ2PS Y%d, Y%d", c, c)
		a.p("VMULPS.BCST %d(SI), Y16, Y14", p4D+4*c)
		a.p("VFMADD231PS Y14, Y%d, Y%d", c, 8+c)
		if f.minimum {
			a.p("VFMADD231PS.BCST %d(SI), Y17, Y%d", p4S+4*c, 8+c)
		}
	}
	a.p("ADDQ $%d, DI", f.group)
	a.p("ADDQ $%d, SI", p4Size)
	a.p("DECQ CX")
	a.p("JNZ  loop")
	a.label("done")
	for c := range rowsCols {
		a.p("VMOVUPS Y%d, %s", 8+c, rowsOut[c])
	}
	a.p("VZEROUPPER")
	a.p("RET")
}

// rowsProducts adds chunks k and k+4, in Y12 and Y13, times the activations.
func rowsProducts(a *asm, k int) {
	for c := range rowsCols {
		a.p("VPDPBUSD.BCST %d(SI), Y12, Y%d", rowsQ(c, k), c)
	}
	for c := range rowsCols {
		a.p("VPDPBUSD.BCST %d(SI), Y13, Y%d", rowsQ(c, k+4), 4+c)
	}
}

// rowsK: the sums of products times their scales are integers of at most 24 bits.
func rowsK(a *asm, f kformat) {
	rowsHead(a, f.name)
	a.p("VPBROADCASTD nibbleR<>(SB), Y20")
	switch f.high {
	case 1:
		a.p("VPBROADCASTD bit4R<>(SB), Y22")
	case 2:
		a.p("VPBROADCASTD bits45R<>(SB), Y22")
		a.p("VMOVDQU64 scales01<>(SB), Y23")
	}
	a.p("SHRQ $3, CX")
	a.p("JZ   done")
	a.label("loop")
	for c := range rowsCols {
		a.p("VPXORD Y%d, Y%d, Y%d", 8+c, 8+c, 8+c)
		if f.minima > 0 {
			a.p("VPXORD Y%d, Y%d, Y%d", 24+c, 24+c, 24+c)
		}
	}
	subLoopK(a, f, func() {
		for c := range rowsCols {
			a.p("VPXORD Y%d, Y%d, Y%d", c, c, c)
			a.p("VPXORD Y%d, Y%d, Y%d", 4+c, 4+c, 4+c)
		}
		for h := range f.high { // Q5_K's fifth bits in Y28, Q6_K's two in Y28 and Y29
			a.p("VMOVDQU64 %d(BX), Y%d", 128+32*h, 28+h)
		}
		for k := range 4 {
			a.p("VMOVDQU %d(BX), Y12", 32*k)
			a.p("VPSRLW $4, Y12, Y13")
			a.p("VPANDD Y20, Y12, Y12")
			a.p("VPANDD Y20, Y13, Y13")
			switch f.high {
			case 1:
				rowsHigh(a, 28, 4-k, 12)
				rowsHigh(a, 28, -k, 13)
			case 2:
				rowsHigh(a, 28, 4-2*k, 12)
				rowsHigh(a, 29, 4-2*k, 13)
			}
			rowsProducts(a, k)
		}
		rowsScale(a, f)
		if f.minima > 0 {
			a.p("VPMOVZXBD %d(R10), Y17", f.minima-f.scales)
			a.p("VCVTDQ2PS Y17, Y17")
		}
		for c := range rowsCols {
			a.p("VCVTDQ2PS Y%d, Y%d", c, c)
			a.p("VFMADD231PS.BCST %d(SI), Y%d, Y%d", p4D+4*c, c, 8+c)
			if f.minima > 0 {
				a.p("VFMADD231PS.BCST %d(SI), Y17, Y%d", p4S+4*c, 24+c)
			}
		}
	})
	a.p("VCVTPH2PS (DI), Y16")
	if f.minima > 0 {
		a.p("VCVTPH2PS 16(DI), Y17")
	}
	for c := range rowsCols {
		a.p("VMOVUPS %s, Y14", rowsOut[c])
		a.p("VFMADD231PS Y%d, Y16, Y14", 8+c)
		if f.minima > 0 {
			a.p("VFNMADD231PS Y%d, Y17, Y14", 24+c)
		}
		a.p("VMOVUPS Y14, %s", rowsOut[c])
	}
	a.p("ADDQ $%d, DI", f.group)
	a.p("DECQ CX")
	a.p("JNZ  loop")
	a.label("done")
	a.p("VZEROUPPER")
	a.p("RET")
}

// rowsHigh puts the bits of register h, moved left, above the nibbles of register q.
func rowsHigh(a *asm, h, left, q int) {
	t := 14
	switch {
	case left > 0:
		a.p("VPSLLW $%d, Y%d, Y%d", left, h, t)
	case left < 0:
		a.p("VPSRLW $%d, Y%d, Y%d", -left, h, t)
	default:
		t = h
	}
	a.p("VPTERNLOGD $0xF8, Y22, Y%d, Y%d", t, q)
}

// rowsScale makes of a column's two sums one, times the scales. Q6_K has a scale for each, and its quants stand for q-32.
func rowsScale(a *asm, f kformat) {
	if f.high != 2 {
		a.p("VPMOVZXBD (R10), Y16")
		for c := range rowsCols {
			a.p("VPADDD Y%d, Y%d, Y%d", 4+c, c, c)
			a.p("VPMULLD Y16, Y%d, Y%d", c, c)
		}
		return
	}
	a.p("VPMOVSXBD (R10), Y16")
	a.p("VPMOVSXBD 8(R10), Y17")
	a.p("VBROADCASTI32X4 (R10), Y18")
	a.p("VPSHUFB Y23, Y18, Y18")
	a.p("VPSRAW $8, Y18, Y18")
	for c := range rowsCols {
		a.p("VPMULLD Y16, Y%d, Y%d", c, c)
		a.p("VPMULLD Y17, Y%d, Y%d", 4+c, 4+c)
		a.p("VPBROADCASTD %d(SI), Y14", p4Half+4*c)
		a.p("VPMADDWD Y18, Y14, Y14")
		a.p("VPSLLD $5, Y14, Y14")
		a.p("VPADDD Y%d, Y%d, Y%d", 4+c, c, c)
		a.p("VPSUBD Y14, Y%d, Y%d", c, c)
	}
}
