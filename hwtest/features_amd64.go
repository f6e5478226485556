package hwtest

import "golang.org/x/sys/cpu"

// cpuFeatures lists what the kernels care about.
func cpuFeatures() []string {
	return present([]feature{
		{"avx2", cpu.X86.HasAVX2}, {"fma", cpu.X86.HasFMA}, {"avx512f", cpu.X86.HasAVX512F}, {"avx512vnni", cpu.X86.HasAVX512VNNI},
	})
}
