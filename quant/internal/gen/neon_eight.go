package main

import "fmt"

// Eight bits from float32 with NEON: a block of activations, a panel of eight columns, a group of weights that a model computes.

func (a *asm) fdiv(d, n, m int) { a.v3(0x6e20fc00, "fdiv", "4s", "4s", "4s", d, n, m) }
func (a *asm) cmhs(d, n, m int) { a.v3(0x6ea03c00, "cmhs", "4s", "4s", "4s", d, n, m) }
func (a *asm) fcvtn(d, n int)   { a.v2(0x0e216800, "fcvtn", "4h", "4s", d, n) }
func (a *asm) fcvtn2(d, n int)  { a.v2(0x4e216800, "fcvtn2", "8h", "4s", d, n) }

// st1s and st1d store a lane and move the pointer on by a register.
func (a *asm) st1s(t, i, n, m int) {
	a.word(0x0d808000|uint32(i>>1)<<30|uint32(i&1)<<12|uint32(m)<<16|uint32(n)<<5|uint32(t), fmt.Sprintf("st1 {v%d.s}[%d], [x%d], x%d", t, i, n, m))
}
func (a *asm) st1d(t, i, n, m int) {
	a.word(0x0d808400|uint32(i)<<30|uint32(m)<<16|uint32(n)<<5|uint32(t), fmt.Sprintf("st1 {v%d.d}[%d], [x%d], x%d", t, i, n, m))
}

func eightARM64(a *asm) {
	quantizeARM64(a)
	panelARM64(a, false)
	panelARM64(a, true)
	setARM64(a)
}

func eightConstants(a *asm) {
	a.p("MOVW $0x42fe0000, R4 // 127")
	a.p("FMOVS R4, F30")
	a.p("MOVW $0x7f800000, R5 // hugeBits")
	a.p("MOVW $0x0d800000, R6 // tinyActivation")
}

// eightBlock loads 32 values from where x points and makes 32 bytes of them in V0 and V4, the scale in F16; before they are narrowed it calls
// sums. It goes to done with a value that needs care.
func eightBlock(a *asm, x string, sums func()) {
	for i := 0; i < 8; i += 2 {
		a.p("FLDPQ %d(%s), (F%d, F%d)", 16*i, x, i, i+1)
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
	sums()
	for i := 0; i < 8; i += 4 {
		a.sqxtn16(i, i)
		a.sqxtn16h(i, i+1)
		a.sqxtn16(i+2, i+2)
		a.sqxtn16h(i+2, i+3)
		a.sqxtn8(i, i)
		a.sqxtn8h(i, i+2)
	}
}

// quantizeARM64 is quant.activation.quantize for blocks whose largest magnitude is neither tiny nor infinite nor a NaN.
func quantizeARM64(a *asm) {
	a.fn("quantizeBlocksNEON", "(dst []activation, x []float32) int", 56)
	a.p("MOVD dst_base+0(FP), R0")
	a.p("MOVD dst_len+8(FP), R1")
	a.p("MOVD x_base+24(FP), R2")
	a.p("MOVD $0, R3")
	eightConstants(a)
	a.p("MOVW $0x4B400000, R7 // magic")
	a.p("CBZ R1, done")
	a.label("loop")
	eightBlock(a, "R2", func() {
		for h := range 2 { // the sums of both halves
			a.p("VADD V%d.S4, V%d.S4, V18.S4", 4*h, 4*h+1)
			a.p("VADD V%d.S4, V%d.S4, V19.S4", 4*h+2, 4*h+3)
			a.p("VADD V18.S4, V19.S4, V18.S4")
			a.p("VADDV V18.S4, V18")
			a.p("FMOVS F18, R%d", 9+h)
		}
	})
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

// panelARM64 fills blocks of a panel of eight columns, as far as the kernels of Q8_0 read it: no sums. With pairs it is SMMLA's panel.
func panelARM64(a *asm, pairs bool) {
	name, q, size, step := "panelDOT", p8Q, p8Size, 32
	if pairs {
		name, q, size, step = "panelI8MM", p8iQ, p8iSize, 64
	}
	a.fn(name, "(panel []byte, x []float32, ldx, nb int) int", 72)
	a.p("MOVD panel_base+0(FP), R0")
	a.p("MOVD x_base+24(FP), R2")
	a.p("MOVD ldx+48(FP), R3")
	a.p("LSL $2, R3")
	a.p("MOVD nb+56(FP), R1")
	a.p("MOVD $0, R12")
	a.p("MOVD $%d, R11", step)
	eightConstants(a)
	a.p("CBZ R1, done")
	a.label("loop")
	a.p("MOVD R2, R7")
	for c := range 8 {
		eightBlock(a, "R7", func() {})
		if c < 7 {
			a.p("ADD R3, R7")
		}
		if pairs {
			a.p("FMOVS F16, %d(R0)", p8iD+16*(c/2)+4*(c%2))
			a.p("FMOVS F16, %d(R0)", p8iD+16*(c/2)+4*(c%2)+8)
			a.p("ADD $%d, R0, R10", q+8*c)
		} else {
			a.p("FMOVS F16, %d(R0)", p8D+4*c)
			a.p("ADD $%d, R0, R10", q+4*c)
		}
		for _, v := range [2]int{0, 4} {
			for i := range 4 {
				switch {
				case !pairs:
					a.st1s(v, i, 10, 11)
				case i < 2:
					a.st1d(v, i, 10, 11)
				}
			}
		}
	}
	a.p("ADD $%d, R0", size)
	a.p("ADD $128, R2")
	a.p("ADD $1, R12")
	a.p("CMP R1, R12")
	a.p("BLT loop")
	a.label("done")
	a.p("MOVD R12, ret+64(FP)")
	a.p("RET")
}

// setARM64 fills a group of Q8_0 with the columns of x [32, 8], unless one has a NaN or an infinity.
func setARM64(a *asm) {
	a.fn("setQ8_0NEON", "(group []byte, x []float32, ld int) bool", 57)
	a.p("MOVD group_base+0(FP), R0")
	a.p("MOVD x_base+24(FP), R2")
	a.p("MOVD ld+48(FP), R3")
	a.p("LSL $2, R3")
	eightConstants(a)
	a.p("VDUP V30.S[0], V30.S4")
	a.p("VDUP R6, V31.S4")
	a.p("MOVD R2, R7")
	tops := [4]int{16, 17, 18, 19}
	for i, t := range tops {
		if i%2 == 0 {
			a.p("FLDPQ (R7), (F0, F1)")
			a.p("ADD R3, R7")
		}
		a.fabs(t, i%2)
	}
	for k := 2; k < 32; k++ {
		a.p("FLDPQ (R7), (F0, F1)")
		if k < 31 {
			a.p("ADD R3, R7")
		}
		for i := range 2 {
			t := tops[2*(k%2)+i]
			a.fabs(2+i, i)
			a.umax(t, t, 2+i)
		}
	}
	a.umax(16, 16, 18)
	a.umax(17, 17, 19)
	a.umax(18, 16, 17)
	a.umaxv(18, 18)
	a.p("FMOVS F18, R8")
	a.p("CMPW R5, R8")
	a.p("BHS care")
	for i := range 2 {
		a.fdiv(20+i, 16+i, 30) // d = max/127
		a.fdiv(22+i, 30, 16+i) // 127/max
		a.cmhs(24+i, 16+i, 31)
		a.p("VAND V%d.B16, V%d.B16, V%d.B16", 24+i, 22+i, 22+i)
	}
	a.fcvtn(20, 20)
	a.fcvtn2(20, 21)
	a.p("FMOVQ F20, (R0)")
	a.p("ADD $16, R0")
	for range 8 {
		for k := range 4 {
			lo, hi := 2*k, 2*k+1
			a.p("FLDPQ (R2), (F%d, F%d)", lo, hi)
			a.p("ADD R3, R2")
			a.fmul(lo, lo, 22)
			a.fmul(hi, hi, 23)
			a.fcvtns(lo, lo)
			a.fcvtns(hi, hi)
			a.sqxtn16(lo, lo)
			a.sqxtn16h(lo, hi)
		}
		for k := range 4 {
			a.sqxtn8(24+k, 2*k)
		}
		a.p("VST4.P [V24.B8, V25.B8, V26.B8, V27.B8], 32(R0)")
	}
	a.p("MOVD $1, R8")
	a.p("MOVB R8, ret+56(FP)")
	a.p("RET")
	a.label("care")
	a.p("MOVB ZR, ret+56(FP)")
	a.p("RET")
}
