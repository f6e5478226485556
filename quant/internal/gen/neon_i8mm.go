package main

import "fmt"

// The i8mm tiles are 8 rows x 8 columns, rows 0-3 first, then rows 4-7. A register holds 2 x 2 sums [r0c0 r0c1 r1c0 r1c1]:
// rows 2p, 2p+1 and columns 2q, 2q+1 of the half in V(4p+q), int32. Columns' scales, sums and biases lie in the panel as
// [c0 c1 c0 c1]. Two chunks of 4 bytes a row zip into 8 bytes a row. V30, V31: see constsNEON and constsKNEON.

// pairsI8MM multiplies two row pairs, 8 bytes a row in w[0] and w[1], with step k8 of the activations and adds to the sums from acc on. x
// and x+1 are scratch.
func pairsI8MM(a *asm, w [2]int, k8, x, acc int) {
	for q := 0; q < 4; q += 2 {
		a.p("FLDPQ %d(R1), (F%d, F%d)", p8iQ+64*k8+16*q, x, x+1)
		for p := range 2 {
			a.smmla(acc+4*p+q, w[p], x)
			a.smmla(acc+4*p+q+1, w[p], x+1)
		}
	}
}

// zipPairs puts the chunks of 4 rows in v and w side by side: rows 0, 1 to lo, rows 2, 3 to hi, which may be w.
func zipPairs(a *asm, v, w, lo, hi int) {
	a.p("VZIP1 V%d.S4, V%d.S4, V%d.S4", w, v, lo)
	a.p("VZIP2 V%d.S4, V%d.S4, V%d.S4", w, v, hi)
}

// gemmI8MM: f32 sums of rows 4h-4h+3 in V(8+8h+4p+q).
func gemmI8MM(a *asm, f format) {
	a.fn("gemm"+f.name+"I8MM", gemmSignature, gemmArgs)
	gemmHeadNEON(a)
	a.p("MOVD R3, R6")
	for q := range 4 {
		a.p("FLDPQ (R6), (F24, F25)")
		a.p("ADD R4, R6")
		a.p("FLDPQ (R6), (F26, F27)")
		if q < 3 {
			a.p("ADD R4, R6")
		}
		for h := range 2 {
			zipPairs(a, 24+h, 26+h, 8+8*h+q, 12+8*h+q)
		}
	}
	a.p("CBZ R2, done")
	a.label("loop")
	for h := range 2 {
		a.note("rows %d-%d", 4*h, 4*h+3)
		sumsI8MM(a, f, h)
		// V25, V26 have the scales of rows [0 0 1 1] and [2 2 3 3]
		columns := func(rows, columns int, each func(acc, sum, rows, columns int)) {
			a.p("FMOVD %d(R0), F24", rows)
			a.fcvtl(24, 24)
			zipPairs(a, 24, 24, 25, 26)
			for q := range 4 {
				if q%2 == 0 {
					a.p("FLDPQ %d(R1), (F28, F29)", columns+16*q)
				}
				for p := range 2 {
					each(8+8*h+4*p+q, 4*p+q, 25+p, 28+q%2)
				}
			}
		}
		columns(8*h, p8iD, func(acc, sum, rows, columns int) {
			t := []int{24, 27}[sum/4]
			a.fsub(sum, sum, 31)
			a.fmul(t, rows, columns)
			a.fmla(acc, t, sum)
		})
		if f.minimum {
			columns(16+8*h, p8iS, func(acc, _, rows, columns int) { a.fmla(acc, rows, columns) })
		}
	}
	a.p("ADD $%d, R0", f.group)
	a.p("ADD $%d, R1", p8iSize)
	a.p("SUB $1, R2")
	a.p("CBNZ R2, loop")
	a.label("done")
	for q := range 4 {
		for odd := range 2 {
			for h := range 2 {
				a.p("VUZP%d V%d.S4, V%d.S4, V%d.S4", 1+odd, 12+8*h+q, 8+8*h+q, 24+h)
			}
			a.p("FSTPQ (F24, F25), (R3)")
			if 2*q+odd < 7 {
				a.p("ADD R4, R3")
			}
		}
	}
	a.p("RET")
}

// sumsI8MM makes the integer sums of rows 4h-4h+3.
func sumsI8MM(a *asm, f format, h int) {
	for q := 0; q < 4; q += 2 {
		for p := range 2 {
			if f.offset {
				a.p("FLDPQ %d(R1), (F%d, F%d)", p8iBias+16*q, 4*p+q, 4*p+q+1)
			} else {
				a.p("VORR V31.B16, V31.B16, V%d.B16", 4*p+q)
				a.p("VORR V31.B16, V31.B16, V%d.B16", 4*p+q+1)
			}
		}
	}
	pairs := 4 // of byte chunks; a pair of nibble chunks makes two
	if f.nibbles {
		pairs = 2
	}
	for k8 := range pairs {
		a.p("FMOVQ %d(R0), F24", f.chunks+64*k8+16*h)
		a.p("FMOVQ %d(R0), F25", f.chunks+64*k8+32+16*h)
		zipPairs(a, 24, 25, 26, 27)
		if !f.nibbles {
			pairsI8MM(a, [2]int{26, 27}, k8, 28, 0)
			continue
		}
		a.unpackNEON(26, 24, 26)
		a.unpackNEON(27, 25, 27)
		pairsI8MM(a, [2]int{24, 25}, k8, 28, 0)
		pairsI8MM(a, [2]int{26, 27}, 2+k8, 28, 0)
	}
}

// gemmKI8MM: inner sums in V8-V15; V16-V23 the minima's sums, or for Q6_K the integer sums of the second half. Out stays in
// memory.
func gemmKI8MM(a *asm, f kformat) {
	a.fn("gemm"+f.name+"I8MM", gemmSignature, gemmArgs)
	gemmHeadK(a, f)
	a.label("loop")
	a.p("MOVD R1, R10")
	for h := range 2 {
		a.note("rows %d-%d", 4*h, 4*h+3)
		a.p("MOVD R10, R1")
		for i := range 8 {
			a.zero(8 + i)
			if f.minima > 0 {
				a.zero(16 + i)
			}
		}
		subLoopKNEON(a, f, fmt.Sprintf("sub%d", h), f.panel8(p8iSize, 128), func() {
			sumsKI8MM(a, f, h)
			scaleKI8MM(a, f, h)
		})
		a.p("FMOVD %d(R0), F28", 8*h)
		a.fcvtl(28, 28)
		if f.minima > 0 {
			a.p("FMOVD %d(R0), F29", 16+8*h)
			a.fcvtl(29, 29)
		}
		a.p("ADD $%d, R3, R6", 16*h)
		for c := range 8 {
			q, odd := c/2, c%2
			a.p("FMOVQ (R6), F26")
			a.p("VUZP%d V%d.S4, V%d.S4, V24.S4", 1+odd, 12+q, 8+q)
			a.fmla(26, 28, 24)
			if f.minima > 0 {
				a.p("VUZP%d V%d.S4, V%d.S4, V25.S4", 1+odd, 20+q, 16+q)
				a.fmls(26, 29, 25)
			}
			a.p("FMOVQ F26, (R6)")
			if c < 7 {
				a.p("ADD R4, R6")
			}
		}
	}
	endBlocksNEON(a, f.group)
}

// sumsKI8MM makes a sub-block's integer sums of rows 4h-4h+3.
func sumsKI8MM(a *asm, f kformat, h int) {
	second := f.secondHalf(0, 16)
	if f.high == 2 { // the panel has -32 times the halves' sums
		for half := range 2 {
			for p := range 2 {
				for q := 0; q < 4; q += 2 {
					a.p("FLDPQ %d(R1), (F%d, F%d)", p8iSize+64*half+16*q, 16*half+4*p+q, 16*half+4*p+q+1)
				}
			}
		}
	} else {
		for i := range 8 {
			a.zero(i)
		}
	}
	for k8 := range 2 {
		k := 2 * k8
		if f.high == 0 {
			a.p("FMOVQ %d(R7), F24", 32*k+16*h)
			a.p("FMOVQ %d(R7), F25", 32*k+32+16*h)
			zipPairs(a, 24, 25, 26, 27)
			a.unpackNEON(26, 24, 26)
			a.unpackNEON(27, 25, 27)
			pairsI8MM(a, [2]int{24, 25}, k8, 28, 0)
			pairsI8MM(a, [2]int{26, 27}, 2+k8, 28, 0)
			continue
		}
		for i := range 2 { // low nibbles' bytes in V24, V26, high nibbles in V25, V27
			a.p("FMOVQ %d(R7), F%d", 32*(k+i)+16*h, 24+2*i)
			a.p("VUSHR $4, V%d.B16, V%d.B16", 24+2*i, 25+2*i)
		}
		a.p("FMOVQ %d(R7), F28", 128+16*h)
		highKNEON(a, f, k, 28, 24, 29)
		highKNEON(a, f, k+1, 28, 26, 29)
		if f.high == 2 {
			a.p("FMOVQ %d(R7), F28", 160+16*h)
		}
		highKNEON(a, f, k+4, 28, 25, 29)
		highKNEON(a, f, k+5, 28, 27, 29)
		zipPairs(a, 24, 26, 28, 29)
		zipPairs(a, 25, 27, 24, 25)
		pairsI8MM(a, [2]int{28, 29}, k8, 26, 0)
		pairsI8MM(a, [2]int{24, 25}, 2+k8, 26, second)
	}
}

// scaleKI8MM adds the sums times the scales times the activations' d to the inner sums, and the minima times s to theirs.
func scaleKI8MM(a *asm, f kformat, h int) {
	rows := func(off int, signed bool) { // int32s of four bytes at R8, for pairs of rows in V25, V26
		a.p("FMOVS %d(R8), F24", off+4*h)
		if signed {
			a.sxtl8(24, 24)
			a.sxtl16(24, 24)
		} else {
			a.uxtl8(24, 24)
			a.uxtl16(24, 24)
		}
	}
	rows(0, f.high == 2)
	zipPairs(a, 24, 24, 25, 26)
	for i := range 8 {
		a.mul(i, i, 25+i/4)
	}
	if f.high == 2 {
		rows(8, true)
		zipPairs(a, 24, 24, 25, 26)
		for i := range 8 {
			a.mla(i, 16+i, 25+i/4)
		}
	}
	for i := range 8 {
		a.scvtf(i, i)
	}
	columns := func(off int, each func(p, q, x int)) {
		for q := range 4 {
			if q%2 == 0 {
				a.p("FLDPQ %d(R1), (F28, F29)", off+16*q)
			}
			for p := range 2 {
				each(p, q, 28+q%2)
			}
		}
	}
	columns(p8iD, func(p, q, x int) { a.fmla(8+4*p+q, 4*p+q, x) })
	if f.minima > 0 {
		rows(f.minima-f.scales, false)
		a.scvtf(24, 24)
		zipPairs(a, 24, 24, 25, 26)
		columns(p8iS, func(p, q, x int) { a.fmla(16+4*p+q, 25+p, x) })
	}
}
