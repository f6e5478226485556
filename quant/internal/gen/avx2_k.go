package main

// kformat is a K format of quant/layout_k.go. Sub-blocks of 32 weights: 4 nibble chunks, then the high bits.
type kformat struct {
	name   string
	group  int // bytes
	scales int // where they begin; 8 bytes a sub-block, 16 for Q6_K
	minima int // where they begin, 0: none
	chunks int
	stride int // bytes from sub-block to sub-block
	high   int // bits above the nibbles
}

func kformats() []kformat {
	return []kformat{
		{name: "Q4_K", group: 1184, scales: 32, minima: 96, chunks: 160, stride: 128},
		{name: "Q5_K", group: 1440, scales: 32, minima: 96, chunks: 160, stride: 160, high: 1},
		{name: "Q6_K", group: 1680, scales: 16, chunks: 144, stride: 192, high: 2},
	}
}

// scaleBytes is the size of a sub-block's scales.
func (f kformat) scaleBytes() int {
	if f.high == 2 {
		return 16
	}
	return 8
}

// Registers of the K kernels, besides those of the others: Y15 = 15 in every byte, Y14 the mask of the high bits, Y13 scales.
func intKAMD64(a *asm) {
	// Shuffles of 8 bytes (a row's scale each) to int16s: spread is [b 0 b 0] a row; of 16 bytes (first, second scale a
	// row) to the upper bytes of int16s: upper0 [0 b0 0 b0], upper1 [0 b1 0 b1], upper01 [0 b0 0 b1].
	dataBytes(a, "spread", func(row int) [4]int { return [4]int{row, 128, row, 128} })
	dataBytes(a, "upper0", func(row int) [4]int { return [4]int{128, row, 128, row} })
	dataBytes(a, "upper1", func(row int) [4]int { return [4]int{128, row + 8, 128, row + 8} })
	dataBytes(a, "upper01", func(row int) [4]int { return [4]int{128, row, 128, row + 8} })
	a.line(`
DATA nibbleK<>+0(SB)/4, $0x0F0F0F0F
DATA bit4<>+0(SB)/4, $0x10101010
DATA bits45<>+0(SB)/4, $0x30303030
GLOBL nibbleK<>(SB), RODATA|NOPTR, $4
GLOBL bit4<>(SB), RODATA|NOPTR, $4
GLOBL bits45<>(SB), RODATA|NOPTR, $4`)
	for _, f := range kformats() {
		columnKAVX2(a, f)
		gemmKAVX2(a, f)
	}
}

func dataBytes(a *asm, name string, f func(row int) [4]int) {
	a.line("")
	for row := range 8 {
		v := uint32(0)
		for i, b := range f(row) {
			v |= uint32(b) << (8 * i)
		}
		a.data(name, 4*row, v)
	}
	a.line("GLOBL " + name + "<>(SB), RODATA|NOPTR, $32")
}

func constsKAVX2(a *asm, f kformat) {
	a.p("VPBROADCASTD nibbleK<>(SB), Y15")
	switch f.high {
	case 1:
		a.p("VPBROADCASTD bit4<>(SB), Y14")
	case 2:
		a.p("VPBROADCASTD bits45<>(SB), Y14")
	}
}

// chunkKAVX2 loads the 8 rows x 4 quants of chunk c (0-7) of the sub-block w bytes from base to register q; tmp is scratch.
func chunkKAVX2(a *asm, f kformat, base string, w, c, q, tmp int) {
	a.p("VMOVDQU %d(%s), Y%d", w+32*(c%4), base, q)
	if c >= 4 {
		a.p("VPSRLW $4, Y%d, Y%d", q, q)
	}
	a.p("VPAND Y15, Y%d, Y%d", q, q)
	if f.high == 0 {
		return
	}
	off, left := 128, 4-c // how far up the bits must go to bit 4
	if f.high == 2 {
		off, left = 128+32*(c/4), 4-2*(c%4)
	}
	a.p("VMOVDQU %d(%s), Y%d", w+off, base, tmp)
	if left > 0 {
		a.p("VPSLLW $%d, Y%d, Y%d", left, tmp, tmp)
	} else if left < 0 {
		a.p("VPSRLW $%d, Y%d, Y%d", -left, tmp, tmp)
	}
	a.p("VPAND Y14, Y%d, Y%d", tmp, tmp)
	a.p("VPOR Y%d, Y%d, Y%d", tmp, q, q)
}

// scalesKAVX2 loads the scales at bytes from base, of half h of a sub-block, as int16s, twice a row.
func scalesKAVX2(a *asm, f kformat, base string, at, h, dst int) {
	if f.high != 2 {
		a.p("VPBROADCASTQ %d(%s), Y%d", at, base, dst)
		a.p("VPSHUFB spread<>(SB), Y%d, Y%d", dst, dst)
		return
	}
	a.p("VBROADCASTI128 %d(%s), Y%d", at, base, dst)
	a.p("VPSHUFB upper%d<>(SB), Y%d, Y%d", h, dst, dst)
	a.p("VPSRAW $8, Y%d, Y%d", dst, dst)
}

// columnsProductKAVX2 adds quants times the 4 activations at q to int16 sums, or begins them.
func columnsProductKAVX2(a *asm, quants, q, sums int, begin bool) {
	if begin {
		a.p("VPBROADCASTD %d(SI), Y%d", q, sums)
		a.p("VPMADDUBSW Y%d, Y%d, Y%d", sums, quants, sums)
		return
	}
	a.p("VPBROADCASTD %d(SI), Y4", q)
	a.p("VPMADDUBSW Y4, Y%d, Y4", quants)
	a.p("VPADDW Y4, Y%d, Y%d", sums, sums)
}

// subK is where a sub-block's chunks and scales are, registers and bytes, and its activations from SI on.
type subK struct {
	chunks, scales string
	w, s, act      int
}

// sumsKAVX2 computes a sub-block's scale*sum(q*a), int32, in registers 5 to 8 for 4 columns.
func sumsKAVX2(a *asm, f kformat, at subK) {
	act := at.act
	q := func(c, k int) int { return act + p4Q + 16*k + 4*c }
	if f.high == 0 { // all of a block fits int16s
		for k := range 4 {
			a.p("VMOVDQU %d(%s), Y0", at.w+32*k, at.chunks)
			a.p("VPAND Y15, Y0, Y1")
			a.p("VPSRLW $4, Y0, Y2")
			a.p("VPAND Y15, Y2, Y2")
			for c := range 4 {
				columnsProductKAVX2(a, 1, q(c, k), 5+c, k == 0)
				columnsProductKAVX2(a, 2, q(c, k+4), 5+c, false)
			}
		}
		scalesKAVX2(a, f, at.scales, at.s, 0, 13)
		for c := range 4 {
			a.p("VPMADDWD Y13, Y%d, Y%d", 5+c, 5+c)
		}
		return
	}
	for k := 0; k < 8; k += 2 {
		if k == 0 || k == 4 && f.high == 2 {
			scalesKAVX2(a, f, at.scales, at.s, k/4, 13)
		}
		chunkKAVX2(a, f, at.chunks, at.w, k, 0, 2)
		chunkKAVX2(a, f, at.chunks, at.w, k+1, 1, 2)
		for c := range 4 { // two products of Q6_K's at most 63*127 twice over fit an int16: 32004
			sums := 3
			if k == 0 {
				sums = 5 + c
			}
			columnsProductKAVX2(a, 0, q(c, k), sums, true)
			columnsProductKAVX2(a, 1, q(c, k+1), sums, false)
			a.p("VPMADDWD Y13, Y%d, Y%d", sums, sums)
			if k > 0 {
				a.p("VPADDD Y3, Y%d, Y%d", 5+c, 5+c)
			}
		}
	}
	if f.high == 2 { // quants stand for q-32
		a.p("VBROADCASTI128 %d(%s), Y13", at.s, at.scales)
		a.p("VPSHUFB upper01<>(SB), Y13, Y13")
		a.p("VPSRAW $8, Y13, Y13")
		for c := range 4 {
			a.p("VPBROADCASTD %d(SI), Y3", act+p4Half+4*c)
			a.p("VPMADDWD Y13, Y3, Y3")
			a.p("VPSLLD $5, Y3, Y3")
			a.p("VPSUBD Y3, Y%d, Y%d", 5+c, 5+c)
		}
	}
}

// subLoopK runs body for the 8 sub-blocks: BX its chunks, R10 its scales, R11 sub-blocks left.
func subLoopK(a *asm, f kformat, body func()) {
	a.p("LEAQ %d(DI), BX", f.chunks)
	a.p("LEAQ %d(DI), R10", f.scales)
	a.p("MOVL $8, R11")
	a.label("sub")
	body()
	a.p("ADDQ $%d, BX", f.stride)
	a.p("ADDQ $%d, R10", f.scaleBytes())
	a.p("ADDQ $%d, SI", p4Size)
	a.p("DECL R11")
	a.p("JNZ  sub")
}

// gemmKAVX2: 8 rows x 4 columns: integer sums, then the minima's, in Y5-Y8, inner sums in Y9-Y12; out stays in memory.
func gemmKAVX2(a *asm, f kformat) {
	a.fn("gemm"+f.name+"AVX2", gemmSignature, gemmArgs)
	a.p("MOVQ w_base+0(FP), DI")
	a.p("MOVQ panel_base+24(FP), SI")
	a.p("MOVQ nb+48(FP), CX")
	a.p("MOVQ out_base+56(FP), DX")
	a.p("MOVQ ldo+80(FP), R8")
	a.p("SHLQ $2, R8")
	a.p("LEAQ (DX)(R8*2), R9")
	constsKAVX2(a, f)
	a.p("SHRQ $3, CX")
	a.p("JZ   done")
	a.label("loop")
	for c := range 4 {
		a.p("VXORPS Y%d, Y%d, Y%d", 9+c, 9+c, 9+c)
	}
	sub := func(at subK) {
		sumsKAVX2(a, f, at)
		for c := range 4 {
			a.p("VCVTDQ2PS Y%d, Y%d", 5+c, 5+c)
			a.p("VBROADCASTSS %d(SI), Y3", at.act+p4D+4*c)
			a.p("VFMADD231PS Y3, Y%d, Y%d", 5+c, 9+c)
		}
	}
	sums := "SI" // the activations of the first sub-block, after the last
	if f.high == 0 {
		for i := range 8 {
			sub(subK{"DI", "DI", f.chunks + i*f.stride, f.scales + i*f.scaleBytes(), i * p4Size})
		}
	} else { // unrolled, this is slower: there is too much of it
		sums = "R12"
		a.p("MOVQ SI, R12")
		subLoopK(a, f, func() { sub(subK{"BX", "R10", 0, 0, 0}) })
	}
	if f.minima > 0 {
		for c := range 4 {
			a.p("VXORPS Y%d, Y%d, Y%d", 5+c, 5+c, 5+c)
		}
		for j := range 8 {
			a.p("VPMOVZXBD %d(DI), Y0", f.minima+8*j)
			a.p("VCVTDQ2PS Y0, Y0")
			for c := range 4 {
				a.p("VBROADCASTSS %d(%s), Y3", p4Size*j+p4S+4*c, sums)
				a.p("VFMADD231PS Y3, Y0, Y%d", 5+c)
			}
		}
		a.p("VCVTPH2PS 16(DI), Y1")
	}
	a.p("VCVTPH2PS (DI), Y0")
	for c, at := range []string{"(DX)", "(DX)(R8*1)", "(R9)", "(R9)(R8*1)"} {
		a.p("VMOVUPS %s, Y3", at)
		a.p("VFMADD231PS Y%d, Y0, Y3", 9+c)
		if f.minima > 0 {
			a.p("VFNMADD231PS Y%d, Y1, Y3", 5+c)
		}
		a.p("VMOVUPS Y3, %s", at)
	}
	a.p("ADDQ $%d, DI", f.group)
	if f.high == 0 {
		a.p("ADDQ $%d, SI", 8*p4Size)
	}
	a.p("DECQ CX")
	a.p("JNZ  loop")
	a.label("done")
	a.p("VZEROUPPER")
	a.p("RET")
}
