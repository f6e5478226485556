package quant

func archKernels() []*kernels { return nil }

func archISAs() []string { return []string{"generic", "avx2", "avx512vnni"} }
