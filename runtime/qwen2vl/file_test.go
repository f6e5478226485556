package qwen2vl

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/gguf"
)

// edit is a copy of a file's content that a test changes.
type edit struct {
	meta    []gguf.KV
	tensors []gguf.Tensor
}

func edited(t testing.TB, name string) *edit {
	f := openModel(t, name)
	e := &edit{tensors: slices.Clone(f.Tensors())}
	for _, k := range f.Keys() {
		v, _ := f.Value(k)
		e.meta = append(e.meta, gguf.KV{Key: k, Value: v})
	}
	return e
}

func (e *edit) set(key string, v any) {
	e.drop(key)
	e.meta = append(e.meta, gguf.KV{Key: key, Value: v})
}

func (e *edit) drop(key string) {
	e.meta = slices.DeleteFunc(e.meta, func(kv gguf.KV) bool { return kv.Key == key })
}

func (e *edit) tensor(name string) *gguf.Tensor {
	return &e.tensors[slices.IndexFunc(e.tensors, func(t gguf.Tensor) bool { return t.Name == name })]
}

func (e *edit) remove(name string) {
	e.tensors = slices.DeleteFunc(e.tensors, func(t gguf.Tensor) bool { return t.Name == name })
}

// floats replaces a tensor's values by f of them, as F32.
func (e *edit) floats(t testing.TB, name string, f func(x []float32) []float32) {
	y := e.tensor(name)
	n := 1
	for _, s := range y.Shape {
		n *= s
	}
	x := make([]float32, n)
	if err := quant.Dequantize(y.Type, x, y.Data); err != nil {
		t.Fatal(err)
	}
	x = f(x)
	y.Type, y.Data = quant.F32, make([]byte, 4*len(x))
	if err := quant.Quantize(quant.F32, y.Data, x); err != nil {
		t.Fatal(err)
	}
}

// encode stores every matrix whose rows fit the type's blocks in that type, and for dequantized in F32 again.
func (e *edit) encode(t testing.TB, typ quant.Type, dequantized bool) {
	for i := range e.tensors {
		y := &e.tensors[i]
		if len(y.Shape) != 2 || y.Shape[0]%typ.BlockLen() != 0 {
			continue
		}
		data := make([]byte, typ.RowBytes(y.Shape[0])*y.Shape[1])
		e.floats(t, y.Name, func(x []float32) []float32 {
			if err := quant.Quantize(typ, data, x); err != nil {
				t.Fatal(err)
			}
			if dequantized {
				if err := quant.Dequantize(typ, x, data); err != nil {
					t.Fatal(err)
				}
			}
			return x
		})
		if !dequantized {
			y.Type, y.Data = typ, data
		}
	}
}

func (e *edit) parse(t testing.TB) *gguf.File {
	t.Helper()
	var b bytes.Buffer
	if err := gguf.Write(&b, e.meta, e.tensors); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func loads(f *gguf.File, vision bool) error {
	if vision {
		_, err := LoadVision(f, nil, nil)
		return err
	}
	_, err := LoadText(f, nil, nil)
	return err
}

// Each wrong file gives one line that names the key or tensor.
func TestWrongFilesAreExplained(t *testing.T) {
	text, vision := "qwen2vl.gguf", "mmproj.gguf"
	for _, c := range []struct {
		name, file string
		vision     bool
		edit       func(e *edit)
		want       []string
	}{
		{"mmproj as text", vision, false, func(*edit) {}, []string{"mmproj", "qwen2vl file as the model"}},
		{"text as mmproj", text, true, func(*edit) {}, []string{"text model", "qwen2vl", "clip"}},
		{"no architecture", text, false, func(e *edit) { e.drop("general.architecture") }, []string{"general.architecture"}},
		{"unknown architecture", text, false, func(e *edit) { e.set("general.architecture", "gemma9") }, []string{`"gemma9"`, "llama"}},
		{"unknown as mmproj", text, true, func(e *edit) { e.set("general.architecture", "gemma9") }, []string{`"gemma9"`, "clip"}},
		{"no heads", text, false, func(e *edit) { e.drop("qwen2vl.attention.head_count") }, []string{"qwen2vl.attention.head_count"}},
		{"zero layers", text, false, func(e *edit) { e.set("qwen2vl.block_count", uint32(0)) }, []string{"qwen2vl.block_count", "is 0"}},
		{"absurd layers", text, false, func(e *edit) { e.set("qwen2vl.block_count", uint32(math.MaxUint32)) }, []string{"qwen2vl.block_count"}},
		{"many layers", text, false, func(e *edit) { e.set("qwen2vl.block_count", uint32(1<<20)) }, []string{"blk.2.attn_norm.weight is missing"}},
		{"word for a number", text, false, func(e *edit) { e.set("qwen2vl.block_count", strings.Repeat("x", 1000)) }, []string{"qwen2vl.block_count", "xxx..."}},
		{"kv heads", text, false, func(e *edit) { e.set("qwen2vl.attention.head_count_kv", uint32(3)) }, []string{"can't share 3"}},
		{"eps", text, false, func(e *edit) { e.set("qwen2vl.attention.layer_norm_rms_epsilon", float32(math.NaN())) }, []string{"layer_norm_rms_epsilon", "positive"}},
		{"sections", text, false, func(e *edit) { e.set("qwen2vl.rope.dimension_sections", []int32{2, 2, 2, 0}) }, []string{"dimension_sections", "sum is 8"}},
		{"no sections", text, false, func(e *edit) { e.drop("qwen2vl.rope.dimension_sections") }, []string{"dimension_sections"}},
		{"yarn", text, false, func(e *edit) { e.set("qwen2vl.rope.scaling.type", "yarn") }, []string{"rope.scaling.type", "yarn", "linear"}},
		{"experts", text, false, func(e *edit) { e.set("qwen2vl.expert_count", uint32(8)) }, []string{"mixture-of-experts"}},
		{"no embedding", text, false, func(e *edit) { e.remove("token_embd.weight") }, []string{"token_embd.weight"}},
		{"missing tensor", text, false, func(e *edit) { e.remove("blk.1.ffn_up.weight") }, []string{"blk.1.ffn_up.weight is missing"}},
		{"wrong shape", text, false, func(e *edit) { e.set("qwen2vl.feed_forward_length", uint32(128)) }, []string{"blk.0.ffn_gate.weight", "[96 64]", "[128 64]"}},
		{"wrong bias", text, false, func(e *edit) {
			*e.tensor("blk.0.attn_q.bias") = gguf.Tensor{Name: "blk.0.attn_q.bias", Shape: []int{1}, Data: make([]byte, 4)}
		}, []string{"blk.0.attn_q.bias"}},
		{"nan", text, false, func(e *edit) {
			e.floats(t, "blk.1.ffn_norm.weight", func(x []float32) []float32 { x[3] = float32(math.NaN()); return x })
		}, []string{"blk.1.ffn_norm.weight", "element 3", "NaN"}},
		{"infinite matrix", text, false, func(e *edit) {
			e.floats(t, "blk.0.attn_k.weight", func(x []float32) []float32 { x[70] = float32(math.Inf(1)); return x })
		}, []string{"blk.0.attn_k.weight"}},
		{"qwen2.5", vision, true, func(e *edit) { e.set("clip.projector_type", "qwen2.5vl_merger") }, []string{"clip.projector_type", "qwen2.5vl_merger"}},
		{"no projector", vision, true, func(e *edit) { e.drop("clip.projector_type") }, []string{"clip.projector_type"}},
		{"silu", vision, true, func(e *edit) { e.set("clip.use_silu", true) }, []string{"clip.use_silu"}},
		{"one slice", vision, true, func(e *edit) { e.remove("v.patch_embd.weight.1") }, []string{"v.patch_embd.weight.1 is missing"}},
		{"patch size", vision, true, func(e *edit) { e.set("clip.vision.patch_size", uint32(16)) }, []string{"v.patch_embd.weight", "[32 3 14 14]", "[32 3 16 16]"}},
		{"vision heads", vision, true, func(e *edit) { e.set("clip.vision.attention.head_count", uint32(5)) }, []string{"5 heads"}},
		{"mean", vision, true, func(e *edit) { e.set("clip.vision.image_mean", []float32{1}) }, []string{"clip.vision.image_mean"}},
		{"std", vision, true, func(e *edit) { e.set("clip.vision.image_std", []float32{1, 0, 1}) }, []string{"clip.vision.image_std"}},
		{"no merger", vision, true, func(e *edit) { e.remove("mm.0.weight") }, []string{"mm.0.weight is missing"}},
		{"no output", vision, true, func(e *edit) { e.remove("mm.2.weight") }, []string{"mm.2.weight"}},
		{"vision layers", vision, true, func(e *edit) { e.set("clip.vision.block_count", uint32(3)) }, []string{"v.blk.2."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := edited(t, c.file)
			c.edit(e)
			err := loads(e.parse(t), c.vision)
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
			if strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 300 {
				t.Errorf("error is not one readable line: %q", err)
			}
		})
	}
}

// What older or other converters write loads to the same model.
func TestOtherConvertersFilesGiveTheSameEmbeddings(t *testing.T) {
	span := goldenSpan{Grid: GridTHW{1, 4, 6}, Seed: 5}
	want := embed(t, loadVision(t, openModel(t, "mmproj.gguf"), nil), span)
	for name, change := range map[string]func(e *edit){
		"ffn_up and ffn_down exchanged": func(e *edit) {
			for i := range e.tensors {
				switch n := &e.tensors[i].Name; {
				case strings.Contains(*n, "ffn_up"):
					*n = strings.Replace(*n, "ffn_up", "ffn_down", 1)
				case strings.Contains(*n, "ffn_down"):
					*n = strings.Replace(*n, "ffn_down", "ffn_up", 1)
				}
			}
		},
		"projector type under vision": func(e *edit) {
			e.drop("clip.projector_type")
			e.set("clip.vision.projector_type", "qwen2vl_merger")
		},
		"no epsilon, no feed_forward_length": func(e *edit) {
			e.drop("clip.vision.attention.layer_norm_epsilon")
			e.drop("clip.vision.feed_forward_length")
		},
		"fused qkv": func(e *edit) {
			for layer := range 2 {
				for _, kind := range []string{"weight", "bias"} {
					name := func(s string) string { return fmt.Sprintf("v.blk.%d.attn_%s.%s", layer, s, kind) }
					f := gguf.Tensor{Name: name("qkv"), Type: quant.F32, Shape: slices.Clone(e.tensor(name("q")).Shape)}
					f.Shape[len(f.Shape)-1] *= 3
					for _, n := range "qkv" {
						f.Data = append(f.Data, e.tensor(name(string(n))).Data...)
						e.remove(name(string(n)))
					}
					e.tensors = append(e.tensors, f)
				}
			}
		},
	} {
		e := edited(t, "mmproj.gguf")
		change(e)
		if got := embed(t, loadVision(t, e.parse(t), nil), span); !slices.Equal(got, want) {
			t.Errorf("%s: embeddings differ by %g", name, maxDiff(got, want))
		}
	}
}

func TestBiasesAreOptional(t *testing.T) {
	e := edited(t, "mmproj.gguf")
	z := edited(t, "mmproj.gguf")
	for _, y := range slices.Clone(e.tensors) {
		if strings.HasSuffix(y.Name, ".bias") {
			e.remove(y.Name)
			z.floats(t, y.Name, func(x []float32) []float32 { clear(x); return x })
		}
	}
	span := goldenSpan{Grid: GridTHW{1, 4, 4}, Seed: 5}
	if a, b := embed(t, loadVision(t, e.parse(t), nil), span), embed(t, loadVision(t, z.parse(t), nil), span); !slices.Equal(a, b) {
		t.Errorf("no biases and zero biases differ by %g", maxDiff(a, b))
	}
}

func TestLinearRopeScalingDividesPositions(t *testing.T) {
	plain := loadText(t, openModel(t, "llama.gguf"), nil)
	for name, change := range map[string]func(e *edit){
		"scaling keys": func(e *edit) {
			e.set("llama.rope.scaling.type", "linear")
			e.set("llama.rope.scaling.factor", float32(4))
		},
		"frequency factors": func(e *edit) {
			data := make([]byte, 16)
			if err := quant.Quantize(quant.F32, data, []float32{4, 4, 4, 4}); err != nil {
				t.Fatal(err)
			}
			e.tensors = append(e.tensors, gguf.Tensor{Name: "rope_freqs.weight", Type: quant.F32, Shape: []int{4}, Data: data})
		},
	} {
		e := edited(t, "llama.gguf")
		change(e)
		scaled := loadText(t, e.parse(t), nil)
		ids := story(20, 1)
		at, far := line(0, 20), line(0, 20)
		for i := range ids {
			ids[i] %= 256
			for j := range far[i] {
				far[i][j] *= 4
			}
		}
		want, got := make([]float32, 256), make([]float32, 256)
		if err := newSession(t, plain, 0).Append(t.Context(), ids, nil, at, want); err != nil {
			t.Fatal(err)
		}
		if err := newSession(t, scaled, 0).Append(t.Context(), ids, nil, far, got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: scaling by 4 does not undo positions times 4, logits differ by %g", name, maxDiff(got, want))
		}
	}
}

// A quantized model computes what its dequantized weights compute, but for the rounding of activations.
func TestQuantizedModelsFollowTheirWeights(t *testing.T) {
	g := loadGoldens(t)
	for _, c := range []struct {
		typ           quant.Type
		vision, logit float64 // least cosine
	}{
		{quant.F16, 0.9999999, 0.99999}, {quant.BF16, 0.9999999, 0.99999}, {quant.Q8_0, 0.9998, 0.998},
		{quant.Q4_0, 0.9998, 0.998}, {quant.Q4_1, 0.9998, 0.998},
	} {
		t.Run(c.typ.String(), func(t *testing.T) {
			var logits [2][]float32
			var embeds [2][]float32
			prompt := g.Qwen2VL[7] // two images
			for i, dequantized := range []bool{false, true} {
				et, ev := edited(t, "qwen2vl.gguf"), edited(t, "mmproj.gguf")
				et.encode(t, c.typ, dequantized)
				ev.encode(t, c.typ, dequantized)
				m, v := loadText(t, et.parse(t), nil), loadVision(t, ev.parse(t), nil)
				embeds[i] = embed(t, v, goldenSpan{Grid: GridTHW{1, 8, 10}, Seed: 9})
				s := newSession(t, m, 0)
				pos, _ := MRoPEPositions(prompt.spans(), 0)
				logits[i] = make([]float32, m.c.VocabSize)
				prefill(t, s, v, &prompt, pos, logits[i])
			}
			if got := cosine(embeds[0], embeds[1]); got < c.vision {
				t.Errorf("embeddings: cosine %.7f, want at least %v", got, c.vision)
			}
			if got := cosine(logits[0], logits[1]); got < c.logit {
				t.Errorf("logits: cosine %.7f, want at least %v", got, c.logit)
			}
		})
	}
}
