//go:build unix

package weights

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/compute"
	"github.com/edgevlm/edgevlm/runtime/gguf"
)

const rows, cols = 24, 256

func tensor(t *testing.T, name string, ty quant.Type, seed uint64) gguf.Tensor {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, rows*cols)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	data := make([]byte, rows*ty.RowBytes(cols))
	if err := quant.Quantize(ty, data, x); err != nil {
		t.Fatal(err)
	}
	return gguf.Tensor{Name: name, Type: ty, Shape: []int{cols, rows}, Data: data}
}

// world is a model file in a folder of its own.
type world struct {
	t    *testing.T
	path string
	pool *compute.Pool
	log  bytes.Buffer
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, path: filepath.Join(t.TempDir(), "model.gguf"), pool: compute.NewPool(2)}
	t.Cleanup(w.pool.Close)
	w.write(tensor(t, "a.weight", quant.Q4_0, 1), tensor(t, "b.weight", quant.Q6_K, 2), tensor(t, "c.weight", quant.F16, 3))
	return w
}

func (w *world) write(tensors ...gguf.Tensor) {
	var b bytes.Buffer
	if err := gguf.Write(&b, []gguf.KV{{Key: "general.architecture", Value: "qwen2"}}, tensors); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.path, b.Bytes(), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// load loads, multiplies, closes, and returns the products and whether the cache file was used.
func (w *world) load(o Options) (products map[string][]float32, hit bool) {
	w.t.Helper()
	f, err := gguf.Open(w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	o.Path, o.Runner, o.cacheMin = w.path, w.pool, 1
	o.Log = slog.New(slog.NewTextHandler(&w.log, nil))
	s, err := Load(context.Background(), f, o)
	if err != nil {
		w.t.Fatal(err)
	}
	products = map[string][]float32{}
	x := make([]float32, cols)
	for i := range x {
		x[i] = float32(i%13) - 6
	}
	for _, tn := range f.Tensors() {
		if m := s.Matrix(tn.Name); m != nil {
			products[tn.Name] = make([]float32, rows)
			m.Mul(products[tn.Name], x, 1, w.pool)
		}
	}
	hit = s.Cached()
	if err := s.Close(); err != nil {
		w.t.Fatal(err)
	}
	return products, hit
}

func (w *world) files() (names []string) {
	entries, err := os.ReadDir(filepath.Dir(w.path))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func equal(a, b map[string][]float32) bool {
	if len(a) != len(b) || len(a) == 0 {
		return false
	}
	for k := range a {
		if !slices.Equal(a[k], b[k]) {
			return false
		}
	}
	return true
}

func TestSecondStartMapsWhatTheFirstRepacked(t *testing.T) {
	w := newWorld(t)
	plain, hit := w.load(Options{NoCache: true})
	if hit || len(w.files()) != 1 {
		t.Fatalf("no cache was asked for: %v", w.files())
	}
	first, hit := w.load(Options{})
	if hit || !equal(first, plain) {
		t.Fatal("the first start is a miss with the same products")
	}
	if got := w.files(); !slices.Equal(got, []string{"model.gguf", "model.gguf.edgevlm-weights"}) {
		t.Fatalf("files %v", got)
	}
	second, hit := w.load(Options{})
	if !hit || !equal(second, plain) {
		t.Fatal("the second start is a hit with the same products")
	}
	if len(plain) != 2 {
		t.Errorf("F16 is used as it is, so two matrices: %d", len(plain))
	}
}

func TestCacheOfAnotherModelOrDamagedIsMadeAnew(t *testing.T) {
	w := newWorld(t)
	cache := w.path + ".edgevlm-weights"
	for what, spoil := range map[string]func(){
		"other weights": func() {
			w.write(tensor(t, "a.weight", quant.Q4_0, 4), tensor(t, "b.weight", quant.Q6_K, 2), tensor(t, "c.weight", quant.F16, 3))
		},
		"touched": func() {
			later := time.Now().Add(time.Hour)
			if err := os.Chtimes(w.path, later, later); err != nil {
				t.Fatal(err)
			}
		},
		"a flipped bit":  func() { flip(t, cache, page+1000) },
		"a damaged head": func() { flip(t, cache, 20) },
		"other magic":    func() { flip(t, cache, 7) },
		"cut short": func() {
			if err := os.Truncate(cache, page+100); err != nil {
				t.Fatal(err)
			}
		},
		"empty": func() {
			if err := os.Truncate(cache, 0); err != nil {
				t.Fatal(err)
			}
		},
	} {
		w.load(Options{})
		if _, hit := w.load(Options{}); !hit {
			t.Fatalf("%s: no cache to spoil", what)
		}
		spoil()
		want, _ := w.load(Options{NoCache: true})
		got, hit := w.load(Options{})
		if hit || !equal(got, want) {
			t.Errorf("%s: the spoiled cache was used (hit %v)", what, hit)
		}
		if _, hit := w.load(Options{}); !hit {
			t.Errorf("%s: it wasn't made anew", what)
		}
	}
}

func flip(t *testing.T, path string, at int64) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 4
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func TestFullDiskKeepsWeightsInMemoryAndTheOldFileWhole(t *testing.T) {
	w := newWorld(t)
	w.load(Options{})
	cache := w.path + ".edgevlm-weights"
	old, err := os.ReadFile(cache)
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour) // so that a new one is needed
	if err := os.Chtimes(w.path, later, later); err != nil {
		t.Fatal(err)
	}
	want, _ := w.load(Options{NoCache: true})
	got, hit := w.load(Options{allocate: func(int, int64) error { return unix.ENOSPC }})
	if hit || !equal(got, want) {
		t.Error("without disk space the weights must live in memory")
	}
	if !strings.Contains(w.log.String(), "no space left") {
		t.Errorf("the log doesn't say why: %s", w.log.String())
	}
	if now, _ := os.ReadFile(cache); !bytes.Equal(now, old) {
		t.Error("the old file changed")
	}
	if got := w.files(); len(got) != 2 {
		t.Errorf("files left behind: %v", got)
	}
	got, hit = w.load(Options{CacheDir: filepath.Join(w.path, "no folder")})
	if hit || !equal(got, want) {
		t.Error("a folder that can't be made must not stop the start")
	}
}

func TestHalfWrittenFilesOfKilledStartsAreRemoved(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Dir(w.path)
	dead, alive := filepath.Join(dir, ".model.gguf.edgevlm-weights.1"), filepath.Join(dir, ".model.gguf.edgevlm-weights.2")
	for _, p := range []string{dead, alive} {
		if err := os.WriteFile(p, make([]byte, 100), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(alive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	w.load(Options{})
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead start's file is still there: %v", err)
	}
	if _, err := os.Stat(alive); err != nil {
		t.Errorf("a file that another start still writes was removed: %v", err)
	}
}

func TestATowerMayBeKeptInEightBits(t *testing.T) {
	w := newWorld(t)
	as := func(g gguf.Tensor) quant.Type {
		if g.Type == quant.F16 {
			return quant.Q8_0
		}
		return g.Type
	}
	fresh, _ := w.load(Options{As: as})
	if len(fresh) != 3 {
		t.Fatalf("%d matrices, want c.weight too", len(fresh))
	}
	cached, hit := w.load(Options{As: as})
	if !hit || !equal(cached, fresh) {
		t.Error("the cache must hold the quantized tower")
	}
	if _, hit := w.load(Options{}); hit {
		t.Error("a cache with other types was used")
	}
}

// A tower is kept in the type that the processor multiplies fastest: what one left is no use to another, and is made anew with the
// products of its own type, however often the two take turns.
func TestTowersOfDifferentInstructionSetsDontShareACache(t *testing.T) {
	w := newWorld(t)
	in := func(typ quant.Type) func(gguf.Tensor) quant.Type {
		return func(g gguf.Tensor) quant.Type {
			if g.Type == quant.F16 {
				return typ
			}
			return g.Type
		}
	}
	for _, typ := range []quant.Type{quant.Int8, quant.Int8Wide, quant.Q8_0, quant.Int8Wide, quant.Int8} {
		want, _ := w.load(Options{As: in(typ), NoCache: true})
		fresh, hit := w.load(Options{As: in(typ)})
		if hit {
			t.Fatalf("%v: the cache of another type was used", typ)
		}
		again, hit := w.load(Options{As: in(typ)})
		if !hit || !equal(fresh, want) || !equal(again, want) {
			t.Fatalf("%v: hit %v, products %v and %v, want %v", typ, hit, fresh["c.weight"], again["c.weight"], want["c.weight"])
		}
	}
}

func TestNaNIsNamedWithItsTensor(t *testing.T) {
	w := newWorld(t)
	bad := tensor(t, "blk.3.bad.weight", quant.Q4_0, 9)
	binary.LittleEndian.PutUint16(bad.Data[18*10:], math.MaxUint16)
	w.write(tensor(t, "a.weight", quant.Q4_0, 1), bad)
	f, err := gguf.Open(w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, o := range []Options{{}, {NoCache: true}} {
		o.Path, o.Runner, o.cacheMin = w.path, w.pool, 1
		_, err = Load(context.Background(), f, o)
		if err == nil || !strings.Contains(err.Error(), "blk.3.bad.weight") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v", err)
		}
	}
	if got := w.files(); len(got) != 1 {
		t.Errorf("files left behind: %v", got)
	}
}
