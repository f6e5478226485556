package quant

import (
	"fmt"
	"math"
)

// Type is the encoding of a tensor, with ggml_type's numbers.
type Type uint32

// The encodings this package knows, numbered as in ggml.h.
const (
	F32  Type = 0
	F16  Type = 1
	Q4_0 Type = 2
	Q4_1 Type = 3
	Q5_0 Type = 6
	Q5_1 Type = 7
	Q8_0 Type = 8
	Q4_K Type = 12
	Q5_K Type = 13
	Q6_K Type = 14
	BF16 Type = 30
)

// Sizes of the block formats: weights a block, as in ggml-common.h.
const (
	blockLen  = 32  // Q4_0, Q4_1, Q5_0, Q5_1, Q8_0
	superLen  = 256 // Q4_K, Q5_K, Q6_K
	superSubs = superLen / blockLen
)

// Bytes a block.
const (
	bytesQ4_0 = 2 + 16
	bytesQ4_1 = 2 + 2 + 16
	bytesQ5_0 = 2 + 4 + 16
	bytesQ5_1 = 2 + 2 + 4 + 16
	bytesQ8_0 = 2 + 32
	bytesQ4_K = 2 + 2 + 12 + 128
	bytesQ5_K = 2 + 2 + 12 + 32 + 128
	bytesQ6_K = 128 + 64 + 16 + 2
)

// shape returns the name, the weights a block and the bytes a block; a zero length for an unknown type.
func (t Type) shape() (name string, length, bytes int) {
	switch t {
	case F32:
		return "F32", 1, 4
	case F16:
		return "F16", 1, 2
	case BF16:
		return "BF16", 1, 2
	case Int8:
		return "INT8", blockLen, groupInt8 / groupRows
	case Int8Wide:
		return "INT8W", wideLen, wideBytes / stripRows32
	case Q4_0:
		return "Q4_0", blockLen, bytesQ4_0
	case Q4_1:
		return "Q4_1", blockLen, bytesQ4_1
	case Q5_0:
		return "Q5_0", blockLen, bytesQ5_0
	case Q5_1:
		return "Q5_1", blockLen, bytesQ5_1
	case Q8_0:
		return "Q8_0", blockLen, bytesQ8_0
	case Q4_K:
		return "Q4_K", superLen, bytesQ4_K
	case Q5_K:
		return "Q5_K", superLen, bytesQ5_K
	case Q6_K:
		return "Q6_K", superLen, bytesQ6_K
	}
	return fmt.Sprintf("type %d", uint32(t)), 0, 0
}

// Types lists the encodings this package knows, in ascending order of their numbers.
func Types() []Type {
	return []Type{F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, BF16}
}

// String returns ggml's name, such as "Q4_0", or "type N" for an unknown number.
func (t Type) String() string {
	name, _, _ := t.shape()
	return name
}

// Known reports whether t is the encoding of a file that this package can decode.
func (t Type) Known() bool { return t.BlockLen() != 0 && !t.own() }

// own says that t is this package's own encoding, which no file holds.
func (t Type) own() bool { return t == Int8 || t == Int8Wide }

// BlockLen is the number of weights a block holds (1 for the float types), 0 for an unknown type.
func (t Type) BlockLen() int {
	_, n, _ := t.shape()
	return n
}

// BlockBytes is the number of bytes a block takes, 0 for an unknown type.
func (t Type) BlockBytes() int {
	_, _, b := t.shape()
	return b
}

// RowBytes is the number of bytes cols weights take. It is 0 where t is unknown, cols is negative or no multiple of
// the block length, or the size doesn't fit an int.
func (t Type) RowBytes(cols int) int {
	_, n, b := t.shape()
	if n == 0 || cols < 0 || cols%n != 0 || cols/n > math.MaxInt/b {
		return 0
	}
	return cols / n * b
}
