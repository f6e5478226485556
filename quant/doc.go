// Package quant holds the weight formats of GGUF files and the matrix products over them.
//
// Formats are ggml's, bit for bit (the reference is the Python package gguf, gguf/quants.py). A [Matrix] keeps weights
// in the form the kernels want; [Matrix.Mul] multiplies activations with it. Weights of 8 bits and less meet
// activations quantized to int8 in blocks of 32 (64 for [Int8Wide]); F32, F16 and BF16 weights are multiplied in float32.
//
// Each kernel exists in portable Go, and in assembly per instruction set (see [ISA] and [SetISA]; the environment variable
// EDGEVLM_ISA, such as avx2, forces one from the start, here and in package compute). The integer kernels
// return the same bits on every instruction set; the float32 ones agree within rounding. No result depends on the
// number of threads, nor on how many rows of activations are multiplied at once.
package quant

//go:generate go run ./internal/gen
