package bench

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/compute"
	"github.com/edgevlm/edgevlm/runtime/gguf"
	"github.com/edgevlm/edgevlm/runtime/qwen2vl"
	"github.com/edgevlm/edgevlm/runtime/weights"
)

// model is the loaded files and what their tensors amount to.
type model struct {
	pool      *compute.Pool
	files     []*gguf.File
	sets      []*weights.Set
	text      *qwen2vl.Text
	vision    *qwen2vl.Vision // nil: none asked for
	took      time.Duration
	cached    bool
	fileBytes int64 // both files

	textBytes   int64      // of tensors, the embeddings too
	tokenBytes  int64      // of tensors that a decoded token reads
	macs        int64      // multiply-adds of a token in the decoder's blocks
	headMACs    int64      // multiply-adds of one row of logits
	textType    quant.Type // of most of the decoder's bytes
	visionBytes int64      // of the tower's and merger's tensors
	patchMACs   int64      // multiply-adds of one patch in the tower, its share of the merger included
	visionType  quant.Type // that most of the tower's bytes are kept in
}

func load(o Options) (_ *model, err error) {
	o.Progress("load")
	m := &model{pool: compute.NewPool(cmp.Or(o.Threads, runtime.GOMAXPROCS(0))), cached: true}
	defer func() {
		if err != nil {
			m.close()
			err = fmt.Errorf("bench: %w", err)
		}
	}()
	start := time.Now()
	f, set, err := m.open(o.Model, nil, o)
	if err != nil {
		return nil, err
	}
	if m.text, err = qwen2vl.LoadText(f, m.pool, set.Matrix); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Model, err)
	}
	m.countText(f)
	if o.MMProj != "" {
		as := qwen2vl.VisionInt8
		if o.VisionFloat {
			as = func(t gguf.Tensor) quant.Type { return t.Type }
		}
		p, set, err := m.open(o.MMProj, as, o)
		if err != nil {
			return nil, err
		}
		if m.vision, err = qwen2vl.LoadVision(p, m.pool, set.Matrix); err != nil {
			return nil, fmt.Errorf("%s: %w", o.MMProj, err)
		}
		m.countVision(p, as)
	}
	m.took = time.Since(start)
	return m, nil
}

func (m *model) open(path string, as func(gguf.Tensor) quant.Type, o Options) (*gguf.File, *weights.Set, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	m.fileBytes += info.Size()
	f, err := gguf.Open(path)
	if err != nil {
		return nil, nil, err
	}
	m.files = append(m.files, f)
	set, err := weights.Load(context.Background(), f, weights.Options{As: as, Path: path, CacheDir: o.CacheDir, NoCache: o.NoCache, Runner: m.pool})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	m.sets = append(m.sets, set)
	m.cached = m.cached && set.Cached()
	return f, set, nil
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
		m.textBytes += int64(len(t.Data))
		embedding := t.Name == "token_embd.weight"
		if !embedding || tied {
			m.tokenBytes += int64(len(t.Data))
		}
		switch {
		case embedding && tied || t.Name == "output.weight":
			m.headMACs = int64(t.Len())
		case len(t.Shape) == 2 && strings.HasPrefix(t.Name, "blk."):
			m.macs += int64(t.Len())
			byType[t.Type] += len(t.Data)
		}
	}
	m.textType = most(byType)
}

func (m *model) countVision(f *gguf.File, as func(gguf.Tensor) quant.Type) {
	byType := map[quant.Type]int{}
	c := m.vision.Config()
	group := int64(c.MergeSize * c.MergeSize)
	for _, t := range f.Tensors() {
		m.visionBytes += int64(len(t.Data))
		switch {
		case strings.HasPrefix(t.Name, "mm.") && len(t.Shape) == 2:
			m.patchMACs += int64(t.Len()) / group
		case len(t.Shape) >= 2:
			m.patchMACs += int64(t.Len())
			byType[as(t)] += t.Len()
		}
	}
	m.visionType = most(byType)
}

func most(byType map[quant.Type]int) (top quant.Type) {
	for t, n := range byType {
		if n > byType[top] {
			top = t
		}
	}
	return top
}
