package token

import (
	"fmt"

	"github.com/edgevlm/edgevlm/runtime/gguf"
)

// FromGGUF builds the tokenizer that a model file describes in its
// tokenizer.ggml keys.
func FromGGUF(f *gguf.File) (*Tokenizer, error) {
	var c Config
	c.Model, _ = f.Str("tokenizer.ggml.model")
	if c.Model == "" {
		return nil, fmt.Errorf("token: the file has no tokenizer (tokenizer.ggml.model); is it a text model?")
	}
	c.Pre, _ = f.Str("tokenizer.ggml.pre")
	c.ChatTemplate, _ = f.Str("tokenizer.chat_template")
	c.Tokens, _ = f.Strings("tokenizer.ggml.tokens")
	c.Merges, _ = f.Strings("tokenizer.ggml.merges")
	if types, ok := f.Ints("tokenizer.ggml.token_type"); ok {
		c.Types = make([]Type, len(types))
		for i, v := range types {
			c.Types[i] = Type(v)
		}
	}
	for _, key := range []string{"eos", "eot", "eom"} {
		if id, ok := f.Uint("tokenizer.ggml." + key + "_token_id"); ok {
			if id >= uint64(len(c.Tokens)) {
				return nil, fmt.Errorf("token: %s token %d is outside the vocabulary of %d", key, id, len(c.Tokens))
			}
			c.EOG = append(c.EOG, int32(id))
		}
	}
	add, ok := f.Bool("tokenizer.ggml.add_bos_token")
	if c.AddBOS = add || !ok && (c.Pre == "llama-bpe" || c.Pre == "llama3"); c.AddBOS {
		id, _ := f.Uint("tokenizer.ggml.bos_token_id")
		if id >= uint64(len(c.Tokens)) {
			return nil, fmt.Errorf("token: bos token %d is outside the vocabulary of %d", id, len(c.Tokens))
		}
		c.BOS = int32(id)
	}
	return New(c)
}
