package npu

import (
	"errors"
	"math"
)

var (
	errNotFinite = errors.New("npu: result has NaN, Inf or unwritten values")
	errConstant  = errors.New("npu: result is the same value throughout")
)

// scratch returns n values that a result must overwrite: checkResult finds those that were not.
func scratch(n int) []float32 {
	s := make([]float32, n)
	nan := float32(math.NaN())
	for i := range s {
		s[i] = nan
	}
	return s
}

// checkResult finds what a lost or confused device leaves behind.
func checkResult(x []float32) error {
	same := true
	for _, v := range x {
		if v-v != 0 { // NaN or Inf
			return errNotFinite
		}
		same = same && v == x[0]
	}
	if same && len(x) > 1 {
		return errConstant
	}
	return nil
}
