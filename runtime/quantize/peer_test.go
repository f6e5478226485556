package quantize

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/gguf"
)

// modelsVariable names the folder that bench/make_model.py wrote: a text model in F16, and what llama.cpp's quantizer made of
// it.
const modelsVariable = "EDGEVLM_BENCH_MODELS"

func openModel(t *testing.T, name string) *gguf.File {
	t.Helper()
	dir := os.Getenv(modelsVariable)
	if dir == "" {
		t.Skipf("%s isn't set to a folder of full-size models", modelsVariable)
	}
	f, err := gguf.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestEveryTensorGetsTheTypeThatLlamaCppGivesIt(t *testing.T) {
	source := openModel(t, "text-f16.gguf")
	for _, target := range []Target{Q4_0, Q4_K_M} {
		peer := openModel(t, "text-"+string(target)+".gguf")
		c, err := newChooser(target, source)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range source.Tensors() {
			p, ok := peer.Tensor(x.Name)
			if got := c.typeOf(x); !ok || got != p.Type {
				t.Errorf("%s: %s is %v, llama.cpp's %v", target, x.Name, got, p.Type)
			}
		}
	}
}

// The first rows of some tensors stand for all: encoding the whole model takes minutes.
func TestErrorIsNoLargerThanLlamaCpps(t *testing.T) {
	const rows = 64
	source, peer := openModel(t, "text-f16.gguf"), openModel(t, "text-q4_k_m.gguf")
	for _, name := range []string{
		"blk.0.attn_q.weight", "blk.7.attn_output.weight", "blk.13.ffn_up.weight", "blk.5.ffn_down.weight", "token_embd.weight",
	} {
		x, ok := source.Tensor(name)
		p, found := peer.Tensor(name)
		if !ok || !found {
			t.Fatalf("no %s", name)
		}
		n := rows * x.Shape[0]
		want, got := make([]float32, n), make([]float32, n)
		quant.Dequantize(x.Type, want, x.Data[:x.Type.RowBytes(n)])
		ours := make([]byte, p.Type.RowBytes(n))
		if err := quant.Quantize(p.Type, ours, want); err != nil {
			t.Fatal(err)
		}
		squares := func(data []byte) (sum float64) {
			quant.Dequantize(p.Type, got, data)
			for i := range want {
				d := float64(want[i] - got[i])
				sum += d * d
			}
			return sum
		}
		ratio := squares(ours) / squares(p.Data[:len(ours)])
		t.Logf("%s, %v: %.3f of llama.cpp's squared error", name, p.Type, ratio)
		if ratio > 1.02 {
			t.Errorf("%s, %v: %.3f of llama.cpp's squared error, the limit is 1.02", name, p.Type, ratio)
		}
	}
}
