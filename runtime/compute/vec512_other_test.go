//go:build !amd64

package compute

const vector512 = false

func setVector512(bool) bool { return false }

func setVectorBF16(bool) bool { return false }
