package token

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
	"pgregory.net/rapid"
)

// The expressions as the models' own tokenizers have them. regexp2 folds no long
// s, so it is written out for (?i:'s).
const (
	qwen2Pattern  = `(?i:'s|'ſ|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	llama3Pattern = `(?i:'s|'ſ|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	gpt2Pattern   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
)

func matches(t interface{ Fatal(...any) }, re *regexp2.Regexp, text string) (out []string) {
	m, err := re.FindStringMatch(text)
	for ; m != nil && err == nil; m, err = re.FindNextMatch(m) {
		out = append(out, m.String())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// smolLMWords cuts the numbers out with one expression and the rest with GPT-2's.
func smolLMWords(t interface{ Fatal(...any) }, number, gpt2 *regexp2.Regexp, text string) (out []string) {
	for _, part := range matches(t, number, text) {
		if n := matches(t, number, part); len(n) == 1 && utf8.RuneCountInString(part) == 1 && isNumber(part) {
			out = append(out, part)
		} else {
			out = append(out, matches(t, gpt2, part)...)
		}
	}
	return out
}

func isNumber(s string) bool {
	c, _ := classOf(s)
	return c == number
}

func words(s splitter, text string) (out []string) {
	s(text, func(w string) { out = append(out, w) })
	return out
}

func TestSplittersEqualTheirExpressions(t *testing.T) {
	qwen2, llama3, gpt2 := regexp2.MustCompile(qwen2Pattern, 0), regexp2.MustCompile(llama3Pattern, 0), regexp2.MustCompile(gpt2Pattern, 0)
	numbers := regexp2.MustCompile(`\p{N}|[^\p{N}]+`, 0)
	check := func(t interface {
		Fatal(...any)
		Fatalf(string, ...any)
	}, text string) {
		for _, c := range []struct {
			name string
			got  []string
			want []string
		}{
			{"qwen2", words(splitQwen2, text), matches(t, qwen2, text)},
			{"llama-bpe", words(splitLlama3, text), matches(t, llama3, text)},
			{"gpt-2", words(splitGPT2, text), matches(t, gpt2, text)},
			{"smollm", words(splitSmolLM, text), smolLMWords(t, numbers, gpt2, text)},
		} {
			if !slices.Equal(c.got, c.want) {
				t.Fatalf("%s: %q is split into %q, the expression splits it into %q", c.name, text, c.got, c.want)
			}
		}
	}
	for _, g := range loadTexts(t, "testdata/qwen.json") {
		if len(g.Text) < 1000 { // regexp2 is slow on long runs of white space
			check(t, g.Text)
		}
	}
	alphabet := []string{"a", "Z", "é", "漢", "ß", "s", "S", "ſ", "t", "re", "VE", "ll", "'", "'", "’", "0", "7", "½", "Ⅷ", "٣", " ", " ", " ", "\n", "\r", "\t", "\v",
		"\u0085", "\u00a0", "\u3000", "\u2028", "\u200b", "\u0301", "!", ".", "_", "-", "😀", "\x00", "\ufffd"}
	rapid.Check(t, func(t *rapid.T) {
		check(t, strings.Join(rapid.SliceOfN(rapid.SampledFrom(alphabet), 0, 24).Draw(t, "parts"), ""))
	})
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.StringN(0, 20, -1).Draw(t, "text"))
	})
}
