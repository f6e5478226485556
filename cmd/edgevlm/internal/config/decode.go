package config

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Parse reads a configuration; name is what errors call it. Its error is an
// *Errors.
func Parse(name string, data []byte) (*Config, error) {
	c := Default()
	d := decoder{lines: map[string]int{}, anchors: map[string]ast.Node{}}
	if err := d.document(data, &c); err != nil {
		d.problems = append(d.problems, *err)
	} else {
		c.validate(&d)
	}
	if len(d.problems) == 0 {
		return &c, nil
	}
	for i := range d.problems {
		d.problems[i].Text = oneLine(d.problems[i].Text)
	}
	// What is missing has no line and comes last: a misspelt key is why.
	place := func(p Problem) int { return (p.Line - 1) & math.MaxInt }
	slices.SortStableFunc(d.problems, func(a, b Problem) int { return cmp.Compare(place(a), place(b)) })
	return nil, &Errors{File: name, Problems: d.problems}
}

// decoder fills structs from a YAML tree by their yaml tags. It does not stop
// at the first problem, and it remembers each key's line for the validation.
type decoder struct {
	problems []Problem
	lines    map[string]int // by path: cameras[0].fps
	failed   []string       // paths that validation need not complain about again
	anchors  map[string]ast.Node
}

func (d *decoder) fail(n ast.Node, path, format string, args ...any) {
	d.failed = append(d.failed, path)
	d.problems = append(d.problems, Problem{lineOf(n), fmt.Sprintf(format, args...)})
}

func lineOf(n ast.Node) int {
	if n == nil {
		return 0
	}
	return tokenLine(n.GetToken())
}

func tokenLine(t *token.Token) int {
	if t == nil || t.Position == nil {
		return 0
	}
	return t.Position.Line
}

func (d *decoder) document(data []byte, c *Config) *Problem {
	if len(data) > maxFile {
		return &Problem{0, fmt.Sprintf("more than %d bytes; is this the right file?", maxFile)}
	}
	if err := checkText(data); err != nil {
		return err
	}
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		return syntaxProblem(err)
	}
	var body ast.Node
	for _, doc := range f.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.NullType || doc.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			return &Problem{lineOf(doc.Body), "a second document; a config is one"}
		}
		body = doc.Body
	}
	if body == nil {
		return &Problem{0, "is empty; start from the sample config"}
	}
	d.value(body, "", reflect.ValueOf(c).Elem(), 0)
	return nil
}

// resolve goes through anchors and aliases to the node meant.
func (d *decoder) resolve(n ast.Node) (ast.Node, bool) {
	for range 16 {
		switch v := n.(type) {
		case *ast.AnchorNode:
			d.anchors[v.Name.String()] = v.Value
			n = v.Value
		case *ast.AliasNode:
			to, ok := d.anchors[v.Value.String()]
			if !ok {
				return n, false
			}
			n = to
		default:
			return n, n != nil
		}
	}
	return n, false
}

func (d *decoder) value(n ast.Node, path string, v reflect.Value, line int) {
	at := n
	n, ok := d.resolve(n)
	if !ok {
		d.fail(at, path, "the alias %s names no anchor above it", quote(at))
		return
	}
	switch p := v.Addr().Interface().(type) {
	case *Conditions:
		d.conditions(n, path, p)
		return
	case *Schema:
		d.schema(n, path, p)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, path, v)
	case reflect.Slice:
		d.list(n, path, v)
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.value(n, path, p.Elem(), line)
		v.Set(p)
	default:
		d.scalar(n, path, v)
	}
}

func (d *decoder) structure(n ast.Node, path string, v reflect.Value) {
	var entries []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		entries = m.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{m}
	case *ast.NullNode: // a key whose every subkey is commented out
		return
	default:
		d.fail(n, path, "%s must hold keys like `%s: …`, not %s", subject(path), keysOf(v.Type())[0], quote(n))
		return
	}
	seen := map[string]bool{}
	for _, e := range entries {
		key := keyName(e.Key)
		field, known := fieldOf(v, key)
		switch {
		case !known:
			d.fail(e.Key, join(path, key), "unknown key `%s`%s%s", key, inside(path), hint(key, keysOf(v.Type())))
			continue
		case seen[key]:
			d.fail(e.Key, join(path, key), "key `%s`%s stands here for the second time", key, inside(path))
			continue
		}
		seen[key] = true
		d.lines[join(path, key)] = lineOf(e.Key)
		if e.Value == nil {
			continue
		}
		d.value(e.Value, join(path, key), field, lineOf(e.Key))
	}
}

func (d *decoder) list(n ast.Node, path string, v reflect.Value) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fail(n, path, "%s must be a list, each entry begun with `- `", subject(path))
		return
	}
	v.SetZero() // a list replaces its default
	for i, e := range seq.Values {
		item := reflect.New(v.Type().Elem()).Elem()
		if cam, ok := item.Addr().Interface().(*Camera); ok {
			*cam = DefaultCamera()
		}
		p := fmt.Sprintf("%s[%d]", path, i)
		d.lines[p] = lineOf(e)
		if e != nil {
			d.value(e, p, item, lineOf(e))
		}
		v.Set(reflect.Append(v, item))
	}
}

func (d *decoder) scalar(n ast.Node, path string, v reflect.Value) {
	text, isText := textOf(n)
	var err error
	switch p := v.Addr().Interface().(type) {
	case *Duration:
		if i, ok := n.(*ast.IntegerNode); ok && fmt.Sprint(i.Value) == "0" {
			*p = 0
			return
		}
		if !isText {
			err = fmt.Errorf("must be a duration with its unit, like 2s; not %s", quote(n))
			break
		}
		*p, err = parseDuration(text)
	case *Size:
		if i, ok := n.(*ast.IntegerNode); ok {
			text, isText = fmt.Sprint(i.Value), true
		}
		if !isText {
			err = fmt.Errorf("must be a size like 256MiB, not %s", quote(n))
			break
		}
		*p, err = parseSize(text)
	case *string:
		if !isText {
			err = fmt.Errorf("must be text, not %s; put it in quotes if it is meant", quote(n))
			break
		}
		*p = text
	case *bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			err = fmt.Errorf("must be true or false, not %s", quote(n))
			break
		}
		*p = b.Value
	case *int:
		i, ok := integer(n)
		if !ok {
			err = fmt.Errorf("must be a whole number, not %s", quote(n))
			break
		}
		*p = i
	case *float64:
		f, ok := number(n)
		if !ok {
			err = fmt.Errorf("must be a number, not %s", quote(n))
			break
		}
		*p = f
	}
	if err != nil {
		d.fail(n, path, "%s: %v", subject(path), err)
	}
}

func textOf(n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.LiteralNode:
		return strings.TrimSuffix(s.Value.Value, "\n"), true
	}
	return "", false
}

func integer(n ast.Node) (int, bool) {
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		return 0, false
	}
	switch x := i.Value.(type) {
	case int64:
		return int(x), true
	case uint64:
		return int(x), x <= math.MaxInt
	}
	return 0, false
}

func number(n ast.Node) (float64, bool) {
	if f, ok := n.(*ast.FloatNode); ok {
		return f.Value, !math.IsNaN(f.Value) && !math.IsInf(f.Value, 0)
	}
	i, ok := integer(n)
	return float64(i), ok
}

// keyName is a mapping key as written; complex keys give what the tree prints.
func keyName(k ast.MapKeyNode) string {
	if s, ok := textOf(k); ok {
		return s
	}
	return k.String()
}

func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	i := slices.Index(keysOf(v.Type()), key)
	if i < 0 {
		return reflect.Value{}, false
	}
	return v.Field(i), true
}

// keysOf are a struct's keys, in order; every field has a tag.
func keysOf(t reflect.Type) []string {
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i] = t.Field(i).Tag.Get("yaml")
	}
	return keys
}
