package main

// Where things are in a group of the Int8 layout.
const int8Scales, int8Sums, groupInt8 = 256, 288, 320

// int8AVX2 keeps a column's 32 activations, each four of them broadcast, in Y0-Y7 and lets the weights pass as memory
// operands: with the operands the other way round every product would need a load of its own, and vector loads are what
// limits the kernels with broadcasts. Four products add up in 16 bits: see the layout.
//
// DI weights of a block, SI activations, DX out, R8 the bytes of a block of weights, R10 those of a column of out, CX blocks, R9 columns and BX
// groups left; Y8 the activations' scale, Y9 1 in every int16.
//
// With eights, weights are so small that the eight products of a block fit 16 bits together.
func int8AVX2(a *asm, name string, eights bool) {
	a.fn(name, "(w []byte, stride, groups, nb int, a []activation, n int, out []float32, ldo int)", 112)
	a.p("MOVQ w_base+0(FP), DI")
	a.p("MOVQ stride+24(FP), R8")
	a.p("MOVQ nb+40(FP), CX")
	a.p("MOVQ a_base+48(FP), SI")
	a.p("MOVQ out_base+80(FP), DX")
	a.p("MOVQ ldo+104(FP), R10")
	a.p("SHLQ $2, R10")
	a.p("VPBROADCASTD ones<>(SB), Y9")
	a.label("block")
	a.p("MOVQ n+72(FP), R9")
	a.p("MOVQ DX, R12")
	a.label("column")
	for k := range 8 {
		a.p("VPBROADCASTD %d(SI), Y%d", actQ+4*k, k)
	}
	a.p("VBROADCASTSS %d(SI), Y8", actD)
	a.p("MOVQ DI, R11")
	a.p("MOVQ R12, R13")
	a.p("MOVQ groups+32(FP), BX")
	a.p("SUBQ $2, BX")
	a.p("JLT  last")
	a.label("pair")
	int8Group(a, 0, "(R13)", eights)
	int8Group(a, groupInt8, "32(R13)", eights)
	a.p("ADDQ $%d, R11", 2*groupInt8)
	a.p("ADDQ $64, R13")
	a.p("SUBQ $2, BX")
	a.p("JGE  pair")
	a.label("last")
	a.p("TESTQ $1, BX")
	a.p("JZ   next")
	int8Group(a, 0, "(R13)", eights)
	a.label("next")
	a.p("ADDQ $%d, SI", actSize)
	a.p("ADDQ R10, R12")
	a.p("DECQ R9")
	a.p("JNZ  column")
	a.p("ADDQ R8, DI")
	a.p("DECQ CX")
	a.p("JNZ  block")
	a.p("VZEROUPPER")
	a.p("RET")
}

// int8Group adds one group of 8 rows times a column to out.
func int8Group(a *asm, w int, out string, eights bool) {
	product := func(k, y int) { a.p("VPMADDUBSW %d(R11), Y%d, Y%d", w+32*k, k, y) }
	sum := func(x, y int) {
		a.p("VPADDW Y%d, Y%d, Y%d", y, x, x)
		if !eights {
			a.p("VPMADDWD Y9, Y%d, Y%d", x, x)
		}
	}
	product(0, 10)
	product(1, 11)
	product(2, 12)
	product(3, 13)
	sum(10, 11)
	sum(12, 13)
	product(4, 11)
	product(5, 13)
	product(6, 14)
	product(7, 15)
	sum(11, 13)
	sum(14, 15)
	if eights {
		sum(10, 12)
		sum(11, 14)
		sum(10, 11)
		a.p("VPMADDWD Y9, Y10, Y10")
		a.p("VPADDD %d(R11), Y10, Y10", w+int8Sums)
	} else {
		a.p("VPADDD Y12, Y10, Y10")
		a.p("VPADDD Y14, Y11, Y11")
		a.p("VPADDD %d(R11), Y10, Y10", w+int8Sums)
		a.p("VPADDD Y11, Y10, Y10")
	}
	a.p("VCVTDQ2PS Y10, Y10")
	a.p("VMULPS %d(R11), Y8, Y11", w+int8Scales)
	a.p("VFMADD213PS %s, Y11, Y10", out)
	a.p("VMOVUPS Y10, %s", out)
}

// spreadQ4_0AVX2 writes blocks of a Q4_0 group as those of Int8, with -128*sum(q). DI from, SI to, R8 the bytes from one block
// of the destination to the next, CX blocks left.
func spreadQ4_0AVX2(a *asm, f format) {
	a.fn("spreadQ4_0AVX2", "(dst []byte, stride int, w []byte, nb int)", 64)
	a.p("MOVQ dst_base+0(FP), SI")
	a.p("MOVQ stride+24(FP), R8")
	a.p("MOVQ w_base+32(FP), DI")
	a.p("MOVQ nb+56(FP), CX")
	a.p("VPBROADCASTD nibble<>(SB), Y15")
	a.p("VPBROADCASTD eight<>(SB), Y14")
	a.p("VPBROADCASTD one<>(SB), Y13")
	a.p("VPBROADCASTD ones<>(SB), Y12")
	a.label("block")
	a.p("VPXOR Y3, Y3, Y3")
	a.p("VPXOR Y6, Y6, Y6")
	for k := range 4 {
		unpackAVX2(a, f, k)
		for i, at := range [2]int{k, 4 + k} {
			y := 1 + i
			a.p("VPSUBB Y14, Y%d, Y%d", y, y)
			a.p("VMOVDQU Y%d, %d(SI)", y, 32*at)
			a.p("VPMADDUBSW Y%d, Y13, Y%d", y, 4+i)
			a.p("VPADDW Y%d, Y3, Y3", 4+i)
		}
	}
	a.p("VPMADDWD Y12, Y3, Y3")
	a.p("VPSLLD $7, Y3, Y3")
	a.p("VPSUBD Y3, Y6, Y6")
	a.p("VCVTPH2PS (DI), Y7")
	a.p("VMOVUPS Y7, %d(SI)", int8Scales)
	a.p("VMOVDQU Y6, %d(SI)", int8Sums)
	a.p("ADDQ $%d, DI", f.group)
	a.p("ADDQ R8, SI")
	a.p("DECQ CX")
	a.p("JNZ  block")
	a.p("VZEROUPPER")
	a.p("RET")
}
