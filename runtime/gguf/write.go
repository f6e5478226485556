package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// KV is one metadata entry to write. Value is a uint8, int8, uint16, int16, uint32, int32, uint64, int64, float32,
// float64, bool or string, or a slice of one of these.
type KV struct {
	Key   string
	Value any
}

// Write writes a GGUF version 3: meta and tensors in the order given, tensors' data at multiples of general.alignment
// (32 if meta doesn't say). The same input gives the same bytes.
func Write(w io.Writer, meta []KV, tensors []Tensor) error {
	return WriteEach(w, meta, tensors, func(i int) ([]byte, error) { return tensors[i].Data, nil })
}

// WriteEach is Write for tensors whose data isn't at hand together: it ignores their Data and calls data(i) for that of
// tensor i, in order, once each, when it is about to write it.
func WriteEach(w io.Writer, meta []KV, tensors []Tensor, data func(i int) ([]byte, error)) error {
	if err := write(w, meta, tensors, data); err != nil {
		return fmt.Errorf("gguf: write: %w", err)
	}
	return nil
}

func write(w io.Writer, meta []KV, tensors []Tensor, data func(i int) ([]byte, error)) error {
	head := []byte(magic)
	le := binary.LittleEndian
	head = le.AppendUint32(head, 3)
	head = le.AppendUint64(head, uint64(len(tensors)))
	head = le.AppendUint64(head, uint64(len(meta)))
	alignment := uint64(defaultAlignment)
	seen := map[string]bool{}
	for _, kv := range meta {
		if kv.Key == "" || len(kv.Key) > maxName || seen[kv.Key] {
			return fmt.Errorf("metadata key %s is empty, too long or there twice", quote(kv.Key))
		}
		seen[kv.Key] = true
		head = appendString(head, kv.Key)
		var err error
		if head, err = appendValue(head, kv.Value); err != nil {
			return fmt.Errorf("metadata key %s: %w", quote(kv.Key), err)
		}
		if kv.Key == "general.alignment" {
			a, ok := kv.Value.(uint32)
			if !ok || a == 0 || a&(a-1) != 0 || a > maxAlignment {
				return fmt.Errorf("general.alignment %v is no uint32 power of two up to %d", kv.Value, maxAlignment)
			}
			alignment = uint64(a)
		}
	}
	pad := func(n uint64) uint64 { return (n+alignment-1)/alignment*alignment - n }
	offset := uint64(0)
	sizes := make([]uint64, len(tensors))
	clear(seen)
	for i, t := range tensors {
		size, err := tensorSize(t)
		if err != nil {
			return fmt.Errorf("tensor %s: %w", quote(t.Name), err)
		}
		sizes[i] = uint64(size)
		if seen[t.Name] {
			return fmt.Errorf("tensor %s is there twice", quote(t.Name))
		}
		seen[t.Name] = true
		head = appendString(head, t.Name)
		head = le.AppendUint32(head, uint32(len(t.Shape)))
		for _, d := range t.Shape {
			head = le.AppendUint64(head, uint64(d))
		}
		head = le.AppendUint32(head, uint32(t.Type))
		head = le.AppendUint64(head, offset)
		offset += sizes[i] + pad(sizes[i])
	}
	head = append(head, make([]byte, pad(uint64(len(head))))...)

	b := bufio.NewWriterSize(w, 1<<16)
	if _, err := b.Write(head); err != nil {
		return err
	}
	zeros := make([]byte, alignment)
	for i, t := range tensors {
		d, err := data(i)
		if err != nil {
			return err
		}
		if uint64(len(d)) != sizes[i] {
			return fmt.Errorf("tensor %s: %d bytes aren't %v of shape %v", quote(t.Name), len(d), t.Type, t.Shape)
		}
		if _, err := b.Write(d); err != nil {
			return err
		}
		if _, err := b.Write(zeros[:pad(sizes[i])]); err != nil {
			return err
		}
	}
	return b.Flush()
}

// tensorSize is the bytes of t's data, by its type and shape.
func tensorSize(t Tensor) (int, error) {
	if t.Name == "" || len(t.Name) > maxName {
		return 0, errors.New("the name is empty or too long")
	}
	if !t.Type.Known() {
		return 0, fmt.Errorf("%v is unknown", t.Type)
	}
	if len(t.Shape) < 1 || len(t.Shape) > maxDims {
		return 0, fmt.Errorf("%d dimensions (1 to %d are allowed)", len(t.Shape), maxDims)
	}
	rows := 1
	for _, d := range t.Shape[1:] {
		if d < 1 || rows > math.MaxInt/d {
			return 0, fmt.Errorf("shape %v", t.Shape)
		}
		rows *= d
	}
	row := t.Type.RowBytes(t.Shape[0])
	if row == 0 || rows > math.MaxInt/row {
		return 0, fmt.Errorf("%v has no shape %v", t.Type, t.Shape)
	}
	return rows * row, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

func appendValue(b []byte, v any) ([]byte, error) {
	le := binary.LittleEndian
	u8 := func(b []byte, v uint8) []byte { return append(b, v) }
	truth := func(b []byte, v bool) []byte {
		if v {
			return append(b, 1)
		}
		return append(b, 0)
	}
	switch v := v.(type) {
	case uint8:
		return scalar(b, kindUint8, v, u8), nil
	case []uint8:
		return array(b, kindUint8, v, u8), nil
	case int8:
		return scalar(b, kindInt8, v, func(b []byte, v int8) []byte { return append(b, byte(v)) }), nil
	case []int8:
		return array(b, kindInt8, v, func(b []byte, v int8) []byte { return append(b, byte(v)) }), nil
	case uint16:
		return scalar(b, kindUint16, v, le.AppendUint16), nil
	case []uint16:
		return array(b, kindUint16, v, le.AppendUint16), nil
	case int16:
		return scalar(b, kindInt16, v, func(b []byte, v int16) []byte { return le.AppendUint16(b, uint16(v)) }), nil
	case []int16:
		return array(b, kindInt16, v, func(b []byte, v int16) []byte { return le.AppendUint16(b, uint16(v)) }), nil
	case uint32:
		return scalar(b, kindUint32, v, le.AppendUint32), nil
	case []uint32:
		return array(b, kindUint32, v, le.AppendUint32), nil
	case int32:
		return scalar(b, kindInt32, v, func(b []byte, v int32) []byte { return le.AppendUint32(b, uint32(v)) }), nil
	case []int32:
		return array(b, kindInt32, v, func(b []byte, v int32) []byte { return le.AppendUint32(b, uint32(v)) }), nil
	case uint64:
		return scalar(b, kindUint64, v, le.AppendUint64), nil
	case []uint64:
		return array(b, kindUint64, v, le.AppendUint64), nil
	case int64:
		return scalar(b, kindInt64, v, func(b []byte, v int64) []byte { return le.AppendUint64(b, uint64(v)) }), nil
	case []int64:
		return array(b, kindInt64, v, func(b []byte, v int64) []byte { return le.AppendUint64(b, uint64(v)) }), nil
	case float32:
		return scalar(b, kindFloat32, v, appendFloat32), nil
	case []float32:
		return array(b, kindFloat32, v, appendFloat32), nil
	case float64:
		return scalar(b, kindFloat64, v, appendFloat64), nil
	case []float64:
		return array(b, kindFloat64, v, appendFloat64), nil
	case bool:
		return scalar(b, kindBool, v, truth), nil
	case []bool:
		return array(b, kindBool, v, truth), nil
	case string:
		return scalar(b, kindString, v, appendString), nil
	case []string:
		return array(b, kindString, v, appendString), nil
	}
	return nil, fmt.Errorf("a %T has no GGUF type", v)
}

func appendFloat32(b []byte, v float32) []byte {
	return binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
}

func appendFloat64(b []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
}

func scalar[T any](b []byte, k kind, v T, f func([]byte, T) []byte) []byte {
	return f(binary.LittleEndian.AppendUint32(b, uint32(k)), v)
}

func array[T any](b []byte, k kind, v []T, f func([]byte, T) []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(kindArray))
	b = binary.LittleEndian.AppendUint32(b, uint32(k))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(v)))
	for _, e := range v {
		b = f(b, e)
	}
	return b
}
