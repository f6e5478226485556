package token

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

func TestSpecialTokensAreParsedOnlyWhenAsked(t *testing.T) {
	tok := mustNew(t, miniConfig("gpt-2"))
	start, _ := tok.ID("<|im_start|>")
	end, _ := tok.ID("<|im_end|>")
	longer, _ := tok.ID("<|im_end|>>")
	tool, _ := tok.ID("<tool>")
	for _, c := range []struct {
		text  string
		parse bool
		want  []int32
	}{
		{"<|im_start|>", true, []int32{start}},
		{"<|im_end|><|im_end|>>", true, []int32{end, longer}},
		{"<tool>", true, []int32{tool}},
		{"<tool>", false, []int32{tool}},
		{"<<tool>", false, []int32{'<', tool}},
	} {
		if got := tok.Encode(c.text, c.parse); !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, want %v", c.text, got, c.want)
		}
	}
	if got := tok.Encode("<|im_start|>", false); slices.Contains(got, start) || len(got) != 12 {
		t.Errorf("an unparsed special token gave %v", got)
	}
	if !tok.IsEOG(end) || tok.IsEOG(start) || tok.IsEOG(tool) || !tok.IsSpecial(tool) || tok.IsSpecial('a') || tok.IsSpecial(-1) || tok.IsSpecial(1<<30) {
		t.Error("IsEOG or IsSpecial is wrong")
	}
}

func TestLowestRankMergesFirstAndLeftmostOfEquals(t *testing.T) {
	tok := mustNew(t, miniConfig("gpt-2"))
	for text, want := range map[string]string{
		"abc":    "abc",
		"bcabc":  "bc abc",
		"ababab": "ab ab ab",
		" a":     "_a",
		" abc":   "_ abc", // "a b" ranks before "Ġ a"
		"zbcz":   "z bc z",
	} {
		var got []string
		for _, id := range tok.Encode(text, false) {
			got = append(got, strings.ReplaceAll(string(tok.Piece(id)), " ", "_"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", text, strings.Join(got, " "), want)
		}
	}
}

func TestQwen2NormalisesToNFCAndSmolLMDoesNot(t *testing.T) {
	const decomposed, composed = "e\u0301", "\u00e9"
	if q := mustNew(t, miniConfig("qwen2")); q.Decode(q.Encode(decomposed, false)) != composed {
		t.Error("qwen2 kept a decomposed letter")
	}
	if s := mustNew(t, miniConfig("smollm")); s.Decode(s.Encode(decomposed, false)) != decomposed {
		t.Error("smollm changed a decomposed letter")
	}
}

func TestEveryTextComesBack(t *testing.T) {
	for _, pre := range []string{"qwen2", "smollm", "gpt-2", "llama-bpe"} {
		tok := mustNew(t, miniConfig(pre))
		rapid.Check(t, func(t *rapid.T) {
			text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[abc \n'<|>0-9é\x{301}imendstarool_]*`)).Draw(t, "text")
			checkRoundTrip(t, tok, pre, text)
		})
	}
}

func checkRoundTrip(t interface{ Fatalf(string, ...any) }, tok *Tokenizer, pre, text string) {
	for _, special := range []bool{false, true} {
		ids := tok.Encode(text, special)
		var raw []byte
		for _, id := range ids {
			if id < 0 || int(id) >= tok.Size() {
				t.Fatalf("%q gave id %d of %d", text, id, tok.Size())
			}
			raw = append(raw, tok.Piece(id)...)
		}
		got, want := string(raw), text
		if pre == "qwen2" { // fragments between special tokens are normalised each on its own
			got, want = norm.NFC.String(got), norm.NFC.String(want)
		}
		if got != want {
			t.Fatalf("%q came back as %q", text, got)
		}
		var b strings.Builder
		s := NewStream(tok)
		for _, id := range ids {
			p := s.Push(id)
			if !utf8.ValidString(p) {
				t.Fatalf("Push returned %q, no UTF-8", p)
			}
			b.WriteString(p)
		}
		b.WriteString(s.Flush())
		if whole := tok.Decode(ids); b.String() != whole {
			t.Fatalf("streamed %q, decoded %q", b.String(), whole)
		}
		if utf8.Valid(raw) && tok.Decode(ids) != string(raw) {
			t.Fatalf("decoded %q, pieces are %q", tok.Decode(ids), raw)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	for _, s := range []string{"", "hello  world\n", "<|im_start|>user\n\xffé<tool>", "\xe2\x82", "e\u0301'S 12½\u3000\r\n ", strings.Repeat("ab", 99)} {
		f.Add(s)
	}
	toks := map[string]*Tokenizer{}
	for _, pre := range []string{"qwen2", "smollm", "gpt-2", "llama-bpe"} {
		toks[pre] = mustNew(f, miniConfig(pre))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for pre, tok := range toks {
			checkRoundTrip(t, tok, pre, text)
		}
	})
}

func TestDecodeReplacesBrokenCharactersAsPythonDoes(t *testing.T) {
	tok := mustNew(t, miniConfig("gpt-2"))
	for bytes, want := range map[string]string{
		"\xe2\x82\xac":     "€",
		"\xe2\x82":         "\ufffd",
		"\xe2\x82A":        "\ufffdA",
		"\xff\xfe":         "\ufffd\ufffd",
		"\xf0\x9f\x98":     "\ufffd",
		"\xed\xa0\x80":     "\ufffd\ufffd\ufffd",
		"a\x80b":           "a\ufffdb",
		"\xf0\x9f\xe2\x82": "\ufffd\ufffd",
		"\xef\xbf\xbd":     "\ufffd",
	} {
		var ids []int32
		for i := range len(bytes) {
			ids = append(ids, tok.bytes[bytes[i]])
		}
		if got := tok.Decode(ids); got != want {
			t.Errorf("%x: %q, want %q", bytes, got, want)
		}
	}
	if got := tok.Decode([]int32{-1, 'h', 1 << 30, 'i'}); len(got) != 2 {
		t.Errorf("ids outside the vocabulary gave %q", got)
	}
}

func TestStreamHoldsAnUnfinishedCharacterBack(t *testing.T) {
	tok := mustNew(t, miniConfig("gpt-2"))
	s := NewStream(tok)
	var got []string
	for _, b := range []byte("a😀b\xe2") {
		got = append(got, s.Push(tok.bytes[b]))
	}
	got = append(got, s.Flush(), s.Flush())
	want := []string{"a", "", "", "", "😀", "b", "", "\ufffd", ""}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestBytesWithoutATokenAreLeftOut(t *testing.T) {
	c := Config{Pre: "gpt-2", Tokens: []string{"a", "b", "ab"}, Merges: []string{"a b"}}
	tok := mustNew(t, c)
	if got := tok.Encode("xabcaxb", false); !slices.Equal(got, []int32{2, 0, 1}) {
		t.Errorf("%v", got)
	}
}

func TestBadVocabulariesAreErrors(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"model":            func(c *Config) { c.Model = "llama" },
		"no pre-tokenizer": func(c *Config) { c.Pre = "" },
		"pre-tokenizer":    func(c *Config) { c.Pre = "deepseek-v3" },
		"empty":            func(c *Config) { c.Tokens = nil },
		"types":            func(c *Config) { c.Types = c.Types[1:] },
		"merge form":       func(c *Config) { c.Merges = append(c.Merges, "ab") },
		"merge space":      func(c *Config) { c.Merges = append(c.Merges, " a") },
		"merge piece":      func(c *Config) { c.Merges = append(c.Merges, "a zz") },
		"merge result":     func(c *Config) { c.Merges = append(c.Merges, "a z") },
		"end token":        func(c *Config) { c.EOG = []int32{1 << 20} },
		"begin token":      func(c *Config) { c.BOS, c.AddBOS = -1, true },
	} {
		c := miniConfig("qwen2")
		change(&c)
		_, err := New(c)
		if err == nil || !strings.HasPrefix(err.Error(), "token: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestLongWordsTakeLittleMoreThanLinearTime(t *testing.T) {
	// No clock: a quadratic merge or split would take hours on these.
	tok := mustNew(t, tiktokenConfig(t, "testdata/qwen4000.tiktoken"))
	for _, unit := range []string{"a", "ab", " ", "\n ", "'", "\u0301", "哈", "<|im_", "=", "1"} {
		text := strings.Repeat(unit, 400_000/len(unit))
		if got := tok.Encode(text, true); len(got) == 0 {
			t.Errorf("%q: no tokens", unit)
		}
	}
}

func ExampleTokenizer_Encode() {
	t, err := New(Config{Pre: "gpt-2", Tokens: []string{"h", "i", "hi", "Ġ", "<|end|>"}, Merges: []string{"h i"}, Types: []Type{1, 1, 1, 1, 3}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t.Encode("hi hi<|end|>", true))
	// Output: [2 3 2 4]
}

func BenchmarkEncode(b *testing.B) {
	tok := mustNew(b, tiktokenConfig(b, "testdata/qwen4000.tiktoken"))
	text := strings.Repeat("A red car moves from left to right while a person waits at the gate. ", 100)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		tok.Encode(text, true)
	}
}
