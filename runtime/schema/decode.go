package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// object is a JSON object with its keys in order.
type object struct {
	keys []string
	of   map[string]any
}

// Bounds of a schema's document.
const (
	MaxBytes = 256 << 10
	maxDepth = 100
)

// decode reads one JSON value: *object, []any, string, json.Number, bool or nil.
func decode(data []byte) (any, error) {
	switch {
	case len(data) > MaxBytes:
		return nil, fmt.Errorf("schema: %d bytes: at most %d", len(data), MaxBytes)
	case !utf8.Valid(data):
		return nil, errors.New("schema: it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it ends too early")
		}
		return nil, fmt.Errorf("schema: not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("schema: not JSON: something follows the first value")
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("more than %d levels", maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	case json.Delim('{'):
		o := &object{of: map[string]any{}}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			key := k.(string)
			if _, twice := o.of[key]; twice {
				return nil, fmt.Errorf("the key %.40q is there twice", key)
			}
			if o.of[key], err = decodeValue(d, depth+1); err != nil {
				return nil, err
			}
			o.keys = append(o.keys, key)
		}
		_, err := d.Token()
		return o, err
	}
	return t, nil
}

// encode writes a value as decode gave it, with no white space.
func encode(v any) []byte {
	var b bytes.Buffer
	var write func(v any)
	text := func(s string) {
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		_ = e.Encode(s) // a string can't fail
		b.Truncate(b.Len() - 1)
	}
	write = func(v any) {
		switch v := v.(type) {
		case *object:
			b.WriteByte('{')
			for i, k := range v.keys {
				if i > 0 {
					b.WriteByte(',')
				}
				text(k)
				b.WriteByte(':')
				write(v.of[k])
			}
			b.WriteByte('}')
		case []any:
			b.WriteByte('[')
			for i, x := range v {
				if i > 0 {
					b.WriteByte(',')
				}
				write(x)
			}
			b.WriteByte(']')
		case string:
			text(v)
		case json.Number:
			b.WriteString(v.String())
		case bool:
			fmt.Fprint(&b, v)
		default:
			b.WriteString("null")
		}
	}
	write(v)
	return b.Bytes()
}
