//go:build unix

package quant

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// set stores a block of column c: what the assembly's quantizing must come to.
func (p *stripPanel) set(c int, a *activation, k *stripKernel) {
	for i, q := range a.fours() {
		p.q[i][c] = q
	}
	p.d[c], p.s[c] = a.d, a.s
	first, second := int32(a.half[0]), int32(a.half[1])
	if !k.halves {
		first += second
	}
	p.bias[0][c], p.bias[1][c] = -k.zero*first, -k.zero*second
}

func panelBytes(p []stripPanel) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&p[0])), len(p)*stripPanelBytes)
}

// stripPanelsOf packs columns, against a guard page.
func stripPanelsOf(t *testing.T, sk *stripKernel, cols [][]activation, atStart bool) []byte {
	p := guarded[stripPanel](t, len(cols[0]), atStart)
	for c, col := range cols {
		for b := range col {
			p[b].set(c, &col[b], sk)
		}
	}
	return panelBytes(p)
}

func TestStripPanelsEqualPortableActivationsBitForBit(t *testing.T) {
	special := []float32{0, 1e-45, 0x1p-100, 0x1.fffffep-101, 3e38, float32(math.Inf(-1)), float32(math.NaN())}
	for _, name := range archISAs() {
		t.Run(name, func(t *testing.T) {
			k := kernelsFor(t, name)
			rng := rand.New(rand.NewPCG(39, 40))
			for trial := range 400 {
				sk := &k.ints[[]layout{layoutQ4_0, layoutQ6_K}[trial%2]].strip
				if sk.from == 0 {
					continue
				}
				nb, n := 1+rng.IntN(3), 1+trial%stripColumns
				ldx := nb*blockLen + trial%3
				x := guarded[float32](t, (n-1)*ldx+nb*blockLen, trial%2 == 0)
				scale := float32(math.Ldexp(1, rng.IntN(240)-130))
				for i := range x {
					x[i] = float32(rng.NormFloat64()) * scale
					switch {
					case trial%5 == 1: // ties between two integers
						x[i] = float32(rng.IntN(509)-254) / 2
					case trial%5 == 2 && rng.IntN(40) == 0:
						x[i] = special[rng.IntN(len(special))]
					}
				}
				got, want := guarded[stripPanel](t, nb, trial%2 == 0), make([]stripPanel, nb)
				sk.quantize(panelBytes(got), x, ldx, n, nb)
				a := make([]activation, nb)
				for c := range n {
					quantizeActivations(a, x[c*ldx:][:nb*blockLen])
					for b := range a {
						want[b].set(c, &a[b], sk)
					}
				}
				g, w := panelBytes(got), panelBytes(want)
				for i := range w {
					if i%32/4 < n && (sk.halves || i%stripPanelBytes < 352) && g[i] != w[i] {
						t.Fatalf("trial %d: byte %d of %d columns is %d, portable %d", trial, i, n, g[i], w[i])
					}
				}
			}
		})
	}
}

// stripBlockBytes is the size of blocks [0, n) of a strip; n is whole super-blocks.
func (l layout) stripBlockBytes(n int) int {
	switch l {
	case layoutQ4_0, layoutQ8_0:
		return n * stripBytes
	case layoutQ4_1, layoutQ8_1:
		return n * stripWideBytes
	}
	return n*stripWideBytes + n/superSubs*stripTailBytes
}

// Spreading and multiplying stay inside their buffers, and the results are those of the portable product of one column.
func TestStripKernelsEqualPortableOnesBitForBit(t *testing.T) {
	generic := genericKernels()
	for _, name := range archISAs() {
		t.Run(name, func(t *testing.T) {
			k := kernelsFor(t, name)
			rng := rand.New(rand.NewPCG(31, 32))
			for l := layoutNone + 1; l < layouts; l++ {
				sk := &k.ints[l].strip
				if sk.from == 0 {
					continue
				}
				for trial := range 12 {
					nb := (1 + rng.IntN(3)) * l.blocks()
					atStart, extreme := trial%2 == 0, trial%4 == 3
					w := guarded[byte](t, l.stripBlockBytes(nb), atStart)
					var groups []intCase
					for g := range stripRows32 / groupRows {
						groups = append(groups, newIntCase(t, rng, l, nb, extreme, atStart))
						sk.spread(w[g*chunkBytes:], groups[g].w, nb)
					}
					n := []int{1, 2, 3, 4, 7, 8}[trial%6]
					panel := stripPanelsOf(t, sk, groups[0].cols[:n], atStart)
					ldo := stripRows32 + trial%3
					out := guarded[float32](t, (n-1)*ldo+stripRows32, atStart)
					copy(out, randomFloats(rng, len(out)))
					want := append([]float32(nil), out...)
					for c := 0; c < n && trial%3 == 0; c++ {
						clear(want[c*ldo:][:stripRows32])
					}
					for c := range n {
						for g := range groups {
							generic.ints[l].gemv(groups[g].w, groups[0].cols[c], want[c*ldo+g*groupRows:][:groupRows])
						}
					}
					sk.mul.mul(w, panel, nb, out, ldo, n, trial%3)
					compareBits(t, "strip", l, nb, out, want)
				}
			}
		})
	}
}

func TestInt8WideKernelsEqualPortableOnesBitForBit(t *testing.T) {
	generic := genericKernels()
	for _, name := range archISAs() {
		t.Run(name, func(t *testing.T) {
			k := kernelsFor(t, name)
			rng := rand.New(rand.NewPCG(33, 34))
			for trial := range 24 {
				nb, n := 1+rng.IntN(4), 1+trial%8
				atStart, extreme := trial%2 == 0, trial%4 == 3
				w := guarded[byte](t, nb*wideBytes, atStart)
				for r := range stripRows32 {
					row := randomFloats(rng, nb*wideLen)
					for i := range row {
						if extreme {
							row[i] = []float32{-1, 1}[trial/4%2]
						}
					}
					if err := packInt8Wide(w, r, row); err != nil {
						t.Fatal(err)
					}
				}
				panel := guarded[byte](t, nb*widePanelBytes, atStart)
				x := randomFloats(rng, n*nb*wideLen)
				for i := range x {
					if extreme {
						x[i] = []float32{-2, 2}[trial/8%2]
					}
				}
				quantizeWideGeneric(panel, x, nb*wideLen, n, nb)
				ldo := stripRows32 + trial%3
				got := guarded[float32](t, (n-1)*ldo+stripRows32, atStart)
				copy(got, randomFloats(rng, len(got)))
				want := append([]float32(nil), got...)
				generic.int8Wide.mul(w, panel, nb, want, ldo, n, trial%3)
				k.int8Wide.mul(w, panel, nb, got, ldo, n, trial%3)
				compareBits(t, "int8 wide", layoutInt8Wide, nb, got, want)
			}
		})
	}
}

func TestQuantizeWideKernelsEqualPortableOneBitForBit(t *testing.T) {
	special := []float32{0, 1e-45, 0x1p-100, 0x1.fffffep-101, 3e38, float32(math.Inf(-1)), float32(math.NaN())}
	for _, name := range archISAs() {
		t.Run(name, func(t *testing.T) {
			k := kernelsFor(t, name)
			rng := rand.New(rand.NewPCG(37, 38))
			for trial := range 400 {
				nb, n := 1+rng.IntN(3), 1+trial%stripColumns
				ldx := nb*wideLen + trial%3
				x := guarded[float32](t, (n-1)*ldx+nb*wideLen, trial%2 == 0)
				scale := float32(math.Ldexp(1, rng.IntN(240)-130))
				for i := range x {
					x[i] = float32(rng.NormFloat64()) * scale
					switch {
					case trial%5 == 1: // ties between two integers
						x[i] = float32(rng.IntN(509)-254) / 2
					case trial%5 == 2 && rng.IntN(80) == 0:
						x[i] = special[rng.IntN(len(special))]
					}
				}
				got, want := guarded[byte](t, nb*widePanelBytes, trial%2 == 0), make([]byte, nb*widePanelBytes)
				k.quantizeWide(got, x, ldx, n, nb)
				quantizeWideGeneric(want, x, ldx, n, nb)
				for i := range want {
					if c := i % 32 / 4; c < n && got[i] != want[i] {
						t.Fatalf("trial %d: block %d, byte %d of column %d is %d, portable %d", trial, i/widePanelBytes, i%widePanelBytes, c, got[i], want[i])
					}
				}
			}
		})
	}
}

// A weight is off by at most half a step.
func TestInt8WideKeepsEightBits(t *testing.T) {
	const rows, cols = 37, 100
	rng := rand.New(rand.NewPCG(35, 36))
	m, w := int8Matrix(t, rng, Int8Wide, rows, cols)
	row := make([]float32, cols)
	for r := range rows {
		m.Row(row, r)
		for i, v := range row {
			var top float64
			first := i / wideLen * wideLen
			for _, x := range w[r*cols+first : r*cols+min(cols, first+wideLen)] {
				top = max(top, math.Abs(float64(x)))
			}
			if d := math.Abs(float64(v - w[r*cols+i])); d > top/254*1.0001 {
				t.Fatalf("row %d weight %d: %v became %v", r, i, w[r*cols+i], v)
			}
		}
	}
}
