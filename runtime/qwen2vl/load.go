package qwen2vl

import (
	"fmt"
	"math"
	"strings"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/gguf"
)

// loader reads keys and tensors of one file and remembers the first error, so that the callers read as a list of what
// a model consists of.
type loader struct {
	f       *gguf.File
	weights Weights
	err     error
}

// Weights returns the matrix of the tensor of that name where it has been made already, repacked or in another type, and
// nil where it hasn't.
type Weights func(name string) *quant.Matrix

func (l *loader) fail(format string, a ...any) {
	if l.err == nil {
		l.err = fmt.Errorf("qwen2vl: "+format, a...)
	}
}

// maxSize bounds every count a file may state; the largest real one is a vocabulary of some 150,000.
const maxSize = 1 << 24

// size reads a positive count; def < 0 makes the key a must.
func (l *loader) size(key string, def int) int {
	if _, ok := l.f.Value(key); !ok {
		if def < 0 {
			l.fail("the file has no key %s: it is incomplete or not a model of this kind; download or convert it again", key)
		}
		return def
	}
	u, ok := l.f.Uint(key)
	if !ok || u == 0 || u > maxSize {
		v, _ := l.f.Value(key)
		l.fail("key %s is %s, want a number from 1 to %d: the file is damaged or of an unsupported model", key, short(v), maxSize)
		return max(def, 1)
	}
	return int(u)
}

// float reads a positive number; def < 0 makes the key a must.
func (l *loader) float(key string, def float64) float64 {
	v, present := l.f.Value(key)
	if !present {
		if def < 0 {
			l.fail("the file has no key %s: it is incomplete or not a model of this kind; download or convert it again", key)
		}
		return def
	}
	x, ok := l.f.Float(key)
	if !ok || !(x > 0) || math.IsInf(x, 0) {
		l.fail("key %s is %s, want a positive number: the file is damaged", key, short(v))
		return max(def, 1)
	}
	return x
}

// short shows a value of the file in an error, whatever its size.
func short(v any) string {
	s := fmt.Sprintf("%v", v)
	if len(s) > 60 {
		s = s[:60] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}

// tensor returns a tensor of the given shape (outermost axis first), or an error that names it.
func (l *loader) tensor(name string, shape ...int) (gguf.Tensor, bool) {
	if l.err != nil {
		return gguf.Tensor{}, false
	}
	t, ok := l.f.Tensor(name)
	if !ok {
		l.fail("tensor %s is missing: the file is incomplete or not a model of this kind; download or convert it again", name)
		return t, false
	}
	got := make([]int, 0, len(t.Shape))
	for i := len(t.Shape) - 1; i >= 0; i-- {
		if n := t.Shape[i]; n != 1 || len(got) > 0 || i < len(shape) {
			got = append(got, n)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(shape) {
		l.fail("tensor %s has shape %v, the file's keys ask for %v: the file is damaged or of an unsupported model", name, got, shape)
		return t, false
	}
	return t, true
}

func (l *loader) has(name string) bool {
	_, ok := l.f.Tensor(name)
	return ok
}

// floats decodes a tensor.
func (l *loader) floats(name string, shape ...int) []float32 {
	t, ok := l.tensor(name, shape...)
	if !ok {
		return nil
	}
	n := 1
	for _, s := range shape {
		n *= s
	}
	x := make([]float32, n)
	if err := quant.Dequantize(t.Type, x, t.Data); err != nil {
		l.fail("tensor %s: %w", name, err)
		return nil
	}
	for i, v := range x {
		if v-v != 0 {
			l.fail("tensor %s: element %d is %v: the file is damaged or was converted wrongly", name, i, v)
			return nil
		}
	}
	return x
}

// optional is floats, or nil where the file has no such tensor.
func (l *loader) optional(name string, shape ...int) []float32 {
	if !l.has(name) {
		return nil
	}
	return l.floats(name, shape...)
}

// matrix returns weights [rows, cols].
func (l *loader) matrix(name string, rows, cols int) *quant.Matrix {
	t, ok := l.tensor(name, rows, cols)
	if !ok {
		return nil
	}
	if l.weights != nil {
		if m := l.weights(name); m != nil && m.Rows() == rows && m.Cols() == cols {
			return m
		}
	}
	m := l.newMatrix(name, t.Type, t.Data, rows, cols)
	if m != nil && m.Repacked() {
		l.f.Evict(t) // the matrix has its own copy: one is enough in memory
	}
	return m
}

func (l *loader) newMatrix(name string, t quant.Type, data []byte, rows, cols int) *quant.Matrix {
	m, err := quant.NewMatrix(t, data, rows, cols)
	if err != nil {
		l.fail("tensor %s: %w", name, err)
		return nil
	}
	return m
}

// linear is a matrix with an optional bias.
type linear struct {
	w *quant.Matrix
	b []float32
}

// linear reads name.weight and, if there is one, name.bias.
func (l *loader) linear(name string, rows, cols int) linear {
	return linear{l.matrix(name+".weight", rows, cols), l.optional(name+".bias", rows)}
}

// norm is the weight and bias of a LayerNorm.
type norm struct{ w, b []float32 }

func (l *loader) norm(name string, n int) norm {
	return norm{l.floats(name+".weight", n), l.optional(name+".bias", n)}
}
