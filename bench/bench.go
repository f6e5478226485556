// Package bench times a model's stages on this machine, beside what the machine could do at most.
//
// The scripts in this folder run the same work through llama.cpp; see RESULTS.md.
package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/compute"
	"github.com/edgevlm/edgevlm/runtime/gguf"
	"github.com/edgevlm/edgevlm/runtime/qwen2vl"
	"github.com/edgevlm/edgevlm/runtime/weights"
)

// Options say what to time.
type Options struct {
	Model, MMProj string   // GGUF files; MMProj "" leaves vision out
	Threads       int      // 0: one a core
	Sizes         [][2]int // pictures to encode, width and height in pixels; nil: 448x448 and 644x364
	Prefill       int      // tokens; 0: 256
	Decode        int      // tokens; 0: 64
	VisionFloat   bool     // keep an F16 tower as it is instead of in 8 bits
	CacheDir      string   // for repacked weights; "": beside the model
	NoCache       bool     // repack in memory
	// Progress, if set, is told what begins.
	Progress func(stage string)
}

// Vision is the time of encoding one picture, preprocessing not included.
type Vision struct {
	Size    string  `json:"size"`
	Seconds float64 `json:"s"`
	Tokens  int     `json:"tokens"` // embeddings it makes
	GOPS    float64 `json:"gops"`   // matrix operations a second, two for a multiply-add, in thousands of millions
}

// Report is what was measured.
type Report struct {
	LoadSeconds float64  `json:"load_s"`
	Vision      []Vision `json:"vision"`
	PrefillTPS  float64  `json:"prefill_tps"` // tokens a second
	DecodeTPS   float64  `json:"decode_tps"`
	RSSBytes    int64    `json:"rss_bytes"` // the process's peak
	ISA         string   `json:"isa"`
	ReadGBPS    float64  `json:"read_gbps"` // the machine's read bandwidth, thousands of millions of bytes a second

	Threads       int     `json:"threads"`
	FileBytes     int64   `json:"file_bytes"`    // tensors of both files
	KVBytes       int64   `json:"kv_bytes"`      // keys and values of the rows that were run
	DecodeBytes   int64   `json:"decode_bytes"`  // weights, keys and values read for one token
	DecodeReadPct float64 `json:"decode_read_p"` // of ReadGBPS
	PrefillGOPS   float64 `json:"prefill_gops"`
	PeakGOPS      float64 `json:"peak_gops"` // matrix product of the model's own type out of the cache
}

// Run loads the model and times it. It uses random tokens and pixels: what they are doesn't change the work.
func Run(ctx context.Context, o Options) (Report, error) {
	if o.Prefill == 0 {
		o.Prefill = 256
	}
	if o.Decode == 0 {
		o.Decode = 64
	}
	if o.Sizes == nil {
		o.Sizes = [][2]int{{448, 448}, {644, 364}}
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	m, err := load(o)
	if err != nil {
		return Report{}, err
	}
	defer m.close()
	r := Report{LoadSeconds: m.took.Seconds(), ISA: quant.ISA(), Threads: m.pool.Threads(), FileBytes: m.bytes}
	if err := m.timeText(ctx, o, &r); err != nil {
		return Report{}, err
	}
	if m.vision != nil {
		for _, size := range o.Sizes {
			o.Progress(fmt.Sprintf("vision %dx%d", size[0], size[1]))
			v, err := m.timeVision(ctx, size)
			if err != nil {
				return Report{}, err
			}
			r.Vision = append(r.Vision, v)
		}
	}
	r.RSSBytes = peakRSS()
	o.Progress("read bandwidth")
	r.ReadGBPS = ReadBandwidth(m.pool)
	r.DecodeReadPct = 100 * float64(r.DecodeBytes) * r.DecodeTPS / 1e9 / r.ReadGBPS
	o.Progress("peak")
	r.PeakGOPS, err = peakGOPS(m.mainType, m.pool)
	return r, err
}

// model is the loaded files and what their tensors amount to.
type model struct {
	pool     *compute.Pool
	files    []*gguf.File
	sets     []*weights.Set
	text     *qwen2vl.Text
	vision   *qwen2vl.Vision
	took     time.Duration
	bytes    int64      // tensors of both files
	weights  int64      // bytes that a decoded token reads
	macs     int64      // multiply-adds of a token in the decoder's blocks
	headMACs int64      // multiply-adds of one row of logits
	patchMAC int64      // multiply-adds of one patch in the tower, its share of the merger included
	mainType quant.Type // of most of the decoder's bytes
}

func load(o Options) (_ *model, err error) {
	o.Progress("load")
	m := &model{pool: compute.NewPool(o.Threads)}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	start := time.Now()
	f, err := gguf.Open(o.Model)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	m.files = append(m.files, f)
	set, err := m.repack(f, o.Model, nil, o)
	if err != nil {
		return nil, err
	}
	if m.text, err = qwen2vl.LoadText(f, m.pool, set.Matrix); err != nil {
		return nil, fmt.Errorf("bench: %s: %w", o.Model, err)
	}
	m.countText(f)
	if o.MMProj != "" {
		p, err := gguf.Open(o.MMProj)
		if err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		m.files = append(m.files, p)
		as := qwen2vl.VisionInt8
		if o.VisionFloat {
			as = nil
		}
		set, err := m.repack(p, o.MMProj, as, o)
		if err != nil {
			return nil, err
		}
		if m.vision, err = qwen2vl.LoadVision(p, m.pool, set.Matrix); err != nil {
			return nil, fmt.Errorf("bench: %s: %w", o.MMProj, err)
		}
		m.countVision(p)
	}
	m.took = time.Since(start)
	return m, nil
}

func (m *model) repack(f *gguf.File, path string, as func(gguf.Tensor) quant.Type, o Options) (*weights.Set, error) {
	set, err := weights.Load(context.Background(), f, weights.Options{As: as, Path: path, CacheDir: o.CacheDir, NoCache: o.NoCache, Runner: m.pool})
	if err != nil {
		return nil, fmt.Errorf("bench: %s: %w", path, err)
	}
	m.sets = append(m.sets, set)
	return set, nil
}

func (m *model) close() {
	m.pool.Close()
	for _, s := range m.sets {
		s.Close()
	}
	for _, f := range m.files {
		f.Close()
	}
}

func (m *model) countText(f *gguf.File) {
	byType := map[quant.Type]int{}
	tied := m.text.Config().Tied
	for _, t := range f.Tensors() {
		m.bytes += int64(len(t.Data))
		embedding := t.Name == "token_embd.weight"
		if !embedding || tied {
			m.weights += int64(len(t.Data))
		}
		switch {
		case embedding && tied || t.Name == "output.weight":
			m.headMACs = int64(t.Len())
		case len(t.Shape) == 2 && strings.HasPrefix(t.Name, "blk."):
			m.macs += int64(t.Len())
			byType[t.Type] += len(t.Data)
			if byType[t.Type] > byType[m.mainType] {
				m.mainType = t.Type
			}
		}
	}
}

func (m *model) countVision(f *gguf.File) {
	c := m.vision.Config()
	group := int64(c.MergeSize * c.MergeSize)
	for _, t := range f.Tensors() {
		m.bytes += int64(len(t.Data))
		switch {
		case strings.HasPrefix(t.Name, "mm.") && len(t.Shape) == 2:
			m.patchMAC += int64(t.Len()) / group
		case len(t.Shape) >= 2:
			m.patchMAC += int64(t.Len())
		}
	}
}

func (m *model) timeText(ctx context.Context, o Options, r *Report) error {
	c := m.text.Config()
	if o.Prefill < 1 || o.Decode < 1 || o.Prefill+o.Decode > c.ContextLength {
		return fmt.Errorf("bench: %d + %d tokens: the model's context is %d", o.Prefill, o.Decode, c.ContextLength)
	}
	s, err := m.text.NewSession(o.Prefill + o.Decode)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer s.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	logits := make([]float32, c.VocabSize)
	run := func(n int) error {
		tokens := make([]int32, n)
		for i := range tokens {
			tokens[i] = rng.Int32N(int32(c.VocabSize))
		}
		pos, _ := qwen2vl.MRoPEPositions([]qwen2vl.Span{{Tokens: n}}, int32(s.Len()))
		return s.Append(ctx, tokens, nil, pos, logits)
	}
	o.Progress("prefill")
	if err := errors.Join(run(min(8, o.Prefill)), s.Truncate(0)); err != nil { // touches every page first
		return fmt.Errorf("bench: %w", err)
	}
	start := time.Now()
	if err := run(o.Prefill); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	took := time.Since(start).Seconds()
	r.PrefillTPS = float64(o.Prefill) / took
	r.PrefillGOPS = 2 * float64(int64(o.Prefill)*m.macs+m.headMACs) / took / 1e9
	o.Progress("decode")
	start = time.Now()
	for range o.Decode {
		if err := run(1); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	r.DecodeTPS = float64(o.Decode) / time.Since(start).Seconds()
	row := int64(c.Layers * c.KVHeads * c.HeadDim * 2 * 2) // keys and values in F16
	r.KVBytes = row * int64(s.Len())
	r.DecodeBytes = m.weights + row*int64(o.Prefill+o.Decode/2)
	return nil
}

func (m *model) timeVision(ctx context.Context, size [2]int) (Vision, error) {
	c := m.vision.Config()
	unit := c.PatchSize * c.MergeSize
	if size[0] < unit || size[1] < unit || size[0]%unit != 0 || size[1]%unit != 0 {
		return Vision{}, fmt.Errorf("bench: a picture of %dx%d: both must be multiples of %d", size[0], size[1], unit)
	}
	grid := qwen2vl.GridTHW{1, size[1] / c.PatchSize, size[0] / c.PatchSize}
	n := grid[1] * grid[2]
	patches := make([]float32, n*c.PatchLen())
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range patches {
		patches[i] = 2*rng.Float32() - 1
	}
	v := Vision{Size: fmt.Sprintf("%dx%d", size[0], size[1]), Tokens: n / (c.MergeSize * c.MergeSize)}
	dst := make([]float32, v.Tokens*c.OutDim)
	start := time.Now()
	if err := m.vision.Encode(ctx, patches, grid, dst); err != nil {
		return Vision{}, fmt.Errorf("bench: %w", err)
	}
	v.Seconds = time.Since(start).Seconds()
	v.GOPS = 2 * float64(int64(n)*m.patchMAC) / v.Seconds / 1e9
	return v, nil
}

// peakRSS is the most memory the process has had resident, in bytes; 0 where /proc doesn't say.
func peakRSS() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}
