package npu

import (
	"errors"
	"math"
)

var (
	errNotFinite = errors.New("npu: result has NaN, Inf or unwritten values")
	errConstant  = errors.New("npu: result is the same value throughout")
)

// scratch returns n values, in buf if that is large enough, that a result must overwrite: checkResult finds those that
// were not.
func scratch(buf []float32, n int) []float32 {
	if cap(buf) < n {
		buf = make([]float32, n)
	}
	buf = buf[:n]
	nan := float32(math.NaN())
	for i := range buf {
		buf[i] = nan
	}
	return buf
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
