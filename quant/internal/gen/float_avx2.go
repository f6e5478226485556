package main

// floatType is an encoding of weights that are multiplied in float32.
type floatType struct {
	name string
	size int
}

func floatTypes() []floatType { return []floatType{{"F32", 4}, {"F16", 2}, {"BF16", 2}} }

// floatAMD64: tiles of rows x cols dot products. Each has 8 partial sums (k mod 8) that grow in order of k and are added
// at the end in one fixed order, so that an output doesn't depend on the tile it is computed in.
func floatAMD64(a *asm) {
	for _, t := range floatTypes() {
		floatAVX2(a, t, 4, 3)
		floatAVX2(a, t, 4, 1)
		floatAVX2(a, t, 1, 1)
	}
}

// floatAVX2: DI, R9, R10, R11 rows of weights; SI, R12, R13 columns; CX values left. Sums in Y0-Y11 (row*cols + column),
// columns' values in Y12-Y14, a row's weights in Y15.
func floatAVX2(a *asm, t floatType, rows, cols int) {
	a.fn("dot"+t.name+"x"+string(rune('0'+rows))+string(rune('0'+cols))+"AVX2", floatSig, floatArgs)
	w := []string{"DI", "R9", "R10", "R11"}
	x := []string{"SI", "R12", "R13"}
	a.p("MOVQ w_base+0(FP), DI")
	if rows > 1 {
		a.p("MOVQ ldw+24(FP), AX")
		for r := 1; r < rows; r++ {
			a.p("LEAQ (%s)(AX*1), %s", w[r-1], w[r])
		}
	}
	a.p("MOVQ x_base+32(FP), SI")
	if cols > 1 {
		a.p("MOVQ ldx+56(FP), AX")
		for c := 1; c < cols; c++ {
			a.p("LEAQ (%s)(AX*4), %s", x[c-1], x[c])
		}
	}
	a.p("MOVQ k+64(FP), CX")
	a.p("MOVQ out_base+72(FP), DX")
	a.p("MOVQ ldo+96(FP), R8")
	a.p("XORQ BX, BX")
	for i := range rows * cols {
		a.p("VXORPS Y%d, Y%d, Y%d", i, i, i)
	}
	a.label("loop")
	for c := range cols {
		a.p("VMOVUPS (%s)(BX*4), Y%d", x[c], 12+c)
	}
	for r := range rows {
		switch t.name {
		case "F32":
			a.p("VMOVUPS (%s)(BX*4), Y15", w[r])
		case "F16":
			a.p("VCVTPH2PS (%s)(BX*2), Y15", w[r])
		case "BF16":
			a.p("VPMOVZXWD (%s)(BX*2), Y15", w[r])
			a.p("VPSLLD $16, Y15, Y15")
		}
		for c := range cols {
			a.p("VFMADD231PS Y%d, Y15, Y%d", 12+c, r*cols+c)
		}
	}
	a.p("ADDQ $8, BX")
	a.p("CMPQ BX, CX")
	a.p("JLT  loop")
	for c := range cols {
		for r := range rows {
			i := r*cols + c
			a.p("VEXTRACTF128 $1, Y%d, X15", i)
			a.p("VADDPS X15, X%d, X%d", i, i)
		}
		if rows == 4 {
			// four rows' sums at once: both horizontal adds give [r0 r1 r2 r3]
			a.p("VHADDPS X%d, X%d, X%d", cols+c, c, c)
			a.p("VHADDPS X%d, X%d, X%d", 3*cols+c, 2*cols+c, 2*cols+c)
			a.p("VHADDPS X%d, X%d, X%d", 2*cols+c, c, c)
			a.p("VADDPS (DX), X%d, X%d", c, c)
			a.p("VMOVUPS X%d, (DX)", c)
			if c+1 < cols {
				a.p("LEAQ (DX)(R8*4), DX")
			}
		} else {
			a.p("VHADDPS X%d, X%d, X%d", c, c, c)
			a.p("VHADDPS X%d, X%d, X%d", c, c, c)
			a.p("VADDSS (DX), X%d, X%d", c, c)
			a.p("VMOVSS X%d, (DX)", c)
		}
	}
	a.p("VZEROUPPER")
	a.p("RET")
}
