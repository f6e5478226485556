package qwen2vl

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/edgevlm/edgevlm/runtime/compute"
	"github.com/edgevlm/edgevlm/runtime/gguf"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// goldens is testdata/goldens.json, made by make_goldens.py.
type goldens struct {
	Qwen2VL []golden `json:"qwen2vl"`
	Qwen2   []golden `json:"qwen2"`
	Llama   []golden `json:"llama"`
	data    []float32
}

type golden struct {
	Name   string
	IDs    []int32
	Spans  []goldenSpan
	Pos    [][3]int32
	Delta  int32
	Tokens []int32
	Gaps   []float64 // reference's top logit minus its second, per step
	Logits [2]int
}

type goldenSpan struct {
	Tokens int
	Kind   string
	Grid   GridTHW
	Seed   uint64
	Embeds [2]int

	Frames, Width, Height int // of pictures that imageproc makes patches of
}

const imageToken, videoToken = 508, 509

func loadGoldens(t testing.TB) *goldens {
	t.Helper()
	g := new(goldens)
	b, err := os.ReadFile("testdata/goldens.json")
	if err == nil {
		err = json.Unmarshal(b, g)
	}
	if err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile("testdata/goldens.bin"); err != nil {
		t.Fatal(err)
	}
	for ; len(b) >= 4; b = b[4:] {
		g.data = append(g.data, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return g
}

func (g *goldens) array(at [2]int) []float32 { return g.data[at[0] : at[0]+at[1]] }

// pixels is make_goldens.py's function of that name.
func pixels(rows int, seed uint64) []float32 {
	x := make([]float32, rows*1176)
	for i := range x {
		v := uint32(uint64(i)*2654435761 + seed*40503)
		v ^= v >> 15
		v *= 2246822519
		x[i] = float32(v>>12)/(1<<18) - 2
	}
	return x
}

func openModel(t testing.TB, name string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func loadText(t testing.TB, f *gguf.File, p *compute.Pool) *Text {
	t.Helper()
	m, err := LoadText(f, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func loadVision(t testing.TB, f *gguf.File, p *compute.Pool) *Vision {
	t.Helper()
	v, err := LoadVision(f, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func testPool(t testing.TB, threads int) *compute.Pool {
	p := compute.NewPool(threads)
	t.Cleanup(p.Close)
	return p
}

func maxDiff(a, b []float32) (d float64) {
	for i := range a {
		if e := math.Abs(float64(a[i]) - float64(b[i])); e > d || e != e {
			d = e
		}
	}
	return d
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab, aa, bb = ab+float64(a[i])*float64(b[i]), aa+float64(a[i])*float64(a[i]), bb+float64(b[i])*float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}

func argmax(x []float32) int32 {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return int32(best)
}

// picture is make_goldens.py's function of that name.
func picture(w, h, frame int) imageproc.RGB {
	p := imageproc.RGB{W: w, H: h, Pix: make([]byte, 0, 3*w*h)}
	for y := range h {
		for x := range w {
			for c := range 3 {
				p.Pix = append(p.Pix, byte(x*(c+2)+y*3+frame*29+(x*y>>3)*c+((x+frame*5)>>4)*40))
			}
		}
	}
	return p
}

// patches returns the input of a vision span.
func (s *goldenSpan) patches(t testing.TB) []float32 {
	t.Helper()
	if s.Frames == 0 {
		return pixels(s.Grid[0]*s.Grid[1]*s.Grid[2], s.Seed)
	}
	c := imageproc.DefaultConfig()
	c.ImageMinPixels, c.ImageMaxPixels, c.VideoMinPixels, c.VideoMaxPixels = 56*56, 16*28*28, 56*56, 16*28*28
	var frames []imageproc.RGB
	for i := range s.Frames {
		frames = append(frames, picture(s.Width, s.Height, i))
	}
	var p imageproc.Patches
	var err error
	if s.Kind == "image" {
		p, err = c.Image(frames[0])
	} else {
		p, err = c.Video(frames)
	}
	if err != nil {
		t.Fatal(err)
	}
	if p.Grid != s.Grid {
		t.Fatalf("pictures of %dx%d have grid %v, want %v", s.Width, s.Height, p.Grid, s.Grid)
	}
	return p.Data
}

// embed computes the embeddings of a vision span.
func embed(t testing.TB, v *Vision, s goldenSpan) []float32 {
	t.Helper()
	n := s.Grid[0] * s.Grid[1] * s.Grid[2]
	dst := make([]float32, n/4*v.Config().OutDim)
	if err := v.Encode(context.Background(), s.patches(t), s.Grid, dst); err != nil {
		t.Fatal(err)
	}
	return dst
}

// spans returns the case's layout for MRoPEPositions: vision_start and vision_end are text.
func (c *golden) spans() []Span {
	var out []Span
	for _, s := range c.Spans {
		if s.Kind == "" {
			out = append(out, Span{Tokens: s.Tokens})
			continue
		}
		out = append(out, Span{Tokens: 1}, Span{Grid: GridTHW{s.Grid[0], s.Grid[1] / 2, s.Grid[2] / 2}}, Span{Tokens: 1})
	}
	if out == nil {
		out = []Span{{Tokens: len(c.IDs)}}
	}
	return out
}

// prefill appends a case's prompt, vision blocks as embeddings, and leaves the last row's logits in logits.
func prefill(t testing.TB, s *Session, v *Vision, c *golden, pos [][3]int32, logits []float32) {
	t.Helper()
	at := 0
	add := func(n int, embeds []float32) {
		var out []float32
		if at+n == len(c.IDs) {
			out = logits
		}
		tokens := c.IDs[at : at+n]
		if embeds != nil {
			tokens = nil
		}
		if err := s.Append(context.Background(), tokens, embeds, pos[at:at+n], out); err != nil {
			t.Fatal(err)
		}
		at += n
	}
	vision := 0
	for at < len(c.IDs) {
		n := 0
		if id := c.IDs[at]; c.Spans != nil && (id == imageToken || id == videoToken) {
			for c.Spans[vision].Kind == "" {
				vision++
			}
			e := embed(t, v, c.Spans[vision])
			vision++
			add(len(e)/s.m.c.Hidden, e)
			continue
		}
		for at+n < len(c.IDs) && (c.Spans == nil || c.IDs[at+n] != imageToken && c.IDs[at+n] != videoToken) {
			n++
		}
		add(n, nil)
	}
}

// decode checks every greedy step on the reference's own tokens: a different choice is explained only where the
// reference's two best logits are within 0.05.
func decode(t testing.TB, s *Session, c *golden, next int32, logits []float32) {
	t.Helper()
	for i, want := range c.Tokens {
		if got := argmax(logits); got != want {
			if c.Gaps[i] > 0.05 {
				t.Errorf("step %d: token %d, the reference has %d by a margin of %.3f", i, got, want, c.Gaps[i])
			} else {
				t.Logf("step %d: token %d instead of %d, explained by the reference's margin of %.3f", i, got, want, c.Gaps[i])
			}
		}
		if err := s.Append(context.Background(), []int32{want}, nil, [][3]int32{{next, next, next}}, logits); err != nil {
			t.Fatal(err)
		}
		next++
	}
}

func TestQwen2VLEqualsTransformers(t *testing.T) {
	g := loadGoldens(t)
	for _, threads := range []int{1, 3} {
		p := testPool(t, threads)
		m, v := loadText(t, openModel(t, "qwen2vl.gguf"), p), loadVision(t, openModel(t, "mmproj.gguf"), p)
		for _, c := range g.Qwen2VL {
			t.Run(fmt.Sprintf("%s %d threads", c.Name, threads), func(t *testing.T) {
				for _, s := range c.Spans {
					if s.Kind == "" {
						continue
					}
					if d := maxDiff(embed(t, v, s), g.array(s.Embeds)); !(d <= 1e-3) {
						t.Errorf("grid %v: vision embeddings differ by %.3g, want at most 1e-3", s.Grid, d)
					}
				}
				pos, next := MRoPEPositions(c.spans(), 0)
				for i := range c.Pos {
					if len(pos) != len(c.Pos) || pos[i] != c.Pos[i] {
						t.Fatalf("position %d is %v, want %v", i, pos[i], c.Pos[i])
					}
				}
				if delta := next - int32(len(pos)); delta != c.Delta {
					t.Fatalf("rope delta %d, want %d", delta, c.Delta)
				}
				s, err := m.NewSession(0)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				logits := make([]float32, m.Config().VocabSize)
				prefill(t, s, v, &c, pos, logits)
				// Keys and values are F16 here and F32 there.
				if d := maxDiff(logits, g.array(c.Logits)); !(d <= 0.03) {
					t.Errorf("logits differ by %.3g, want at most 0.03", d)
				}
				decode(t, s, &c, next, logits)
			})
		}
	}
}

func TestTextModelsEqualTransformers(t *testing.T) {
	g := loadGoldens(t)
	p := testPool(t, 2)
	for name, cases := range map[string][]golden{"qwen2": g.Qwen2, "llama": g.Llama} {
		m := loadText(t, openModel(t, name+".gguf"), p)
		for _, c := range cases {
			t.Run(c.Name, func(t *testing.T) {
				pos, next := MRoPEPositions(c.spans(), 0)
				s, err := m.NewSession(0)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				logits := make([]float32, m.Config().VocabSize)
				prefill(t, s, nil, &c, pos, logits)
				if d := maxDiff(logits, g.array(c.Logits)); !(d <= 0.03) {
					t.Errorf("logits differ by %.3g, want at most 0.03", d)
				}
				decode(t, s, &c, next, logits)
			})
		}
	}
}
