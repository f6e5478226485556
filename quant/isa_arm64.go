package quant

func archKernels() []*kernels { return nil }

func archISAs() []string { return []string{"generic", "neon", "dotprod", "i8mm"} }
