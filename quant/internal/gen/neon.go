package main

import "fmt"

// The Go assembler lacks most of NEON's arithmetic. These methods write such instructions as WORDs, with the GNU syntax
// as the comment; a test of package quant has an assembler check them. d, n, m are V-register numbers in ARM's order:
// destination first.

func (a *asm) word(code uint32, gnu string) {
	a.last = "WORD"
	a.line(fmt.Sprintf("\tWORD $0x%08x // %s", code, gnu))
}

func (a *asm) v3(base uint32, name, td, tn, tm string, d, n, m int) {
	a.word(base|uint32(m)<<16|uint32(n)<<5|uint32(d), fmt.Sprintf("%s v%d.%s, v%d.%s, v%d.%s", name, d, td, n, tn, m, tm))
}

func (a *asm) v2(base uint32, name, td, tn string, d, n int) {
	a.word(base|uint32(n)<<5|uint32(d), fmt.Sprintf("%s v%d.%s, v%d.%s", name, d, td, n, tn))
}

func (a *asm) lane(base uint32, name, tn, tm string, d, n, m, i int) {
	a.word(base|uint32(i&1)<<21|uint32(i>>1)<<11|uint32(m)<<16|uint32(n)<<5|uint32(d),
		fmt.Sprintf("%s v%d.4s, v%d.%s, v%d.%s[%d]", name, d, n, tn, m, tm, i))
}

func (a *asm) sdotLane(d, n, m, i int) { a.lane(0x4f80e000, "sdot", "16b", "4b", d, n, m, i) }    // FEAT_DotProd
func (a *asm) smmla(d, n, m int)       { a.v3(0x4e80a400, "smmla", "4s", "16b", "16b", d, n, m) } // FEAT_I8MM
func (a *asm) smull(d, n, m int)       { a.v3(0x0e20c000, "smull", "8h", "8b", "8b", d, n, m) }
func (a *asm) smull2(d, n, m int)      { a.v3(0x4e20c000, "smull2", "8h", "16b", "16b", d, n, m) }
func (a *asm) smlal(d, n, m int)       { a.v3(0x0e208000, "smlal", "8h", "8b", "8b", d, n, m) }
func (a *asm) smlal2(d, n, m int)      { a.v3(0x4e208000, "smlal2", "8h", "16b", "16b", d, n, m) }
func (a *asm) saddlp(d, n int)         { a.v2(0x4e602800, "saddlp", "4s", "8h", d, n) }
func (a *asm) sadalp(d, n int)         { a.v2(0x4e606800, "sadalp", "4s", "8h", d, n) }
func (a *asm) fcvtl(d, n int)          { a.v2(0x0e217800, "fcvtl", "4s", "4h", d, n) }
func (a *asm) fcvtl2(d, n int)         { a.v2(0x4e217800, "fcvtl2", "4s", "8h", d, n) }
func (a *asm) fsub(d, n, m int)        { a.v3(0x4ea0d400, "fsub", "4s", "4s", "4s", d, n, m) }
func (a *asm) fadd(d, n, m int)        { a.v3(0x4e20d400, "fadd", "4s", "4s", "4s", d, n, m) }
func (a *asm) faddp(d, n, m int)       { a.v3(0x6e20d400, "faddp", "4s", "4s", "4s", d, n, m) }
func (a *asm) fmul(d, n, m int)        { a.v3(0x6e20dc00, "fmul", "4s", "4s", "4s", d, n, m) }
func (a *asm) fmulLane(d, n, m, i int) { a.lane(0x4f809000, "fmul", "4s", "s", d, n, m, i) }
func (a *asm) fmlaLane(d, n, m, i int) { a.lane(0x4f801000, "fmla", "4s", "s", d, n, m, i) }
func (a *asm) fabs(d, n int)           { a.v2(0x4ea0f800, "fabs", "4s", "4s", d, n) }
func (a *asm) umax(d, n, m int)        { a.v3(0x6ea06400, "umax", "4s", "4s", "4s", d, n, m) }
func (a *asm) fcvtns(d, n int)         { a.v2(0x4e21a800, "fcvtns", "4s", "4s", d, n) }
func (a *asm) shll16(d, n int) {
	a.word(0x2e613800|uint32(n)<<5|uint32(d), fmt.Sprintf("shll v%d.4s, v%d.4h, #16", d, n))
}
func (a *asm) shll16h(d, n int) {
	a.word(0x6e613800|uint32(n)<<5|uint32(d), fmt.Sprintf("shll2 v%d.4s, v%d.8h, #16", d, n))
}
func (a *asm) umaxv(d, n int) {
	a.word(0x6eb0a800|uint32(n)<<5|uint32(d), fmt.Sprintf("umaxv s%d, v%d.4s", d, n))
}
func (a *asm) sqxtn16(d, n int)  { a.v2(0x0e614800, "sqxtn", "4h", "4s", d, n) }
func (a *asm) sqxtn16h(d, n int) { a.v2(0x4e614800, "sqxtn2", "8h", "4s", d, n) }
func (a *asm) sqxtn8(d, n int)   { a.v2(0x0e214800, "sqxtn", "8b", "8h", d, n) }
func (a *asm) sqxtn8h(d, n int)  { a.v2(0x4e214800, "sqxtn2", "16b", "8h", d, n) }

// mulAdd adds the products of 16 bytes to the int16s of d and d+1; the first ones replace what is there.
func (a *asm) mulAdd(first bool, d, n, m int) {
	if first {
		a.smull(d, n, m)
		a.smull2(d+1, n, m)
		return
	}
	a.smlal(d, n, m)
	a.smlal2(d+1, n, m)
}

func (a *asm) zero(r int) { a.p("VEOR V%d.B16, V%d.B16, V%d.B16", r, r, r) }

// fmla adds n*m to d.
func (a *asm) fmla(d, n, m int) { a.p("VFMLA V%d.S4, V%d.S4, V%d.S4", m, n, d) }

// unpackNEON splits nibbles: low ones of v to lo, high ones to hi; either may be v. V30 = 15 in every byte.
func (a *asm) unpackNEON(v, lo, hi int) {
	if hi != v {
		a.p("VUSHR $4, V%d.B16, V%d.B16", v, hi)
	}
	a.p("VAND V30.B16, V%d.B16, V%d.B16", v, lo)
	if hi == v {
		a.p("VUSHR $4, V%d.B16, V%d.B16", v, hi)
	}
}

// Registers of the integer kernels: R0 weights, R1 activations, R2 blocks left, R3 out, R4 the stride of out in bytes, R6
// a pointer into out. V30 = 15 in every byte, V31 = 1.5*2^23 as int32 and float32.
func intARM64(a *asm) {
	for _, f := range formats() {
		gemvNEON(a, f)
		gemvDOT(a, f)
		gemmNEON(a, f)
		gemmDOT(a, f)
		gemmI8MM(a, f)
	}
}

func constsNEON(a *asm) {
	a.p("VMOVI $15, V30.B16")
	a.p("MOVW $0x4B400000, R5")
	a.p("VDUP R5, V31.S4")
}

func gemvHeadNEON(a *asm) {
	a.p("MOVD w_base+0(FP), R0")
	a.p("MOVD a_base+24(FP), R1")
	a.p("MOVD a_len+32(FP), R2")
	a.p("MOVD out_base+48(FP), R3")
	constsNEON(a)
	a.p("FLDPQ (R3), (F28, F29)")
	a.p("CBZ R2, done")
	a.label("loop")
}

// prefetchNEON asks for the weights 8 groups ahead.
func prefetchNEON(a *asm, f format) {
	for off := 0; off+64 <= f.group; off += 64 {
		a.p("PRFM %d(R0), PLDL1KEEP", 8*f.group+off)
	}
}

// gemvTailNEON: f32 sums (V28, V29) += (V16, V17 - magic) * fp16 scales * activation scale, and the minima's part. V25 is
// the activations' [d, s, bias, half].
func gemvTailNEON(a *asm, f format) {
	a.fcvtl(23, 22)
	a.fcvtl2(24, 22)
	a.fsub(16, 16, 31)
	a.fsub(17, 17, 31)
	a.fmulLane(23, 23, 25, 0)
	a.fmulLane(24, 24, 25, 0)
	a.fmla(28, 23, 16)
	a.fmla(29, 24, 17)
	if f.minimum {
		a.fcvtl(23, 18)
		a.fcvtl2(24, 18)
		a.fmlaLane(28, 23, 25, 1)
		a.fmlaLane(29, 24, 25, 1)
	}
	a.p("SUB $1, R2")
	a.p("CBNZ R2, loop")
	a.label("done")
	a.p("FSTPQ (F28, F29), (R3)")
	a.p("RET")
}

// gemvLoad loads a block: V22 scales, V18 minima, V25 [d, s, bias, half], V20, V21 activations; R0 goes to the chunks.
func gemvLoad(a *asm, f format) {
	prefetchNEON(a, f)
	if f.minimum {
		a.p("FLDPQ.P 32(R0), (F22, F18)")
	} else {
		a.p("FMOVQ.P 16(R0), F22")
	}
	a.p("VLD1.P 48(R1), [V25.B16, V26.B16, V27.B16]")
}

// gemvDOT has the activations in V26, V27, weights in V0-V7, sums in V16, V17.
func gemvDOT(a *asm, f format) {
	a.fn("gemv"+f.name+"DOT", gemvSignature, gemvArgs)
	gemvHeadNEON(a)
	gemvLoad(a, f)
	if f.offset {
		a.p("VDUP V25.S[2], V16.S4")
		a.p("VDUP V25.S[2], V17.S4")
	} else {
		a.p("VORR V31.B16, V31.B16, V16.B16")
		a.p("VORR V31.B16, V31.B16, V17.B16")
	}
	for half := range 2 {
		a.p("VLD1.P 64(R0), [V0.B16, V1.B16, V2.B16, V3.B16]")
		a.p("VLD1.P 64(R0), [V4.B16, V5.B16, V6.B16, V7.B16]")
		if f.nibbles {
			for k := range 4 {
				a.unpackNEON(2*k, 8, 9)
				a.unpackNEON(2*k+1, 10, 11)
				a.sdotLane(16, 8, 26, k)
				a.sdotLane(17, 10, 26, k)
				a.sdotLane(16, 9, 27, k)
				a.sdotLane(17, 11, 27, k)
			}
			break
		}
		for k := range 4 {
			a.sdotLane(16, 2*k, 26+half, k)
			a.sdotLane(17, 2*k+1, 26+half, k)
		}
	}
	gemvTailNEON(a, f)
}

// gemvNEON is for ARMv8.0. Nibbles: 8 products of at most 15*127 fit an int16, so that a block needs no widening until
// its end; the sums are V12-V15. Bytes: two products of at most 128*127 fit.
func gemvNEON(a *asm, f format) {
	a.fn("gemv"+f.name+"NEON", gemvSignature, gemvArgs)
	gemvHeadNEON(a)
	gemvLoad(a, f)
	for half := range 2 {
		a.p("VLD1.P 64(R0), [V0.B16, V1.B16, V2.B16, V3.B16]")
		a.p("VLD1.P 64(R0), [V4.B16, V5.B16, V6.B16, V7.B16]")
		if f.nibbles {
			for k := range 4 {
				a.unpackNEON(2*k, 8, 9)
				a.unpackNEON(2*k+1, 10, 11)
				a.p("VDUP V26.S[%d], V16.S4", k)
				a.p("VDUP V27.S[%d], V17.S4", k)
				for i, lo := range []int{8, 10} {
					a.mulAdd(k == 0, 12+2*i, lo, 16)
					a.mulAdd(false, 12+2*i, lo+1, 17)
				}
			}
			break
		}
		for k := 0; k < 4; k += 2 {
			a.p("VDUP V%d.S[%d], V16.S4", 26+half, k)
			a.p("VDUP V%d.S[%d], V17.S4", 26+half, k+1)
			for i := range 2 {
				mulPairsNEON(a, half == 0 && k == 0, 2*k+i, 2*k+2+i, 16, 17, 8, 12+2*i)
			}
		}
	}
	if f.nibbles {
		for i := range 4 {
			a.saddlp(12+i, 12+i)
		}
	}
	for i := range 2 {
		a.p("VADDP V%d.S4, V%d.S4, V%d.S4", 13+2*i, 12+2*i, 16+i)
	}
	if f.offset {
		a.p("VDUP V25.S[2], V19.S4")
	}
	start := map[bool]int{true: 19, false: 31}[f.offset]
	for i := range 2 {
		a.p("VADD V%d.S4, V%d.S4, V%d.S4", start, 16+i, 16+i)
	}
	gemvTailNEON(a, f)
}

// mulPairsNEON adds chunk w0 (4 rows x 4 bytes) times x0 and chunk w1 times x1, pairwise, to the int32 sums acc (rows 0,
// 1) and acc+1 (rows 2, 3); the first ones replace what is there. t and t+1 are scratch.
func mulPairsNEON(a *asm, first bool, w0, w1, x0, x1, t, acc int) {
	a.mulAdd(true, t, w0, x0)
	a.mulAdd(false, t, w1, x1)
	for i := range 2 {
		if first {
			a.saddlp(acc+i, t+i)
		} else {
			a.sadalp(acc+i, t+i)
		}
	}
}
