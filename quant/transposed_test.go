//go:build unix

package quant

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

func TestTransposedWeightsAreThoseOfAFile(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	all, other := 0, 0
	for _, c := range [][4]int{{8, 32, 8, 32}, {80, 1024, 80, 1000}, {64, 96, 61, 80}, {3, 5, 3, 5}} {
		rows, cols, ld := c[2], c[3], c[2]+rng.IntN(9)
		m, err := newInt8(Q8_0, c[0], c[1])
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time over what the first left
			x := randomFloats(rng, cols*ld)
			m.SetTransposed(x, ld, rows, cols)
			for i := range m.rows {
				row, want := make([]float32, m.cols), make([]float32, m.cols)
				for k := range cols {
					if i < rows {
						row[k] = x[k*ld+i]
					}
				}
				data := make([]byte, Q8_0.RowBytes(m.cols))
				if err := Quantize(Q8_0, data, row); err != nil {
					t.Fatal(err)
				}
				if err := Dequantize(Q8_0, want, data); err != nil {
					t.Fatal(err)
				}
				got := make([]float32, m.cols)
				m.Row(got, i)
				for k := range got {
					top := float32(0)
					for _, v := range row[k/blockLen*blockLen:][:blockLen] {
						top = max(top, abs(v))
					}
					// 1/(max/127) is not quite 127/max: where a weight lies between two steps, either is right.
					if all++; got[k] != want[k] {
						other++
						if abs(got[k]-want[k]) > top/126 {
							t.Fatalf("%v: row %d, column %d is %v, want %v", c, i, k, got[k], want[k])
						}
					}
				}
			}
		}
	}
	if other > all/1000 {
		t.Errorf("%d of %d weights differ from Quantize's", other, all)
	}
}

func TestTransposedWeightsShowWhatIsNoNumber(t *testing.T) {
	for _, typ := range []Type{Q8_0, Int8} {
		t.Run(typ.String(), func(t *testing.T) { testTransposedNaN(t, typ) })
	}
}

func testTransposedNaN(t *testing.T, typ Type) {
	m, err := newInt8(typ, 8, 32)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 32*8)
	x[3], x[8+5], x[2] = float32(math.NaN()), float32(math.Inf(1)), 1e-40
	m.SetTransposed(x, 8, 8, 32)
	in, out := make([]float32, 32), make([]float32, 8)
	in[0] = 1
	m.Mul(out, in, 1, nil)
	for r, v := range out {
		if nan := v != v; nan != (r == 3 || r == 5) || !nan && v != 0 {
			t.Errorf("row %d is %v", r, v)
		}
	}
}

// columns are [32, ld] values of a kind.
func columns(rng *rand.Rand, kind, ld int) []float32 {
	x := randomFloats(rng, blockLen*ld)
	for i := range x {
		switch kind {
		case 1: // every sum of four is as large as it can be
			x[i] = 1
		case 2:
			x[i] = -3e7
		case 3:
			x[i] *= 1e-31
		case 4:
			x[i] = float32(rng.IntN(3)-1) * 2.5
		}
	}
	return x
}

func TestInt8ColumnsFitAndAreNear(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for trial := range 200 {
		const ld = 11
		x := columns(rng, trial%5, ld)
		group := make([]byte, groupInt8)
		setInt8Generic(group, x, ld)
		for r := range groupRows {
			d := math.Float32frombits(binary.LittleEndian.Uint32(group[int8Scales+4*r:]))
			var q [blockLen]int8
			sum := int32(0)
			for k := range q {
				q[k] = int8(group[k/4*chunkBytes+4*r+k%4])
				sum += int32(q[k])
				if got, want := d*float32(q[k]), x[k*ld+r]; abs(got-want) > 0.501*d && abs(want) > 1e-29 {
					t.Fatalf("trial %d: row %d, weight %d is %v, want %v, a step is %v", trial, r, k, got, want, d)
				}
			}
			if !fitsInt8(&q) {
				t.Fatalf("trial %d: row %d: %v doesn't fit", trial, r, q)
			}
			if got := int32(binary.LittleEndian.Uint32(group[int8Sums+4*r:])); got != -int8ActZero*sum {
				t.Fatalf("trial %d: row %d: sum %d, want %d", trial, r, got, -int8ActZero*sum)
			}
		}
	}
}

func TestColumnsEqualPortableOnesBitForBit(t *testing.T) {
	type set = func(group []byte, x []float32, ld int)
	for _, name := range archISAs() {
		t.Run(name, func(t *testing.T) {
			k := kernelsFor(t, name)
			rng := rand.New(rand.NewPCG(11, 12))
			for trial := range 200 {
				ld := groupRows + rng.IntN(5)
				x := guarded[float32](t, (blockLen-1)*ld+groupRows, trial%2 == 0)
				copy(x, columns(rng, trial%6, ld))
				if trial%6 == 5 {
					x[rng.IntN(len(x))] = []float32{float32(math.NaN()), float32(math.Inf(-1)), 1e-44}[rng.IntN(3)]
				}
				for what, c := range map[string]struct {
					size      int
					got, want set
				}{"Q8_0": {groupQ8_0, k.setQ8_0, setQ8_0}, "Int8": {groupInt8, k.setInt8, setInt8Generic}} {
					if c.got == nil || what == "Int8" && trial%6 == 5 { // beside a scale that is a NaN, bytes don't matter
						continue
					}
					got, want := guarded[byte](t, c.size, trial%4 < 2), make([]byte, c.size)
					c.got(got, x, ld)
					c.want(want, x, ld)
					if string(got) != string(want) {
						t.Fatalf("trial %d: other bytes for %s", trial, what)
					}
				}
			}
		})
	}
}

// Panels filled in one go give the products of those that were quantized and packed.
func TestFilledPanelsEqualPackedOnes(t *testing.T) {
	for _, name := range archISAs() {
		t.Run(name, func(t *testing.T) {
			k := kernelsFor(t, name)
			rng := rand.New(rand.NewPCG(13, 14))
			for l := range k.ints {
				ik := &k.ints[l]
				if ik.fill == nil {
					continue
				}
				for trial := range 50 {
					nb := 1 + rng.IntN(4)
					ldx := nb*blockLen + rng.IntN(3)
					x := guarded[float32](t, (ik.tile-1)*ldx+nb*blockLen, trial%2 == 0)
					copy(x, randomFloats(rng, len(x)))
					if trial%3 == 2 {
						x[rng.IntN(len(x))] = []float32{float32(math.NaN()), float32(math.Inf(1))}[rng.IntN(2)]
						clear(x[:blockLen])
					}
					cols := make([][]activation, ik.tile)
					for c := range cols {
						cols[c] = make([]activation, nb)
						quantizeActivations(cols[c], x[c*ldx:][:nb*blockLen])
					}
					filled, packed := guarded[byte](t, nb*ik.panelBytes, trial%4 < 2), aligned(nb*ik.panelBytes)
					ik.fill(filled, x, ldx, nb)
					ik.pack(packed, cols)
					w := make([]byte, nb*layout(l).groupBytes())
					repack(layout(l), Q8_0, w, randomWeights(rng, Q8_0, groupRows, nb*blockLen), groupRows, nb*blockLen)
					got, want := make([]float32, ik.tile*groupRows), make([]float32, ik.tile*groupRows)
					ik.gemm(w, filled, nb, got, groupRows)
					ik.gemm(w, packed, nb, want, groupRows)
					for i := range got {
						if math.Float32bits(got[i]) != math.Float32bits(want[i]) && (got[i] == got[i] || want[i] == want[i]) {
							t.Fatalf("%v, trial %d: output %d is %v, want %v", layout(l), trial, i, got[i], want[i])
						}
					}
				}
			}
		})
	}
}
