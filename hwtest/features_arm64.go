package hwtest

import "golang.org/x/sys/cpu"

// cpuFeatures lists what the kernels care about.
func cpuFeatures() []string {
	return present([]feature{
		{"neon", cpu.ARM64.HasASIMD}, {"fp16", cpu.ARM64.HasASIMDHP}, {"dotprod", cpu.ARM64.HasASIMDDP}, {"i8mm", cpu.ARM64.HasI8MM},
	})
}
