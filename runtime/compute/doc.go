// Package compute holds what a transformer needs beside its weight matrices: a worker pool and the F32 operators
// (norms, activations, softmax, rotary embeddings, attention).
//
// All tensors are row-major float32 slices. Shapes are written [rows, cols]. Every operator has a portable Go form,
// which is the reference for the vector forms of amd64 and arm64; both stay within an NMSE of 1e-10 of a float64
// computation. Slices that are too short for the shape given are a programmer's error and panic.
package compute
