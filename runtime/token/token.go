// Package token is byte-level BPE as GGUF files store it, with special tokens
// and the ChatML template: what Qwen2, Qwen2-VL and SmolLM2 need.
//
// Qwen2 text is normalised to NFC before it is split, as transformers' Qwen2
// tokenizers do; tiktoken and llama.cpp do not, so text that is not in NFC
// (a letter followed by a combining accent) gives other tokens there. Special
// tokens are matched in the text as it came. Beyond 30 combining marks on one
// character, golang.org/x/text inserts U+034F, which Python's NFC does not.
//
// Bytes that are no UTF-8 are encoded one by one as what they are, so Encode
// loses nothing.
package token

import (
	"fmt"
	"math"
	"strings"
	"sync"

	"golang.org/x/text/unicode/norm"
)

// Type is a token's kind, numbered as in tokenizer.ggml.token_type.
type Type int32

// The kinds. Control and user-defined tokens are matched as a whole in text.
const (
	Normal      Type = 1
	Unknown     Type = 2
	Control     Type = 3
	UserDefined Type = 4
	Unused      Type = 5
	Byte        Type = 6
)

// Config describes a tokenizer in the words of GGUF's tokenizer.ggml keys.
type Config struct {
	Model  string   // "gpt2" (or empty): byte-level BPE
	Pre    string   // pre-tokenizer: "qwen2", "smollm", "gpt-2" or "llama-bpe"
	Tokens []string // by id; normal ones in GPT-2's byte-to-character form
	Merges []string // "left right", by rank
	Types  []Type   // by id; nil: all normal
	EOG    []int32  // ids that end a generation, besides those known by name
	BOS    int32    // prepended if AddBOS (see BOS)
	AddBOS bool
	// ChatTemplate is the Jinja text, from which Chat takes the default system prompt.
	ChatTemplate string
}

// Tokenizer is immutable and safe for concurrent use.
type Tokenizer struct {
	split   splitter
	nfc     bool
	whole   bool // a word that is a token as it is needs no merging
	arena   []byte
	offsets []uint32 // piece i is arena[offsets[i]:offsets[i+1]]
	types   []Type
	bytes   [256]int32 // the token of each byte, -1 if there is none
	merges  map[pair]merge
	special trie
	eog     map[int32]bool
	bos     int32
	addBOS  bool
	chat    chatFormat
	byText  func() map[string]int32
}

type pair struct{ left, right int32 }

type merge struct{ rank, id int32 }

// maxTokens bounds a vocabulary: ids and ranks fit in an int32 with room.
const maxTokens = 1 << 24

// New builds a tokenizer and checks that its parts belong together.
func New(c Config) (*Tokenizer, error) {
	if c.Model != "" && c.Model != "gpt2" {
		return nil, fmt.Errorf("token: tokenizer model %q is not supported, only gpt2 (byte-level BPE)", c.Model)
	}
	t := &Tokenizer{merges: make(map[pair]merge, min(len(c.Merges), maxTokens)), eog: map[int32]bool{}, bos: c.BOS, addBOS: c.AddBOS}
	switch c.Pre {
	case "qwen2", "deepseek-r1-qwen":
		t.split, t.nfc = splitQwen2, true
	case "smollm":
		t.split = splitSmolLM
	case "gpt-2", "gpt2":
		t.split = splitGPT2
	case "llama-bpe", "llama3":
		t.split, t.whole = splitLlama3, true
	case "":
		return nil, fmt.Errorf("token: the file names no pre-tokenizer (tokenizer.ggml.pre); convert the model again with a newer converter")
	default:
		return nil, fmt.Errorf("token: pre-tokenizer %q is not supported (qwen2, smollm, gpt-2, llama-bpe are)", c.Pre)
	}
	switch {
	case len(c.Tokens) == 0:
		return nil, fmt.Errorf("token: the vocabulary is empty (tokenizer.ggml.tokens)")
	case len(c.Tokens) > maxTokens || len(c.Merges) > maxTokens:
		return nil, fmt.Errorf("token: %d tokens and %d merges are too many", len(c.Tokens), len(c.Merges))
	case c.Types != nil && len(c.Types) != len(c.Tokens):
		return nil, fmt.Errorf("token: %d token types for %d tokens", len(c.Types), len(c.Tokens))
	case c.AddBOS && (c.BOS < 0 || int(c.BOS) >= len(c.Tokens)):
		return nil, fmt.Errorf("token: begin-of-sequence token %d is outside the vocabulary of %d", c.BOS, len(c.Tokens))
	}
	for _, id := range c.EOG {
		if id < 0 || int(id) >= len(c.Tokens) {
			return nil, fmt.Errorf("token: end token %d is outside the vocabulary of %d", id, len(c.Tokens))
		}
		t.eog[id] = true
	}
	t.types = c.Types
	if t.types == nil {
		t.types = make([]Type, len(c.Tokens))
		for i := range t.types {
			t.types[i] = Normal
		}
	}
	stored, err := t.addTokens(c.Tokens)
	if err != nil {
		return nil, err
	}
	if err := t.addMerges(c.Merges, stored); err != nil {
		return nil, err
	}
	t.chat = newChatFormat(c.ChatTemplate, c.Pre, t)
	t.byText = sync.OnceValue(t.index)
	return t, nil
}

// endNames are tokens that end a generation wherever they are special: those
// llama.cpp knows, so that one file stops at the same place in both.
var endNames = map[string]bool{
	"<|im_end|>": true, "<|endoftext|>": true, "<|eot_id|>": true, "<|eom_id|>": true, "<|end_of_text|>": true,
	"<|end|>": true, "<end_of_turn>": true, "<EOT>": true, "_<EOT>": true,
}

// addTokens fills pieces, byte tokens and special tokens, and returns the
// stored form of the normal ones.
func (t *Tokenizer) addTokens(tokens []string) (map[string]int32, error) {
	size := 0
	for _, s := range tokens {
		size += len(s)
	}
	if size > math.MaxUint32 {
		return nil, fmt.Errorf("token: the vocabulary's text is too long (%d bytes)", size)
	}
	for i := range t.bytes {
		t.bytes[i] = -1
	}
	t.arena = make([]byte, 0, size)
	t.offsets = make([]uint32, 1, len(tokens)+1)
	stored := make(map[string]int32, len(tokens))
	for i, s := range tokens {
		id := int32(i)
		from := len(t.arena)
		if t.IsSpecial(id) {
			t.arena = append(t.arena, s...)
			t.special.add(s, id, t.types[i])
			if endNames[s] {
				t.eog[id] = true
			}
		} else {
			t.arena = appendUnmapped(t.arena, s)
			stored[s] = id
			if len(t.arena) == from+1 {
				t.bytes[t.arena[from]] = id
			}
		}
		t.offsets = append(t.offsets, uint32(len(t.arena)))
	}
	return stored, nil
}

func (t *Tokenizer) addMerges(merges []string, stored map[string]int32) error {
	for rank, m := range merges {
		left, right, ok := strings.Cut(m, " ")
		if !ok || left == "" || right == "" {
			return fmt.Errorf("token: merge %d is %.60q, want two pieces with a space between", rank, m)
		}
		var ids [3]int32
		for i, s := range [...]string{left, right, left + right} {
			if ids[i], ok = stored[s]; !ok {
				return fmt.Errorf("token: merge %d (%.60q) needs piece %.60q, which the vocabulary lacks", rank, m, s)
			}
		}
		p := pair{ids[0], ids[1]}
		if _, twice := t.merges[p]; !twice {
			t.merges[p] = merge{int32(rank), ids[2]}
		}
	}
	return nil
}

// Size is the number of tokens.
func (t *Tokenizer) Size() int { return len(t.types) }

// Piece returns a token's bytes, which need not be whole UTF-8 characters; nil
// outside the vocabulary. The caller must not change them.
func (t *Tokenizer) Piece(id int32) []byte {
	if id < 0 || int(id) >= len(t.types) {
		return nil
	}
	a, b := t.offsets[id], t.offsets[id+1]
	return t.arena[a:b:b]
}

// ID finds the token whose text is exactly piece: a special token if there is
// one, else the first normal token of these bytes.
func (t *Tokenizer) ID(piece string) (int32, bool) {
	id, ok := t.byText()[piece]
	return id, ok
}

func (t *Tokenizer) index() map[string]int32 {
	m := make(map[string]int32, len(t.types))
	for i := len(t.types) - 1; i >= 0; i-- {
		if p := string(t.Piece(int32(i))); p != "" {
			if old, ok := m[p]; !ok || t.IsSpecial(int32(i)) || !t.IsSpecial(old) {
				m[p] = int32(i)
			}
		}
	}
	return m
}

// IsEOG says whether a token ends a generation.
func (t *Tokenizer) IsEOG(id int32) bool { return t.eog[id] }

// IsSpecial says whether a token stands for itself (control, user-defined or
// unknown) and not for bytes of text.
func (t *Tokenizer) IsSpecial(id int32) bool {
	if id < 0 || int(id) >= len(t.types) {
		return false
	}
	ty := t.types[id]
	return ty == Control || ty == UserDefined || ty == Unknown
}

// BOS returns the token that the model wants before every text; ok is false if
// it wants none. Encode does not add it.
func (t *Tokenizer) BOS() (id int32, ok bool) { return t.bos, t.addBOS }

// Encode splits text into tokens. With parseSpecial, control tokens written out
// in text ("<|im_start|>") become those tokens; user-defined ones always do, as
// in llama.cpp. Where two could begin, the longer wins. Bytes that the
// vocabulary lacks are left out.
func (t *Tokenizer) Encode(text string, parseSpecial bool) []int32 {
	var m merger
	out := make([]int32, 0, len(text)/3+4)
	for text != "" {
		at, n, id := t.special.find(text, parseSpecial)
		out = t.encodePlain(out, text[:at], &m)
		if n == 0 {
			break
		}
		out = append(out, id)
		text = text[at+n:]
	}
	return out
}

func (t *Tokenizer) encodePlain(out []int32, text string, m *merger) []int32 {
	if t.nfc && !norm.NFC.IsNormalString(text) {
		text = norm.NFC.String(text)
	}
	t.split(text, func(word string) {
		out = t.encodeWord(out, word, m)
	})
	return out
}

func (t *Tokenizer) encodeWord(out []int32, word string, m *merger) []int32 {
	if len(word) == 1 {
		if id := t.bytes[word[0]]; id >= 0 {
			out = append(out, id)
		}
		return out
	}
	if t.whole {
		if id, ok := t.ID(word); ok && !t.IsSpecial(id) {
			return append(out, id)
		}
	}
	return m.run(t, out, word)
}
