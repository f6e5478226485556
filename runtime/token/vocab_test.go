package token

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
)

var qwenSpecial = []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"}

// mapped writes bytes in GPT-2's characters, the inverse of appendUnmapped.
func mapped(b []byte) string {
	var table [256]rune
	for r := rune(0); r < 0x200; r++ {
		if v := unmapped(r); v >= 0 {
			table[v] = r
		}
	}
	var s strings.Builder
	for _, v := range b {
		s.WriteRune(table[v])
	}
	return s.String()
}

// tiktokenConfig turns a .tiktoken file into what a GGUF would hold: each
// token's merge is the last that leads to it.
func tiktokenConfig(t testing.TB, path string) Config {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ranks := map[string]int{}
	var tokens []string
	for line := range strings.Lines(string(data)) {
		text, rank, ok := strings.Cut(strings.TrimSpace(line), " ")
		b, err := base64.StdEncoding.DecodeString(text)
		if n, err2 := strconv.Atoi(rank); !ok || err != nil || err2 != nil || n != len(tokens) {
			t.Fatalf("%s: bad line %q", path, line)
		}
		ranks[string(b)] = len(tokens)
		tokens = append(tokens, string(b))
	}
	c := Config{Pre: "qwen2"}
	rankOf := func(s string) int {
		if r, ok := ranks[s]; ok {
			return r
		}
		return 1 << 30
	}
	for rank, s := range tokens {
		c.Tokens, c.Types = append(c.Tokens, mapped([]byte(s))), append(c.Types, Normal)
		cuts := make([]int, len(s)+1)
		for i := range cuts {
			cuts[i] = i
		}
		for len(cuts) > 3 {
			best, at := 1<<30, 0
			for i := 0; i+2 < len(cuts); i++ {
				if r := rankOf(s[cuts[i]:cuts[i+2]]); r < best {
					best, at = r, i
				}
			}
			if best >= rank {
				t.Fatalf("token %q has no merge", s)
			}
			cuts = append(cuts[:at+1], cuts[at+2:]...)
		}
		if len(cuts) == 3 {
			c.Merges = append(c.Merges, mapped([]byte(s[:cuts[1]]))+" "+mapped([]byte(s[cuts[1]:])))
		}
	}
	for _, s := range qwenSpecial {
		c.Tokens, c.Types = append(c.Tokens, s), append(c.Types, Control)
	}
	return c
}

// smollmConfig reads testdata/smollm4000.txt.
func smollmConfig(t testing.TB) Config {
	t.Helper()
	f, err := os.Open("testdata/smollm4000.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := Config{Pre: "smollm"}
	merges := false
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := sc.Text()
		switch {
		case line == "merges":
			merges = true
		case merges:
			c.Merges = append(c.Merges, line)
		default:
			kind, text, _ := strings.Cut(line, " ")
			var s string
			if err := json.Unmarshal([]byte(text), &s); err != nil {
				t.Fatal(err)
			}
			n, err := strconv.Atoi(kind)
			if err != nil {
				t.Fatal(err)
			}
			c.Tokens, c.Types = append(c.Tokens, s), append(c.Types, Type(n))
		}
	}
	return c
}

func mustNew(t testing.TB, c Config) *Tokenizer {
	t.Helper()
	tok, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// miniConfig is a vocabulary of the 256 bytes, a few merges and special tokens.
func miniConfig(pre string) Config {
	c := Config{Pre: pre}
	add := func(s string, ty Type) { c.Tokens, c.Types = append(c.Tokens, s), append(c.Types, ty) }
	for b := range 256 {
		add(mapped([]byte{byte(b)}), Normal)
	}
	for _, m := range []string{"a b", "ab c", "b c", "Ġ a", "e r"} {
		c.Merges = append(c.Merges, m)
		add(strings.ReplaceAll(m, " ", ""), Normal)
	}
	add("<|im_start|>", Control)
	add("<|im_end|>", Control)
	add("<|im_end|>>", Control)
	add("<tool>", UserDefined)
	return c
}
