package vlm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/edgevlm/edgevlm/runtime/gguf"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/token"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// qwen2vl's goldens, which say how they are made.
const goldenDir = "../qwen2vl/testdata"

type golden struct {
	Name   string
	IDs    []int32
	Spans  []goldenSpan
	Tokens []int32
	Gaps   []float64
}

type goldenSpan struct {
	Kind                  string
	Grid                  [3]int
	Frames, Width, Height int
}

func goldens(t testing.TB) (g struct{ Qwen2VL, Qwen2, Llama []golden }) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(goldenDir, "goldens.json"))
	if err == nil {
		err = json.Unmarshal(b, &g)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// picture is make_goldens.py's function of that name.
func picture(w, h, frame int) imageproc.RGB {
	p := imageproc.RGB{W: w, H: h, Pix: make([]byte, 0, 3*w*h)}
	for y := range h {
		for x := range w {
			for c := range 3 {
				p.Pix = append(p.Pix, byte(x*(c+2)+y*3+frame*29+((x*y)>>3)*c+((x+frame*5)>>4)*40))
			}
		}
	}
	return p
}

// vocabulary gives the tiny models' ids a text, since transformers knows them by number only.
type vocabulary func(i int) (string, token.Type)

var specials = map[int]string{
	500: "<|im_start|>", 501: "<|im_end|>", 502: "<|endoftext|>", 503: refStart, 504: refEnd, 505: boxStart,
	506: visionStart, 507: visionEnd, 508: imagePad, 509: videoPad, 510: boxEnd,
}

// numbered writes every token as <t17>, so that a raw prompt can hold any ids.
func numbered(i int) (string, token.Type) {
	if s, ok := specials[i]; ok && i >= 506 && i <= 509 {
		return s, token.Control
	}
	return fmt.Sprintf("<t%d>", i), token.UserDefined
}

// unmarked has no special token.
func unmarked(i int) (string, token.Type) { return fmt.Sprintf("<t%d>", i), token.UserDefined }

// bytewise has a token for each byte, in GPT-2's form, then words, then the special tokens.
func bytewise(i int) (string, token.Type) {
	if s, ok := specials[i]; ok {
		return s, token.Control
	}
	if i < 256 {
		return string(byteRunes()[i]), token.Normal
	}
	return fmt.Sprintf("word%d", i), token.Normal
}

// byteRunes is GPT-2's table: printable Latin-1 bytes stand for themselves, the others for U+0100 onwards.
func byteRunes() (r [256]rune) {
	next := rune(256)
	for b := range r {
		if b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae {
			r[b] = rune(b)
		} else {
			r[b] = next
			next++
		}
	}
	return r
}

// tiny is a golden model with a tokenizer, as a file in memory.
func tiny(t testing.TB, name string, v vocabulary, more ...gguf.KV) []byte {
	t.Helper()
	f, err := gguf.Open(filepath.Join(goldenDir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kv := map[string]any{}
	var keys []string
	set := func(k string, x any) {
		if _, ok := kv[k]; !ok {
			keys = append(keys, k)
		}
		kv[k] = x
	}
	for _, k := range f.Keys() {
		x, _ := f.Value(k)
		set(k, x)
	}
	if v != nil {
		emb, _ := f.Tensor("token_embd.weight")
		var tokens []string
		var types []int32
		for i := range emb.Shape[1] {
			s, ty := v(i)
			tokens, types = append(tokens, s), append(types, int32(ty))
		}
		set("tokenizer.ggml.model", "gpt2")
		set("tokenizer.ggml.pre", "qwen2")
		set("tokenizer.ggml.tokens", tokens)
		set("tokenizer.ggml.token_type", types)
		set("tokenizer.ggml.merges", []string{})
	}
	for _, x := range more {
		set(x.Key, x.Value)
	}
	var meta []gguf.KV
	for _, k := range keys {
		if kv[k] != nil {
			meta = append(meta, gguf.KV{Key: k, Value: kv[k]})
		}
	}
	var b bytes.Buffer
	if err := gguf.Write(&b, meta, f.Tensors()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// openTiny loads a tiny model; mmproj is "" for text only.
func openTiny(t testing.TB, name, mmproj string, v vocabulary, o Options) *Engine {
	t.Helper()
	var m []byte
	if mmproj != "" {
		m = tiny(t, mmproj, nil)
	}
	if o.Threads == 0 {
		o.Threads = 1
	}
	e, err := OpenBytes(context.Background(), tiny(t, name, v), m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// goldenPixels are the limits that the goldens' pictures were made with.
var goldenPixels = Options{MinPixels: 56 * 56, MaxPixels: 16 * 28 * 28}

// request asks for what a golden was asked; ok is false if it needs patches that no picture gives.
func (g golden) request(runs bool) (r Request, ok bool) {
	r = Request{Raw: true, MaxTokens: len(g.Tokens)}
	for _, s := range g.Spans {
		if s.Kind == "" {
			continue
		}
		if s.Frames == 0 {
			return r, false
		}
		m := Media{Video: s.Kind == "video"}
		for f := range s.Frames {
			m.Frames = append(m.Frames, picture(s.Width, s.Height, f))
		}
		r.Media = append(r.Media, m)
	}
	var b strings.Builder
	for i, id := range g.IDs {
		s, _ := numbered(int(id))
		if !runs && i > 0 && id == g.IDs[i-1] && strings.HasSuffix(s, "_pad|>") {
			continue // one pad stands for all
		}
		b.WriteString(s)
	}
	r.Prompt = b.String()
	return r, true
}

// sameTokens allows the first difference only where the reference's two best tokens are hardly apart.
func (g golden) sameTokens(t *testing.T, got []int32) {
	t.Helper()
	if len(got) != len(g.Tokens) {
		t.Fatalf("%d tokens, want %d", len(got), len(g.Tokens))
	}
	for i, id := range got {
		if id == g.Tokens[i] {
			continue
		}
		if g.Gaps[i] < 0.05 {
			t.Logf("token %d differs where the reference's best two are %.4f apart", i, g.Gaps[i])
			return
		}
		t.Fatalf("token %d is %d, transformers' is %d (best two %.4f apart)", i, id, g.Tokens[i], g.Gaps[i])
	}
}

// edit changes tensors of a file.
func edit(t testing.TB, f *gguf.File, change func(*gguf.Tensor)) []byte {
	t.Helper()
	var meta []gguf.KV
	for _, k := range f.Keys() {
		v, _ := f.Value(k)
		meta = append(meta, gguf.KV{Key: k, Value: v})
	}
	tensors := f.Tensors()
	for i := range tensors {
		change(&tensors[i])
	}
	var b bytes.Buffer
	if err := gguf.Write(&b, meta, tensors); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
