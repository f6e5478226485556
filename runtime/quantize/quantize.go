// Package quantize rewrites a GGUF model, text or mmproj, with its weight matrices in a smaller format, and measures what
// that costs against the model it came from.
package quantize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/gguf"
)

// Options say how to quantize.
type Options struct {
	Target   Target
	Force    bool // replace an existing output file
	Runner   quant.Runner
	Progress func(done, total int64) // bytes of input; nil: not wanted
}

// Report says what was done.
type Report struct {
	InBytes, OutBytes int64
	Types             map[quant.Type]int // tensors of each type in the output
}

// File quantizes the model at in to out. The output appears whole or not at all: it is written beside its final place,
// synced and renamed. An existing output is an error without o.Force, and stays as it was if anything fails.
func File(ctx context.Context, in, out string, o Options) (Report, error) {
	f, err := gguf.Open(in)
	if err != nil {
		return Report{}, fmt.Errorf("quantize: %w", err)
	}
	defer f.Close()
	if _, err := os.Stat(out); err == nil && !o.Force {
		return Report{}, fmt.Errorf("quantize: %s is there already: choose another name or pass --force", out)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Report{}, fmt.Errorf("quantize: %w", err)
	}
	plan, err := newPlan(f, o)
	if err != nil {
		return Report{}, err
	}
	if err := plan.writeTo(ctx, out); err != nil {
		return Report{}, fmt.Errorf("quantize: %s: %w", out, err)
	}
	return plan.report, nil
}

// plan is the output file but for its data.
type plan struct {
	in      []gguf.Tensor
	out     []gguf.Tensor // without Data
	meta    []gguf.KV
	evict   func(gguf.Tensor)
	runner  quant.Runner
	notify  func(done, total int64)
	report  Report
	scratch sync.Pool // *[]float32
}

func newPlan(f *gguf.File, o Options) (*plan, error) {
	c, err := newChooser(o.Target, f)
	if err != nil {
		return nil, err
	}
	p := &plan{in: f.Tensors(), evict: f.Evict, runner: o.Runner, notify: o.Progress, report: Report{Types: map[quant.Type]int{}}}
	changed := false
	for _, t := range p.in {
		p.report.InBytes += int64(len(t.Data))
		ty := c.typeOf(t)
		changed = changed || ty != t.Type
		p.report.Types[ty]++
		rows := t.Len() / t.Shape[0]
		p.report.OutBytes += int64(rows * ty.RowBytes(t.Shape[0]))
		t.Type, t.Data = ty, nil
		p.out = append(p.out, t)
	}
	if !changed {
		return nil, fmt.Errorf("quantize: no F32, F16 or BF16 matrix to turn into %s: start from the F16 file", o.Target)
	}
	for _, key := range f.Keys() {
		v, _ := f.Value(key)
		switch key {
		case "general.file_type":
			v = o.Target.fileType()
		case "general.quantization_version":
			continue
		}
		p.meta = append(p.meta, gguf.KV{Key: key, Value: v})
	}
	p.meta = append(p.meta, gguf.KV{Key: "general.quantization_version", Value: uint32(2)})
	return p, nil
}

func (p *plan) writeTo(ctx context.Context, path string) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	var done int64
	err = gguf.WriteEach(tmp, p.meta, p.out, func(i int) ([]byte, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		data, err := p.convert(p.in[i], p.out[i].Type)
		if err != nil {
			return nil, fmt.Errorf("tensor %s: %w", p.in[i].Name, err)
		}
		done += int64(len(p.in[i].Data))
		if p.notify != nil {
			p.notify(done, p.report.InBytes)
		}
		return data, nil
	})
	if err != nil {
		return err
	}
	if err = tmp.Chmod(0o644); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	if dir, err := os.Open(filepath.Dir(path)); err == nil { // the rename itself must survive a power cut
		_ = dir.Sync()
		dir.Close()
	}
	return nil
}

// convert returns t's data as type ty. Rows are independent, so they are spread over the runner's threads.
func (p *plan) convert(t gguf.Tensor, ty quant.Type) ([]byte, error) {
	defer p.evict(t)
	if ty == t.Type {
		return t.Data, nil
	}
	cols := t.Shape[0]
	rows := t.Len() / cols
	from, to := t.Type.RowBytes(cols), ty.RowBytes(cols)
	out := make([]byte, rows*to)
	const perChunk = 16
	var mu sync.Mutex
	var failed error
	p.runner.Do((rows+perChunk-1)/perChunk, func(chunk int) {
		x := p.row(cols)
		defer p.scratch.Put(x)
		for r := chunk * perChunk; r < min(rows, (chunk+1)*perChunk); r++ {
			err := quant.Dequantize(t.Type, *x, t.Data[r*from:(r+1)*from])
			if err == nil {
				err = quant.Quantize(ty, out[r*to:(r+1)*to], *x)
			}
			if err != nil {
				mu.Lock()
				failed = fmt.Errorf("row %d: %w", r, err)
				mu.Unlock()
				return
			}
		}
	})
	return out, failed
}

func (p *plan) row(cols int) *[]float32 {
	if x, ok := p.scratch.Get().(*[]float32); ok && cap(*x) >= cols {
		*x = (*x)[:cols]
		return x
	}
	x := make([]float32, cols)
	return &x
}
