package quantize

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/compute"
	"github.com/edgevlm/edgevlm/runtime/gguf"
)

func f32(name string, rows, cols int, rng *rand.Rand) gguf.Tensor {
	t := gguf.Tensor{Name: name, Type: quant.F32, Shape: []int{cols, rows}}
	if rows == 0 {
		t.Shape = []int{cols}
		rows = 1
	}
	for range rows * cols {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(float32(rng.NormFloat64())))
	}
	return t
}

// model is the least a text model's file holds for the choice of types, with 16 layers.
func model(t *testing.T, extra ...gguf.Tensor) string {
	rng := rand.New(rand.NewPCG(1, 2))
	tensors := []gguf.Tensor{
		f32("token_embd.weight", 40, 256, rng), f32("output_norm.weight", 0, 256, rng),
		f32("blk.0.attn_v.weight", 8, 256, rng), f32("blk.5.attn_v.weight", 8, 256, rng),
		f32("blk.0.ffn_down.weight", 16, 512, rng), f32("blk.2.ffn_down.weight", 16, 512, rng),
		f32("blk.2.ffn_up.weight", 16, 256, rng), f32("blk.2.attn_q.bias", 0, 256, rng), f32("blk.3.ffn_up.weight", 16, 96, rng),
	}
	var b bytes.Buffer
	meta := []gguf.KV{
		{Key: "general.architecture", Value: "qwen2"}, {Key: "general.file_type", Value: uint32(0)}, {Key: "qwen2.block_count", Value: uint32(16)},
	}
	if err := gguf.Write(&b, meta, append(tensors, extra...)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "in.gguf")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func options(t *testing.T, target Target) Options {
	p := compute.NewPool(2)
	t.Cleanup(p.Close)
	return Options{Target: target, Runner: p}
}

func TestEachTensorGetsItsTypeAndTheQuantizersBytes(t *testing.T) {
	in := model(t)
	for target, want := range map[Target]map[string]quant.Type{
		Q8_0: {"token_embd.weight": quant.Q8_0, "output_norm.weight": quant.F32, "blk.0.attn_v.weight": quant.Q8_0, "blk.2.attn_q.bias": quant.F32},
		Q4_0: {"token_embd.weight": quant.Q6_K, "blk.0.attn_v.weight": quant.Q4_0, "blk.2.ffn_up.weight": quant.Q4_0, "blk.3.ffn_up.weight": quant.Q4_0},
		Q4_K_M: {"token_embd.weight": quant.Q6_K, "blk.0.attn_v.weight": quant.Q6_K, "blk.5.attn_v.weight": quant.Q4_K,
			"blk.0.ffn_down.weight": quant.Q6_K, "blk.2.ffn_down.weight": quant.Q4_K, "blk.2.ffn_up.weight": quant.Q4_K, "blk.3.ffn_up.weight": quant.Q5_0},
	} {
		out := filepath.Join(t.TempDir(), "out.gguf")
		var last, total int64
		o := options(t, target)
		o.Progress = func(d, n int64) { last, total = d, n }
		report, err := File(context.Background(), in, out, o)
		if err != nil {
			t.Fatal(err)
		}
		if last != total || total == 0 || report.InBytes != total {
			t.Errorf("%s: progress ended at %d of %d, report says %d", target, last, total, report.InBytes)
		}
		f, err := gguf.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		src, err := gguf.Open(in)
		if err != nil {
			t.Fatal(err)
		}
		if ft, _ := f.Uint("general.file_type"); uint32(ft) != target.fileType() {
			t.Errorf("%s: general.file_type is %d", target, ft)
		}
		for name, ty := range want {
			got, ok := f.Tensor(name)
			if !ok || got.Type != ty {
				t.Errorf("%s: %s is %v, want %v", target, name, got.Type, ty)
				continue
			}
			orig, _ := src.Tensor(name)
			x := make([]float32, orig.Len())
			if err := quant.Dequantize(orig.Type, x, orig.Data); err != nil {
				t.Fatal(err)
			}
			enc := make([]byte, ty.RowBytes(len(x)))
			if err := quant.Quantize(ty, enc, x); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(enc, got.Data) {
				t.Errorf("%s: %s isn't what the quantizer makes of it", target, name)
			}
		}
		f.Close()
		src.Close()
	}
}

func TestAFailureLeavesTheOldFileWhole(t *testing.T) {
	bad := f32("blk.7.ffn_gate.weight", 2, 256, rand.New(rand.NewPCG(3, 4)))
	binary.LittleEndian.PutUint32(bad.Data[4*300:], math.Float32bits(float32(math.NaN())))
	in := model(t, bad)
	dir := t.TempDir()
	out := filepath.Join(dir, "out.gguf")
	if err := os.WriteFile(out, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := options(t, Q4_0)
	if _, err := File(context.Background(), in, out, o); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("an existing file without force: %v", err)
	}
	o.Force = true
	_, err := File(context.Background(), in, out, o)
	if err == nil || !strings.Contains(err.Error(), "blk.7.ffn_gate.weight") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a NaN must be named with its tensor: %v", err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := File(cancelled, in, out, o); err == nil {
		t.Error("a cancelled run succeeded")
	}
	if old, _ := os.ReadFile(out); string(old) != "old" {
		t.Errorf("the old file is now %d bytes", len(old))
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("files left behind: %v", left)
	}
}

func TestNothingToQuantizeIsAnError(t *testing.T) {
	in := model(t)
	out := filepath.Join(t.TempDir(), "q.gguf")
	if _, err := File(context.Background(), in, out, options(t, Q4_0)); err != nil {
		t.Fatal(err)
	}
	if _, err := File(context.Background(), out, out+"2", options(t, Q4_0)); err == nil || !strings.Contains(err.Error(), "F16") {
		t.Errorf("quantizing a quantized file: %v", err)
	}
	if _, err := File(context.Background(), in, out+"3", options(t, "q3")); err == nil || !strings.Contains(err.Error(), "q4_k_m") {
		t.Errorf("an unknown type: %v", err)
	}
}
