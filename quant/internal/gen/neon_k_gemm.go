package main

// gemmKNEON: 8 rows x 4 columns for ARMv8.0. The inner sums are on the stack, at R11: rows 0-3 and 4-7 of column c at 32c.
func gemmKNEON(a *asm, f kformat) {
	a.fnFrame("gemm"+f.name+"NEON", gemmSignature, 144, gemmArgs)
	gemmHeadK(a, f)
	if f.high == 2 {
		a.p("VMOVI $32, V30.B16")
	}
	a.p("MOVD RSP, R11")
	a.p("ADD $16, R11")
	a.label("loop")
	a.zero(16)
	for c := range 4 {
		a.p("FSTPQ (F16, F16), %d(R11)", 32*c)
	}
	a.p("MOVD R1, R10")
	subLoopKNEON(a, f, "sub0", p4Size, func() {
		if f.high == 2 {
			sumsK6NEON(a, f)
			addInner(a, func(c, i int) int { return keptK6[2*c+i] }, 28)
		} else {
			sumsKNEON4(a, f)
			addInner(a, func(c, i int) int { return 4*c + 2*i }, 24)
		}
	})
	if f.minima > 0 {
		minimaNEON(a, f)
	}
	halves := func(off, to int) { // fp16 of rows 0-3 and 4-7
		a.p("FMOVQ %d(R0), F16", off)
		a.fcvtl(to, 16)
		a.fcvtl2(to+1, 16)
	}
	halves(0, 20)
	if f.minima > 0 {
		halves(16, 22)
	}
	a.p("MOVD R3, R6")
	for c := range 4 {
		a.p("FLDPQ %d(R11), (F24, F25)", 32*c)
		a.p("FLDPQ (R6), (F26, F27)")
		for i := range 2 {
			a.fmla(26+i, 20+i, 24+i)
			if f.minima > 0 {
				a.fmls(26+i, 22+i, 2*c+i)
			}
		}
		a.p("FSTPQ (F26, F27), (R6)")
		if c < 3 {
			a.p("ADD R4, R6")
		}
	}
	endBlocksNEON(a, f.group)
}

// addInner adds the int32 sums in register sum(column, row half) times the activations' d to the inner sums. x and x+1 are
// scratch.
func addInner(a *asm, sum func(c, i int) int, x int) {
	a.p("FMOVQ %d(R1), F16", p4D)
	for c := range 4 {
		a.p("FLDPQ %d(R11), (F%d, F%d)", 32*c, x, x+1)
		for i := range 2 {
			a.scvtf(sum(c, i), sum(c, i))
			a.fmlaLane(x+i, sum(c, i), 16, c)
		}
		a.p("FSTPQ (F%d, F%d), %d(R11)", x, x+1, 32*c)
	}
}

// reduce4 makes int32 sums of rows 4i-4i+3 of column c in V(4c+2i) from the int16s in V(4c+2i), V(4c+2i+1).
func reduce4(a *asm) {
	for r := range 16 {
		a.saddlp(r, r)
	}
	for r := 0; r < 16; r += 2 {
		a.p("VADDP V%d.S4, V%d.S4, V%d.S4", r+1, r, r)
	}
}

// sumsKNEON4 makes a sub-block's sums, times the scales, as reduce4 does. 8 products of at most 31*127 fit an int16.
func sumsKNEON4(a *asm, f kformat) {
	hi := []int{25, 27}
	lo := []int{24, 26}
	if f.high == 1 {
		a.p("FLDPQ 128(R7), (F28, F29)")
		lo, hi = []int{16, 17}, []int{24, 25}
	}
	for k := range 4 {
		a.p("FLDPQ %d(R7), (F16, F17)", 32*k)
		for i := range 2 {
			chunkKNEON(a, f, k, 16+i, lo[i], hi[i], 28+i, 28+i, 20)
		}
		a.p("FMOVQ %d(R1), F22", p4Q+16*k)
		a.p("FMOVQ %d(R1), F23", p4Q+64+16*k)
		for c := range 4 {
			a.p("VDUP V22.S[%d], V20.S4", c)
			a.p("VDUP V23.S[%d], V21.S4", c)
			for i := range 2 {
				a.mulAdd(k == 0, 4*c+2*i, lo[i], 20)
				a.mulAdd(false, 4*c+2*i, hi[i], 21)
			}
		}
	}
	reduce4(a)
	a.p("FMOVD (R8), F20")
	a.uxtl8(20, 20)
	a.uxtl16(21, 20)
	a.uxtl16h(22, 20)
	for r := 0; r < 16; r += 2 {
		a.mul(r, r, 21+r/2%2)
	}
}

// keptK6 has the sums of rows 4i-4i+3 of column c at 2c+i: what the second half of sumsK6NEON leaves alone.
var keptK6 = [8]int{18, 19, 21, 23, 24, 25, 26, 27}

// sumsK6NEON makes a sub-block's sums, each half times its scales, in keptK6. 4 products of at most 32*127 fit an int16.
func sumsK6NEON(a *asm, f kformat) {
	for half := range 2 {
		a.p("FLDPQ %d(R7), (F28, F29)", 128+32*half)
		for k := range 4 {
			a.p("FLDPQ %d(R7), (F16, F17)", 32*k)
			for i := range 2 {
				if half == 1 {
					a.p("VUSHR $4, V%d.B16, V%d.B16", 16+i, 16+i)
				}
				highKNEON(a, f, k+4*half, 28+i, 16+i, 20)
				a.p("VSUB V30.B16, V%d.B16, V%d.B16", 16+i, 16+i)
			}
			a.p("FMOVQ %d(R1), F22", p4Q+64*half+16*k)
			for c := range 4 {
				a.p("VDUP V22.S[%d], V20.S4", c)
				for i := range 2 {
					a.mulAdd(k == 0, 4*c+2*i, 16+i, 20)
				}
			}
		}
		reduce4(a)
		a.p("FMOVD %d(R8), F16", 8*half)
		a.sxtl8(16, 16)
		a.sxtl16(20, 16)
		a.sxtl16h(22, 16)
		for r := 0; r < 16; r += 2 {
			scale := []int{20, 22}[r/2%2]
			if half == 0 {
				a.mul(keptK6[r/2], r, scale)
			} else {
				a.mla(keptK6[r/2], r, scale)
			}
		}
	}
}

// minimaNEON sums the minima times the activations' s: rows 4i-4i+3 of column c in V(2c+i).
func minimaNEON(a *asm, f kformat) {
	for r := range 8 {
		a.zero(r)
	}
	a.p("ADD $%d, R0, R8", f.minima)
	a.p("MOVD $8, R9")
	a.label("sub1")
	a.p("FMOVD.P 8(R8), F20")
	a.p("FMOVQ %d(R10), F18", p4S)
	a.uxtl8(20, 20)
	a.uxtl16h(21, 20)
	a.uxtl16(20, 20)
	for i := range 2 {
		a.scvtf(20+i, 20+i)
	}
	for r := range 8 {
		a.fmlaLane(r, 20+r%2, 18, r/2)
	}
	a.p("ADD $%d, R10", p4Size)
	a.p("SUB $1, R9")
	a.p("CBNZ R9, sub1")
}

// endBlocksNEON closes a kernel's loop over blocks: R0 weights, size bytes a block, R2 blocks left.
func endBlocksNEON(a *asm, size int) {
	a.p("ADD $%d, R0", size)
	a.p("SUB $1, R2")
	a.p("CBNZ R2, loop")
	a.label("done")
	a.p("RET")
}
