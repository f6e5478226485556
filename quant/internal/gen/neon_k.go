package main

import "fmt"

func (a *asm) mul(d, n, m int)  { a.v3(0x4ea09c00, "mul", "4s", "4s", "4s", d, n, m) }
func (a *asm) mla(d, n, m int)  { a.v3(0x4ea09400, "mla", "4s", "4s", "4s", d, n, m) }
func (a *asm) scvtf(d, n int)   { a.v2(0x4e21d800, "scvtf", "4s", "4s", d, n) }
func (a *asm) uxtl8(d, n int)   { a.v2(0x2f08a400, "uxtl", "8h", "8b", d, n) }
func (a *asm) uxtl16(d, n int)  { a.v2(0x2f10a400, "uxtl", "4s", "4h", d, n) }
func (a *asm) uxtl16h(d, n int) { a.v2(0x6f10a400, "uxtl2", "4s", "8h", d, n) }
func (a *asm) sxtl8(d, n int)   { a.v2(0x0f08a400, "sxtl", "8h", "8b", d, n) }
func (a *asm) sxtl8h(d, n int)  { a.v2(0x4f08a400, "sxtl2", "8h", "16b", d, n) }
func (a *asm) sxtl16(d, n int)  { a.v2(0x0f10a400, "sxtl", "4s", "4h", d, n) }
func (a *asm) sxtl16h(d, n int) { a.v2(0x4f10a400, "sxtl2", "4s", "8h", d, n) }
func (a *asm) fmls(d, n, m int) { a.v3(0x4ea0cc00, "fmls", "4s", "4s", "4s", d, n, m) }

// smullHalf is four times element i of m, a register below 16.
func (a *asm) smullHalf(d, n, m, i int) {
	a.word(0x0f40a000|uint32(i>>2)<<11|uint32(i>>1&1)<<21|uint32(i&1)<<20|uint32(m)<<16|uint32(n)<<5|uint32(d),
		fmt.Sprintf("smull v%d.4s, v%d.4h, v%d.h[%d]", d, n, m, i))
}

// Registers of the K kernels, besides those of the others: R7 the sub-block's chunks, R8 its scales, R9 sub-blocks left,
// R10 the super-block's first activations. V30 = 15 in every byte, V31 the mask of the high bits.
//
// Q6_K's quants stay unsigned where sums can start at -32 times the activations' sum, which is what the offset of 32
// comes to.
func intKARM64(a *asm) {
	for _, f := range kformats() {
		gemvKNEON(a, f, false)
		gemvKNEON(a, f, true)
		gemmKNEON(a, f)
		gemmKDOT(a, f)
		gemmKI8MM(a, f)
	}
}

func constsKNEON(a *asm, f kformat) {
	a.p("VMOVI $15, V30.B16")
	switch f.high {
	case 1:
		a.p("VMOVI $1, V31.B16")
	case 2:
		a.p("VMOVI $3, V31.B16")
	}
}

// highKNEON puts the high bits of chunk c, from register h, above the quant's nibble in q. A low nibble's byte may still
// hold the other nibble: the bits replace it. t is scratch.
func highKNEON(a *asm, f kformat, c, h, q, t int) {
	shift := c * f.high
	if f.high == 2 {
		shift = c % 4 * 2
	}
	if shift > 0 {
		a.p("VUSHR $%d, V%d.B16, V%d.B16", shift, h, t)
		h = t
	}
	if shift+f.high < 8 {
		a.p("VAND V31.B16, V%d.B16, V%d.B16", h, t)
		h = t
	}
	a.p("VSLI $4, V%d.B16, V%d.B16", h, q)
}

// chunkKNEON makes the quants of chunks k and k+4 of four rows from their nibbles in v: to lo (which may be v) and hi. h0
// and h1 hold the high bits (h1 = h0 but for Q6_K).
func chunkKNEON(a *asm, f kformat, k, v, lo, hi, h0, h1, t int) {
	if f.high == 0 {
		a.unpackNEON(v, lo, hi)
		return
	}
	if lo == v {
		a.p("VUSHR $4, V%d.B16, V%d.B16", v, hi)
	} else {
		panic("gen: chunkKNEON wants lo in place")
	}
	highKNEON(a, f, k, h0, lo, t)
	highKNEON(a, f, k+4, h1, hi, t)
}

// subLoopKNEON runs body for the 8 sub-blocks; activations are step bytes apart, 0 if body moves R1 and R7 itself.
func subLoopKNEON(a *asm, f kformat, label string, step int, body func()) {
	a.p("ADD $%d, R0, R7", f.chunks)
	a.p("ADD $%d, R0, R8", f.scales)
	a.p("MOVD $8, R9")
	a.label(label)
	body()
	a.p("ADD $%d, R8", f.scaleBytes())
	if step > 0 {
		a.p("ADD $%d, R7", f.stride)
		a.p("ADD $%d, R1", step)
	}
	a.p("SUB $1, R9")
	a.p("CBNZ R9, %s", label)
}

// gemvKNEON: inner sums in V12, V13, minima's in V14, V15, out in V28, V29. Integer sums of rows 0-3 and 4-7: V16, V17 of a
// sub-block (of its first half for Q6_K), V18, V19 of the second half.
func gemvKNEON(a *asm, f kformat, dot bool) {
	isa := map[bool]string{false: "NEON", true: "DOT"}[dot]
	a.fn("gemv"+f.name+isa, gemvSignature, gemvArgs)
	a.p("MOVD w_base+0(FP), R0")
	a.p("MOVD a_base+24(FP), R1")
	a.p("MOVD a_len+32(FP), R2")
	a.p("MOVD out_base+48(FP), R3")
	constsKNEON(a, f)
	if f.high == 2 {
		a.p("MOVD $-32, R5")
		a.p("VDUP R5, V24.H8")
	}
	a.p("FLDPQ (R3), (F28, F29)")
	a.p("LSR $3, R2")
	a.p("CBZ R2, done")
	a.label("loop")
	for i := range 4 {
		a.zero(12 + i)
	}
	subLoopKNEON(a, f, "sub", 0, func() {
		for off := 0; off < f.stride; off += 64 {
			a.p("PRFM %d(R7), PLDL1KEEP", 2048+off)
		}
		a.p("VLD1.P 48(R1), [V25.B16, V26.B16, V27.B16]")
		if dot {
			sumsKDOT(a, f)
		} else {
			sumsKNEON(a, f)
		}
		if f.stride > 128 { // the chunks are read
			a.p("ADD $%d, R7", f.stride-128)
		}
		scaleSumsK(a, f)
	})
	for i := range 2 {
		a.p("FMOVD %d(R0), F20", 8*i)
		a.fcvtl(20, 20)
		a.fmla(28+i, 20, 12+i)
		if f.minima > 0 {
			a.p("FMOVD %d(R0), F21", 16+8*i)
			a.fcvtl(21, 21)
			a.fmls(28+i, 21, 14+i)
		}
	}
	a.p("ADD $%d, R0", f.group)
	a.p("SUB $1, R2")
	a.p("CBNZ R2, loop")
	a.label("done")
	a.p("FSTPQ (F28, F29), (R3)")
	a.p("RET")
}

// highRegs loads the high bits to V20-V23. It returns the registers of rows
// 4i-4i+3: for chunks 0-3 and for chunks 4-7.
func highRegs(a *asm, f kformat) func(i int) (h0, h1 int) {
	switch f.high {
	case 1:
		a.p("FLDPQ 128(R7), (F20, F21)")
		return func(i int) (int, int) { return 20 + i, 20 + i }
	case 2:
		a.p("FLDPQ 128(R7), (F20, F21)")
		a.p("FLDPQ 160(R7), (F22, F23)")
		return func(i int) (int, int) { return 20 + i, 22 + i }
	}
	return func(int) (int, int) { return 0, 0 }
}

// secondHalf is where the sums of the second half begin: beside the first's, or the same.
func (f kformat) secondHalf(first, other int) int {
	if f.high == 2 {
		return other
	}
	return first
}

// startsK6 makes the sums' starts, -32 times the activations' sum of each half: V16, V17 and V18, V19.
func startsK6(a *asm, to int) {
	a.p("VORR V25.B16, V25.B16, V15.B16")
	for i := range 4 {
		a.smullHalf(to+i, 24, 15, actHalf/2+i/2)
	}
}

func sumsKDOT(a *asm, f kformat) {
	if f.high == 2 {
		startsK6(a, 16)
	} else {
		a.zero(16)
		a.zero(17)
	}
	hi := f.secondHalf(16, 18)
	high := highRegs(a, f)
	a.p("VLD1.P 64(R7), [V0.B16, V1.B16, V2.B16, V3.B16]")
	a.p("VLD1.P 64(R7), [V4.B16, V5.B16, V6.B16, V7.B16]")
	for k := range 4 {
		for i := range 2 { // rows 4i..4i+3
			h0, h1 := high(i)
			chunkKNEON(a, f, k, 2*k+i, 2*k+i, 8+i, h0, h1, 11)
			a.sdotLane(16+i, 2*k+i, 26, k)
			a.sdotLane(hi+i, 8+i, 27, k)
		}
	}
}

// sumsKNEON: sums of products fit int16s: 8 of at most 31*127, or 4 of 63*127. They are in V4-V7, two rows each, those of
// the second half in V8-V11 for Q6_K.
func sumsKNEON(a *asm, f kformat) {
	hi := f.secondHalf(4, 8)
	high := highRegs(a, f)
	for k := range 4 {
		if k%2 == 0 {
			a.p("VLD1.P 64(R7), [V16.B16, V17.B16, V18.B16, V19.B16]")
		}
		a.p("VDUP V26.S[%d], V2.S4", k)
		a.p("VDUP V27.S[%d], V3.S4", k)
		for i := range 2 {
			h0, h1 := high(i)
			v := 16 + 2*(k%2) + i
			chunkKNEON(a, f, k, v, v, 1, h0, h1, 0)
			a.mulAdd(k == 0, 4+2*i, v, 2)
			a.mulAdd(k == 0 && hi == 8, hi+2*i, 1, 3)
		}
	}
	if f.high == 2 {
		startsK6(a, 0)
	}
	for i := range 4 {
		if i >= 2 && f.high != 2 {
			break
		}
		a.saddlp(4+2*i, 4+2*i)
		a.saddlp(5+2*i, 5+2*i)
		a.p("VADDP V%d.S4, V%d.S4, V%d.S4", 5+2*i, 4+2*i, 16+i)
		if f.high == 2 {
			a.p("VADD V%d.S4, V%d.S4, V%d.S4", i, 16+i, 16+i)
		}
	}
}

// scaleSumsK multiplies the integer sums V16-V19 with the scales and adds them times the activations' d to V12, V13; and
// the minima times s to V14, V15.
func scaleSumsK(a *asm, f kformat) {
	if f.high == 2 {
		a.p("FMOVQ (R8), F20")
		a.sxtl8(21, 20)
		a.sxtl8h(22, 20)
		a.sxtl16(20, 21)
		a.sxtl16h(21, 21)
		a.sxtl16(23, 22)
		a.sxtl16h(22, 22)
		a.mul(16, 16, 20)
		a.mul(17, 17, 21)
		a.mla(16, 18, 23)
		a.mla(17, 19, 22)
	} else {
		a.p("FMOVD (R8), F20")
		a.uxtl8(20, 20)
		a.uxtl16(21, 20)
		a.uxtl16h(22, 20)
		a.mul(16, 16, 21)
		a.mul(17, 17, 22)
	}
	for i := range 2 {
		a.scvtf(16+i, 16+i)
		a.fmlaLane(12+i, 16+i, 25, 0)
	}
	if f.minima > 0 {
		a.p("FMOVD %d(R8), F20", f.minima-f.scales)
		a.uxtl8(20, 20)
		a.uxtl16(21, 20)
		a.uxtl16h(22, 20)
		for i := range 2 {
			a.scvtf(21+i, 21+i)
			a.fmlaLane(14+i, 21+i, 25, 1)
		}
	}
}

// gemmHeadK loads the arguments and jumps to done where there is nothing to do.
func gemmHeadK(a *asm, f kformat) {
	a.p("MOVD w_base+0(FP), R0")
	a.p("MOVD panel_base+24(FP), R1")
	a.p("MOVD nb+48(FP), R2")
	a.p("MOVD out_base+56(FP), R3")
	a.p("MOVD ldo+80(FP), R4")
	a.p("LSL $2, R4")
	constsKNEON(a, f)
	a.p("LSR $3, R2")
	a.p("CBZ R2, done")
}

// panel8 is the size of a panel's block: that of Q6_K ends in -32 times the sums of the halves.
func (f kformat) panel8(size, halves int) int {
	if f.high == 2 {
		return size + halves
	}
	return size
}

// gemmKDOT: 8 rows x 8 columns, rows 0-3 over the super-block, then rows 4-7. Inner sums of column c in V0+c; integer sums in
// V16+c. V8+c: the minima's sums, or for Q6_K the integer sums of the second half. Out stays in memory.
func gemmKDOT(a *asm, f kformat) {
	a.fn("gemm"+f.name+"DOT", gemmSignature, gemmArgs)
	gemmHeadK(a, f)
	a.label("loop")
	a.p("MOVD R1, R10")
	for h := range 2 {
		a.note("rows %d-%d", 4*h, 4*h+3)
		a.p("MOVD R10, R1")
		for c := range 8 {
			a.zero(c)
			if f.minima > 0 {
				a.zero(8 + c)
			}
		}
		subLoopKNEON(a, f, fmt.Sprintf("sub%d", h), f.panel8(p8Size, 256), func() { gemmSubKDOT(a, f, h) })
		a.p("FMOVD %d(R0), F24", 8*h)
		a.fcvtl(28, 24)
		if f.minima > 0 {
			a.p("FMOVD %d(R0), F24", 16+8*h)
			a.fcvtl(29, 24)
		}
		a.p("ADD $%d, R3, R6", 16*h)
		for c := range 8 {
			a.p("FMOVQ (R6), F26")
			a.fmla(26, 28, c)
			if f.minima > 0 {
				a.fmls(26, 29, 8+c)
			}
			a.p("FMOVQ F26, (R6)")
			if c < 7 {
				a.p("ADD R4, R6")
			}
		}
	}
	endBlocksNEON(a, f.group)
}

func gemmSubKDOT(a *asm, f kformat, h int) {
	second := f.secondHalf(16, 8)
	for c := 0; c < 8; c += 2 {
		if f.high == 2 {
			a.p("FLDPQ %d(R1), (F%d, F%d)", p8Size+16*c, 16+c, 17+c)
			a.p("FLDPQ %d(R1), (F%d, F%d)", p8Size+128+16*c, 8+c, 9+c)
		} else {
			a.zero(16 + c)
			a.zero(17 + c)
		}
	}
	for k := range 4 {
		a.p("FMOVQ %d(R7), F27", 32*k+16*h)
		switch f.high { // before the activations' registers are taken
		case 0:
			a.unpackNEON(27, 27, 25)
		default:
			a.p("FMOVQ %d(R7), F28", 128+16*h)
			h1 := 28
			if f.high == 2 {
				a.p("FMOVQ %d(R7), F29", 160+16*h)
				h1 = 29
			}
			chunkKNEON(a, f, k, 27, 27, 25, 28, h1, 26)
		}
		for half := range 2 {
			acc, w := 16, 27
			if half == 1 {
				acc, w = second, 25
			}
			a.p("FLDPQ %d(R1), (F28, F29)", p8Q+128*half+32*k)
			for c := range 8 {
				a.sdotLane(acc+c, w, 28+c/4, c%4)
			}
		}
	}
	if f.high == 2 {
		for i := range 2 {
			a.p("FMOVS %d(R8), F%d", 8*i+4*h, 25+i)
			a.sxtl8(25+i, 25+i)
			a.sxtl16(25+i, 25+i)
		}
		for c := range 8 {
			a.mul(16+c, 16+c, 25)
		}
		for c := range 8 {
			a.mla(16+c, 8+c, 26)
		}
	} else {
		a.p("FMOVS %d(R8), F25", 4*h)
		a.uxtl8(25, 25)
		a.uxtl16(25, 25)
		for c := range 8 {
			a.mul(16+c, 16+c, 25)
		}
	}
	a.p("FLDPQ %d(R1), (F28, F29)", p8D)
	for c := range 8 {
		a.scvtf(16+c, 16+c)
	}
	for c := range 8 {
		a.fmlaLane(c, 16+c, 28+c/4, c%4)
	}
	if f.minima > 0 {
		a.p("FMOVS %d(R8), F25", f.minima-f.scales+4*h)
		a.uxtl8(25, 25)
		a.uxtl16(25, 25)
		a.scvtf(25, 25)
		a.p("FLDPQ %d(R1), (F28, F29)", p8S)
		for c := range 8 {
			a.fmlaLane(8+c, 25, 28+c/4, c%4)
		}
	}
}
