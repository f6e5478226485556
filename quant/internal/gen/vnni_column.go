package main

// One column with AVX512: a register holds two chunks of 4 weights of a group of 8 rows, beside each other. That nearly halves the
// instructions and more than halves the loads of vnni_rows.go's 256 bits, which matters where two threads together
// compute little faster than one: there the products, not memory, held up a decoder.
//
// High nibbles aren't moved down: their products are 16 times as large, and so are their sums, which are moved down instead.
//
// Registers: DI weights, SI activations, CX blocks, DX out. Y8 out, Y9 and Y10 a super-block's sums, Z0 and Z1 the sums of low and
// high nibbles, Z16 activations and Z17-Z19, Z27 their fours, spread by the indices Z23-Z26; Z20-Z22, Z28-Z31 constants.

// columnFours are the registers of the activations that go with chunks 2p and 2p+1 of nibbles: low, high.
var columnFours = [2][2]int{{17, 18}, {19, 27}}

func columnsAMD64(a *asm) {
	for i, d := range [4]uint32{0, 4, 2, 6} {
		name := "fours" + string(rune('0'+i))
		for k := range uint32(16) {
			a.data(name, int(4*k), d+k/8)
		}
		a.line("GLOBL " + name + "<>(SB), RODATA|NOPTR, $64")
	}
	// High bits are turned to where they belong in their bytes, by so many bits to the left for the first and the second chunk of a
	// register: Q6_K's to bits 4 and 5, Q5_K's to bit 4, those of its low nibbles and of its high ones.
	for _, t := range []struct {
		name  string
		turns [2]uint32
	}{{"six0", [2]uint32{4, 2}}, {"six1", [2]uint32{0, 30}}, {"low0", [2]uint32{4, 3}}, {"low1", [2]uint32{2, 1}}, {"high0", [2]uint32{0, 31}}, {"high1", [2]uint32{30, 29}}} {
		for k := range 16 {
			a.data(t.name, 4*k, t.turns[k/8])
		}
		a.line("GLOBL " + t.name + "<>(SB), RODATA|NOPTR, $64")
	}
	a.line(`
DATA nibbleH<>+0(SB)/4, $0xF0F0F0F0
GLOBL nibbleH<>(SB), RODATA|NOPTR, $4`)
	for _, f := range formats() {
		column(a, f)
	}
	for _, f := range kformats() {
		columnK(a, f)
	}
}

func columnHead(a *asm, name string) {
	columnArgs(a, name+"VNNI")
	for i := range 4 {
		a.p("VMOVDQU64 fours%d<>(SB), Z%d", i, 23+i)
	}
	a.p("VPBROADCASTD nibbleR<>(SB), Z20")
	a.p("VPBROADCASTD magicR<>(SB), Z21")
	a.p("VMOVUPS (DX), Y8")
}

func columnEnd(a *asm) {
	a.p("DECQ CX")
	a.p("JNZ  loop")
	a.label("done")
	a.p("VMOVUPS Y8, (DX)")
	a.p("VZEROUPPER")
	a.p("RET")
}

// columnActivations spreads a block's activations and clears the sums.
func columnActivations(a *asm) {
	a.p("VMOVDQU64 %d(SI), Y16", actQ)
	for i, r := range [4]int{17, 18, 19, 27} {
		a.p("VPERMD Z16, Z%d, Z%d", 23+i, r)
	}
	a.p("VPXORD Z0, Z0, Z0")
	a.p("VPXORD Z1, Z1, Z1")
}

// columnAheadBytes is how far ahead weights are prefetched: one pass of a decoder reads them from memory.
const columnAheadBytes = 8192

// columnAhead prefetches what comes that far after a block.
func columnAhead(a *asm, base string, bytes int) {
	for off := 0; off+64 <= bytes; off += 64 {
		a.p("PREFETCHT0 %d(%s)", columnAheadBytes+off, base)
	}
}

// columnFold adds the upper 8 sums of register r to the lower ones, by way of t.
func columnFold(a *asm, r, t int) {
	a.p("VEXTRACTI64X4 $1, Z%d, Y%d", r, t)
	a.p("VPADDD Y%d, Y%d, Y%d", t, r, r)
}

// columnNibbles sums a block's products into Y0.
func columnNibbles(a *asm, base string, chunks int) {
	for p := range 2 {
		a.p("VMOVDQU64 %d(%s), Z%d", chunks+64*p, base, 12+2*p)
		a.p("VPANDD Z20, Z%d, Z%d", 12+2*p, 13+2*p)
		a.p("VPANDD Z22, Z%d, Z%d", 12+2*p, 12+2*p)
		a.p("VPDPBUSD Z%d, Z%d, Z0", columnFours[p][0], 13+2*p)
		a.p("VPDPBUSD Z%d, Z%d, Z1", columnFours[p][1], 12+2*p)
	}
	a.p("VPSRAD $4, Z1, Z1")
	a.p("VPADDD Z1, Z0, Z0")
	columnFold(a, 0, 1)
}

func column(a *asm, f format) {
	columnHead(a, f.name)
	if f.nibbles {
		a.p("VPBROADCASTD nibbleH<>(SB), Z22")
	} else {
		a.p("VPBROADCASTD signR<>(SB), Z22")
	}
	a.p("TESTQ CX, CX")
	a.p("JZ   done")
	a.label("loop")
	columnAhead(a, "DI", f.group)
	columnActivations(a)
	if f.nibbles {
		columnNibbles(a, "DI", f.chunks)
	} else {
		for i, four := range [4]int{17, 19, 18, 27} {
			a.p("VPXORD %d(DI), Z22, Z%d", f.chunks+64*i, 12+i)
			a.p("VPDPBUSD Z%d, Z%d, Z%d", four, 12+i, i%2)
		}
		a.p("VPADDD Z1, Z0, Z0")
		columnFold(a, 0, 1)
		a.p("VPBROADCASTD %d(SI), Y4", actBias) // magic - 8 times the sum of the activations; -128 times are wanted
		a.p("VPSUBD Y21, Y4, Y4")
		a.p("VPSLLD $4, Y4, Y4")
		a.p("VPADDD Y4, Y0, Y0")
	}
	if f.offset {
		a.p("VPADDD.BCST %d(SI), Y0, Y0", actBias)
		a.p("VSUBPS Y21, Y0, Y0")
	} else {
		a.p("VCVTDQ2PS Y0, Y0")
	}
	a.p("VCVTPH2PS (DI), Y6")
	a.p("VMULPS.BCST %d(SI), Y6, Y6", actD)
	a.p("VFMADD231PS Y6, Y0, Y8")
	if f.minimum {
		a.p("VCVTPH2PS 16(DI), Y6")
		a.p("VFMADD231PS.BCST %d(SI), Y6, Y8", actS)
	}
	a.p("ADDQ $%d, DI", f.group)
	a.p("ADDQ $%d, SI", actSize)
	columnEnd(a)
}

// columnK: BX a sub-block's chunks, R10 its scales, R11 sub-blocks left.
func columnK(a *asm, f kformat) {
	columnHead(a, f.name)
	switch f.high {
	case 0:
		a.p("VPBROADCASTD nibbleH<>(SB), Z22")
	case 1:
		a.p("VPBROADCASTD bit4R<>(SB), Z22")
		for i, name := range []string{"low0", "low1", "high0", "high1"} {
			a.p("VMOVDQU64 %s<>(SB), Z%d", name, 28+i)
		}
	case 2:
		a.p("VPBROADCASTD bits45R<>(SB), Z22")
		for i, name := range []string{"six0", "six1"} {
			a.p("VMOVDQU64 %s<>(SB), Z%d", name, 28+i)
		}
		a.p("MOVL $0xAAAAAAAA, AX")
		a.p("KMOVD AX, K1")
	}
	a.p("SHRQ $3, CX")
	a.p("JZ   done")
	a.label("loop")
	a.p("LEAQ %d(DI), BX", f.chunks)
	a.p("LEAQ %d(DI), R10", f.scales)
	a.p("MOVL $8, R11")
	a.p("VPXORD Y9, Y9, Y9")
	a.p("VPXORD Y10, Y10, Y10")
	a.label("sub")
	columnAhead(a, "BX", f.stride)
	columnActivations(a)
	switch f.high {
	case 0:
		columnNibbles(a, "BX", 0)
	case 1:
		columnHigh(a, 1)
		a.p("VPADDD Z1, Z0, Z0")
		columnFold(a, 0, 1)
	case 2:
		columnHigh(a, 2)
		columnSixes(a)
	}
	if f.high < 2 {
		a.p("VPMOVZXBD (R10), Y5")
		a.p("VPMULLD Y5, Y0, Y0")
	}
	a.p("VCVTDQ2PS Y0, Y0")
	a.p("VFMADD231PS.BCST %d(SI), Y0, Y9", actD)
	if f.minima > 0 {
		a.p("VPMOVZXBD %d(R10), Y7", f.minima-f.scales)
		a.p("VCVTDQ2PS Y7, Y7")
		a.p("VFMADD231PS.BCST %d(SI), Y7, Y10", actS)
	}
	a.p("ADDQ $%d, BX", f.stride)
	a.p("ADDQ $%d, R10", f.scaleBytes())
	a.p("ADDQ $%d, SI", actSize)
	a.p("DECL R11")
	a.p("JNZ  sub")
	a.p("VCVTPH2PS (DI), Y6")
	a.p("VFMADD231PS Y9, Y6, Y8")
	if f.minima > 0 {
		a.p("VCVTPH2PS 16(DI), Y6")
		a.p("VFNMADD231PS Y10, Y6, Y8")
	}
	a.p("ADDQ $%d, DI", f.group)
	columnEnd(a)
}

// columnHigh sums the products of a sub-block with high bits: of its low nibbles in Z0, of the high ones in Z1. Q5_K has a register
// of fifth bits for both, turned by Z28 and Z29 for low nibbles and by Z30 and Z31 for high ones, Q6_K has one for each.
func columnHigh(a *asm, bits int) {
	for b := range bits {
		a.p("VBROADCASTI64X4 %d(BX), Z%d", 128+32*b, 4+b)
	}
	for p := range 2 {
		a.p("VMOVDQU64 %d(BX), Z12", 64*p)
		a.p("VPSRLW $4, Z12, Z13")
		for h := range 2 {
			from, turn := 4, 28+p+2*h
			if bits == 2 {
				from, turn = 4+h, 28+p
			}
			a.p("VPANDD Z20, Z%d, Z%d", 12+h, 12+h)
			a.p("VPROLVD Z%d, Z%d, Z14", turn, from)
			a.p("VPTERNLOGD $0xF8, Z22, Z14, Z%d", 12+h)
			a.p("VPDPBUSD Z%d, Z%d, Z%d", columnFours[p][h], 12+h, h)
		}
	}
}

// columnSixes makes of Q6_K's two sums one, times the scales, in Y0. Its quants stand for q-32.
func columnSixes(a *asm) {
	columnFold(a, 0, 4)
	columnFold(a, 1, 4)
	a.p("VPMOVSXBD (R10), Y5")
	a.p("VPMOVSXBD 8(R10), Y7")
	a.p("VPMULLD Y5, Y0, Y0")
	a.p("VPMULLD Y7, Y1, Y1")
	a.p("VPADDD Y1, Y0, Y0")
	// 32 times the scales times the sums of the activations that they go with: the scales as pairs of int16.
	a.p("VPSLLD $16, Y7, Y7")
	a.p("VPBLENDMW Y7, Y5, K1, Y5")
	a.p("VPBROADCASTD %d(SI), Y14", actHalf)
	a.p("VPMADDWD Y5, Y14, Y14")
	a.p("VPSLLD $5, Y14, Y14")
	a.p("VPSUBD Y14, Y0, Y0")
}
