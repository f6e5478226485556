// Package gguf reads and writes GGUF model files, versions 2 and 3, little-endian, as llama.cpp has them
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
//
// Nothing a file says is believed before it is checked: a damaged or hostile file gives a one-line error, and reading its
// head never takes more memory than a small multiple of the file's size.
package gguf

import (
	"slices"

	"github.com/edgevlm/edgevlm/quant"
)

// Tensor is one tensor of a file. Shape is in ggml's order: Shape[0] is the contiguous axis, so a matrix [rows, cols]
// has Shape {cols, rows}. Data is row-major in the blocks of Type.
type Tensor struct {
	Name  string
	Type  quant.Type
	Shape []int
	Data  []byte
}

// Len is the number of elements.
func (t Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// File is a parsed GGUF. Goroutines may share it; Close must come after the last use of it and of its tensors' Data.
type File struct {
	version uint32
	keys    []string
	values  map[string]value
	tensors []Tensor
	byName  map[string]int
	mapped  []byte // what Close unmaps; nil for a file in memory
}

// Version is the file's format version, 2 or 3.
func (f *File) Version() int { return int(f.version) }

// Tensor returns the tensor of that name.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.byName[name]
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
}

// Tensors returns all tensors in file order.
func (f *File) Tensors() []Tensor { return slices.Clone(f.tensors) }

// Keys returns the metadata keys in file order.
func (f *File) Keys() []string { return slices.Clone(f.keys) }

// Value returns a metadata value as the Go type of its width: uint8 ... int64, float32, float64, bool, string, or a
// slice of one of these.
func (f *File) Value(key string) (any, bool) {
	v, ok := f.values[key]
	if !ok {
		return nil, false
	}
	return v.any(), true
}

// Len returns the number of elements of an array; false if key is absent or no array.
func (f *File) Len(key string) (int, bool) {
	v, ok := f.values[key]
	return v.n, ok && v.array
}

// Arch is general.architecture, "" if the file doesn't say.
func (f *File) Arch() string {
	s, _ := f.Str("general.architecture")
	return s
}

// Str returns a string value; false if key is absent or of another type. So do the getters below.
func (f *File) Str(key string) (string, bool) {
	v, ok := f.values[key]
	if !ok || v.array || v.kind != kindString {
		return "", false
	}
	return string(v.raw[8:]), true
}

// Uint returns an integer of any width that isn't negative.
func (f *File) Uint(key string) (uint64, bool) {
	v, ok := f.scalar(key)
	if !ok || !v.kind.integer() {
		return 0, false
	}
	i, over := v.kind.int(v.raw)
	if over {
		return uint64(i), true
	}
	return uint64(i), i >= 0
}

// Int returns an integer of any width that fits an int64.
func (f *File) Int(key string) (int64, bool) {
	v, ok := f.scalar(key)
	if !ok || !v.kind.integer() {
		return 0, false
	}
	i, over := v.kind.int(v.raw)
	return i, !over
}

// Float returns a float32 or float64, or an integer as a float.
func (f *File) Float(key string) (float64, bool) {
	v, ok := f.scalar(key)
	if !ok || !v.kind.number() {
		return 0, false
	}
	return v.kind.float(v.raw), true
}

// Bool returns a bool.
func (f *File) Bool(key string) (val, ok bool) {
	v, ok := f.scalar(key)
	if !ok || v.kind != kindBool {
		return false, false
	}
	return v.raw[0] != 0, true
}

// Strings returns an array of strings.
func (f *File) Strings(key string) ([]string, bool) {
	v, ok := f.values[key]
	if !ok || !v.array || v.kind != kindString {
		return nil, false
	}
	return v.strings(), true
}

// Ints returns an array of integers of any one width that fit an int64.
func (f *File) Ints(key string) ([]int64, bool) {
	v, ok := f.values[key]
	if !ok || !v.array || !v.kind.integer() {
		return nil, false
	}
	out := make([]int64, v.n)
	for i := range out {
		var over bool
		if out[i], over = v.kind.int(v.at(i)); over {
			return nil, false
		}
	}
	return out, true
}

// Floats returns an array of floats, or of integers as floats.
func (f *File) Floats(key string) ([]float64, bool) {
	v, ok := f.values[key]
	if !ok || !v.array || !v.kind.number() {
		return nil, false
	}
	out := make([]float64, v.n)
	for i := range out {
		out[i] = v.kind.float(v.at(i))
	}
	return out, true
}

func (f *File) scalar(key string) (value, bool) {
	v, ok := f.values[key]
	return v, ok && !v.array
}
