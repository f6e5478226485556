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
	if !x.HasAVX512F || !x.HasAVX512VL || !x.HasAVX512VNNI {
		return []*kernels{avx2}
	}
	vnni := *avx2
	vnni.name = "avx512vnni"
	vnni.ints[layoutQ4_0] = tile(gemvQ4_0AVX2, gemmQ4_0VNNI)
	return []*kernels{avx2, &vnni}
}
