package quant

// The portable kernels: what every other instruction set must equal, bit for bit.

func genericKernels() *kernels {
	return &kernels{
		name:         "generic",
		quantize:     quantizeActivations,
		quantizeU8:   quantizeU8,
		setQ8_0:      setQ8_0,
		int8:         mulInt8Generic,
		int8Wide:     stripTiles{int8WideGeneric(8), int8WideGeneric(4), int8WideGeneric(2), int8WideGeneric(1)},
		quantizeWide: quantizeWideGeneric,
		prefetch:     func(*byte, int) {},
		ints: [layouts]intKernel{
			layoutQ4_0: {gemv: gemvQ4_0Generic},
			layoutQ4_1: {gemv: gemvQ4_1Generic},
			layoutQ8_0: {gemv: gemvQ8_0Generic},
			layoutQ8_1: {gemv: gemvQ8_1Generic},
			layoutQ4_K: {gemv: gemvQ4_KGeneric},
			layoutQ5_K: {gemv: gemvQ5_KGeneric},
			layoutQ6_K: {gemv: gemvQ6_KGeneric},
		},
	}
}

// dotNibbles is the sum of one row's 32 unsigned nibbles times the activations. chunks begins at the row's bytes.
func dotNibbles(chunks []byte, q *[blockLen]int8) int32 {
	var s int32
	for k := range 4 {
		c := chunks[k*chunkBytes:][:4:4]
		lo, hi := q[4*k:][:4:4], q[16+4*k:][:4:4]
		s += int32(c[0]&15)*int32(lo[0]) + int32(c[1]&15)*int32(lo[1]) + int32(c[2]&15)*int32(lo[2]) + int32(c[3]&15)*int32(lo[3])
		s += int32(c[0]>>4)*int32(hi[0]) + int32(c[1]>>4)*int32(hi[1]) + int32(c[2]>>4)*int32(hi[2]) + int32(c[3]>>4)*int32(hi[3])
	}
	return s
}

// dotBytes is dotNibbles for 32 signed bytes.
func dotBytes(chunks []byte, q *[blockLen]int8) int32 {
	var s int32
	for k := range 8 {
		c, a := chunks[k*chunkBytes:][:4:4], q[4*k:][:4:4]
		s += int32(int8(c[0]))*int32(a[0]) + int32(int8(c[1]))*int32(a[1]) + int32(int8(c[2]))*int32(a[2]) + int32(int8(c[3]))*int32(a[3])
	}
	return s
}

func gemvQ4_0Generic(w []byte, a []activation, out []float32) {
	acc := (*[groupRows]float32)(out)
	for b := range a {
		ab := &a[b]
		g := w[b*groupQ4_0:][:groupQ4_0:groupQ4_0]
		for r := range acc {
			s := dotNibbles(g[16+4*r:], &ab.q) + (ab.bias - magic)
			acc[r] = fma32(float32(s), f16At(g[2*r:])*ab.d, acc[r])
		}
	}
}

func gemvQ4_1Generic(w []byte, a []activation, out []float32) {
	acc := (*[groupRows]float32)(out)
	for b := range a {
		ab := &a[b]
		g := w[b*groupQ4_1:][:groupQ4_1:groupQ4_1]
		for r := range acc {
			s := dotNibbles(g[32+4*r:], &ab.q)
			t := fma32(float32(s), f16At(g[2*r:])*ab.d, acc[r])
			acc[r] = fma32(f16At(g[16+2*r:]), ab.s, t)
		}
	}
}

func gemvQ8_0Generic(w []byte, a []activation, out []float32) {
	acc := (*[groupRows]float32)(out)
	for b := range a {
		ab := &a[b]
		g := w[b*groupQ8_0:][:groupQ8_0:groupQ8_0]
		for r := range acc {
			s := dotBytes(g[16+4*r:], &ab.q)
			acc[r] = fma32(float32(s), f16At(g[2*r:])*ab.d, acc[r])
		}
	}
}

func gemvQ8_1Generic(w []byte, a []activation, out []float32) {
	acc := (*[groupRows]float32)(out)
	for b := range a {
		ab := &a[b]
		g := w[b*groupQ8_1:][:groupQ8_1:groupQ8_1]
		for r := range acc {
			s := dotBytes(g[32+4*r:], &ab.q)
			t := fma32(float32(s), f16At(g[2*r:])*ab.d, acc[r])
			acc[r] = fma32(f16At(g[16+2*r:]), ab.s, t)
		}
	}
}

// dotGeneric is the sum of len(w) products in float32, in four interleaved partial sums.
func dotGeneric(w, x []float32) float32 {
	x = x[:len(w)]
	var s0, s1, s2, s3 float32
	i := 0
	for ; i+4 <= len(w); i += 4 {
		a, b := w[i:][:4:4], x[i:][:4:4]
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
	}
	for ; i < len(w); i++ {
		s0 += w[i] * x[i]
	}
	return (s0 + s1) + (s2 + s3)
}
