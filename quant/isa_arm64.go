package quant

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

func archISAs() []string { return []string{"generic", "neon", "dotprod", "i8mm"} }

func archKernels() []*kernels {
	neon := &kernels{
		name:     "neon",
		quantize: quantizeNEON,
		setQ8_0:  setQ8_0Fast,
		ints: [layouts]intKernel{
			layoutQ4_0: tile4(gemvQ4_0NEON, gemmQ4_0NEON),
			layoutQ4_1: tile4(gemvQ4_1NEON, gemmQ4_1NEON),
			layoutQ8_0: tile4(gemvQ8_0NEON, gemmQ8_0NEON),
			layoutQ8_1: tile4(gemvQ8_1NEON, gemmQ8_1NEON),
			layoutQ4_K: tile4(gemvQ4_KNEON, gemmQ4_KNEON),
			layoutQ5_K: tile4(gemvQ5_KNEON, gemmQ5_KNEON),
			layoutQ6_K: tile4(gemvQ6_KNEON, gemmQ6_KNEON),
		},
		floats: [3]floatKernel{
			{tile: dotF32x44NEON, cols: 4, strip: dotF32x41NEON, single: dotF32x11NEON},
			{tile: dotF16x44NEON, cols: 4, strip: dotF16x41NEON, single: dotF16x11NEON},
			{tile: dotBF16x44NEON, cols: 4, strip: dotBF16x41NEON, single: dotBF16x11NEON},
		},
	}
	all := []*kernels{neon}
	if !cpu.ARM64.HasASIMDDP {
		return all
	}
	dot := *neon
	dot.name = "dotprod"
	dot.ints = [layouts]intKernel{
		layoutQ4_0: tile8(gemvQ4_0DOT, gemmQ4_0DOT, pack8, panel8{}),
		layoutQ4_1: tile8(gemvQ4_1DOT, gemmQ4_1DOT, pack8, panel8{}),
		layoutQ8_0: tile8(gemvQ8_0DOT, gemmQ8_0DOT, pack8, panel8{}),
		layoutQ8_1: tile8(gemvQ8_1DOT, gemmQ8_1DOT, pack8, panel8{}),
		layoutQ4_K: tile8(gemvQ4_KDOT, gemmQ4_KDOT, pack8, panel8{}),
		layoutQ5_K: tile8(gemvQ5_KDOT, gemmQ5_KDOT, pack8, panel8{}),
		layoutQ6_K: tile8(gemvQ6_KDOT, gemmQ6_KDOT, pack8K6, panel8K6{}),
	}
	dot.ints[layoutQ8_0].fill = fill8(panelDOT, pack8, int(unsafe.Sizeof(panel8{})))
	all = append(all, &dot)
	if !cpu.ARM64.HasI8MM {
		return all
	}
	i8mm := dot
	i8mm.name = "i8mm"
	i8mm.ints = [layouts]intKernel{
		layoutQ4_0: tile8(gemvQ4_0DOT, gemmQ4_0I8MM, pack8Pairs, panel8Pairs{}),
		layoutQ4_1: tile8(gemvQ4_1DOT, gemmQ4_1I8MM, pack8Pairs, panel8Pairs{}),
		layoutQ8_0: tile8(gemvQ8_0DOT, gemmQ8_0I8MM, pack8Pairs, panel8Pairs{}),
		layoutQ8_1: tile8(gemvQ8_1DOT, gemmQ8_1I8MM, pack8Pairs, panel8Pairs{}),
		layoutQ4_K: tile8(gemvQ4_KDOT, gemmQ4_KI8MM, pack8Pairs, panel8Pairs{}),
		layoutQ5_K: tile8(gemvQ5_KDOT, gemmQ5_KI8MM, pack8Pairs, panel8Pairs{}),
		layoutQ6_K: tile8(gemvQ6_KDOT, gemmQ6_KI8MM, pack8PairsK6, panel8PairsK6{}),
	}
	i8mm.ints[layoutQ8_0].fill = fill8(panelI8MM, pack8Pairs, int(unsafe.Sizeof(panel8Pairs{})))
	return append(all, &i8mm)
}

func tile4(gemv gemvFunc, gemm gemmFunc) intKernel {
	return intKernel{gemv: gemv, gemm: gemm, tile: 4, padFrom: 2, panelBytes: 192, pack: pack4}
}

func tile8[P any](gemv gemvFunc, gemm gemmFunc, pack func([]byte, [][]activation), panel P) intKernel {
	return intKernel{gemv: gemv, gemm: gemm, tile: 8, padFrom: 5, panelBytes: int(unsafe.Sizeof(panel)), pack: pack}
}
