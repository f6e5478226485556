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
