package quant

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

// kernels is what one instruction set offers. A nil function means the portable one serves.
type kernels struct {
	name     string
	quantize func(dst []activation, x []float32)
	ints     [layouts]intKernel
	floats   [3]floatKernel // see floatKind

	quantizeU8 func(dst []activation, stride int, x []float32)
	int8       int8Kernel
	// setQ8_0 and setInt8 fill a group with the columns of x [32, 8], whose rows lie ld apart. Without setInt8 Q8_0 is the faster one.
	setQ8_0, setInt8 func(group []byte, x []float32, ld int)

	quantizeWide func(panel []byte, x []float32, ldx, cols, nb int) // cols and nb are at least 1
	int8Wide     stripTiles
	prefetch     func(p *byte, n int) // n bytes to the L2 cache
}

// intKernel multiplies one layout. Both functions add to out, so that a long row can be fed in pieces.
type intKernel struct {
	gemv gemvFunc
	gemm gemmFunc // nil: gemv per column
	tile int      // columns of gemm: 4 or 8
	// padFrom: with this many columns left over, a padded tile is cheaper than as many gemv.
	padFrom    int
	panelBytes int // of one block of tile columns
	// pack interleaves tile columns of equally many blocks.
	pack func(panel []byte, cols [][]activation)
	// fill, if there is one, is quantize and pack in one for nb whole blocks of tile columns of x, ldx apart.
	fill func(panel []byte, x []float32, ldx, nb int)

	// spread and wide, where there are, multiply many columns: see wide.go.
	spread func(dst []byte, stride int, w []byte, nb int)
	wide   int8Kernel

	strip stripKernel // the same where there is VPDPBUSD: see strip.go
}

// gemvFunc: 8 rows x len(a) blocks times one column: out[0:8] += .
type gemvFunc = func(w []byte, a []activation, out []float32)

// gemmFunc: 8 rows x nb blocks times the columns of a tile: out[c*ldo : c*ldo+8] += for each column c.
type gemmFunc = func(w, panel []byte, nb int, out []float32, ldo int)

var current atomic.Pointer[kernels]

// startISA picks the kernels at first use: those EDGEVLM_ISA names, else the best this machine has.
var startISA = sync.OnceValue(func() error {
	var err error
	k := installed()
	best := k[len(k)-1]
	if name := os.Getenv("EDGEVLM_ISA"); name != "" {
		if best, err = find(name); err != nil {
			best, err = k[0], fmt.Errorf("%w (from the environment variable EDGEVLM_ISA)", err)
		}
	}
	current.CompareAndSwap(nil, best)
	return err
})

// active returns the chosen kernels.
func active() *kernels {
	if k := current.Load(); k != nil {
		return k
	}
	_ = startISA() // NewMatrix reports it
	return current.Load()
}

// installed lists the kernels this machine can run: the portable ones first, the best last.
var installed = sync.OnceValue(func() []*kernels {
	all := append([]*kernels{genericKernels()}, archKernels()...)
	for _, k := range all[1:] {
		k.fill(all[0])
	}
	return all
})

// fill takes from base what k lacks.
func (k *kernels) fill(base *kernels) {
	if k.quantize == nil {
		k.quantize = base.quantize
	}
	if k.setQ8_0 == nil {
		k.setQ8_0 = base.setQ8_0
	}
	if k.int8 == nil {
		k.int8, k.quantizeU8 = base.int8, base.quantizeU8
	}
	if k.quantizeWide == nil {
		k.int8Wide, k.quantizeWide, k.prefetch = base.int8Wide, base.quantizeWide, base.prefetch
	}
	for l := range k.ints {
		if k.ints[l].gemv == nil {
			k.ints[l].gemv = base.ints[l].gemv
		}
	}
}

func find(name string) (*kernels, error) {
	var names []string
	for _, k := range installed() {
		if k.name == name {
			return k, nil
		}
		names = append(names, k.name)
	}
	for _, known := range archISAs() {
		if known == name {
			return nil, fmt.Errorf("quant: this CPU lacks %s: choose one of %s", name, strings.Join(names, ", "))
		}
	}
	return nil, fmt.Errorf("quant: unknown instruction set %q: choose one of %s", name, strings.Join(names, ", "))
}

// ISA names the instruction set whose kernels are in use: "generic", "avx2", "avx512vnni", "neon", "dotprod" or "i8mm".
func ISA() string { return active().name }

// ISAs lists the instruction sets this machine has kernels for, the portable one first, the best last.
func ISAs() []string {
	var names []string
	for _, k := range installed() {
		names = append(names, k.name)
	}
	return names
}

// SetISA chooses the kernels; "" or "auto" chooses the best. Matrices made before and after work with any choice.
func SetISA(name string) error {
	k := installed()
	chosen := k[len(k)-1]
	if name != "" && name != "auto" {
		var err error
		if chosen, err = find(name); err != nil {
			return err
		}
	}
	current.Store(chosen)
	return nil
}
