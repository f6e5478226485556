package main

// One column with AVX2. Every instruction counts: where two threads share a core's ports, as virtual processors may, the products
// of one column are slower than memory. So nothing is cleared that a first product can be written to, registers of high bits
// and of nibbles are loaded once for all that is in them, and loops are unrolled.
//
// Registers: DI weights, SI activations, CX blocks, DX out. Y12 out, Y10 and Y11 a super-block's sums and minima, Y5 and Y6 integer sums
// of low and high nibbles, Y0 and Y1 chunks, Y2 and Y3 quants, Y4 scratch, Y7 and Y8 high bits; Y13 1.5*2^23, or scales as Y9; Y14 1 in every
// int16, or the mask of high bits; Y15 15 in every byte.

func columnsAVX2(a *asm) {
	for _, f := range formats() {
		if f.nibbles {
			columnAVX2(a, f)
		} else {
			columnBytesAVX2(a, f)
		}
	}
}

// columnArgs begins a product of one column: DI weights, SI activations, CX blocks, DX out.
func columnArgs(a *asm, name string) {
	a.fn("gemv"+name, gemvSignature, gemvArgs)
	a.p("MOVQ w_base+0(FP), DI")
	a.p("MOVQ a_base+24(FP), SI")
	a.p("MOVQ a_len+32(FP), CX")
	a.p("MOVQ out_base+48(FP), DX")
}

func columnHeadAVX2(a *asm, name string) {
	columnArgs(a, name+"AVX2")
	a.p("VMOVUPS (DX), Y12")
}

func columnEndAVX2(a *asm) {
	a.label("done")
	a.p("VMOVUPS Y12, (DX)")
	a.p("VZEROUPPER")
	a.p("RET")
}

// columnAVX2 goes two blocks at a time.
func columnAVX2(a *asm, f format) {
	columnHeadAVX2(a, f.name)
	constsAVX2(a, f)
	a.p("SUBQ $2, CX")
	a.p("JB   last")
	a.label("loop")
	columnAhead(a, "DI", 2*f.group)
	columnBlockAVX2(a, f, 0)
	columnBlockAVX2(a, f, 1)
	a.p("ADDQ $%d, DI", 2*f.group)
	a.p("ADDQ $%d, SI", 2*actSize)
	a.p("SUBQ $2, CX")
	a.p("JAE  loop")
	a.label("last")
	a.p("ADDQ $2, CX")
	a.p("JZ   done")
	columnBlockAVX2(a, f, 0)
	columnEndAVX2(a)
}

// columnBlockAVX2 adds block i from where DI and SI are. The int16 sums fit: |sum| of either register <= 4*2*15*127 = 15240.
func columnBlockAVX2(a *asm, f format, i int) {
	w, act := i*f.group, i*actSize
	columnNibblesAVX2(a, w+f.chunks, act+actQ)
	a.p("VPMADDWD Y14, Y5, Y5")
	if f.offset {
		a.p("VPBROADCASTD %d(SI), Y4", act+actBias)
		a.p("VPADDD Y4, Y5, Y5")
	} else {
		a.p("VPADDD Y13, Y5, Y5")
	}
	columnScaleAVX2(a, f, w, act)
}

// columnScaleAVX2 adds a block's sums, integers in Y5 with Y13 added, times its scales to out, and its minima.
func columnScaleAVX2(a *asm, f format, w, act int) {
	a.p("VSUBPS Y13, Y5, Y5")
	a.p("VCVTPH2PS %d(DI), Y0", w)
	a.p("VBROADCASTSS %d(SI), Y4", act+actD)
	a.p("VMULPS Y4, Y0, Y0")
	a.p("VFMADD231PS Y0, Y5, Y12")
	if f.minimum {
		a.p("VCVTPH2PS %d(DI), Y0", w+16)
		a.p("VBROADCASTSS %d(SI), Y4", act+actS)
		a.p("VFMADD231PS Y0, Y4, Y12")
	}
}

// columnNibblesAVX2 sums the products of 4 chunks of nibbles in Y5, as int16: |sum| <= 30480.
func columnNibblesAVX2(a *asm, chunks, q int) {
	for k := range 4 {
		a.p("VMOVDQU %d(DI), Y0", chunks+32*k)
		a.p("VPAND Y15, Y0, Y2")
		a.p("VPSRLW $4, Y0, Y3")
		a.p("VPAND Y15, Y3, Y3")
		for h := range 2 {
			columnProductAVX2(a, 2+h, q+16*h+4*k, 5+h, k == 0)
		}
	}
	a.p("VPADDW Y6, Y5, Y5")
}

// columnProductAVX2 adds quants times 4 activations to int16 sums, or begins them.
func columnProductAVX2(a *asm, quants, q, sums int, begin bool) {
	a.p("VPBROADCASTD %d(SI), Y4", q)
	if begin {
		a.p("VPMADDUBSW Y4, Y%d, Y%d", quants, sums)
		return
	}
	a.p("VPMADDUBSW Y4, Y%d, Y%d", quants, quants)
	a.p("VPADDW Y%d, Y%d, Y%d", quants, sums, sums)
}

func columnBytesAVX2(a *asm, f format) {
	columnHeadAVX2(a, f.name)
	constsAVX2(a, f)
	a.p("TESTQ CX, CX")
	a.p("JZ   done")
	a.label("loop")
	columnAhead(a, "DI", f.group)
	a.p("VPXOR Y6, Y6, Y6")
	a.p("VMOVDQA Y13, Y5")
	for k := range 8 {
		a.p("VMOVDQU %d(DI), Y0", f.chunks+32*k)
		a.p("VPABSB Y0, Y1")
		dotBytesAVX2(a, actQ+4*k, 5+k%2, 3+k%2)
	}
	a.p("VPADDD Y6, Y5, Y5")
	columnScaleAVX2(a, f, 0, 0)
	a.p("ADDQ $%d, DI", f.group)
	a.p("ADDQ $%d, SI", actSize)
	a.p("DECQ CX")
	a.p("JNZ  loop")
	columnEndAVX2(a)
}

// columnKAVX2 goes a super-block at a time.
func columnKAVX2(a *asm, f kformat) {
	columnHeadAVX2(a, f.name)
	constsKAVX2(a, f)
	a.p("SHRQ $3, CX")
	a.p("JZ   done")
	a.label("loop")
	a.p("VXORPS Y10, Y10, Y10")
	if f.minima > 0 {
		a.p("VXORPS Y11, Y11, Y11")
	}
	lines := (f.group + 63) / 64
	for sub := range 8 {
		for i := sub * lines / 8; i < (sub+1)*lines/8; i++ {
			a.p("PREFETCHT0 %d(DI)", columnAheadBytes+64*i)
		}
		w, scales, act := f.chunks+sub*f.stride, f.scales+sub*f.scaleBytes(), sub*actSize
		switch f.high {
		case 0:
			columnNibblesAVX2(a, w, act+actQ)
			scalesKAVX2(a, f, "DI", scales, 0, 13)
			a.p("VPMADDWD Y13, Y5, Y5")
		case 1:
			columnFivesAVX2(a, f, w, scales, act+actQ)
		case 2:
			columnSixesAVX2(a, f, w, scales, act)
		}
		a.p("VCVTDQ2PS Y5, Y5")
		a.p("VBROADCASTSS %d(SI), Y4", act+actD)
		a.p("VFMADD231PS Y4, Y5, Y10")
		if f.minima > 0 {
			a.p("VPMOVZXBD %d(DI), Y0", f.minima+8*sub)
			a.p("VCVTDQ2PS Y0, Y0")
			a.p("VBROADCASTSS %d(SI), Y4", act+actS)
			a.p("VFMADD231PS Y4, Y0, Y11")
		}
	}
	a.p("VCVTPH2PS (DI), Y0")
	a.p("VFMADD231PS Y10, Y0, Y12")
	if f.minima > 0 {
		a.p("VCVTPH2PS 16(DI), Y0")
		a.p("VFNMADD231PS Y11, Y0, Y12")
	}
	a.p("ADDQ $%d, DI", f.group)
	a.p("ADDQ $%d, SI", 8*actSize)
	a.p("DECQ CX")
	a.p("JNZ  loop")
	columnEndAVX2(a)
}

// columnQuantsAVX2 loads chunks k and k+1 to Y0 and Y1 and makes quants of them in Y2 and Y3: of their low nibbles (h = 0) or of their
// high ones, which come second, and of the bits in register high, moved to the left by left(0) and left(1).
func columnQuantsAVX2(a *asm, chunks, h, high int, left func(i int) int) {
	for i := range 2 {
		if h == 0 {
			a.p("VMOVDQU %d(DI), Y%d", chunks+32*i, i)
			a.p("VPAND Y15, Y%d, Y%d", i, 2+i)
		} else {
			a.p("VPSRLW $4, Y%d, Y%d", i, 2+i)
			a.p("VPAND Y15, Y%d, Y%d", 2+i, 2+i)
		}
		from := 4
		switch n := left(i); {
		case n > 0:
			a.p("VPSLLW $%d, Y%d, Y4", n, high)
		case n < 0:
			a.p("VPSRLW $%d, Y%d, Y4", -n, high)
		default:
			from = high
		}
		a.p("VPAND Y14, Y%d, Y4", from)
		a.p("VPOR Y4, Y%d, Y%d", 2+i, 2+i)
	}
}

// columnFivesAVX2 sums a sub-block of Q5_K times its scales in Y5. The int16 sums fit: |sum| <= 4*2*31*127 = 31496.
func columnFivesAVX2(a *asm, f kformat, w, scales, q int) {
	a.p("VMOVDQU %d(DI), Y7", w+128)
	for k := 0; k < 4; k += 2 {
		for h := range 2 {
			columnQuantsAVX2(a, w+32*k, h, 7, func(i int) int { return 4 - (k + i + 4*h) })
			for i := range 2 {
				columnProductAVX2(a, 2+i, q+16*h+4*(k+i), 5+h, k+i == 0)
			}
		}
	}
	scalesKAVX2(a, f, "DI", scales, 0, 13)
	a.p("VPMADDWD Y13, Y5, Y5")
	a.p("VPMADDWD Y13, Y6, Y6")
	a.p("VPADDD Y6, Y5, Y5")
}

// columnSixesAVX2 sums a sub-block of Q6_K times its scales in Y5. Two products fit an int16: 2*2*63*127 = 32004.
func columnSixesAVX2(a *asm, f kformat, w, scales, act int) {
	for h := range 2 {
		a.p("VMOVDQU %d(DI), Y%d", w+128+32*h, 7+h)
	}
	for h, r := range [2]int{13, 9} {
		scalesKAVX2(a, f, "DI", scales, h, r)
	}
	for k := 0; k < 4; k += 2 {
		for h, r := range [2]int{13, 9} {
			columnQuantsAVX2(a, w+32*k, h, 7+h, func(i int) int { return 4 - 2*(k+i) })
			columnProductAVX2(a, 2, act+actQ+16*h+4*k, 2, true)
			columnProductAVX2(a, 3, act+actQ+16*h+4*k+4, 2, false)
			if k == 0 {
				a.p("VPMADDWD Y%d, Y2, Y%d", r, 5+h)
				continue
			}
			a.p("VPMADDWD Y%d, Y2, Y2", r)
			a.p("VPADDD Y2, Y%d, Y%d", 5+h, 5+h)
		}
	}
	a.p("VPADDD Y6, Y5, Y5")
	// Quants stand for q-32.
	a.p("VBROADCASTI128 %d(DI), Y13", scales)
	a.p("VPSHUFB upper01<>(SB), Y13, Y13")
	a.p("VPSRAW $8, Y13, Y13")
	a.p("VPBROADCASTD %d(SI), Y4", act+actHalf)
	a.p("VPMADDWD Y13, Y4, Y4")
	a.p("VPSLLD $5, Y4, Y4")
	a.p("VPSUBD Y4, Y5, Y5")
}
