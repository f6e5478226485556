//go:build !amd64 && !arm64

package quant

func archKernels() []*kernels { return nil }

func archISAs() []string { return []string{"generic"} }
