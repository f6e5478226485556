//go:build unix

package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func int8Matrix(t testing.TB, rng *rand.Rand, typ Type, rows, cols int) (*Matrix, []float32) {
	t.Helper()
	w := randomFloats(rng, rows*cols)
	data := make([]byte, F32.RowBytes(len(w)))
	if err := Quantize(F32, data, w); err != nil {
		t.Fatal(err)
	}
	m, err := NewMatrixAs(typ, F32, data, rows, cols, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m, w
}

func TestInt8KernelsEqualPortableOnesBitForBit(t *testing.T) {
	for _, name := range archISAs() {
		t.Run(name, func(t *testing.T) {
			k := kernelsFor(t, name)
			rng := rand.New(rand.NewPCG(11, 12))
			for trial := range 40 {
				groups, nb, n := 1+rng.IntN(5), 1+rng.IntN(4), 1+rng.IntN(5)
				extreme, atStart := trial%4 == 3, trial%2 == 0
				stride := groups * groupInt8
				w := guarded[byte](t, nb*stride, atStart)
				for g := range groups {
					var rows [][]float32
					for range groupRows {
						row := randomFloats(rng, nb*blockLen)
						for i := range row {
							if extreme {
								row[i] = []float32{-1, 1}[trial/4%2]
							}
						}
						rows = append(rows, row)
					}
					if err := packInt8(w[g*groupInt8:], stride, rows); err != nil {
						t.Fatal(err)
					}
				}
				a := guarded[activation](t, nb*n, atStart)
				for c := range n {
					x := randomFloats(rng, nb*blockLen)
					for i := range x {
						if extreme {
							x[i] = []float32{-2, 2}[trial/8%2]
						}
					}
					quantizeU8(a[c:], n, x)
				}
				ldo := groups*groupRows + trial%3
				got := guarded[float32](t, (n-1)*ldo+groups*groupRows, atStart)
				copy(got, randomFloats(rng, len(got)))
				want := append([]float32(nil), got...)
				mulInt8Generic(w, stride, groups, nb, a, n, want, ldo)
				k.int8(w, stride, groups, nb, a, n, got, ldo)
				compareBits(t, "int8", layoutInt8, nb, got, want)
			}
		})
	}
}

func TestQuantizeU8KernelsEqualPortableOneBitForBit(t *testing.T) {
	special := []float32{0, 1e-45, 0x1p-100, 0x1.fffffep-101, 3e38, float32(math.Inf(-1)), float32(math.NaN())}
	for _, name := range archISAs() {
		t.Run(name, func(t *testing.T) {
			k := kernelsFor(t, name)
			rng := rand.New(rand.NewPCG(13, 14))
			for trial := range 1000 {
				nb, stride := 1+rng.IntN(4), 1+rng.IntN(3)
				x := guarded[float32](t, nb*blockLen, trial%2 == 0)
				scale := float32(math.Ldexp(1, rng.IntN(240)-130))
				for i := range x {
					x[i] = float32(rng.NormFloat64()) * scale
					switch {
					case trial%5 == 1:
						x[i] = float32(rng.IntN(257)-128) / 2
					case trial%5 == 2 && rng.IntN(40) == 0:
						x[i] = special[rng.IntN(len(special))]
					}
				}
				got, want := guarded[activation](t, (nb-1)*stride+1, trial%2 == 0), make([]activation, (nb-1)*stride+1)
				clear(got)
				k.quantizeU8(got, stride, x)
				quantizeU8(want, stride, x)
				for i := range want {
					g, w := got[i], want[i]
					if math.Float32bits(g.d) != math.Float32bits(w.d) || g.q != w.q {
						t.Fatalf("trial %d block %d of %v:\n%+v, portable\n%+v", trial, i, x, g, w)
					}
				}
			}
		})
	}
}

// The product equals that of the rounded weights and activations, whatever the shape, and loses little against exact ones.
func TestInt8Products(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, typ := range []Type{Int8, Int8Wide} {
			for _, shape := range [][3]int{{8, 256, 1}, {19, 70, 3}, {133, 1344, 9}, {3, 32, 40}, {24, 1000, 33}, {64, 640, 8}} {
				testInt8Product(t, typ, shape[0], shape[1], shape[2])
			}
		}
	})
}

func testInt8Product(t *testing.T, typ Type, rows, cols, n int) {
	rng := rand.New(rand.NewPCG(uint64(cols), uint64(rows)))
	m, w := int8Matrix(t, rng, typ, rows, cols)
	x := randomFloats(rng, n*cols)
	rounded := make([]float64, n*cols)
	for c := range n {
		padded := make([]float32, m.nb*blockLen)
		copy(padded, x[c*cols:][:cols])
		if typ == Int8Wide {
			panel := make([]byte, m.nb/2*widePanelBytes)
			quantizeWideGeneric(panel, padded, 0, 1, m.nb/2)
			for i := range cols {
				b := panel[i/wideLen*widePanelBytes:]
				k := i % wideLen
				d := math.Float32frombits(binary.LittleEndian.Uint32(b[wideScales:]))
				rounded[c*cols+i] = float64(d) * float64(int8(b[k/4*4*stripColumns+k%4]))
			}
			continue
		}
		a := make([]activation, m.nb)
		quantizeU8(a, 1, padded)
		for i := range cols {
			rounded[c*cols+i] = float64(a[i/blockLen].d) * float64(int(uint8(a[i/blockLen].q[i%blockLen]))-int8ActZero)
		}
	}
	want, exact := make([]float64, n*rows), make([]float64, n*rows)
	row := make([]float32, cols)
	for r := range rows {
		m.Row(row, r)
		for c := range n {
			for i := range row {
				want[c*rows+r] += float64(row[i]) * rounded[c*cols+i]
				exact[c*rows+r] += float64(w[r*cols+i]) * float64(x[c*cols+i])
			}
		}
	}
	got := randomFloats(rng, n*rows) // Mul must not read it
	m.Mul(got, x, n, nil)
	if e := nmse(got, want); !(e < 1e-10) {
		t.Errorf("%v [%d, %d] x %d columns: NMSE %g", typ, rows, cols, n, e)
	}
	limit := 2e-4
	if typ == Int8Wide {
		limit = 1.2e-4
	}
	if e := nmse(got, exact); !(e < limit) {
		t.Errorf("%v [%d, %d] x %d columns: NMSE %g against exact weights and activations", typ, rows, cols, n, e)
	}
	for c := range n {
		alone := make([]float32, rows)
		m.Mul(alone, x[c*cols:][:cols], 1, goroutines(3))
		compareBits(t, "column alone", m.layout, c, alone, got[c*rows:][:rows])
	}
}

func TestInt8IsInNoFile(t *testing.T) {
	for _, typ := range []Type{Int8, Int8Wide} {
		testOwnType(t, typ)
	}
}

func testOwnType(t *testing.T, typ Type) {
	if typ.Known() {
		t.Error("a file may hold it")
	}
	row := typ.RowBytes(64)
	if _, err := NewMatrix(typ, make([]byte, row*8), 8, 64); err == nil {
		t.Error("a matrix was made of bytes")
	}
	if err := Dequantize(typ, make([]float32, 64), make([]byte, row)); err == nil {
		t.Error("bytes were decoded")
	}
	if _, err := NewMatrixAs(Q8_0, typ, make([]byte, row*8), 8, 64, nil); err == nil {
		t.Error("bytes were converted")
	}
	nan := make([]byte, F32.RowBytes(32))
	if err := Quantize(F32, nan, append(make([]float32, 31), float32(math.NaN()))); err != nil {
		t.Fatal(err)
	}
	if _, err := NewMatrixAs(typ, F32, nan, 1, 32, nil); err == nil {
		t.Error("a NaN was packed")
	}
}

// BenchmarkInt8: a tower's shapes, one thread.
func BenchmarkInt8(b *testing.B) {
	was := ISA()
	defer func() { _ = SetISA(was) }()
	const n = 512
	for _, isa := range ISAs()[1:] {
		if err := SetISA(isa); err != nil {
			b.Fatal(err)
		}
		for _, shape := range [][2]int{{1280, 1280}, {5120, 1280}, {1280, 5120}} {
			rows, cols := shape[0], shape[1]
			b.Run(fmt.Sprintf("%s/%v/%dx%d", isa, Int8Type(), rows, cols), func(b *testing.B) {
				rng := rand.New(rand.NewPCG(1, 2))
				m, _ := int8Matrix(b, rng, Int8Type(), rows, cols)
				x, out := randomFloats(rng, n*cols), make([]float32, n*rows)
				benchBest(b, rows*cols*n, func() { m.Mul(out, x, n, nil) })
			})
		}
	}
}
