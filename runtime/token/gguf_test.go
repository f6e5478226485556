package token

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/edgevlm/edgevlm/runtime/gguf"
)

// fileOf writes c as a GGUF file's head and reads it back.
func fileOf(t testing.TB, c Config, extra ...gguf.KV) *gguf.File {
	t.Helper()
	types := make([]int32, len(c.Types))
	for i, v := range c.Types {
		types[i] = int32(v)
	}
	meta := append([]gguf.KV{
		{Key: "general.architecture", Value: "qwen2vl"},
		{Key: "tokenizer.ggml.model", Value: "gpt2"},
		{Key: "tokenizer.ggml.pre", Value: c.Pre},
		{Key: "tokenizer.ggml.tokens", Value: c.Tokens},
		{Key: "tokenizer.ggml.token_type", Value: types},
		{Key: "tokenizer.ggml.merges", Value: c.Merges},
	}, extra...)
	var b bytes.Buffer
	if err := gguf.Write(&b, meta, nil); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAFileGivesTheSameTokenizerAsItsConfig(t *testing.T) {
	c := miniConfig("qwen2")
	f := fileOf(t, c, gguf.KV{Key: "tokenizer.ggml.eos_token_id", Value: uint32('b')},
		gguf.KV{Key: "tokenizer.chat_template", Value: "<|im_start|>system\nBe terse.<|im_end|>\n"})
	got, err := FromGGUF(f)
	if err != nil {
		t.Fatal(err)
	}
	want := mustNew(t, c)
	text := "<|im_start|>abc é <tool> 12"
	if a, b := got.Decode(got.Encode(text, true)), want.Decode(want.Encode(text, true)); a != b || a != text {
		t.Errorf("%q and %q", a, b)
	}
	if end, _ := got.ID("<|im_end|>"); !got.IsEOG('b') || !got.IsEOG(end) || got.IsEOG('c') {
		t.Error("end tokens are wrong")
	}
	if got.DefaultSystem() != "Be terse." {
		t.Errorf("default system prompt %q", got.DefaultSystem())
	}
	if _, ok := got.BOS(); ok {
		t.Error("a begin token, though the file asks for none")
	}
}

func TestFilesWithABadTokenizerAreErrors(t *testing.T) {
	huge := gguf.KV{Key: "tokenizer.ggml.eos_token_id", Value: uint32(1 << 31)}
	bos := []gguf.KV{{Key: "tokenizer.ggml.bos_token_id", Value: uint32(1 << 31)}, {Key: "tokenizer.ggml.add_bos_token", Value: true}}
	var empty bytes.Buffer
	if err := gguf.Write(&empty, []gguf.KV{{Key: "general.architecture", Value: "clip"}}, nil); err != nil {
		t.Fatal(err)
	}
	none, err := gguf.Parse(empty.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]*gguf.File{
		"end token":    fileOf(t, miniConfig("qwen2"), huge),
		"begin token":  fileOf(t, miniConfig("qwen2"), bos...),
		"no tokenizer": none,
	} {
		if _, err := FromGGUF(f); err == nil || !strings.HasPrefix(err.Error(), "token: ") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// parity/run fetches the model and llama.cpp's tokens.
func TestSmolLMTokensEqualLlamaCpp(t *testing.T) {
	model, corpus := os.Getenv("EDGEVLM_SMOLLM_GGUF"), os.Getenv("EDGEVLM_SMOLLM_CORPUS")
	if model == "" || corpus == "" {
		t.Skip("EDGEVLM_SMOLLM_GGUF and EDGEVLM_SMOLLM_CORPUS are not set; parity/run sets them")
	}
	f, err := gguf.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tok, err := FromGGUF(f)
	if err != nil {
		t.Fatal(err)
	}
	texts := corpusFrom(t, corpus)
	n := 0
	for _, g := range texts {
		compareIDs(t, tok, g, g.Full)
		n += len(g.Full)
	}
	t.Logf("%d texts, %d tokens, vocabulary of %d", len(texts), n, tok.Size())
}
