package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Schema is a compiled schema. It is immutable.
type Schema struct{ root *node }

// Shortest is a shortest document.
func (s *Schema) Shortest() string { return s.root.min }

// Bounds of what a schema may ask for.
const (
	maxNodes      = 5000
	maxProperties = 500
	maxCount      = 1 << 20 // minLength and the like
)

// annotations restrict nothing.
var annotations = []string{"$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples",
	"deprecated", "readOnly", "writeOnly", "format", "contentEncoding", "contentMediaType"}

// of says which keywords a type has.
var keywordsOf = map[string][]string{
	"object": {"properties", "required", "additionalProperties"},
	"array":  {"items", "minItems", "maxItems"},
	"string": {"minLength", "maxLength"},
	"number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
}

// Parse compiles a JSON Schema. What it can't hold to is an error that names the place, as /properties/colour.
func Parse(data []byte) (*Schema, error) {
	doc, err := decode(data)
	if err != nil {
		return nil, err
	}
	c := compiler{doc: doc, refs: map[string]*node{}}
	root, err := c.compile(doc, "")
	if err == nil {
		err = c.settle()
	}
	if err == nil && !root.ok {
		err = errors.New("schema: no document can ever be complete: it requires itself within itself")
	}
	if err == nil {
		for _, check := range c.disjoint {
			if err = check(); err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return &Schema{root}, nil
}

type compiler struct {
	doc      any
	refs     map[string]*node // by pointer, so that they can be recursive
	nodes    []*node
	disjoint []func() error // what can only be checked at the end
}

func fail(at, format string, a ...any) error {
	if at == "" {
		at = "/"
	}
	return fmt.Errorf("schema: %s: %s", at, fmt.Sprintf(format, a...))
}

// maxAllShortest bounds the shortest documents of all parts together, in bytes.
const maxAllShortest = 8 << 20

// settle works out every node's shortest document; recursion makes that a fixed point. Then what can never be complete
// is taken out.
func (c *compiler) settle() error {
	total := 0
	for changed := true; changed; {
		changed = false
		for _, n := range c.nodes {
			s, ok, tooLong := n.shortest()
			if ok && (!n.ok || len(s) < len(n.min)) {
				total += len(s) - len(n.min)
				n.min, n.ok, changed = s, true, true
			}
			if tooLong || total > maxAllShortest {
				return fmt.Errorf("schema: its shortest document has more than %d bytes", maxShortest)
			}
		}
	}
	for _, n := range c.nodes {
		switch n.kind {
		case union:
			n.of = slices.DeleteFunc(n.of, func(a *node) bool { return !a.ok })
		case array:
			if !n.of[0].ok {
				n.maxLen = 0
			}
		case objects:
			n.props = slices.DeleteFunc(n.props, func(p property) bool { return !p.value.ok })
			for i := range n.props {
				n.keys = append(n.keys, n.keysFrom(i))
			}
		}
	}
	return nil
}

// keysFrom is a trie of the keys from i to the next that must come, which keeps their numbers.
func (n *node) keysFrom(i int) *trie {
	var keys []string
	for _, p := range n.props[i:min(n.mustFrom(i)+1, len(n.props))] {
		keys = append(keys, p.key)
	}
	t := newTrie(keys)
	var shift func(t *trie)
	shift = func(t *trie) {
		if t.end >= 0 {
			t.end += i
		}
		t.which += i
		for _, c := range t.next {
			shift(c)
		}
	}
	shift(t)
	return t
}

func (c *compiler) compile(v any, at string) (*node, error) {
	n := &node{}
	return n, c.fill(n, v, at)
}

// fill compiles v into n.
func (c *compiler) fill(n *node, v any, at string) error {
	if c.nodes = append(c.nodes, n); len(c.nodes) > maxNodes {
		return fail(at, "the schema has more than %d parts", maxNodes)
	}
	o, ok := v.(*object)
	if !ok {
		if v == true {
			return fail(at, "it allows anything: give a type")
		}
		return fail(at, "a schema is an object, not %s", brief(v))
	}
	one := func(keyword string) (any, bool) { v, ok := o.of[keyword]; return v, ok }
	if v, ok := one("$ref"); ok {
		return c.only(o, at, []string{"$ref"}, func() error { return c.ref(n, v, at) })
	}
	if v, ok := one("allOf"); ok {
		return c.only(o, at, []string{"allOf"}, func() error {
			list, ok := v.([]any)
			if !ok || len(list) != 1 {
				return fail(at, "allOf is supported with one schema in it only")
			}
			return c.alternatives(n, list, at+"/allOf", false)
		})
	}
	for _, k := range []string{"anyOf", "oneOf"} {
		if v, ok := one(k); ok {
			return c.only(o, at, []string{k}, func() error {
				list, ok := v.([]any)
				if !ok || len(list) == 0 {
					return fail(at, "%s must be a list of schemas", k)
				}
				return c.alternatives(n, list, at+"/"+k, k == "oneOf")
			})
		}
	}
	types, err := typesOf(o, at)
	if err != nil {
		return err
	}
	if v, ok := one("const"); ok {
		return c.only(o, at, []string{"const", "type"}, func() error { return c.literals(n, []any{v}, types, at) })
	}
	if v, ok := one("enum"); ok {
		return c.only(o, at, []string{"enum", "type"}, func() error {
			list, ok := v.([]any)
			if !ok || len(list) == 0 {
				return fail(at, "enum must be a list of values")
			}
			return c.literals(n, list, types, at)
		})
	}
	if types == nil {
		return fail(at, "give a type, enum, const, anyOf or $ref")
	}
	var known []string
	for _, t := range types {
		if t == "integer" {
			t = "number"
		}
		known = append(known, keywordsOf[t]...)
	}
	return c.only(o, at, append(known, "type"), func() error { return c.typed(n, o, types, at) })
}

// only refuses keywords other than those, then goes on.
func (c *compiler) only(o *object, at string, keywords []string, then func() error) error {
	for _, k := range o.keys {
		if !slices.Contains(keywords, k) && !slices.Contains(annotations, k) && !strings.HasPrefix(k, "x-") {
			return fail(at, "%.40q is not supported here; supported are %s", k, strings.Join(keywords, ", "))
		}
	}
	return then()
}

// ref resolves "#" and "#/a/b".
func (c *compiler) ref(n *node, v any, at string) error {
	s, _ := v.(string)
	pointer, local := strings.CutPrefix(s, "#")
	if !local || pointer != "" && pointer[0] != '/' {
		return fail(at, "$ref %s: only places in this document, as #/$defs/name", brief(v))
	}
	target := c.refs[pointer]
	if target == nil {
		to := c.doc
		for _, step := range strings.Split(pointer, "/")[1:] {
			step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
			switch x := to.(type) {
			case *object:
				to = x.of[step]
			case []any:
				i, err := strconv.Atoi(step)
				if err != nil || i < 0 || i >= len(x) {
					return fail(at, "$ref %.80q leads nowhere", s)
				}
				to = x[i]
			default:
				to = nil
			}
			if to == nil {
				return fail(at, "$ref %.80q leads nowhere", s)
			}
		}
		target = &node{}
		c.refs[pointer] = target
		if err := c.fill(target, to, pointer); err != nil {
			return err
		}
	}
	n.kind, n.of = union, []*node{target}
	return nil
}

func (c *compiler) alternatives(n *node, list []any, at string, apart bool) error {
	n.kind = union
	for i, v := range list {
		a, err := c.compile(v, at+"/"+strconv.Itoa(i))
		if err != nil {
			return err
		}
		n.of = append(n.of, a)
	}
	if apart {
		c.disjoint = append(c.disjoint, func() error {
			for i, a := range n.of {
				for j, b := range n.of[:i] {
					if !apartFrom(a, b, 0) {
						return fail(at, "alternatives %d and %d may both match a document: use anyOf, or a required const that tells them apart", j, i)
					}
				}
			}
			return nil
		})
	}
	return nil
}

func typesOf(o *object, at string) ([]string, error) {
	v, ok := o.of["type"]
	if !ok {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var types []string
	for _, t := range list {
		s, _ := t.(string)
		if !slices.Contains([]string{"object", "array", "string", "number", "integer", "boolean", "null"}, s) {
			return nil, fail(at, "type %s: use object, array, string, number, integer, boolean or null", brief(t))
		}
		types = append(types, s)
	}
	if len(types) == 0 {
		return nil, fail(at, "type is an empty list")
	}
	return types, nil
}

func (c *compiler) literals(n *node, values []any, types []string, at string) error {
	var all []string
	for _, v := range values {
		if types != nil && !slices.ContainsFunc(types, func(t string) bool { return hasType(v, t) }) {
			continue // it can never match
		}
		s := encode(v)
		if !json.Valid(s) {
			return fail(at, "%s is no JSON value", brief(v))
		}
		all = append(all, string(s))
	}
	if len(all) == 0 {
		return fail(at, "none of its values has its type")
	}
	n.kind, n.literals = literal, newTrie(all)
	return nil
}

func hasType(v any, t string) bool {
	switch v := v.(type) {
	case *object:
		return t == "object"
	case []any:
		return t == "array"
	case string:
		return t == "string"
	case bool:
		return t == "boolean"
	case json.Number:
		r, ok := rational(v.String())
		return t == "number" || t == "integer" && ok && r.IsInt()
	}
	return t == "null"
}

func (c *compiler) typed(n *node, o *object, types []string, at string) error {
	if len(types) > 1 {
		n.kind = union
		for _, t := range types {
			if t == "integer" && slices.Contains(types, "number") {
				continue
			}
			a := &node{}
			c.nodes = append(c.nodes, a)
			if err := c.typed(a, o, []string{t}, at); err != nil {
				return err
			}
			n.of = append(n.of, a)
		}
		return nil
	}
	var err error
	switch types[0] {
	case "boolean":
		n.kind, n.literals = literal, newTrie([]string{"true", "false"})
	case "null":
		n.kind, n.literals = literal, newTrie([]string{"null"})
	case "string":
		n.kind = text
		n.minLen, n.maxLen, err = counts(o, "minLength", "maxLength", at)
	case "array":
		return c.array(n, o, at)
	case "object":
		return c.object(n, o, at)
	default:
		return numeric(n, o, types[0] == "integer", at)
	}
	return err
}

// counts reads a pair of bounds; the upper one is -1 where there is none.
func counts(o *object, lower, upper, at string) (lo, hi int, err error) {
	hi = -1
	for _, x := range []struct {
		key string
		to  *int
	}{{lower, &lo}, {upper, &hi}} {
		v, ok := o.of[x.key]
		if !ok {
			continue
		}
		s, _ := v.(json.Number)
		r, ok := rational(s.String())
		if !ok || !r.IsInt() || r.Sign() < 0 {
			return 0, 0, fail(at, "%s %s: give a whole number", x.key, brief(v))
		}
		*x.to = maxCount + 1
		if i := r.Num(); i.IsInt64() && i.Int64() <= maxCount {
			*x.to = int(i.Int64())
		}
	}
	if hi > maxCount {
		hi = -1
	}
	switch {
	case lo > maxCount:
		return 0, 0, fail(at, "%s is more than %d", lower, maxCount)
	case hi >= 0 && lo > hi:
		return 0, 0, fail(at, "%s %d is more than %s %d", lower, lo, upper, hi)
	}
	return lo, hi, nil
}

func numeric(n *node, o *object, integer bool, at string) error {
	n.kind, n.integer = number, integer
	limit := map[string]*big.Rat{}
	for _, k := range keywordsOf["number"] {
		v, ok := o.of[k]
		if !ok {
			continue
		}
		s, _ := v.(json.Number)
		if limit[k], ok = rational(s.String()); !ok {
			return fail(at, "%s %s: give a number", k, brief(v))
		}
	}
	ok := n.bounds(limit["minimum"], limit["maximum"], limit["exclusiveMinimum"], limit["exclusiveMaximum"])
	if ok {
		_, ok = n.start().shortest(n)
	}
	if !ok {
		return fail(at, "no number is within its limits (of at most %d digits and %d after the point)", wholeDigits, fraction)
	}
	return nil
}

func (c *compiler) array(n *node, o *object, at string) (err error) {
	n.kind = array
	if n.minLen, n.maxLen, err = counts(o, "minItems", "maxItems", at); err != nil {
		return err
	}
	items, ok := o.of["items"]
	if !ok {
		if n.maxLen == 0 {
			items = &object{of: map[string]any{"type": "null"}} // never used
		} else {
			return fail(at, "an array needs items")
		}
	}
	a, err := c.compile(items, at+"/items")
	n.of = []*node{a}
	return err
}

func (c *compiler) object(n *node, o *object, at string) error {
	n.kind = objects
	properties, ok := o.of["properties"].(*object)
	if _, given := o.of["properties"]; given && !ok {
		return fail(at, "properties must be an object")
	}
	var required []string
	if v, given := o.of["required"]; given {
		list, ok := v.([]any)
		if !ok {
			return fail(at, "required must be a list of names")
		}
		for _, k := range list {
			s, ok := k.(string)
			if !ok {
				return fail(at, "required must be a list of names, not %s", brief(k))
			}
			if properties == nil || !slices.Contains(properties.keys, s) {
				return fail(at, "it requires %.40q, which is not among its properties", s)
			}
			required = append(required, s)
		}
	}
	if properties != nil {
		if len(properties.keys) > maxProperties {
			return fail(at, "%d properties: at most %d", len(properties.keys), maxProperties)
		}
		for _, k := range properties.keys {
			v, err := c.compile(properties.of[k], at+"/properties/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(k))
			if err != nil {
				return err
			}
			n.props = append(n.props, property{string(encode(k)), v, slices.Contains(required, k)})
		}
	}
	return nil
}

// brief is a value for an error message.
func brief(v any) string {
	s := string(encode(v))
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return s
}
