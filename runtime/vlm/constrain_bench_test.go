package vlm

import (
	"flag"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/runtime/gguf"
	"github.com/edgevlm/edgevlm/runtime/schema"
	"github.com/edgevlm/edgevlm/runtime/token"
)

// BenchmarkSchemaStep is what a schema adds to a decode step, with the vocabulary of a model's file:
//
//	go test ./runtime/vlm -run xxx -bench SchemaStep -args -text M.gguf
func BenchmarkSchemaStep(b *testing.B) {
	path := flag.Lookup("text").Value.String()
	if path == "" {
		b.Skip("give a model with -text")
	}
	f, err := gguf.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	tok, err := token.FromGGUF(f)
	if err != nil {
		b.Fatal(err)
	}
	v := newSchemaVocabulary(tok)
	e := &Engine{tok: tok, schemaVocabulary: func() *schema.Vocabulary { return v }}
	b.Run("vocabulary", func(b *testing.B) {
		for b.Loop() {
			newSchemaVocabulary(tok)
		}
	})
	s, err := schema.Parse([]byte(schemas[0]))
	if err != nil {
		b.Fatal(err)
	}
	logits := make([]float32, tok.Size())
	for i := range logits {
		logits[i] = float32(i*7919%1000) / 100
	}
	for _, at := range []struct{ name, text string }{
		{"start", ""}, {"key", `{"`}, {"number", `{"people": 1`}, {"enum", `{"people": 1, "gate": "`},
		{"string-first", `{"people": 1, "gate": "open", "what": "A`},
	} {
		b.Run(at.name, func(b *testing.B) {
			c, err := e.newConstraint(s, 200)
			if err != nil {
				b.Fatal(err)
			}
			state, ok := c.state.Advance([]byte(at.text))
			if !ok {
				b.Fatal(at.text)
			}
			draw, set := newSampler(Sampling{}), v.NewSet()
			var finding time.Duration
			for b.Loop() {
				c.state = state
				at := time.Now()
				v.NewWalker().Allowed(state, set)
				finding += time.Since(at)
				c.walker = v.NewWalker() // forgets the last string
				if _, _, err := c.next(logits, draw, 200); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(set.Len()), "allowed")
			b.ReportMetric(finding.Seconds()*1e6/float64(b.N), "us-for-the-set")
		})
	}
	// A whole document, as it comes.
	b.Run("document", func(b *testing.B) {
		tokens := 0
		for b.Loop() {
			c, err := e.newConstraint(s, 60)
			if err != nil {
				b.Fatal(err)
			}
			for n := 0; !c.state.Final() && n < 60; n++ {
				if _, _, err := c.next(logits, newSampler(Sampling{}), 60-n); err != nil {
					b.Fatal(err)
				}
				tokens++
			}
		}
		b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(tokens), "us/token")
	})
}
