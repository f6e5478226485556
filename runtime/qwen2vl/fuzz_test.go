package qwen2vl

import (
	"bytes"
	"testing"

	"github.com/edgevlm/edgevlm/runtime/gguf"
)

// smallest are the smallest models of each kind, so that a fuzzer's changes hit what matters.
func smallest(t testing.TB) (files [][]byte) {
	text := func(arch string) *edit {
		e := &edit{}
		e.set("general.architecture", arch)
		for k, v := range map[string]any{
			"embedding_length": uint32(8), "block_count": uint32(1), "attention.head_count": uint32(2), "attention.head_count_kv": uint32(1),
			"feed_forward_length": uint32(8), "context_length": uint32(16), "attention.layer_norm_rms_epsilon": float32(1e-6),
			"rope.dimension_sections": []int32{1, 1, 0, 0},
		} {
			e.set(arch+"."+k, v)
		}
		e.random("token_embd.weight", 8, 8)
		e.random("output_norm.weight", 8)
		for name, shape := range map[string][]int{"attn_norm": {8}, "ffn_norm": {8}, "attn_q": {8, 8}, "attn_k": {8, 4}, "attn_v": {8, 4},
			"attn_output": {8, 8}, "ffn_gate": {8, 8}, "ffn_up": {8, 8}, "ffn_down": {8, 8}} {
			e.random("blk.0."+name+".weight", shape...)
		}
		return e
	}
	vision := &edit{}
	for k, v := range map[string]any{"general.architecture": "clip", "clip.projector_type": "qwen2vl_merger", "clip.vision.patch_size": uint32(2),
		"clip.vision.embedding_length": uint32(4), "clip.vision.block_count": uint32(1), "clip.vision.attention.head_count": uint32(1)} {
		vision.set(k, v)
	}
	for name, shape := range map[string][]int{"v.patch_embd": {2, 2, 3, 4}, "v.post_ln": {4}, "mm.0": {16, 16}, "mm.2": {16, 8},
		"v.blk.0.ln1": {4}, "v.blk.0.ln2": {4}, "v.blk.0.attn_q": {4, 4}, "v.blk.0.attn_k": {4, 4}, "v.blk.0.attn_v": {4, 4},
		"v.blk.0.attn_out": {4, 4}, "v.blk.0.ffn_up": {4, 8}, "v.blk.0.ffn_down": {8, 4}} {
		vision.random(name+".weight", shape...)
	}
	vision.random("v.patch_embd.weight.1", 2, 2, 3, 4)
	for _, e := range []*edit{text("qwen2vl"), text("qwen2"), text("llama"), vision} {
		var b bytes.Buffer
		if err := gguf.Write(&b, e.meta, e.tensors); err != nil {
			t.Fatal(err)
		}
		files = append(files, b.Bytes())
	}
	return files
}

// Whatever a file says, it loads and runs or gives an error.
func FuzzLoad(f *testing.F) {
	for _, b := range smallest(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := gguf.Parse(b)
		if err != nil {
			return
		}
		defer file.Close()
		if m, err := LoadText(file, nil, nil); err == nil && m.c.VocabSize < 1<<10 {
			s := newSession(t, m, 4)
			logits := make([]float32, m.c.VocabSize)
			if err := s.Append(t.Context(), []int32{0, 0}, nil, line(0, 2), logits); err != nil {
				t.Log(err)
			}
		}
		if v, err := LoadVision(file, nil, nil); err == nil {
			n := v.c.MergeSize * v.c.MergeSize
			x, dst := make([]float32, n*v.c.PatchLen()), make([]float32, v.c.OutDim)
			if err := v.Encode(t.Context(), x, GridTHW{1, v.c.MergeSize, v.c.MergeSize}, dst); err != nil {
				t.Log(err)
			}
		}
	})
}

// The seeds of the fuzzer are models that work.
func TestSmallestModelsLoad(t *testing.T) {
	for i, b := range smallest(t) {
		f, err := gguf.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := loads(f, i == 3); err != nil {
			t.Errorf("model %d: %v", i, err)
		}
	}
}
