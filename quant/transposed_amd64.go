package quant

// setInt8AVX2 is setInt8Generic.
//
//go:noescape
func setInt8AVX2(group []byte, x []float32, ld int)
