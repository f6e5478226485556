package qwen2vl

import (
	"fmt"
	"sync"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/compute"
	"github.com/edgevlm/edgevlm/runtime/gguf"
)

// TextConfig is the shape of a decoder.
type TextConfig struct {
	Arch          string // qwen2vl, qwen2 or llama
	Name          string // general.name, may be empty
	VocabSize     int
	Hidden        int
	Layers        int
	Heads         int
	KVHeads       int
	HeadDim       int
	FFN           int     // width of the feed-forward layer
	ContextLength int     // tokens
	MRoPESection  [3]int  // rotary pairs that follow t, h and w; zero outside qwen2vl
	RopeDim       int     // rotated elements of a head
	RopeBase      float64 // rotary base frequency
	RopeScale     float64 // positions are divided by it
	NormEps       float64
	Tied          bool // the output matrix is the embedding
}

// Text is a decoder's weights. It is safe for concurrent use by sessions.
type Text struct {
	c       TextConfig
	pool    *compute.Pool
	embed   *quant.Matrix
	layers  []textLayer
	norm    []float32
	output  *quant.Matrix
	freqs   []float32 // rotary frequency of each pair
	axis    []uint8   // the position (t, h or w) that each pair follows
	mu      sync.Mutex
	scratch []*textScratch // not in use
}

type textLayer struct {
	attnNorm, ffnNorm []float32
	q, k, v, o        linear
	gate, up, down    linear
}

// LoadText reads a decoder of architecture qwen2vl, qwen2 or llama. The matrices may refer to the file's memory: close
// the file after the last use of the model. A nil pool means one thread, nil weights that the matrices are made here.
func LoadText(f *gguf.File, pool *compute.Pool, weights Weights) (*Text, error) {
	if pool == nil {
		pool = &compute.Pool{}
	}
	l := &loader{f: f, weights: weights}
	c := readTextConfig(l)
	if l.err != nil {
		return nil, l.err
	}
	m := &Text{c: c, pool: pool}
	qd, kd := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	m.norm = l.floats("output_norm.weight", c.Hidden)
	for i := range c.Layers {
		b := fmt.Sprintf("blk.%d.", i)
		m.layers = append(m.layers, textLayer{
			attnNorm: l.floats(b+"attn_norm.weight", c.Hidden),
			q:        l.linear(b+"attn_q", qd, c.Hidden),
			k:        l.linear(b+"attn_k", kd, c.Hidden),
			v:        l.linear(b+"attn_v", kd, c.Hidden),
			o:        l.linear(b+"attn_output", c.Hidden, qd),
			ffnNorm:  l.floats(b+"ffn_norm.weight", c.Hidden),
			gate:     l.linear(b+"ffn_gate", c.FFN, c.Hidden),
			up:       l.linear(b+"ffn_up", c.FFN, c.Hidden),
			down:     l.linear(b+"ffn_down", c.Hidden, c.FFN),
		})
		if l.err != nil {
			return nil, l.err
		}
	}
	m.rope(l)
	m.embed = l.matrix("token_embd.weight", c.VocabSize, c.Hidden)
	if m.output = m.embed; !c.Tied {
		m.output = l.matrix("output.weight", c.VocabSize, c.Hidden)
	}
	if l.err != nil {
		return nil, l.err
	}
	return m, nil
}

// Config returns the shape.
func (m *Text) Config() TextConfig { return m.c }

func readTextConfig(l *loader) TextConfig {
	f := l.f
	arch := f.Arch()
	switch arch {
	case "qwen2vl", "qwen2", "llama":
	case "clip":
		l.fail("this is an mmproj (vision) file, not a language model: give it as the mmproj file and a qwen2vl file as the model")
		return TextConfig{}
	case "":
		l.fail("the file has no key general.architecture: it is not a language model; download or convert it again")
		return TextConfig{}
	default:
		l.fail("architecture %q is not supported: use a model of architecture qwen2vl, qwen2 or llama", short(arch))
		return TextConfig{}
	}
	name, _ := f.Str("general.name")
	key := func(k string) string { return arch + "." + k }
	c := TextConfig{
		Arch: arch, Name: name,
		Hidden:        l.size(key("embedding_length"), -1),
		Layers:        l.size(key("block_count"), -1),
		Heads:         l.size(key("attention.head_count"), -1),
		FFN:           l.size(key("feed_forward_length"), -1),
		ContextLength: l.size(key("context_length"), -1),
		NormEps:       l.float(key("attention.layer_norm_rms_epsilon"), -1),
		RopeBase:      l.float(key("rope.freq_base"), 10000),
		RopeScale:     1,
		Tied:          !l.has("output.weight"),
	}
	c.KVHeads = l.size(key("attention.head_count_kv"), c.Heads)
	if l.err != nil {
		return c
	}
	c.HeadDim = l.size(key("attention.key_length"), max(1, c.Hidden/c.Heads))
	c.RopeDim = l.size(key("rope.dimension_count"), c.HeadDim)
	if v := l.size(key("attention.value_length"), c.HeadDim); v != c.HeadDim {
		l.fail("keys have %d elements a head and values %d: such models are not supported", c.HeadDim, v)
	}
	if n, ok := f.Uint(key("expert_count")); ok && n > 0 {
		l.fail("%s is %d: mixture-of-experts models are not supported", key("expert_count"), n)
	}
	if c.Heads%c.KVHeads != 0 {
		l.fail("%d attention heads can't share %d key-value heads: the file is damaged", c.Heads, c.KVHeads)
	}
	if c.RopeDim%2 != 0 || c.RopeDim > c.HeadDim {
		l.fail("%s is %d, want an even number up to the head size %d", key("rope.dimension_count"), c.RopeDim, c.HeadDim)
	}
	if t, ok := f.Tensor("token_embd.weight"); ok && len(t.Shape) > 1 {
		c.VocabSize = t.Shape[1]
	}
	if c.VocabSize < 1 || c.VocabSize > maxSize {
		l.fail("tensor token_embd.weight is missing or has no rows: the file is incomplete; download or convert it again")
	}
	return c
}

// rope prepares the rotary frequencies: sections of M-RoPE, linear scaling and llama's frequency factors.
func (m *Text) rope(l *loader) {
	c := &m.c
	key := func(k string) string { return c.Arch + "." + k }
	switch kind, _ := l.f.Str(key("rope.scaling.type")); kind {
	case "", "none":
	case "linear":
		c.RopeScale = l.float(key("rope.scaling.factor"), l.float(key("rope.scale_linear"), 1))
	default:
		l.fail("%s is %q: only none and linear are supported; use a file converted without it", key("rope.scaling.type"), short(kind))
	}
	m.freqs = compute.RopeFreqs(c.RopeBase, c.RopeDim)
	pairs := len(m.freqs)
	if factors := l.optional("rope_freqs.weight", pairs); factors != nil {
		for i, x := range factors {
			if !(x > 0) {
				l.fail("tensor rope_freqs.weight: element %d is %v, want a positive factor", i, x)
				return
			}
			m.freqs[i] /= x
		}
	}
	for i := range m.freqs {
		m.freqs[i] = float32(float64(m.freqs[i]) / c.RopeScale)
	}
	m.axis = make([]uint8, pairs)
	if c.Arch != "qwen2vl" {
		return
	}
	s, _ := l.f.Ints(key("rope.dimension_sections"))
	sum := 0
	for i, n := range s {
		if n < 0 || n > int64(pairs) || (i > 2 && n != 0) {
			sum = -1
			break
		}
		if i < 3 {
			c.MRoPESection[i] = int(n)
			sum += int(n)
		}
	}
	if len(s) < 3 || sum != pairs {
		l.fail("key %s is %v, want three numbers whose sum is %d: convert the file again with a current llama.cpp",
			key("rope.dimension_sections"), short(s), pairs)
		return
	}
	for i := range m.axis {
		switch {
		case i >= c.MRoPESection[0]+c.MRoPESection[1]:
			m.axis[i] = 2
		case i >= c.MRoPESection[0]:
			m.axis[i] = 1
		}
	}
}
