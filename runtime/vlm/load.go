package vlm

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	stdruntime "runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/compute"
	"github.com/edgevlm/edgevlm/runtime/gguf"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/qwen2vl"
	"github.com/edgevlm/edgevlm/runtime/schema"
	"github.com/edgevlm/edgevlm/runtime/token"
	"github.com/edgevlm/edgevlm/runtime/weights"
)

// source is one model file.
type source struct {
	file   *gguf.File
	name   string // for errors
	path   string // "" in memory
	mapped bool
}

// Open loads a model from a text GGUF and its mmproj GGUF; mmprojPath "" loads it for text only. The files stay mapped
// until Close.
func Open(ctx context.Context, textPath, mmprojPath string, o Options) (*Engine, error) {
	open := func(path string) (*source, error) {
		f, err := gguf.Open(path)
		if err != nil {
			return nil, err
		}
		return &source{file: f, name: path, path: path, mapped: true}, nil
	}
	text, err := open(textPath)
	if err != nil {
		return nil, err
	}
	if mmprojPath == "" {
		return load(ctx, text, nil, o)
	}
	mmproj, err := open(mmprojPath)
	if err != nil {
		_ = text.file.Close()
		return nil, err
	}
	return load(ctx, text, mmproj, o)
}

// OpenBytes is Open for files in memory, which must not change until Close; mmproj nil loads for text only.
func OpenBytes(ctx context.Context, text, mmproj []byte, o Options) (*Engine, error) {
	t, err := gguf.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("vlm: text model in memory: %w", err)
	}
	if mmproj == nil {
		return load(ctx, &source{file: t, name: "text model in memory"}, nil, o)
	}
	m, err := gguf.Parse(mmproj)
	if err != nil {
		return nil, fmt.Errorf("vlm: mmproj in memory: %w", err)
	}
	return load(ctx, &source{file: t, name: "text model in memory"}, &source{file: m, name: "mmproj in memory"}, o)
}

// load takes over the files: they are closed with the engine, or now if it fails. mmproj may be nil.
func load(ctx context.Context, text, mmproj *source, o Options) (_ *Engine, err error) {
	start := time.Now()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{busy: make(chan struct{}, 1), files: []*gguf.File{text.file}, log: o.Log, notify: o.Progress}
	if mmproj != nil {
		e.files = append(e.files, mmproj.file)
	}
	defer func() {
		if err != nil {
			_ = e.free()
		}
	}()
	if err := checkKinds(text, mmproj); err != nil {
		return nil, err
	}
	if o.MinPixels < 0 || o.MaxPixels < 0 || o.MinPixels > o.MaxPixels && o.MaxPixels > 0 {
		return nil, fmt.Errorf("vlm: pixel limits %d to %d are not a range", o.MinPixels, o.MaxPixels)
	}
	if err := e.setAnswerTemperature(text, o); err != nil {
		return nil, err
	}
	threads := o.Threads
	if threads < 1 {
		threads = stdruntime.GOMAXPROCS(0)
	}
	e.pool, e.threads = compute.NewPool(threads), threads
	cpu := &cpu{}
	set, err := e.loadWeights(ctx, text, 0, nil, o)
	if err != nil {
		return nil, err
	}
	if cpu.text, err = e.loadText(text, set.Matrix, o); err != nil {
		return nil, fmt.Errorf("vlm: %s: %w", text.name, err)
	}
	if mmproj != nil {
		as, err := visionTypes(o.Vision)
		if err != nil {
			return nil, err
		}
		set, err := e.loadWeights(ctx, mmproj, dataBytes(text.file), as, o)
		if err != nil {
			return nil, err
		}
		if cpu.vision, err = qwen2vl.LoadVision(mmproj.file, e.pool, set.Matrix); err != nil {
			return nil, fmt.Errorf("vlm: %s: %w", mmproj.name, err)
		}
		cpu.visionInt8 = computesInt8(mmproj.file, as)
		if err := e.joinVision(cpu.vision.Config(), text, mmproj, o); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := e.choose(ctx, cpu, newModel(text, mmproj), o); err != nil {
		return nil, err
	}
	e.info.LoadTime = time.Since(start)
	return e, nil
}

// setAnswerTemperature takes the option's, else the file's, else 1.
func (e *Engine) setAnswerTemperature(text *source, o Options) error {
	t, from := o.AnswerTemperature, "the option"
	if t == 0 {
		t, from = 1, ""
		if v, ok := text.file.Float(AnswerTemperatureKey); ok {
			t, from = v, text.name
		}
	}
	if !(t > 0 && t <= maxAnswerTemperature) {
		return fmt.Errorf("vlm: answer temperature %v (%s): it must be more than 0 and at most %d", t, from, maxAnswerTemperature)
	}
	e.answerTemperature = t
	return nil
}

// loadText reads decoder and tokenizer and fills in what the engine knows from them.
func (e *Engine) loadText(text *source, w qwen2vl.Weights, o Options) (*qwen2vl.Text, error) {
	m, err := qwen2vl.LoadText(text.file, e.pool, w)
	if err != nil {
		return nil, err
	}
	if e.tok, err = token.FromGGUF(text.file); err != nil {
		return nil, err
	}
	c := m.Config()
	if e.tok.Size() > c.VocabSize {
		return nil, fmt.Errorf("the tokenizer has %d tokens, the model only %d: the file is damaged", e.tok.Size(), c.VocabSize)
	}
	e.marks = findMarks(e.tok)
	e.numbers = sync.OnceValue(func() *numbers { return newNumbers(e.tok) })
	e.schemaVocabulary = sync.OnceValue(func() *schema.Vocabulary { return newSchemaVocabulary(e.tok) })
	e.hidden, e.vocab = c.Hidden, c.VocabSize
	e.info = Info{Name: c.Name, Arch: c.Arch, Quant: quantOf(text.file), ContextLength: c.ContextLength}
	if e.info.Name == "" {
		e.info.Name = strings.TrimSuffix(filepath.Base(text.name), ".gguf")
	}
	if o.MaxContext > 0 {
		e.info.ContextLength = min(o.MaxContext, c.ContextLength)
	}
	for _, f := range e.files {
		for _, t := range f.Tensors() {
			e.info.Params += int64(t.Len())
		}
	}
	return m, nil
}

// checkKinds catches files in each other's place.
func checkKinds(text, mmproj *source) error {
	if text.file.Arch() == "clip" {
		return fmt.Errorf("vlm: %s is a vision file (mmproj), not a text model: give it as mmproj, and its text model as model", text.name)
	}
	if mmproj == nil {
		return nil
	}
	switch arch := mmproj.file.Arch(); {
	case arch != "clip":
		return fmt.Errorf("vlm: %s is a text model (architecture %.40q), not a vision file: give the mmproj file that belongs to %s", mmproj.name, arch, text.name)
	case text.file.Arch() != "qwen2vl":
		return fmt.Errorf("vlm: %s is a model for text only (architecture %.40q): leave the mmproj file out, or give a qwen2vl model", text.name, text.file.Arch())
	}
	return nil
}

// joinVision checks that the vision tower belongs to the decoder and sets how pictures are prepared.
func (e *Engine) joinVision(c qwen2vl.VisionConfig, text, mmproj *source, o Options) error {
	if c.OutDim != e.hidden {
		return fmt.Errorf("vlm: %s makes embeddings of width %d, but %s wants %d: use the mmproj file made for this model",
			mmproj.name, c.OutDim, text.name, e.hidden)
	}
	if err := e.marks.check(); err != nil {
		return fmt.Errorf("vlm: %s: %w", text.name, err)
	}
	p := imageproc.DefaultConfig()
	p.PatchSize, p.MergeSize, p.TemporalPatchSize, p.Mean, p.Std = c.PatchSize, c.MergeSize, c.TemporalPatchSize, c.Mean, c.Std
	limit := func(least, most int) {
		for _, l := range []struct{ min, max *int }{{&p.ImageMinPixels, &p.ImageMaxPixels}, {&p.VideoMinPixels, &p.VideoMaxPixels}} {
			if least > 0 {
				*l.min, *l.max = least, max(least, *l.max)
			}
			if most > 0 {
				*l.min, *l.max = min(*l.min, most), most
			}
		}
	}
	limit(c.MinPixels, c.MaxPixels)
	limit(o.MinPixels, o.MaxPixels)
	e.images, e.info.HasVision = p, true
	return nil
}

// choose puts an accelerator in front of the CPU if there is a good one.
func (e *Engine) choose(ctx context.Context, c *cpu, m npu.Model, o Options) error {
	d, report, err := npu.Select(ctx, m, o.Drivers, o.Backend, npu.Options{MaxTokens: e.info.ContextLength, CacheDir: o.CacheDir, Log: e.log}, c)
	e.report = report
	if err != nil {
		return err
	}
	e.run = d
	if d == npu.Delegate(c) {
		return nil
	}
	if most := d.Device().MaxContext; most > 0 && d.Supports()&npu.StageDecoder != 0 {
		e.info.ContextLength = min(e.info.ContextLength, most)
	}
	e.run = npu.Resilient(d, c, e.log)
	return nil
}

// quantOf is the type that most bytes of the matrices have.
func quantOf(f *gguf.File) string {
	bytes := map[string]int{}
	best := ""
	for _, t := range f.Tensors() {
		if len(t.Shape) == 2 {
			q := t.Type.String()
			bytes[q] += len(t.Data)
			if best == "" || bytes[q] > bytes[best] {
				best = q
			}
		}
	}
	return best
}

// loadWeights repacks a file's matrices or maps them from the cache file of an earlier start. The progress of loading
// counts the tensors' bytes of all files; before is those of the files before this one.
func (e *Engine) loadWeights(ctx context.Context, s *source, before int, as func(gguf.Tensor) quant.Type, o Options) (*weights.Set, error) {
	total := 0
	for _, f := range e.files {
		total += dataBytes(f)
	}
	set, err := weights.Load(ctx, s.file, weights.Options{
		As: as, Path: s.path, CacheDir: o.CacheDir, NoCache: o.NoWeightsCache, Runner: e.pool, Log: e.log,
		Progress: func(done, _ int64) { e.progress("load", before+int(done), total) },
	})
	if err != nil {
		return nil, fmt.Errorf("vlm: %s: %w", s.name, err)
	}
	e.sets = append(e.sets, set)
	e.progress("load", before+dataBytes(s.file), total)
	return set, nil
}

func dataBytes(f *gguf.File) (n int) {
	for _, t := range f.Tensors() {
		n += len(t.Data)
	}
	return n
}

// visionTypes is in which type a tower's matrices are kept. Eight-bit weights of blocks of 32 with eight-bit activations
// cost a third of the half-precision product, and turn the embeddings by less than a cosine of 0.999 shows.
func visionTypes(mode string) (func(gguf.Tensor) quant.Type, error) {
	switch mode {
	case "", "int8":
		return qwen2vl.VisionInt8, nil
	case "float":
		return nil, nil
	}
	return nil, fmt.Errorf("vlm: vision %q: use int8 or float", mode)
}

// computesInt8 says whether products of a tower's matrices run on bytes, as those of all quantized weights do.
func computesInt8(f *gguf.File, as func(gguf.Tensor) quant.Type) bool {
	return slices.ContainsFunc(f.Tensors(), func(t gguf.Tensor) bool {
		typ := t.Type
		if as != nil {
			typ = as(t)
		}
		return typ != quant.F32 && typ != quant.F16 && typ != quant.BF16
	})
}
