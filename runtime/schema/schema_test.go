package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

func compile(t testing.TB, doc string) *Schema {
	t.Helper()
	s, err := Parse([]byte(doc))
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return s
}

// oracle is another implementation's view of a schema.
func oracle(t testing.TB, schema string) func(doc string) error {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///s.json", parsed); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:///s.json")
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	return func(doc string) error {
		d, err := jsonschema.UnmarshalJSON(strings.NewReader(doc))
		if err != nil {
			return err
		}
		return s.Validate(d)
	}
}

const person = `{"type":"object","additionalProperties":false,"required":["name","age"],"properties":{
	"name":{"type":"string","maxLength":8},"nick":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":120},"tags":{"type":"array","items":{"enum":["a","ab","b"]},"maxItems":2}}}`

func TestDocuments(t *testing.T) {
	for _, c := range []struct{ schema, yes, no string }{
		{person, `{"name":"Ann","age":30}
{"name": "Ann", "nick": "x\n\"", "age": 120, "tags": ["a", "ab"]}
{"name":"Jürgen€𝄞","age":0,"tags":[]}`, `{}
{"name":"Ann"}
{"age":30,"name":"Ann"}
{"name":"Ann","age":121}
{"name":"Ann","age":030}
{"name":"Ann","age":-0}
{"name":"Ann","age":1.0}
{"name":"123456789","age":1}
{"name":"Ann","age":1,"tags":["a","b","a"]}
{"name":"Ann","age":1,"tags":["abc"]}
{"name":"Ann","age":1,"x":1}
{"name":"Ann","age":1,}
{ "name":"Ann","age":1}
{"name":  "Ann","age":1}
{"name":"Ann","age":1}}
{"name":"A\u0041","age":1}`},
		{`{"type":"integer"}`, "0\n-1\n999999999999999\n-999999999999999", "-0\n00\n1000000000000000\n1.5\n1e3\n-\n+1"},
		{`{"type":"integer","minimum":-5,"exclusiveMaximum":13}`, "-5\n-1\n0\n9\n12", "-6\n13\n130\n-50"},
		{`{"type":"integer","minimum":95,"maximum":1203}`, "95\n99\n100\n1203\n999", "9\n94\n1204\n2000\n10000\n0"},
		{`{"type":"integer","exclusiveMinimum":0.5,"maximum":2.5}`, "1\n2", "0\n3"},
		{`{"type":"number","minimum":0,"maximum":1}`, "0\n1\n0.5\n0.000001\n1.0\n0.123456", "1.1\n-0\n-0.1\n2\n.5\n0.\n1.000001\n0.1234567"},
		{`{"type":"number","exclusiveMinimum":-2.5,"exclusiveMaximum":-0.25}`, "-2.4\n-0.3\n-1\n-0.250001\n-2.499999", "-2.5\n-0.25\n0\n-0\n-0.2\n1\n-3"},
		{`{"type":"number"}`, "0\n-1.5\n123456789012.123456", "1e5\n1234567890123\n-0.0\n1."},
		{`{"enum":[1,12,"x",null,true,{"a":[1,2]},1.50]}`, "1\n12\n\"x\"\nnull\ntrue\n{\"a\":[1,2]}\n1.50", "2\n123\n\"y\"\nfalse\n1.5"},
		{`{"const":"it's \"<b>\""}`, `"it's \"<b>\""`, `"it's"`},
		{`{"type":["string","null","integer"],"maxLength":2}`, "\"ab\"\nnull\n7\n\"\"", "\"abc\"\ntrue\n7.5"},
		{`{"type":"string","minLength":2,"maxLength":3}`, "\"ab\"\n\"a\\n\"\n\"€€€\"", "\"a\"\n\"abcd\"\n\"\\n\"\n\"\xe2\x82\"\n\"\xc0\x80\"\n\"\xed\xa0\x80\"\n\"a\tb\"\n\"ab\\u0041\""},
		{`{"type":"array","items":{"type":"integer","enum":[1,2,12]},"minItems":1,"maxItems":3}`, "[1]\n[12,2]\n[1,2,12]\n[1, 2]", "[]\n[1,2,12,1]\n[1,]\n[112]\n[1 ,2]"},
		{`{"type":"array","items":{"type":"boolean"},"maxItems":0}`, "[]", "[true]"},
		{`{"type":"object"}`, "{}", `{"a":1}`},
		{`{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"}}}`, "{}\n{\"a\":null}\n{\"b\":null}\n{\"a\":null,\"b\":null}", `{"b":null,"a":null}` + "\n{,}"},
		{`{"anyOf":[{"type":"object","properties":{"k":{"const":"a"},"n":{"type":"integer"}},"required":["k","n"]},{"type":"object","properties":{"k":{"const":"ab"}},"required":["k"]}]}`,
			"{\"k\":\"a\",\"n\":1}\n{\"k\":\"ab\"}", "{\"k\":\"a\"}\n{\"k\":\"ab\",\"n\":1}"},
		{`{"$ref":"#/$defs/tree","$defs":{"tree":{"type":"object","required":["v"],"properties":{"v":{"type":"integer"},"kids":{"type":"array","items":{"$ref":"#/$defs/tree"}}}}}}`,
			`{"v":1}` + "\n" + `{"v":1,"kids":[{"v":2,"kids":[]},{"v":3}]}`, `{"kids":[]}` + "\n" + `{"v":1,"kids":[1]}`},
		{`{"type":"object","properties":{"never":{"$ref":"#"}}}`, "{}\n{\"never\":{}}", "{\"never\":1}"},
		{`{"type":"object","properties":{"a/b":{"type":"null"},"c":{"$ref":"#/properties/a~1b"}}}`, "{\"c\":null}", "{\"c\":1}"},
		{`{"oneOf":[{"type":"string"},{"type":"number"}]}`, "\"\"\n1", "null"},
		{`{"allOf":[{"type":"null"}],"description":"x","x-order":1}`, "null", "1"},
	} {
		s, valid := compile(t, c.schema), oracle(t, c.schema)
		for _, doc := range strings.Split(c.yes, "\n") {
			if got, ok := s.Start().Advance([]byte(doc)); !ok || !got.Complete() {
				t.Errorf("%s\ndoes not accept %s", c.schema, doc)
			}
			if err := valid(doc); err != nil {
				t.Errorf("%s\n%s is not valid: %v", c.schema, doc, err)
			}
		}
		for _, doc := range strings.Split(c.no, "\n") {
			if got, ok := s.Start().Advance([]byte(doc)); ok && got.Complete() {
				t.Errorf("%s\naccepts %s", c.schema, doc)
			}
		}
	}
}

func TestSchemasThatCannotBeKeptAreRefusedWithTheirPlace(t *testing.T) {
	for _, c := range []struct{ schema, want string }{
		{``, "it ends too early"},
		{`{`, "not JSON"},
		{`{} x`, "not JSON"},
		{"\"\xff\"", "not UTF-8"},
		{`{"type":"string","type":"null"}`, "twice"},
		{strings.Repeat("[", 200), "levels"},
		{`true`, "it allows anything"},
		{`{}`, "give a type"},
		{`7`, "a schema is an object, not 7"},
		{`{"type":"text"}`, `type "text": use`},
		{`{"type":[]}`, "empty list"},
		{`{"type":"string","pattern":"a"}`, `"pattern" is not supported`},
		{`{"type":"integer","multipleOf":2}`, `"multipleOf" is not supported`},
		{`{"type":"object","properties":{"a/b":{"type":"array"}}}`, "/properties/a~1b: an array needs items"},
		{`{"type":"array","items":{"type":"null"},"uniqueItems":true}`, `"uniqueItems"`},
		{`{"type":"object","required":["a"]}`, `requires "a"`},
		{`{"type":"object","patternProperties":{}}`, "patternProperties"},
		{`{"type":"integer","minimum":3,"maximum":2}`, "no number"},
		{`{"type":"integer","minimum":0.1,"maximum":0.9}`, "no number"},
		{`{"type":"number","minimum":0.0000001,"maximum":0.0000009}`, "no number"},
		{`{"type":"integer","minimum":"3"}`, `minimum "3"`},
		{`{"type":"integer","minimum":1e999}`, "give a number"},
		{`{"type":"string","minLength":3,"maxLength":2}`, "more than"},
		{`{"type":"string","minLength":-1}`, "whole number"},
		{`{"type":"string","minLength":100000}`, "shortest document"},
		{`{"type":"string","minLength":1e30}`, "minLength is more"},
		{`{"enum":[]}`, "list of values"},
		{`{"enum":[1],"type":"string"}`, "none of its values"},
		{`{"$ref":"http://x/y"}`, "only places in this document"},
		{`{"$ref":"#/a/b"}`, "leads nowhere"},
		{`{"$ref":"#"}`, "never"},
		{`{"type":"object","required":["a"],"properties":{"a":{"$ref":"#"}}}`, "can ever be complete"},
		{`{"oneOf":[{"type":"number"},{"type":"integer"}]}`, "alternatives 0 and 1"},
		{`{"allOf":[{"type":"number"},{"type":"integer"}]}`, "allOf"},
		{`{"anyOf":[],"type":"null"}`, `"type" is not supported here`},
		{`{"not":{"type":"null"},"type":"string"}`, `"not"`},
	} {
		_, err := Parse([]byte(c.schema))
		if err == nil || !strings.Contains(err.Error(), c.want) && !(c.want == "never" && strings.Contains(err.Error(), "ever be complete")) {
			t.Errorf("%.60s: %v, want %s", c.schema, err, c.want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q has several lines", err)
		}
	}
}

// drawSchema draws a schema of the subset as JSON.
func drawSchema(t *rapid.T, depth int) any {
	kinds := []string{"string", "integer", "number", "boolean", "null", "enum", "const", "types"}
	if depth > 0 {
		kinds = append(kinds, "object", "object", "array", "array", "anyOf", "tree")
	}
	m := map[string]any{}
	small := func(name string, hi int) int { return rapid.IntRange(0, hi).Draw(t, name) }
	maybe := func(name string) bool { return rapid.Bool().Draw(t, name) }
	literals := []any{"", "a", "ab", "é\"\\", 1, 12, -3, 1.5, true, nil, []any{1, "a"}, map[string]any{"k": 1}}
	switch k := rapid.SampledFrom(kinds).Draw(t, "kind"); k {
	case "string":
		m["type"] = k
		lo := small("minLength", 3)
		m["minLength"] = lo
		if maybe("bounded") {
			m["maxLength"] = lo + small("more", 5)
		}
	case "integer", "number":
		m["type"] = k
		lo := float64(rapid.IntRange(-2000, 2000).Draw(t, "lo"))
		if k == "number" {
			lo /= 8
		}
		if maybe("lower") {
			m[rapid.SampledFrom([]string{"minimum", "exclusiveMinimum"}).Draw(t, "which")] = lo
		}
		if maybe("upper") {
			m[rapid.SampledFrom([]string{"maximum", "exclusiveMaximum"}).Draw(t, "which")] = lo + 2 + float64(small("span", 2000))
		}
	case "boolean", "null":
		m["type"] = k
	case "enum":
		m["enum"] = rapid.SliceOfN(rapid.SampledFrom(literals), 1, 5).Draw(t, "values")
	case "const":
		m["const"] = rapid.SampledFrom(literals).Draw(t, "value")
	case "types":
		m["type"] = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"string", "integer", "number", "boolean", "null"}), 1, 3, rapid.ID[string]).Draw(t, "types")
	case "object":
		m["type"], m["additionalProperties"] = k, false
		props, required := map[string]any{}, []string{}
		for i, name := range []string{"a", "ab", "b\"", "ü"} {
			if i < small("properties", 4) {
				props[name] = drawSchema(t, depth-1)
				if maybe("required") {
					required = append(required, name)
				}
			}
		}
		m["properties"], m["required"] = props, required
	case "array":
		m["type"], m["items"] = k, drawSchema(t, depth-1)
		lo := small("minItems", 2)
		m["minItems"] = lo
		if maybe("bounded") {
			m["maxItems"] = lo + small("more", 3)
		}
	case "anyOf":
		m["anyOf"] = []any{drawSchema(t, depth-1), drawSchema(t, depth-1)}
	case "tree":
		m["$ref"] = "#/$defs/tree"
	}
	return m
}

func drawDocument(t *rapid.T) string {
	m, _ := drawSchema(t, 3).(map[string]any)
	m["$defs"] = map[string]any{"tree": map[string]any{"type": "object", "required": []string{"v"}, "properties": map[string]any{
		"v": map[string]any{"enum": []any{1, 11, "v"}}, "kids": map[string]any{"type": "array", "items": map[string]any{"$ref": "#/$defs/tree"}, "maxItems": 3}}}}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Whatever bytes are taken of those that are allowed, the document stays one that can be completed, and what is complete
// is valid in the eyes of another implementation.
func TestEveryWayThroughASchemaIsValid(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		doc := drawDocument(rt)
		s, err := Parse([]byte(doc))
		if err != nil {
			rt.Fatalf("%s: %v", doc, err)
		}
		valid := oracle(t, doc)
		if err := valid(s.Shortest()); err != nil {
			rt.Fatalf("%s\nshortest %s: %v", doc, s.Shortest(), err)
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		state, text := s.Start(), []byte{}
		for range 60 {
			if state.Complete() {
				if err := valid(string(text)); err != nil {
					rt.Fatalf("%s\naccepts %s: %v", doc, text, err)
				}
			}
			rest := state.Completion()
			end, ok := state.Advance([]byte(rest))
			if !ok || !end.Complete() {
				rt.Fatalf("%s\n%s is not completed by %s", doc, text, rest)
			}
			if err := valid(string(text) + rest); err != nil {
				rt.Fatalf("%s\n%s completed by %s: %v", doc, text, rest, err)
			}
			var next []byte
			for b := range 256 {
				if _, ok := state.Next(byte(b)); ok {
					next = append(next, byte(b))
				}
			}
			if len(next) == 0 {
				if !state.Complete() {
					rt.Fatalf("%s\n%s is stuck", doc, text)
				}
				return
			}
			// Structure is more interesting than letters.
			b := next[rng.IntN(len(next))]
			if i := bytes.IndexAny(next, `",]}`); i >= 0 && rng.IntN(2) == 0 {
				b = next[i]
			}
			state, _ = state.Next(b)
			text = append(text, b)
		}
	})
}

// What a validator takes and is written as this package writes is accepted.
func TestWhatIsValidAndPlainIsAccepted(t *testing.T) {
	var accepted, tried int
	rapid.Check(t, func(rt *rapid.T) {
		doc := drawDocument(rt)
		s, err := Parse([]byte(doc))
		if err != nil {
			rt.Fatal(err)
		}
		candidate := rapid.SampledFrom([]string{`""`, `"a"`, `"ab"`, "1", "12", "-3", "1.5", "true", "null", "[]", "[1]", `["a","a"]`, "{}", `{"a":1}`, `{"v":1}`,
			`{"kids":[],"v":11}`, `[{"v":1}]`, "[true,null]", `{"a":"","ab":true}`, "100", "-250", "0.25", `[[],[]]`}).Draw(rt, "candidate")
		end, ok := s.Start().Advance([]byte(candidate))
		got, want := ok && end.Complete(), oracle(t, doc)(candidate) == nil
		tried++
		if got {
			accepted++
		}
		// 1 stands for const 1.0 in JSON; this package writes literals as the schema does.
		if got != want {
			rt.Fatalf("%s\n%s: accepted %v, valid %v", doc, candidate, got, want)
		}
	})
	t.Logf("%d of %d accepted", accepted, tried)
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{person, `{"anyOf":[{"type":"null"},{"$ref":"#/$defs/x"}],"$defs":{"x":{"type":"array","items":{"$ref":"#"},"minItems":1}}}`,
		`{"type":"number","minimum":-1e-3,"exclusiveMaximum":7}`, `{"enum":["\ud800",1e5,{}]}`, `{"oneOf":[{"const":1},{"type":["string","object"]}]}`} {
		f.Add([]byte(s), []byte(`{"name":"x"`))
	}
	f.Fuzz(func(t *testing.T, doc, text []byte) {
		s, err := Parse(doc)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has several lines", err)
			}
			return
		}
		if !json.Valid([]byte(s.Shortest())) {
			t.Fatalf("shortest document %q", s.Shortest())
		}
		state := s.Start()
		for i, b := range text[:min(len(text), 200)] {
			next, ok := state.Next(b)
			if !ok {
				break
			}
			state = next
			if whole := string(text[:i+1]) + state.Completion(); !json.Valid([]byte(whole)) {
				t.Fatalf("%q is completed to %q", text[:i+1], whole)
			}
		}
	})
}

func ExampleState() {
	s, err := Parse([]byte(`{"type":"object","properties":{"people":{"type":"integer","minimum":0,"maximum":9}},"required":["people"]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	state, ok := s.Start().Advance([]byte(`{"people": `))
	fmt.Println(ok, state.Complete(), state.Completion())
	_, ok = state.Advance([]byte(`10`))
	fmt.Println(ok)
	// Output:
	// true false 0}
	// false
}
