package schema

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// pieces is a vocabulary of every byte and n made-up tokens: words of all sorts, and runs of what structures JSON.
func pieces(n int) [][]byte {
	rng := rand.New(rand.NewPCG(3, 4))
	var all [][]byte
	for b := range 256 {
		all = append(all, []byte{byte(b)})
	}
	letters := []rune("etaoinshrdlucmfwypvbgkqjxzETAOIN0123456789-_éü€的")
	for i := range n {
		var b strings.Builder
		switch i % 20 {
		case 0: // structure
			for range 1 + rng.IntN(4) {
				b.WriteByte("\"\"\"{}[]:,, \\\n0"[rng.IntN(14)])
			}
		case 1: // a word that ends a string
			for range 1 + rng.IntN(4) {
				b.WriteRune(letters[rng.IntN(30)])
			}
			b.WriteString([]string{`"`, `",`, `":`, `"}`, `\n`, "\xe2\x82"}[rng.IntN(6)])
		case 2: // digits
			fmt.Fprint(&b, rng.IntN(1000))
		default:
			if rng.IntN(2) == 0 {
				b.WriteByte(' ')
			}
			for range 1 + rng.IntN(9) {
				b.WriteRune(letters[rng.IntN(len(letters))])
			}
		}
		all = append(all, []byte(b.String()))
	}
	return append(all, nil) // as a special token
}

func TestATokenIsAllowedIfAllOfItsBytesAre(t *testing.T) {
	all := pieces(3000)
	v := NewVocabulary(all)
	w, set := v.NewWalker(), v.NewSet()
	first := map[string]bool{}
	dup := make([]bool, len(all))
	for i, p := range all {
		dup[i], first[string(p)] = first[string(p)], true
	}
	rapid.Check(t, func(rt *rapid.T) {
		doc := drawDocument(rt)
		s, err := Parse([]byte(doc))
		if err != nil {
			rt.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		state, text := s.Start(), ""
		for range 12 {
			w.Allowed(state, set)
			var ids []int32
			for id, p := range all {
				_, ok := state.Advance(p)
				ok = ok && len(p) > 0 && !dup[id]
				if ok != set.Has(int32(id)) {
					rt.Fatalf("%s\nafter %q token %q: allowed %v, want %v", doc, text, p, set.Has(int32(id)), ok)
				}
				if ok {
					ids = append(ids, int32(id))
				}
			}
			if len(ids) != set.Len() {
				rt.Fatalf("%d tokens, want %d", set.Len(), len(ids))
			}
			if len(ids) == 0 {
				return
			}
			id := ids[rng.IntN(len(ids))]
			state, _ = state.Advance(all[id])
			text += string(all[id])
		}
	})
}

func TestTokensTakeTheLongestFirst(t *testing.T) {
	v := NewVocabulary([][]byte{[]byte("a"), []byte("ab"), []byte("abcd"), []byte("c"), nil, []byte("ab"), []byte("b")})
	for _, c := range []struct {
		text string
		want []int32
		ok   bool
	}{
		{"", nil, true}, {"abc", []int32{1, 3}, true}, {"abcd", []int32{2}, true}, {"abca", []int32{1, 3, 0}, true}, {"cb", []int32{3, 6}, true}, {"abx", nil, false},
	} {
		got, ok := v.Tokens(c.text)
		if ok != c.ok || !slices.Equal(got, c.want) {
			t.Errorf("%q: %v %v, want %v", c.text, got, ok, c.want)
		}
	}
	all := pieces(3000)
	v = NewVocabulary(all)
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.String().Draw(rt, "text")
		ids, ok := v.Tokens(text)
		var got strings.Builder
		for _, id := range ids {
			got.Write(all[id])
		}
		if !ok {
			rt.Fatalf("%q can't be written", text)
		}
		if n := len(ids); !v.Fits(text, n) || v.Fits(text, n-1) {
			rt.Fatalf("%q has %d tokens, but fits %v, in one less %v", text, n, v.Fits(text, n), v.Fits(text, n-1))
		}
		if diff := cmp.Diff(text, got.String()); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// BenchmarkAllowed is one step's set for a vocabulary of 150,000 tokens.
func BenchmarkAllowed(b *testing.B) {
	v := NewVocabulary(pieces(150_000))
	s, err := Parse([]byte(person))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct{ name, text string }{
		{"start", ``}, {"key", `{"`}, {"before-value", `{"name":`}, {"string", `{"name":"A`}, {"long-string", `{"name":"A","nick":"B`}, {"escape", `{"name":"A\`},
		{"number", `{"name":"A","age":1`}, {"enum", `{"name":"A","age":1,"tags":["`},
	} {
		state, ok := s.Start().Advance([]byte(c.text))
		if !ok {
			b.Fatal(c.text)
		}
		b.Run(c.name, func(b *testing.B) {
			w, set := v.NewWalker(), v.NewSet()
			for b.Loop() {
				w.Allowed(state, set)
			}
			b.ReportMetric(float64(set.Len()), "tokens")
		})
	}
}

func BenchmarkNewVocabulary(b *testing.B) {
	all := pieces(150_000)
	for b.Loop() {
		NewVocabulary(all)
	}
}
