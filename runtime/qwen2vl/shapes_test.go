package qwen2vl

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/gguf"
)

// demoText and demoVision are random weights of the demo model's shape: 3 M parameters.
func demoText(t testing.TB, typ quant.Type) *gguf.File {
	const d, layers, heads, kv, ffn, vocab = 192, 4, 6, 2, 512, 512
	e := &edit{meta: []gguf.KV{
		{Key: "general.architecture", Value: "qwen2vl"}, {Key: "qwen2vl.embedding_length", Value: uint32(d)},
		{Key: "qwen2vl.block_count", Value: uint32(layers)}, {Key: "qwen2vl.attention.head_count", Value: uint32(heads)},
		{Key: "qwen2vl.attention.head_count_kv", Value: uint32(kv)}, {Key: "qwen2vl.feed_forward_length", Value: uint32(ffn)},
		{Key: "qwen2vl.context_length", Value: uint32(4096)}, {Key: "qwen2vl.attention.layer_norm_rms_epsilon", Value: float32(1e-6)},
		{Key: "qwen2vl.rope.dimension_sections", Value: []int32{4, 4, 8, 0}},
	}}
	e.random("token_embd.weight", d, vocab)
	e.random("output_norm.weight", d)
	for i := range layers {
		b := fmt.Sprintf("blk.%d.", i)
		e.random(b+"attn_norm.weight", d)
		e.random(b+"ffn_norm.weight", d)
		for n, rows := range map[string]int{"q": d, "k": d * kv / heads, "v": d * kv / heads} {
			e.random(b+"attn_"+n+".weight", d, rows)
			e.random(b+"attn_"+n+".bias", rows)
		}
		e.random(b+"attn_output.weight", d, d)
		e.random(b+"ffn_gate.weight", d, ffn)
		e.random(b+"ffn_up.weight", d, ffn)
		e.random(b+"ffn_down.weight", ffn, d)
	}
	e.encode(t, typ, false)
	return e.parse(t)
}

func demoVision(t testing.TB, typ quant.Type) *gguf.File {
	const d, layers, heads, ffn, out = 128, 4, 4, 512, 192
	e := &edit{meta: []gguf.KV{
		{Key: "general.architecture", Value: "clip"}, {Key: "clip.projector_type", Value: "qwen2vl_merger"},
		{Key: "clip.vision.patch_size", Value: uint32(14)}, {Key: "clip.vision.embedding_length", Value: uint32(d)},
		{Key: "clip.vision.block_count", Value: uint32(layers)}, {Key: "clip.vision.attention.head_count", Value: uint32(heads)},
	}}
	e.random("v.patch_embd.weight", 14, 14, 3, d)
	e.random("v.patch_embd.weight.1", 14, 14, 3, d)
	for i := range layers {
		b := fmt.Sprintf("v.blk.%d.", i)
		for _, n := range []string{"attn_q", "attn_k", "attn_v", "attn_out"} {
			e.random(b+n+".weight", d, d)
			e.random(b+n+".bias", d)
		}
		for _, n := range []string{"ln1", "ln2"} {
			e.random(b+n+".weight", d)
			e.random(b+n+".bias", d)
		}
		e.random(b+"ffn_up.weight", d, ffn)
		e.random(b+"ffn_up.bias", ffn)
		e.random(b+"ffn_down.weight", ffn, d)
		e.random(b+"ffn_down.bias", d)
	}
	e.random("v.post_ln.weight", d)
	e.random("v.post_ln.bias", d)
	e.random("mm.0.weight", 4*d, 4*d)
	e.random("mm.0.bias", 4*d)
	e.random("mm.2.weight", 4*d, out)
	e.random("mm.2.bias", out)
	e.encode(t, typ, false)
	return e.parse(t)
}

// random adds an F32 tensor of ggml's shape.
func (e *edit) random(name string, shape ...int) {
	n := 1
	for _, s := range shape {
		n *= s
	}
	r := rand.New(rand.NewPCG(uint64(len(e.tensors)), 3))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() / math.Sqrt(float64(shape[0])))
		if strings.Contains(name, "norm") || strings.HasSuffix(name, "ln.weight") {
			x[i] = 1 + x[i]
		}
	}
	data := make([]byte, 4*n)
	_ = quant.Quantize(quant.F32, data, x)
	e.tensors = append(e.tensors, gguf.Tensor{Name: name, Type: quant.F32, Shape: shape, Data: data})
}
