package config

import (
	"encoding/json"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// json writes a YAML node as JSON, keys in their order, which a schema's documents keep. bad names what JSON does not have.
func (d *decoder) json(b *strings.Builder, n ast.Node, depth int) (bad string) {
	n, ok := d.resolve(n)
	switch {
	case !ok:
		return "nothing where a value should be"
	case depth > 32:
		return "more than 32 levels"
	case b.Len() > maxFile:
		return "too much behind its aliases"
	}
	put := func(v any) {
		text, _ := json.Marshal(v) // scalars can't fail
		b.Write(text)
	}
	switch v := n.(type) {
	case *ast.MappingNode:
		return d.jsonObject(b, v.Values, depth)
	case *ast.MappingValueNode:
		return d.jsonObject(b, []*ast.MappingValueNode{v}, depth)
	case *ast.SequenceNode:
		b.WriteByte('[')
		for i, e := range v.Values {
			if i > 0 {
				b.WriteByte(',')
			}
			if bad := d.json(b, e, depth+1); bad != "" {
				return bad
			}
		}
		b.WriteByte(']')
	case *ast.NullNode:
		put(nil)
	case *ast.BoolNode:
		put(v.Value)
	case *ast.IntegerNode:
		put(v.Value)
	case *ast.FloatNode:
		put(v.Value)
	default:
		text, ok := textOf(n)
		if !ok {
			return quote(n)
		}
		put(text)
	}
	return ""
}

func (d *decoder) jsonObject(b *strings.Builder, entries []*ast.MappingValueNode, depth int) (bad string) {
	b.WriteByte('{')
	for i, e := range entries {
		if i > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(keyName(e.Key))
		b.Write(key)
		b.WriteByte(':')
		if bad := d.json(b, e.Value, depth+1); bad != "" {
			return bad
		}
	}
	b.WriteByte('}')
	return ""
}
