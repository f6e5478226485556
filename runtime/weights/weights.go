// Package weights gets a model file's matrices into the form the kernels multiply, with one resident copy: what has to be
// repacked is repacked once into a cache file, which this start and all later ones map.
package weights

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/gguf"
)

// cacheFrom is the size of repacked weights from which a cache file is worth its place: less is repacked in an instant.
const cacheFrom = 32 << 20

// Options say how to load.
type Options struct {
	// As is the type in which a tensor's matrix is to be kept, if not its own: a vision tower in F16 may be kept in Q8_0.
	// Nil keeps all as they are.
	As func(gguf.Tensor) quant.Type
	// Path is where the model file lies; "" for one in memory, which gets no cache file.
	Path string
	// CacheDir is the folder of cache files; "" puts them beside the model.
	CacheDir string
	NoCache  bool
	Runner   quant.Runner
	Log      *slog.Logger                // nil: silent
	Progress func(done, total int64)     // bytes of the model file repacked; nil: not wanted
	cacheMin int                         // for tests; 0: cacheFrom
	allocate func(fd int, n int64) error // for tests; nil: the file system's
}

// Set is the repacked matrices of one file. It lives as long as they are in use.
type Set struct {
	byName map[string]*quant.Matrix
	cache  *cacheFile // nil: memory of the matrices' own
	hit    bool
}

// Matrix is the matrix of the tensor of that name, nil where the tensor is used as it lies in the file.
func (s *Set) Matrix(name string) *quant.Matrix { return s.byName[name] }

// Cached says that the matrices came from a cache file that was there already.
func (s *Set) Cached() bool { return s.hit }

// Close waits until a new cache file is on disk, and unmaps it. The matrices must not be used after it.
func (s *Set) Close() error {
	s.byName = nil
	if s.cache == nil {
		return nil
	}
	c := s.cache
	s.cache = nil
	return c.close()
}

// item is one matrix of the plan.
type item struct {
	tensor gguf.Tensor
	typ    quant.Type // that it is kept in
	size   int        // bytes, repacked
	offset int        // in the cache file
}

func (it item) rows() int { return it.tensor.Shape[1] }
func (it item) cols() int { return it.tensor.Shape[0] }

// Load repacks f's matrices, or maps them from the cache file of an earlier start. A cache file that belongs to another
// model, version or processor, or is damaged, is made anew. Where none can be kept (a full or read-only disk), the
// matrices live in memory, and the log says why.
func Load(ctx context.Context, f *gguf.File, o Options) (*Set, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.cacheMin == 0 {
		o.cacheMin = cacheFrom
	}
	items, total := plan(f, o)
	s := &Set{byName: make(map[string]*quant.Matrix, len(items))}
	if o.Path != "" && !o.NoCache && total >= o.cacheMin {
		c, hit, err := openCache(ctx, f, items, o)
		if err != nil {
			return nil, err
		}
		if c != nil {
			s.cache, s.hit = c, hit
			for _, it := range items {
				m, err := quant.PackedMatrix(c.data[it.offset:it.offset+it.size], it.typ, it.rows(), it.cols())
				if err != nil {
					_ = s.Close()
					return nil, fmt.Errorf("weights: tensor %s: %w", it.tensor.Name, err)
				}
				s.byName[it.tensor.Name] = m
			}
			return s, nil
		}
	}
	made := make([]*quant.Matrix, len(items))
	err := each(ctx, f, items, o, func(i int) (err error) {
		it := items[i]
		made[i], err = quant.NewMatrixAs(it.typ, it.tensor.Type, it.tensor.Data, it.rows(), it.cols(), nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, it := range items {
		s.byName[it.tensor.Name] = made[i]
	}
	return s, nil
}

// plan lists the matrices that are repacked, in file order.
func plan(f *gguf.File, o Options) (items []item, total int) {
	for _, t := range f.Tensors() {
		if len(t.Shape) != 2 || strings.Contains(t.Name, "attn_qkv") { // the loader cuts a fused matrix in three
			continue
		}
		it := item{tensor: t, typ: t.Type}
		if o.As != nil {
			it.typ = o.As(t)
		}
		if it.size = quant.PackedBytes(it.typ, it.rows(), it.cols()); it.size > 0 {
			items = append(items, it)
			total += it.size
		}
	}
	return items, total
}

// each calls pack(i) for every item, spread over the runner's threads, and lets go of the model file's pages.
func each(ctx context.Context, f *gguf.File, items []item, o Options, pack func(i int) error) error {
	var total int64
	for _, it := range items {
		total += int64(len(it.tensor.Data))
	}
	var mu sync.Mutex
	var done int64 // guarded by mu, as the order of the calls of Progress is
	var failed atomic.Pointer[error]
	o.Runner.Do(len(items), func(i int) {
		if failed.Load() != nil {
			return
		}
		err := ctx.Err()
		if err == nil {
			err = pack(i)
		}
		if err != nil {
			err = fmt.Errorf("weights: tensor %s: %w", items[i].tensor.Name, err)
			failed.CompareAndSwap(nil, &err)
			return
		}
		f.Evict(items[i].tensor)
		mu.Lock()
		defer mu.Unlock()
		done += int64(len(items[i].tensor.Data))
		if o.Progress != nil {
			o.Progress(done, total)
		}
	})
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
