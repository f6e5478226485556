package main

// floatARM64: as floatAMD64, with 4 partial sums (k mod 4).
func floatARM64(a *asm) {
	for _, t := range floatTypes() {
		floatNEON(a, t, 4, 4)
		floatNEON(a, t, 4, 1)
		floatNEON(a, t, 1, 1)
	}
}

// floatNEON: R0-R3 rows of weights, R4-R7 columns, R8 values left, R9 out, R10 its stride. Sums in V0-V15 (row*cols +
// column), eight values of column c in V16+2c, V17+2c, a row's weights in V24-V26.
func floatNEON(a *asm, t floatType, rows, cols int) {
	a.fn("dot"+t.name+"x"+string(rune('0'+rows))+string(rune('0'+cols))+"NEON", floatSig, floatArgs)
	a.p("MOVD w_base+0(FP), R0")
	if rows > 1 {
		a.p("MOVD ldw+24(FP), R11")
		for r := 1; r < rows; r++ {
			a.p("ADD R11, R%d, R%d", r-1, r)
		}
	}
	a.p("MOVD x_base+32(FP), R4")
	if cols > 1 {
		a.p("MOVD ldx+56(FP), R11")
		for c := 1; c < cols; c++ {
			a.p("ADD R11<<2, R%d, R%d", 3+c, 4+c)
		}
	}
	a.p("MOVD k+64(FP), R8")
	a.p("MOVD out_base+72(FP), R9")
	a.p("MOVD ldo+96(FP), R10")
	for i := range rows * cols {
		a.zero(i)
	}
	a.label("loop")
	for c := range cols {
		a.p("FLDPQ.P 32(R%d), (F%d, F%d)", 4+c, 16+2*c, 17+2*c)
	}
	for r := range rows {
		switch t.name {
		case "F32":
			a.p("FLDPQ.P 32(R%d), (F24, F25)", r)
		case "F16":
			a.p("FMOVQ.P 16(R%d), F26", r)
			a.fcvtl(24, 26)
			a.fcvtl2(25, 26)
		case "BF16":
			a.p("FMOVQ.P 16(R%d), F26", r)
			a.shll16(24, 26)
			a.shll16h(25, 26)
		}
		for i := range 2 {
			for c := range cols {
				a.fmla(r*cols+c, 24+i, 16+2*c+i)
			}
		}
	}
	a.p("SUBS $8, R8")
	a.p("BGT loop")
	for c := range cols {
		if rows == 4 {
			a.faddp(c, c, cols+c)
			a.faddp(2*cols+c, 2*cols+c, 3*cols+c)
			a.faddp(c, c, 2*cols+c)
			a.p("FMOVQ (R9), F16")
			a.fadd(c, c, 16)
			a.p("FMOVQ F%d, (R9)", c)
			if c+1 < cols {
				a.p("ADD R10<<2, R9")
			}
		} else {
			a.faddp(c, c, c)
			a.faddp(c, c, c)
			a.p("FMOVS (R9), F16")
			a.p("FADDS F16, F%d, F%d", c, c)
			a.p("FMOVS F%d, (R9)", c)
		}
	}
	a.p("RET")
}

// quantizeARM64 is quant.activation.quantize for blocks whose largest magnitude is neither tiny nor infinite nor a NaN.
func quantizeARM64(a *asm) {
	a.fn("quantizeBlocksNEON", "(dst []activation, x []float32) int", 56)
	a.p("MOVD dst_base+0(FP), R0")
	a.p("MOVD dst_len+8(FP), R1")
	a.p("MOVD x_base+24(FP), R2")
	a.p("MOVD $0, R3")
	a.p("MOVW $0x42fe0000, R4 // 127")
	a.p("FMOVS R4, F30")
	a.p("MOVW $0x7f800000, R5 // hugeBits")
	a.p("MOVW $0x0d800000, R6 // tinyActivation")
	a.p("MOVW $0x4B400000, R7 // magic")
	a.p("CBZ R1, done")
	a.label("loop")
	for i := 0; i < 8; i += 2 {
		a.p("FLDPQ %d(R2), (F%d, F%d)", 16*i, i, i+1)
	}
	for i := range 8 {
		a.fabs(8+i, i)
	}
	for step := 4; step > 0; step /= 2 {
		for i := range step {
			a.umax(8+i, 8+i, 8+step+i) // as unsigned integers: NaN above infinity above all numbers
		}
	}
	a.umaxv(8, 8)
	a.p("FMOVS F8, R8")
	a.p("CMPW R5, R8")
	a.p("BHS done")
	a.p("CMPW R6, R8")
	a.p("BLO done")
	a.p("FDIVS F30, F8, F16 // d = max/127")
	a.p("FDIVS F8, F30, F17 // 127/max")
	for i := range 8 {
		a.fmulLane(i, i, 17, 0)
	}
	for i := range 8 {
		a.fcvtns(i, i)
	}
	for h := range 2 { // the sums of both halves
		a.p("VADD V%d.S4, V%d.S4, V18.S4", 4*h, 4*h+1)
		a.p("VADD V%d.S4, V%d.S4, V19.S4", 4*h+2, 4*h+3)
		a.p("VADD V18.S4, V19.S4, V18.S4")
		a.p("VADDV V18.S4, V18")
		a.p("FMOVS F18, R%d", 9+h)
	}
	for i := 0; i < 8; i += 4 {
		a.sqxtn16(i, i)
		a.sqxtn16h(i, i+1)
		a.sqxtn16(i+2, i+2)
		a.sqxtn16h(i+2, i+3)
		a.sqxtn8(i, i)
		a.sqxtn8h(i, i+2)
	}
	a.p("ADDW R9, R10, R11 // sum")
	a.p("SCVTFWS R11, F18")
	a.p("FMULS F16, F18, F18")
	a.p("LSLW $3, R11")
	a.p("SUBW R11, R7, R11")
	a.p("FMOVS F16, (R0)")
	a.p("FMOVS F18, 4(R0)")
	a.p("MOVW R11, 8(R0)")
	a.p("MOVH R9, 12(R0)")
	a.p("MOVH R10, 14(R0)")
	a.p("FSTPQ (F0, F4), 16(R0)")
	a.p("ADD $128, R2")
	a.p("ADD $48, R0")
	a.p("ADD $1, R3")
	a.p("CMP R1, R3")
	a.p("BLT loop")
	a.label("done")
	a.p("MOVD R3, ret+48(FP)")
	a.p("RET")
}
