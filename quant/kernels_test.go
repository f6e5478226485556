//go:build unix

package quant

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

func kernelsFor(t *testing.T, name string) *kernels {
	t.Helper()
	k, err := find(name)
	if err != nil {
		t.Skip(err)
	}
	return k
}

// intCase is one row group times some columns, everything against guard pages.
type intCase struct {
	w    []byte
	cols [8][]activation
	init []float32 // [8][groupRows]: what out holds beforehand
}

// newIntCase makes random weights in layout l; extreme ones and extreme activations if asked for.
func newIntCase(t *testing.T, rng *rand.Rand, l layout, nb int, extreme, atStart bool) intCase {
	c := intCase{w: guarded[byte](t, nb/l.blocks()*l.groupBytes(), atStart), init: randomFloats(rng, 8*groupRows)}
	for i := range c.w {
		c.w[i] = byte(rng.Uint32())
		if extreme {
			c.w[i] = []byte{0xff, 0x80, 0x00, 0x7f}[rng.IntN(4)]
		}
	}
	for b := range nb / l.blocks() {
		g := c.w[b*l.groupBytes():]
		scales := l.chunksAt() / 2
		if l.blocks() > 1 {
			scales = scalesAtK / 2
			if l == layoutQ6_K {
				scales = scalesAt6 / 2
			}
			for i := scalesAtK; i < chunksAtK && l != layoutQ6_K; i++ {
				g[i] &= 63
			}
		}
		for r := range scales {
			putF16(g[2*r:], float32(rng.NormFloat64()/64))
		}
	}
	for j := range c.cols {
		c.cols[j] = guarded[activation](t, nb, atStart)
		x := randomFloats(rng, nb*blockLen)
		if extreme {
			for i := range x {
				x[i] = []float32{-3, 3}[(j+i/blockLen)%2]
			}
		}
		quantizeActivations(c.cols[j], x)
	}
	return c
}

// TestIntKernelsEqualPortableOnesBitForBit runs every kernel of every instruction set on random and on extreme values,
// with each buffer against a guard page.
func TestIntKernelsEqualPortableOnesBitForBit(t *testing.T) {
	generic := genericKernels()
	for _, name := range archISAs() {
		t.Run(name, func(t *testing.T) {
			k := kernelsFor(t, name)
			rng := rand.New(rand.NewPCG(1, 2))
			for l := layoutNone + 1; l < layouts; l++ {
				for trial, nb := range []int{1, 2, 3, 8, 48, 64, 1, 64} {
					nb = (nb + l.blocks() - 1) / l.blocks() * l.blocks()
					c := newIntCase(t, rng, l, nb, trial >= 6, trial%2 == 0)
					want := make([]float32, 8*groupRows)
					copy(want, c.init)
					for j, col := range c.cols {
						generic.ints[l].gemv(c.w, col, want[j*groupRows:][:groupRows])
					}
					got := guarded[float32](t, groupRows, trial%2 == 0)
					for j, col := range c.cols {
						copy(got, c.init[j*groupRows:])
						k.ints[l].gemv(c.w, col, got)
						compareBits(t, "gemv", l, nb, got, want[j*groupRows:][:groupRows])
					}
					testTile(t, &k.ints[l], l, nb, c, want, trial%2 == 0)
				}
			}
		})
	}
}

func testTile(t *testing.T, ik *intKernel, l layout, nb int, c intCase, want []float32, atStart bool) {
	if ik.gemm == nil {
		return
	}
	panel := guarded[byte](t, nb*ik.panelBytes, atStart)
	for first := 0; first < 8; first += ik.tile {
		ik.pack(panel, c.cols[first:first+ik.tile])
		for _, ldo := range []int{groupRows, groupRows + 5} {
			n := (ik.tile-1)*ldo + groupRows
			out := guarded[float32](t, n, atStart)
			for i := range out {
				out[i] = -1
			}
			for j := range ik.tile {
				copy(out[j*ldo:][:groupRows], c.init[(first+j)*groupRows:])
			}
			ik.gemm(c.w, panel, nb, out, ldo)
			for j := range ik.tile {
				compareBits(t, "gemm", l, nb, out[j*ldo:][:groupRows], want[(first+j)*groupRows:][:groupRows])
			}
			for i, v := range out {
				if i%ldo >= groupRows && v != -1 {
					t.Fatalf("gemm layout %d wrote between the columns", l)
				}
			}
		}
	}
}

func compareBits(t *testing.T, what string, l layout, nb int, got, want []float32) {
	t.Helper()
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s layout %d, %d blocks: value %d is %v, portable %v", what, l, nb, i, got[i], want[i])
		}
	}
}

func TestQuantizeKernelsEqualPortableOneBitForBit(t *testing.T) {
	special := []float32{0, 1e-45, 1e-38, 0x1p-100, 0x1.fffffep-101, 1, -1, 127, 126.5, -126.5, 3e38,
		float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())}
	for _, name := range archISAs() {
		t.Run(name, func(t *testing.T) {
			k := kernelsFor(t, name)
			rng := rand.New(rand.NewPCG(3, 4))
			for trial := range 3000 {
				nb := 1 + rng.IntN(5)
				x := guarded[float32](t, nb*blockLen, trial%2 == 0)
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
				if trial%5 == 1 {
					x[rng.IntN(blockLen)] = 127
				}
				got, want := guarded[activation](t, nb, trial%2 == 0), make([]activation, nb)
				k.quantize(got, x)
				quantizeActivations(want, x)
				for b := range want {
					if g, w := *(*[48]byte)(unsafe.Pointer(&got[b])), *(*[48]byte)(unsafe.Pointer(&want[b])); g != w {
						t.Fatalf("trial %d block %d of %v:\n%+v, portable\n%+v", trial, b, x[b*blockLen:][:blockLen], got[b], want[b])
					}
				}
				if trial%256 == 0 && testing.Short() && trial > 0 {
					break
				}
			}
		})
	}
}

// TestFloatKernels: within rounding of float64, equal in every tile, and inside their buffers.
func TestFloatKernels(t *testing.T) {
	for _, name := range archISAs() {
		t.Run(name, func(t *testing.T) {
			k := kernelsFor(t, name)
			rng := rand.New(rand.NewPCG(5, 6))
			for _, ty := range []Type{F32, F16, BF16} {
				fk := k.floats[floatKind(ty)]
				if fk.tile == nil {
					continue
				}
				for trial, n := range []int{8, 16, 24, 64, 1024, 1280} {
					testFloat(t, rng, ty, &fk, n, trial%2 == 0)
				}
			}
		})
	}
}

func testFloat(t *testing.T, rng *rand.Rand, ty Type, fk *floatKernel, n int, atStart bool) {
	t.Helper()
	size := ty.RowBytes(n)
	data := randomWeights(rng, ty, stripRows, n)
	w := guarded[byte](t, len(data), atStart)
	copy(w, data)
	x := guarded[float32](t, fk.cols*n, atStart)
	copy(x, randomFloats(rng, len(x)))
	ldo := stripRows + 3
	out := guarded[float32](t, (fk.cols-1)*ldo+stripRows, atStart)
	decoded, want := make([]float32, stripRows*n), make([]float64, len(out))
	dequantize(ty, decoded, data)
	for i := range out {
		out[i] = float32(i)
		want[i] = float64(i)
		if r, c := i%ldo, i/ldo; r < stripRows {
			for j := range n {
				want[i] += float64(decoded[r*n+j]) * float64(x[c*n+j])
			}
		}
	}
	fk.tile(w, size, x, n, n, out, ldo)
	if e := nmse(out, want); e > 1e-10 {
		t.Errorf("%v, %d values: NMSE %g", ty, n, e)
	}
	for c := range fk.cols {
		strip, single := guarded[float32](t, stripRows, atStart), guarded[float32](t, 1, atStart)
		for r := range strip {
			strip[r] = float32(c*ldo + r)
		}
		fk.strip(w, size, x[c*n:], n, n, strip, 1)
		for r := range stripRows {
			single[0] = float32(c*ldo + r)
			fk.single(w[r*size:], size, x[c*n:], n, n, single, 1)
			if a, b, d := out[c*ldo+r], strip[r], single[0]; a != b || a != d {
				t.Fatalf("%v, %d values, row %d column %d: %v in a tile, %v in a strip, %v alone", ty, n, r, c, a, b, d)
			}
		}
	}
}
