package vlm

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/schema"
)

// schemas are what people ask of a camera, and what is hard to keep to.
var schemas = []string{
	`{"type":"object","additionalProperties":false,"required":["people","gate","what"],"properties":{
		"people":{"type":"integer","minimum":0,"maximum":20},"gate":{"enum":["open","closed","half open"]},"what":{"type":"string","maxLength":40},
		"alarm":{"type":"boolean"},"confidence":{"type":"number","minimum":0,"maximum":1}}}`,
	`{"type":"array","minItems":2,"maxItems":5,"items":{"type":"object","required":["label"],"properties":{"label":{"type":"string"},"box":{"type":"array","items":{"type":"number"},"minItems":4,"maxItems":4}}}}`,
	`{"type":"string"}`,
	`{"type":"integer"}`,
	`{"enum":[1,12,123,"x"]}`,
	`{"$ref":"#/$defs/tree","$defs":{"tree":{"type":"object","required":["v"],"properties":{"v":{"type":["string","null"],"minLength":3},"kids":{"type":"array","items":{"$ref":"#/$defs/tree"}}}}}}`,
	`{"anyOf":[{"type":"object","required":["kind","n"],"properties":{"kind":{"const":"a"},"n":{"type":"integer","exclusiveMinimum":99}}},{"type":"array","items":{"type":"null"}},{"type":"string","minLength":5,"maxLength":9}]}`,
}

func mustSchema(t testing.TB, doc string) (s *schema.Schema, valid func(doc string) error) {
	t.Helper()
	s, err := schema.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///s.json", parsed); err != nil {
		t.Fatal(err)
	}
	other, err := c.Compile("mem:///s.json")
	if err != nil {
		t.Fatal(err)
	}
	return s, func(doc string) error {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(doc))
		if err != nil {
			return err
		}
		return other.Validate(v)
	}
}

// Whatever a model's logits are and however few tokens there are, what comes out parses and is valid.
func TestConstrainedTextIsAlwaysValidAndInTime(t *testing.T) {
	e := words(t, "{\"", "\":", ",\"", "\"}", "people", "gate", "what", "open", "closed", "12", "345", "label", "]}", " \"", "the", "\":\"", "true", "}]", "null", "...\"")
	e.schemaVocabulary = func() *schema.Vocabulary { return newSchemaVocabulary(e.tok) }
	rapid.Check(t, func(rt *rapid.T) {
		doc := rapid.SampledFrom(schemas).Draw(rt, "schema")
		s, valid := mustSchema(t, doc)
		least, _ := e.schemaVocabulary().Tokens(s.Shortest())
		budget := len(least) + rapid.IntRange(0, 60).Draw(rt, "more tokens than the least")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 2))
		draw := newSampler(Sampling{Temperature: rapid.SampledFrom([]float32{0, 1}).Draw(rt, "temperature"), Seed: rng.Uint64()})
		c, err := e.newConstraint(s, budget)
		if err != nil {
			rt.Fatal(err)
		}
		taste := make([]float32, e.tok.Size()) // this model's favourite tokens
		for i := range taste {
			taste[i] = float32(rng.NormFloat64() * 4)
		}
		logits := make([]float32, len(taste)+3)
		var text strings.Builder
		n := 0
		for ; !c.state.Final() && n < budget; n++ {
			for i := range taste {
				logits[i] = taste[i] + float32(rng.NormFloat64())
			}
			id, done, err := c.next(logits, draw, budget-n)
			if err != nil {
				rt.Fatal(err)
			}
			if done {
				break
			}
			text.Write(e.tok.Piece(id))
		}
		if err := valid(text.String()); err != nil {
			rt.Fatalf("%d of %d tokens: %q: %v", n, budget, text.String(), err)
		}
		if !c.state.Complete() {
			rt.Fatalf("%q is not complete", text.String())
		}
	})
}

func TestAModelAnswersInJSON(t *testing.T) {
	e := chat(t, Options{})
	still := []Media{{Frames: []imageproc.RGB{picture(60, 60, 0)}}}
	for i, doc := range schemas {
		s, valid := mustSchema(t, doc)
		for _, how := range []Sampling{{}, {Temperature: 1.5, Seed: 7}} {
			var streamed strings.Builder
			r, err := e.Generate(t.Context(), Request{Media: still, Prompt: "What?", Schema: s, MaxTokens: 90, Sampling: how},
				func(p string) { streamed.WriteString(p) })
			if err != nil {
				t.Fatal(err)
			}
			if err := valid(r.Text); err != nil || r.FinishReason != FinishStop || len(r.Tokens) > 90 || streamed.String() != r.Text {
				t.Errorf("schema %d: %q (%s, %d tokens): %v", i, r.Text, r.FinishReason, len(r.Tokens), err)
			}
		}
		seq := look(t, e, true)
		a, err := seq.Ask(t.Context(), []Question{{Name: "json", Text: "What?", Schema: s, MaxTokens: 80}, {Name: "plain", Text: "What?", Kind: KindYesNo}})
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(a[0].Value); err != nil || a[0].FinishReason != FinishStop {
			t.Errorf("schema %d: %q: %v", i, a[0].Value, err)
		}
		if err := seq.Prefill(t.Context(), ids(e, visionEnd+"What?<|im_end|>\n<|im_start|>assistant\n")); err != nil {
			t.Fatal(err)
		}
		r, err := seq.GenerateSchema(t.Context(), s, 80, Sampling{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Text != a[0].Value {
			t.Errorf("schema %d: generated %q, asked %q", i, r.Text, a[0].Value)
		}
	}
}

func TestASchemaThatCannotBeMetInTimeIsRefusedBeforeTheWork(t *testing.T) {
	e := chat(t, Options{MaxContext: 120})
	s, _ := mustSchema(t, schemas[0])
	n := len(s.Shortest()) // this vocabulary has a token a byte
	short, err := e.Generate(t.Context(), Request{Prompt: "x", MaxTokens: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", e.info.ContextLength-len(short.PromptTokens)-n+3)
	for _, c := range []struct {
		name string
		r    Request
		want string
	}{
		{"tokens", Request{Prompt: "x", Schema: s, MaxTokens: n - 1}, fmt.Sprintf("the shortest answer to the schema has %d tokens, but at most %d", n, n-1)},
		{"context", Request{Prompt: long, Schema: s}, "the shortest answer to the schema has"},
	} {
		r, err := e.Generate(t.Context(), c.r, nil)
		if !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), c.want) || r.Tokens != nil {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	r, err := e.Generate(t.Context(), Request{Prompt: "x", Schema: s, MaxTokens: n}, nil)
	if err != nil || !json.Valid([]byte(r.Text)) {
		t.Errorf("%q: %v", r.Text, err)
	}
	seq := look(t, e, false)
	_, err = seq.Ask(t.Context(), []Question{{Name: "q", Text: "x", Schema: s, MaxTokens: 3}})
	if !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), `question "q": the shortest answer`) {
		t.Error(err)
	}
	_, err = seq.Ask(t.Context(), []Question{{Name: "q", Text: "x", Schema: s, Kind: KindYesNo}})
	if !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), "a schema is for kind text") {
		t.Error(err)
	}
}
