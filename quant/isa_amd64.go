package quant

import "golang.org/x/sys/cpu"

func archISAs() []string { return []string{"generic", "avx2", "avx512vnni"} }

func archKernels() []*kernels {
	x := &cpu.X86
	// VCVTPH2PS is F16C, which x/sys/cpu doesn't report; every CPU with AVX2 has it.
	if !x.HasAVX2 || !x.HasFMA {
		return nil
	}
	tile := func(gemv gemvFunc, gemm gemmFunc) intKernel {
		return intKernel{gemv: gemv, gemm: gemm, tile: 4, padFrom: 2, panelBytes: 192, pack: pack4}
	}
	avx2 := &kernels{
		name:       "avx2",
		quantize:   quantizeAVX2,
		quantizeU8: quantizeU8AVX2,
		int8:       mulInt8AVX2,
		setInt8:    setInt8AVX2,
		ints: [layouts]intKernel{
			layoutQ4_0: tile(gemvQ4_0AVX2, gemmQ4_0AVX2),
			layoutQ4_1: tile(gemvQ4_1AVX2, gemmQ4_1AVX2),
			layoutQ8_0: tile(gemvQ8_0AVX2, gemmQ8_0AVX2),
			layoutQ8_1: tile(gemvQ8_1AVX2, gemmQ8_1AVX2),
			layoutQ4_K: tile(gemvQ4_KAVX2, gemmQ4_KAVX2),
			layoutQ5_K: tile(gemvQ5_KAVX2, gemmQ5_KAVX2),
			layoutQ6_K: tile(gemvQ6_KAVX2, gemmQ6_KAVX2),
		},
		floats: [3]floatKernel{
			{tile: dotF32x43AVX2, cols: 3, strip: dotF32x41AVX2, single: dotF32x11AVX2},
			{tile: dotF16x43AVX2, cols: 3, strip: dotF16x41AVX2, single: dotF16x11AVX2},
			{tile: dotBF16x43AVX2, cols: 3, strip: dotBF16x41AVX2, single: dotBF16x11AVX2},
		},
	}
	avx2.ints[layoutQ4_0].spread, avx2.ints[layoutQ4_0].wide = spreadQ4_0AVX2, mulSmallAVX2
	if !x.HasAVX512F || !x.HasAVX512VL || !x.HasAVX512BW || !x.HasAVX512DQ || !x.HasAVX512VNNI {
		return []*kernels{avx2}
	}
	return []*kernels{avx2, vnniKernels(*avx2)}
}

// vnniKernels are those of AVX512 with VPDPBUSD, beside AVX2's where they bring nothing.
func vnniKernels(k kernels) *kernels {
	k.name, k.setInt8 = "avx512vnni", nil // there Q8_0 is the faster one
	for l, f := range map[layout]struct {
		gemv gemvFunc
		gemm gemmFunc
	}{
		layoutQ4_0: {gemvQ4_0VNNI, gemmQ4_0VNNI},
		layoutQ4_1: {gemvQ4_1VNNI, gemmQ4_1VNNI},
		layoutQ8_0: {gemvQ8_0VNNI, gemmQ8_0VNNI},
		layoutQ8_1: {gemvQ8_1VNNI, gemmQ8_1VNNI},
		layoutQ4_K: {gemvQ4_KVNNI, gemmQ4_KVNNI},
		layoutQ5_K: {gemvQ5_KVNNI, gemmQ5_KVNNI},
		layoutQ6_K: {gemvQ6_KVNNI, gemmQ6_KVNNI},
	} {
		k.ints[l].gemv, k.ints[l].gemm = f.gemv, f.gemm
	}
	plain := stripTiles{strip8VNNI, strip4VNNI, strip2VNNI, strip1VNNI}
	minima := stripTiles{stripMin8VNNI, stripMin4VNNI, stripMin2VNNI, stripMin1VNNI}
	sub := stripTiles{nil, strip_K4VNNI, strip_K2VNNI, strip_K1VNNI}
	for l, s := range map[layout]stripKernel{
		layoutQ4_0: {zero: 8, spread: spreadStripQ4_0AVX2, mul: plain},
		layoutQ4_1: {zero: 0, spread: spreadStripQ4_1AVX2, mul: minima},
		layoutQ8_0: {zero: 128, spread: spreadStripQ8_0AVX2, mul: plain},
		layoutQ8_1: {zero: 128, spread: spreadStripQ8_1AVX2, mul: minima},
		layoutQ4_K: {zero: 0, spread: spreadStripQ4_KAVX2, mul: sub},
		layoutQ5_K: {zero: 0, spread: spreadStripQ5_KAVX2, mul: sub},
		layoutQ6_K: {zero: 32, halves: true, spread: spreadStripQ6_KAVX2, mul: stripTiles{nil, strip_K6x4VNNI, strip_K6x2VNNI, strip_K6x1VNNI}},
	} {
		s.from, s.fill = 8, quantizeStripVNNI
		k.ints[l].strip, k.ints[l].spread, k.ints[l].wide = s, nil, nil
	}
	k.int8Wide, k.quantizeWide = stripTiles{int8Wide8VNNI, int8Wide4VNNI, int8Wide2VNNI, int8Wide1VNNI}, quantizeWideVNNI
	k.prefetch = prefetchL2
	return &k
}
