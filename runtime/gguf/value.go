package gguf

import (
	"encoding/binary"
	"math"
)

// kind is a gguf_metadata_value_type.
type kind uint32

const (
	kindUint8 kind = iota
	kindInt8
	kindUint16
	kindInt16
	kindUint32
	kindInt32
	kindFloat32
	kindBool
	kindString
	kindArray
	kindUint64
	kindInt64
	kindFloat64
)

// size is the encoded size of a scalar, 0 for strings, arrays and unknown kinds.
func (k kind) size() int {
	switch k {
	case kindUint8, kindInt8, kindBool:
		return 1
	case kindUint16, kindInt16:
		return 2
	case kindUint32, kindInt32, kindFloat32:
		return 4
	case kindUint64, kindInt64, kindFloat64:
		return 8
	}
	return 0
}

func (k kind) integer() bool {
	return k.size() > 0 && k != kindBool && k != kindFloat32 && k != kindFloat64
}

func (k kind) number() bool { return k.size() > 0 && k != kindBool }

// int decodes an integer; over says that it is a uint64 past the int64s, returned as its bits.
func (k kind) int(b []byte) (v int64, over bool) {
	le := binary.LittleEndian
	switch k {
	case kindUint8:
		return int64(b[0]), false
	case kindInt8:
		return int64(int8(b[0])), false
	case kindUint16:
		return int64(le.Uint16(b)), false
	case kindInt16:
		return int64(int16(le.Uint16(b))), false
	case kindUint32:
		return int64(le.Uint32(b)), false
	case kindInt32:
		return int64(int32(le.Uint32(b))), false
	}
	u := le.Uint64(b)
	return int64(u), k == kindUint64 && u > math.MaxInt64
}

func (k kind) float(b []byte) float64 {
	switch k {
	case kindFloat32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case kindFloat64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	i, over := k.int(b)
	if over {
		return float64(uint64(i))
	}
	return float64(i)
}

// value is a checked metadata value, still encoded: a vocabulary is decoded when it is asked for. A scalar string's raw
// begins with its length; an array's raw begins with its first element.
type value struct {
	kind  kind // of the elements, for an array
	array bool
	n     int // elements of an array
	raw   []byte
}

// at returns element i of an array of scalars.
func (v value) at(i int) []byte { return v.raw[i*v.kind.size():] }

func (v value) strings() []string {
	out := make([]string, v.n)
	b := v.raw
	for i := range out {
		n := binary.LittleEndian.Uint64(b)
		out[i] = string(b[8 : 8+n])
		b = b[8+n:]
	}
	return out
}

func (v value) any() any {
	if v.kind == kindString {
		if v.array {
			return v.strings()
		}
		return string(v.raw[8:])
	}
	le := binary.LittleEndian
	switch v.kind {
	case kindUint8:
		return one(v, func(b []byte) uint8 { return b[0] })
	case kindInt8:
		return one(v, func(b []byte) int8 { return int8(b[0]) })
	case kindUint16:
		return one(v, le.Uint16)
	case kindInt16:
		return one(v, func(b []byte) int16 { return int16(le.Uint16(b)) })
	case kindUint32:
		return one(v, le.Uint32)
	case kindInt32:
		return one(v, func(b []byte) int32 { return int32(le.Uint32(b)) })
	case kindUint64:
		return one(v, le.Uint64)
	case kindInt64:
		return one(v, func(b []byte) int64 { return int64(le.Uint64(b)) })
	case kindFloat32:
		return one(v, func(b []byte) float32 { return math.Float32frombits(le.Uint32(b)) })
	case kindFloat64:
		return one(v, func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) })
	default: // kindBool: the parser let nothing else in
		return one(v, func(b []byte) bool { return b[0] != 0 })
	}
}

// one decodes a scalar, or a slice of them.
func one[T any](v value, f func([]byte) T) any {
	if !v.array {
		return f(v.raw)
	}
	out := make([]T, v.n)
	for i := range out {
		out[i] = f(v.at(i))
	}
	return out
}
