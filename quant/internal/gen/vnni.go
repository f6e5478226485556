package main

import "fmt"

// A strip of quant/strip.go is 32 rows, two registers of 16. Kernels keep a tile of strip x columns in registers: each load of
// weights serves all columns, each broadcast of four activations both registers, so that neither loads nor additions hold up
// VPDPBUSD, of which Zen 5 starts two a cycle.
const (
	stripBytes             = 1024 // 8 chunks of 32 rows x 4 bytes
	stripScale, stripMin   = 1024, 1152
	stripBlock             = 1152 // with scales
	stripWide              = 1280 // with scales and minima, or with the two scales of Q6_K
	stripTail              = 256  // d and dmin of a super-block
	spQ, spD, spS, spBias  = 0, 256, 288, 320
	spBias2, spSize        = 352, 384
	stripSignature, spread = "(w, panel []byte, nb int, out []float32, ldo, add int)", "(dst, w []byte, nb int)"
)

// stripPlaces is where things are in a block of a strip and of a panel.
type stripPlaces struct {
	steps, scale, min, block, wide int // chunks; in the strip; its sizes without and with minima
	d, s, bias, size               int // in the panel
}

// wideAt is for blocks of 64: quant/int8wide.go.
var (
	stripAt = stripPlaces{8, stripScale, stripMin, stripBlock, stripWide, spD, spS, spBias, spSize}
	wideAt  = stripPlaces{16, 2048, 0, 2176, 0, 512, 0, 544, 576}
)

func stripAMD64(a *asm) {
	a.line(`
DATA nibbleS<>+0(SB)/4, $0x0F0F0F0F
DATA sign<>+0(SB)/4, $0x80808080
DATA bit4S<>+0(SB)/4, $0x10101010
DATA bits45S<>+0(SB)/4, $0x30303030
GLOBL nibbleS<>(SB), RODATA|NOPTR, $4
GLOBL sign<>(SB), RODATA|NOPTR, $4
GLOBL bit4S<>(SB), RODATA|NOPTR, $4
GLOBL bits45S<>(SB), RODATA|NOPTR, $4`)
	for _, f := range formats() {
		spreadStrip(a, f)
	}
	for _, f := range kformats() {
		spreadStripK(a, f)
	}
	for _, cols := range []int{8, 4, 2, 1} {
		strip(a, "strip", stripAt, cols, false)
		strip(a, "stripMin", stripAt, cols, true)
		strip(a, "int8Wide", wideAt, cols, false)
	}
	quantizePanels(a)
	prefetch(a)
	for _, cols := range []int{4, 2, 1} {
		stripK(a, cols)
		stripK6(a, cols)
	}
}

// spreadStrip writes the blocks of a group of 8 rows into those of a strip, as unsigned bytes. DI to, SI from, CX blocks.
func spreadStrip(a *asm, f format) {
	a.fn("spreadStrip"+f.name+"AVX2", spread, 56)
	spreadHead(a)
	if f.nibbles {
		a.p("VPBROADCASTD nibbleS<>(SB), Y15")
	} else {
		a.p("VPBROADCASTD sign<>(SB), Y15")
	}
	a.label("loop")
	if f.nibbles {
		for k := range 4 {
			a.p("VMOVDQU %d(SI), Y0", f.chunks+32*k)
			a.p("VPAND Y15, Y0, Y1")
			a.p("VPSRLW $4, Y0, Y2")
			a.p("VPAND Y15, Y2, Y2")
			a.p("VMOVDQU Y1, %d(DI)", 128*k)
			a.p("VMOVDQU Y2, %d(DI)", 128*(k+4))
		}
	} else {
		for k := range 8 {
			a.p("VPXOR %d(SI), Y15, Y0", f.chunks+32*k)
			a.p("VMOVDQU Y0, %d(DI)", 128*k)
		}
	}
	a.p("VCVTPH2PS (SI), Y0")
	a.p("VMOVUPS Y0, %d(DI)", stripScale)
	to := stripBlock
	if f.minimum {
		a.p("VCVTPH2PS 16(SI), Y0")
		a.p("VMOVUPS Y0, %d(DI)", stripMin)
		to = stripWide
	}
	a.p("ADDQ $%d, SI", f.group)
	a.p("ADDQ $%d, DI", to)
	spreadEnd(a)
}

func spreadHead(a *asm) {
	a.p("MOVQ dst_base+0(FP), DI")
	a.p("MOVQ w_base+24(FP), SI")
	a.p("MOVQ nb+48(FP), CX")
}

func spreadEnd(a *asm) {
	a.p("DECQ CX")
	a.p("JNZ  loop")
	a.p("VZEROUPPER")
	a.p("RET")
}

// spreadStripK is spreadStrip of super-blocks, CX in blocks of 32 all the same. BX chunks, R10 scales.
func spreadStripK(a *asm, f kformat) {
	a.fn("spreadStrip"+f.name+"AVX2", spread, 56)
	spreadHead(a)
	a.p("VPBROADCASTD nibbleS<>(SB), Y15")
	switch f.high {
	case 1:
		a.p("VPBROADCASTD bit4S<>(SB), Y14")
	case 2:
		a.p("VPBROADCASTD bits45S<>(SB), Y14")
	}
	a.p("SHRQ $3, CX")
	a.label("loop")
	a.p("LEAQ %d(SI), BX", f.chunks)
	a.p("LEAQ %d(SI), R10", f.scales)
	a.p("MOVL $8, R11")
	a.label("sub")
	for c := range 8 {
		chunkKAVX2(a, f, "BX", 0, c, c%4, 4+c%4)
		a.p("VMOVDQU Y%d, %d(DI)", c%4, 128*c)
	}
	if f.high == 2 {
		a.p("VPMOVSXBD (R10), Y0")
		a.p("VPMOVSXBD 8(R10), Y1")
	} else {
		a.p("VPMOVZXBD (R10), Y0")
		a.p("VPMOVZXBD %d(R10), Y1", f.minima-f.scales)
	}
	a.p("VCVTDQ2PS Y0, Y0")
	a.p("VCVTDQ2PS Y1, Y1")
	a.p("VMOVUPS Y0, %d(DI)", stripScale)
	a.p("VMOVUPS Y1, %d(DI)", stripMin)
	a.p("ADDQ $%d, BX", f.stride)
	a.p("ADDQ $%d, R10", f.scaleBytes())
	a.p("ADDQ $%d, DI", stripWide)
	a.p("DECL R11")
	a.p("JNZ  sub")
	a.p("VCVTPH2PS (SI), Y0")
	a.p("VMOVUPS Y0, (DI)")
	if f.high < 2 {
		a.p("VCVTPH2PS 16(SI), Y0")
		a.p("VMOVUPS Y0, 128(DI)")
	}
	a.p("ADDQ $%d, SI", f.group)
	a.p("ADDQ $%d, DI", stripTail)
	spreadEnd(a)
}

// stripHead loads the arguments: DI weights, SI activations, CX blocks, and where the columns of out begin. Without add, out begins
// as zeros.
func stripHead(a *asm, cols int, supers bool) {
	a.p("MOVQ w_base+0(FP), DI")
	a.p("MOVQ panel_base+24(FP), SI")
	a.p("MOVQ nb+48(FP), CX")
	if supers {
		a.p("SHRQ $3, CX")
	}
	a.p("MOVQ out_base+56(FP), DX")
	a.p("MOVQ ldo+80(FP), R8")
	a.p("SHLQ $2, R8")
	if cols > 3 {
		a.p("LEAQ (R8)(R8*2), R11")
		a.p("LEAQ (DX)(R11*1), R9")
	}
	if cols > 6 {
		a.p("LEAQ (R9)(R11*1), R10")
	}
	a.p("CMPQ add+88(FP), $0")
	a.p("JNE  loop")
	a.p("VPXORD Z0, Z0, Z0")
	for c := range cols {
		for r := range 2 {
			a.p("VMOVUPS Z0, %s", stripOut(c, r))
		}
	}
}

// stripOut is where register r of column c of out is.
func stripOut(c, r int) string {
	at := []string{"(DX)", "(DX)(R8*1)", "(DX)(R8*2)", "(R9)", "(DX)(R8*4)", "(R9)(R8*2)", "(R10)", "(R9)(R8*4)"}[c]
	if r > 0 {
		at = "64" + at
	}
	return at
}

// stripProducts adds chunks [from, to) to the sums in registers 2c and 2c+1. Registers from w on are scratch.
func stripProducts(a *asm, cols, from, to, w int) {
	for k := from; k < to; k++ {
		a.p("VMOVDQU64 %d(DI), Z%d", 128*k, w)
		a.p("VMOVDQU64 %d(DI), Z%d", 128*k+64, w+1)
		for c := range cols {
			b := w + 2 + c%2
			a.p("VPBROADCASTD %d(SI), Z%d", spQ+32*k+4*c, b)
			a.p("VPDPBUSD Z%d, Z%d, Z%d", b, w, 2*c)
			a.p("VPDPBUSD Z%d, Z%d, Z%d", b, w+1, 2*c+1)
		}
	}
}

func stripStart(a *asm, cols, bias int) {
	for c := range cols {
		a.p("VPBROADCASTD %d(SI), Z%d", bias+4*c, 2*c)
		a.p("VMOVDQA64 Z%d, Z%d", 2*c, 2*c+1)
	}
}

// strip: integer sums in Z0-Z15, out in memory.
func strip(a *asm, name string, at stripPlaces, cols int, minimum bool) {
	size := at.block
	if minimum {
		size = at.wide
	}
	a.fn(fmt.Sprintf("%s%dVNNI", name, cols), stripSignature, gemmArgs+8)
	stripHead(a, cols, false)
	a.label("loop")
	stripStart(a, cols, at.bias)
	stripProducts(a, cols, 0, at.steps, 16)
	for r := range 2 {
		a.p("VMOVUPS %d(DI), Z%d", at.scale+64*r, 20+r)
		if minimum {
			a.p("VMOVUPS %d(DI), Z%d", at.min+64*r, 22+r)
		}
	}
	for c := range cols {
		for r := range 2 {
			i, t := 2*c+r, 24+(2*c+r)%4
			a.p("VCVTDQ2PS Z%d, Z%d", i, i)
			a.p("VMULPS.BCST %d(SI), Z%d, Z%d", at.d+4*c, 20+r, t)
			a.p("VFMADD213PS %s, Z%d, Z%d", stripOut(c, r), t, i)
			if minimum {
				a.p("VFMADD231PS.BCST %d(SI), Z%d, Z%d", at.s+4*c, 22+r, i)
			}
			a.p("VMOVUPS Z%d, %s", i, stripOut(c, r))
		}
	}
	a.p("ADDQ $%d, DI", size)
	a.p("ADDQ $%d, SI", at.size)
	a.p("DECQ CX")
	a.p("JNZ  loop")
	a.p("VZEROUPPER")
	a.p("RET")
}

// stripK: integer sums in Z0-Z7, inner sums in Z8-Z15, minima in Z16-Z23. A sum times its scale has at most 22 bits: the product of
// the two as floats is exact.
func stripK(a *asm, cols int) {
	a.fn(fmt.Sprintf("strip_K%dVNNI", cols), stripSignature, gemmArgs+8)
	stripHead(a, cols, true)
	stripSupers(a, cols, []int{8, 16}, func() {
		for i := range 2 * cols {
			a.p("VPXORD Z%d, Z%d, Z%d", i, i, i)
		}
		stripProducts(a, cols, 0, 8, 24)
		for r := range 2 {
			a.p("VMOVUPS %d(DI), Z%d", stripScale+64*r, 28+r)
			a.p("VMOVUPS %d(DI), Z%d", stripMin+64*r, 30+r)
		}
		for c := range cols {
			for r := range 2 {
				i := 2*c + r
				a.p("VCVTDQ2PS Z%d, Z%d", i, i)
				a.p("VMULPS Z%d, Z%d, Z%d", 28+r, i, i)
				a.p("VFMADD231PS.BCST %d(SI), Z%d, Z%d", spD+4*c, i, 8+i)
				a.p("VFMADD231PS.BCST %d(SI), Z%d, Z%d", spS+4*c, 30+r, 16+i)
			}
		}
	}, func(c, r int) {
		a.p("VFNMADD231PS Z%d, Z%d, Z%d", 16+2*c+r, 26+r, 2*c+r)
	})
}

// stripK6: integer sums in Z0-Z7, inner sums in Z8-Z15. Both halves' sums times their scales together have at most 24 bits.
func stripK6(a *asm, cols int) {
	a.fn(fmt.Sprintf("strip_K6x%dVNNI", cols), stripSignature, gemmArgs+8)
	stripHead(a, cols, true)
	stripSupers(a, cols, []int{8}, func() {
		for h := range 2 {
			stripStart(a, cols, spBias+h*(spBias2-spBias))
			stripProducts(a, cols, 4*h, 4*h+4, 24)
			for r := range 2 {
				a.p("VMOVUPS %d(DI), Z%d", stripScale+(stripMin-stripScale)*h+64*r, 28+r)
			}
			for i := range 2 * cols {
				a.p("VCVTDQ2PS Z%d, Z%d", i, i)
				if h == 0 {
					a.p("VMULPS Z%d, Z%d, Z%d", 28+i%2, i, 16+i)
				} else {
					a.p("VFMADD231PS Z%d, Z%d, Z%d", 28+i%2, i, 16+i)
					a.p("VFMADD231PS.BCST %d(SI), Z%d, Z%d", spD+4*(i/2), 16+i, 8+i)
				}
			}
		}
	}, func(int, int) {})
}

// stripSupers runs sub for the sub-blocks of each super-block, sums over them beginning in the given registers at 0, and then adds
// d times the inner sums, Z8-Z15, to out; more does what else is to be done with register 2c+r, which holds out, and dmin in Z26, Z27.
func stripSupers(a *asm, cols int, sums []int, sub func(), more func(c, r int)) {
	a.label("loop")
	for _, first := range sums {
		for i := range 2 * cols {
			a.p("VPXORD Z%d, Z%d, Z%d", first+i, first+i, first+i)
		}
	}
	a.p("MOVL $8, BX")
	a.label("sub")
	sub()
	a.p("ADDQ $%d, DI", stripWide)
	a.p("ADDQ $%d, SI", spSize)
	a.p("DECL BX")
	a.p("JNZ  sub")
	for r := range 2 {
		a.p("VMOVUPS %d(DI), Z%d", 64*r, 24+r)
		a.p("VMOVUPS %d(DI), Z%d", 128+64*r, 26+r)
	}
	for c := range cols {
		for r := range 2 {
			i := 2*c + r
			a.p("VMOVUPS %s, Z%d", stripOut(c, r), i)
			a.p("VFMADD231PS Z%d, Z%d, Z%d", 8+i, 24+r, i)
			more(c, r)
			a.p("VMOVUPS Z%d, %s", i, stripOut(c, r))
		}
	}
	a.p("ADDQ $%d, DI", stripTail)
	a.p("DECQ CX")
	a.p("JNZ  loop")
	a.p("VZEROUPPER")
	a.p("RET")
}

// prefetch brings n bytes near, to where they don't push out what is in use: the L2 cache.
func prefetch(a *asm) {
	a.fn("prefetchL2", "(p *byte, n int)", 16)
	a.p("MOVQ p+0(FP), SI")
	a.p("MOVQ n+8(FP), CX")
	a.label("loop")
	a.p("PREFETCHT1 (SI)")
	a.p("ADDQ $64, SI")
	a.p("SUBQ $64, CX")
	a.p("JGT  loop")
	a.p("RET")
}
