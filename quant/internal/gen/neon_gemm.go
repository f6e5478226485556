package main

func gemmHeadNEON(a *asm) {
	a.p("MOVD w_base+0(FP), R0")
	a.p("MOVD panel_base+24(FP), R1")
	a.p("MOVD nb+48(FP), R2")
	a.p("MOVD out_base+56(FP), R3")
	a.p("MOVD ldo+80(FP), R4")
	a.p("LSL $2, R4")
	constsNEON(a)
}

// gemmDOT: 8 rows x 8 columns, rows 0-3 first, then rows 4-7. f32 sums: column c in V0+c (rows 0-3) and V8+c (rows 4-7);
// int32 sums in V16-V23, weights in V24, V25, activations in V26-V29.
func gemmDOT(a *asm, f format) {
	a.fn("gemm"+f.name+"DOT", gemmSignature, gemmArgs)
	gemmHeadNEON(a)
	a.p("MOVD R3, R6")
	for c := range 8 {
		a.p("FLDPQ (R6), (F%d, F%d)", c, 8+c)
		a.p("ADD R4, R6")
	}
	a.p("CBZ R2, done")
	a.label("loop")
	for h := range 2 {
		a.note("rows %d-%d", 4*h, 4*h+3)
		for c := 0; c < 8; c += 2 {
			if f.offset {
				a.p("FLDPQ %d(R1), (F%d, F%d)", p8Bias+16*c, 16+c, 17+c)
			} else {
				a.p("VORR V31.B16, V31.B16, V%d.B16", 16+c)
				a.p("VORR V31.B16, V31.B16, V%d.B16", 17+c)
			}
		}
		if f.nibbles {
			for k := range 4 {
				a.p("FMOVQ %d(R0), F24", f.chunks+32*k+16*h)
				a.p("FLDPQ %d(R1), (F26, F27)", p8Q+32*k)
				a.p("FLDPQ %d(R1), (F28, F29)", p8Q+128+32*k)
				a.unpackNEON(24, 24, 25)
				for c := range 8 {
					a.sdotLane(16+c, 24, 26+c/4, c%4)
				}
				for c := range 8 {
					a.sdotLane(16+c, 25, 28+c/4, c%4)
				}
			}
		} else {
			for k := range 8 {
				w, x := 24+k%2, 26+k%2*2
				a.p("FMOVQ %d(R0), F%d", f.chunks+32*k+16*h, w)
				a.p("FLDPQ %d(R1), (F%d, F%d)", p8Q+32*k, x, x+1)
				for c := range 8 {
					a.sdotLane(16+c, w, x+c/4, c%4)
				}
			}
		}
		a.p("FMOVD %d(R0), F24", 8*h)
		last := h == 1 && !f.minimum // use of the panel: on to the next block
		if last {
			a.p("FLDPQ.P %d(R1), (F26, F27)", p8Size)
		} else {
			a.p("FLDPQ %d(R1), (F26, F27)", p8D)
		}
		a.fcvtl(24, 24)
		for c := range 8 {
			a.fsub(16+c, 16+c, 31)
		}
		for c := range 8 {
			t := []int{25, 28, 29}[c%3]
			a.fmulLane(t, 24, 26+c/4, c%4)
			a.fmla(8*h+c, t, 16+c)
		}
		if f.minimum {
			a.p("FMOVD %d(R0), F24", 16+8*h)
			a.p("FLDPQ %d(R1), (F26, F27)", p8S)
			a.fcvtl(24, 24)
			for c := range 8 {
				a.fmlaLane(8*h+c, 24, 26+c/4, c%4)
			}
		}
	}
	a.p("ADD $%d, R0", f.group)
	if f.minimum {
		a.p("ADD $%d, R1", p8Size)
	}
	a.p("SUB $1, R2")
	a.p("CBNZ R2, loop")
	a.label("done")
	for c := range 8 {
		a.p("FSTPQ (F%d, F%d), (R3)", c, 8+c)
		if c < 7 {
			a.p("ADD R4, R3")
		}
	}
	a.p("RET")
}

// gemmNEON: 8 rows x 4 columns for ARMv8.0. Sums of column c in V4c-V4c+3 (int16 for nibbles, int32 for bytes), each for two
// rows; the f32 sums stay in out. V18, V19, V29 the columns' [d], [bias], [s].
func gemmNEON(a *asm, f format) {
	a.fn("gemm"+f.name+"NEON", gemmSignature, gemmArgs)
	gemmHeadNEON(a)
	a.p("CBZ R2, done")
	a.label("loop")
	if f.nibbles {
		for k := range 4 {
			a.p("FLDPQ %d(R0), (F16, F17)", f.chunks+32*k)
			a.p("FMOVQ %d(R1), F22", p4Q+16*k)
			a.p("FMOVQ %d(R1), F23", p4Q+64+16*k)
			a.unpackNEON(16, 24, 25)
			a.unpackNEON(17, 26, 27)
			for c := range 4 {
				a.p("VDUP V22.S[%d], V20.S4", c)
				a.p("VDUP V23.S[%d], V21.S4", c)
				for i, lo := range []int{24, 26} {
					a.mulAdd(k == 0, 4*c+2*i, lo, 20)
					a.mulAdd(false, 4*c+2*i, lo+1, 21)
				}
			}
		}
	} else {
		for k := 0; k < 8; k += 2 {
			a.p("FLDPQ %d(R0), (F16, F17)", f.chunks+32*k)
			a.p("FLDPQ %d(R0), (F18, F19)", f.chunks+32*k+32)
			a.p("FLDPQ %d(R1), (F22, F23)", p4Q+16*k)
			for c := range 4 {
				a.p("VDUP V22.S[%d], V20.S4", c)
				a.p("VDUP V23.S[%d], V21.S4", c)
				for i := range 2 {
					mulPairsNEON(a, k == 0, 16+i, 18+i, 20, 21, 24+2*i, 4*c+2*i)
				}
			}
		}
	}
	a.p("FMOVQ (R0), F16")
	a.p("FMOVQ %d(R1), F18", p4D)
	if f.offset {
		a.p("FMOVQ %d(R1), F19", p4Bias)
	}
	a.fcvtl(26, 16)
	a.fcvtl2(27, 16)
	if f.minimum {
		a.p("FMOVQ 16(R0), F17")
		a.p("FMOVQ %d(R1), F29", p4S)
		a.fcvtl(23, 17)
		a.fcvtl2(28, 17)
	}
	a.p("MOVD R3, R6")
	for c := range 4 {
		s := 4 * c
		if f.nibbles {
			for i := range 4 {
				a.saddlp(s+i, s+i)
			}
		}
		start := 31
		if f.offset {
			a.p("VDUP V19.S[%d], V22.S4", c)
			start = 22
		}
		a.p("FLDPQ (R6), (F20, F21)")
		for i := range 2 {
			a.p("VADDP V%d.S4, V%d.S4, V%d.S4", s+2*i+1, s+2*i, s+2*i)
			a.p("VADD V%d.S4, V%d.S4, V%d.S4", start, s+2*i, s+2*i)
			a.fsub(s+2*i, s+2*i, 31)
			a.fmulLane(24+i, 26+i, 18, c)
			a.fmla(20+i, 24+i, s+2*i)
			if f.minimum {
				a.fmlaLane(20+i, []int{23, 28}[i], 29, c)
			}
		}
		a.p("FSTPQ (F20, F21), (R6)")
		a.p("ADD R4, R6")
	}
	a.p("ADD $%d, R0", f.group)
	a.p("ADD $%d, R1", p4Size)
	a.p("SUB $1, R2")
	a.p("CBNZ R2, loop")
	a.label("done")
	a.p("RET")
}
