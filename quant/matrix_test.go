package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// randomWeights returns rows of type t with scales around 1/32 and random quants.
func randomWeights(rng *rand.Rand, t Type, rows, cols int) []byte {
	b := make([]byte, rows*t.RowBytes(cols))
	if t.BlockLen() == 1 {
		x := randomFloats(rng, rows*cols)
		if err := Quantize(t, b, x); err != nil {
			panic(err)
		}
		return b
	}
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	scale := func(off int) {
		for i := off; i < len(b); i += t.BlockBytes() {
			putF16(b[i:], float32(rng.NormFloat64()/32))
		}
	}
	switch t {
	case Q6_K:
		scale(bytesQ6_K - 2)
	case Q4_1, Q5_1, Q4_K, Q5_K:
		scale(0)
		scale(2)
	default:
		scale(0)
	}
	return b
}

func randomFloats(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// goroutines is a Runner that gives every chunk its own goroutine.
type goroutines int

func (g goroutines) Threads() int { return int(g) }
func (g goroutines) Do(chunks int, f func(int)) {
	var wg sync.WaitGroup
	for i := range chunks {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// nmse is the mean square of got-want over that of want.
func nmse(got []float32, want []float64) float64 {
	var e, s float64
	for i := range got {
		d := float64(got[i]) - want[i]
		e += d * d
		s += want[i] * want[i]
	}
	return e / s
}

// oracle multiplies in float64, with the activations as the kernels for m see them.
func oracle(m *Matrix, x []float32, n int) []float64 {
	in := make([]float64, len(x))
	for i, v := range x {
		in[i] = float64(v)
	}
	if m.layout != layoutNone {
		a := make([]activation, m.nb)
		for c := range n {
			quantizeRow(quantizeActivations, a, x[c*m.cols:][:m.cols])
			for i := range m.cols {
				in[c*m.cols+i] = float64(a[i/blockLen].d) * float64(a[i/blockLen].q[i%blockLen])
			}
		}
	}
	out := make([]float64, n*m.rows)
	row := make([]float32, m.cols)
	for r := range m.rows {
		m.Row(row, r)
		for c := range n {
			for i, w := range row {
				out[c*m.rows+r] += float64(w) * in[c*m.cols+i]
			}
		}
	}
	return out
}

func TestMulEqualsFloat64Oracle(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, ty := range Types() {
			for _, shape := range [][3]int{{8, 256, 1}, {19, 512, 3}, {24, 2304, 9}, {1, 256, 9}, {133, 512, 40}, {21, 768, 17}} {
				rows, cols, n := shape[0], shape[1], shape[2]
				rng := rand.New(rand.NewPCG(uint64(ty), uint64(rows)))
				m, err := NewMatrix(ty, randomWeights(rng, ty, rows, cols), rows, cols)
				if err != nil {
					t.Fatal(err)
				}
				x := randomFloats(rng, n*cols)
				out := randomFloats(rng, n*rows) // Mul must not read it
				m.Mul(out, x, n, nil)
				if e := nmse(out, oracle(m, x, n)); !(e < 1e-10) {
					t.Errorf("%v [%d, %d] x %d columns: NMSE %g", ty, rows, cols, n, e)
				}
			}
		}
	})
}

// The int8 activations are the only loss: against exact activations it stays small.
func TestInt8ActivationsLoseLittle(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	rows, cols := 64, 1536
	for _, ty := range Types() {
		m, err := NewMatrix(ty, randomWeights(rng, ty, rows, cols), rows, cols)
		if err != nil {
			t.Fatal(err)
		}
		x := randomFloats(rng, cols)
		want, row := make([]float64, rows), make([]float32, cols)
		for r := range want {
			m.Row(row, r)
			for i := range row {
				want[r] += float64(row[i]) * float64(x[i])
			}
		}
		out := make([]float32, rows)
		m.Mul(out, x, 1, nil)
		if e := nmse(out, want); e > 1e-4 {
			t.Errorf("%v: NMSE %g", ty, e)
		}
	}
}

func TestRowEqualsDequantize(t *testing.T) {
	for _, ty := range Types() {
		rng := rand.New(rand.NewPCG(uint64(ty), 1))
		rows, cols := 11, 512
		data := randomWeights(rng, ty, rows, cols)
		m, err := NewMatrix(ty, data, rows, cols)
		if err != nil {
			t.Fatal(err)
		}
		want, got := make([]float32, rows*cols), make([]float32, cols)
		if err := Dequantize(ty, want, data); err != nil {
			t.Fatal(err)
		}
		for r := range rows {
			m.Row(got, r)
			for i := range got {
				if math.Float32bits(got[i]) != math.Float32bits(want[r*cols+i]) {
					t.Fatalf("%v row %d weight %d: %v, want %v", ty, r, i, got[i], want[r*cols+i])
				}
			}
		}
	}
}

func TestResultDependsNeitherOnThreadsNorOnColumns(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, ty := range Types() {
			rng := rand.New(rand.NewPCG(uint64(ty), 7))
			rows, cols, n := 43, 2304, 35
			m, err := NewMatrix(ty, randomWeights(rng, ty, rows, cols), rows, cols)
			if err != nil {
				t.Fatal(err)
			}
			x := randomFloats(rng, n*cols)
			want := make([]float32, n*rows)
			for c := range n {
				m.Mul(want[c*rows:][:rows], x[c*cols:][:cols], 1, nil)
			}
			for _, threads := range []int{1, 2, 4} {
				for _, cut := range []int{1, 2, 5, 17, n} {
					got := make([]float32, cut*rows)
					m.Mul(got, x[:cut*cols], cut, goroutines(threads))
					for i := range got {
						if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
							t.Fatalf("%v, %d threads, %d columns: value %d is %v, alone %v", ty, threads, cut, i, got[i], want[i])
						}
					}
				}
			}
		}
	})
}

func TestNaNActivationShowsInItsOutputsOnly(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, ty := range Types() {
			rng := rand.New(rand.NewPCG(uint64(ty), 3))
			m, err := NewMatrix(ty, randomWeights(rng, ty, 16, 256), 16, 256)
			if err != nil {
				t.Fatal(err)
			}
			for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
				x := randomFloats(rng, 5*256)
				x[3*256+77] = bad
				out := make([]float32, 5*16)
				m.Mul(out, x, 5, nil)
				for i, v := range out {
					finite := !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
					if finite == (i/16 == 3) {
						t.Fatalf("%v with %v in column 3: column %d is %v", ty, bad, i/16, v)
					}
				}
			}
		}
	})
}

func TestNewMatrixRefusesWhatItCantMultiply(t *testing.T) {
	nan := make([]byte, 2*18)
	binary.LittleEndian.PutUint16(nan[18:], 0x7e00)
	for _, c := range []struct {
		why        string
		t          Type
		data       []byte
		rows, cols int
		say        string
	}{
		{"unknown type", 99, make([]byte, 18), 1, 32, "type 99"},
		{"part of a block", Q4_0, make([]byte, 18), 1, 31, "whole blocks of 32"},
		{"too few bytes", Q4_0, make([]byte, 17), 1, 32, "17 bytes"},
		{"no rows", F32, nil, 0, 32, "[0, 32]"},
		{"size overflow", F32, make([]byte, 16), math.MaxInt / 4, 4, "too large"},
		{"NaN scale", Q4_0, nan, 2, 32, "row 1, column 0"},
	} {
		_, err := NewMatrix(c.t, c.data, c.rows, c.cols)
		if err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, want one that says %q", c.why, err, c.say)
		}
	}
}

// An odd width, Qwen2.5-VL's 3420 say, is padded with zeros.
func TestFloatWeightsTurnIntoBlocksAtLoad(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, ty := range []Type{Q8_0, Q4_0, Q4_K} {
			for i, cols := range []int{3420, 256, 7} {
				rng := rand.New(rand.NewPCG(4, uint64(cols)))
				rows, n := 21, 13-7*(i%2) // a few columns, and many
				m, err := NewMatrixAs(ty, F16, randomWeights(rng, F16, rows, cols), rows, cols, goroutines(2))
				if err != nil {
					t.Fatal(err)
				}
				x, out := randomFloats(rng, n*cols), make([]float32, n*rows)
				m.Mul(out, x, n, nil)
				if e := nmse(out, oracle(m, x, n)); !(e < 1e-10) {
					t.Errorf("%v, %d columns: NMSE %g", ty, cols, e)
				}
			}
		}
	})
	if _, err := NewMatrixAs(F16, F32, make([]byte, 16), 1, 4, nil); err == nil {
		t.Error("F32 as F16 was accepted")
	}
}

func TestSetISA(t *testing.T) {
	was := ISA()
	defer func() {
		if err := SetISA(was); err != nil {
			t.Fatal(err)
		}
	}()
	if err := SetISA("mmx"); err == nil || !strings.Contains(err.Error(), "generic") {
		t.Errorf("an unknown name: %v, want an error that lists the choices", err)
	}
	if ISA() != was {
		t.Errorf("a failed choice changed the kernels to %s", ISA())
	}
	if err := SetISA("generic"); err != nil || ISA() != "generic" {
		t.Errorf("generic: %v, now %s", err, ISA())
	}
	if err := SetISA("auto"); err != nil || ISA() != ISAs()[len(ISAs())-1] {
		t.Errorf("auto: %v, now %s of %v", err, ISA(), ISAs())
	}
}

// eachISA runs f on every instruction set this machine has, and names the others as skipped.
func eachISA(t *testing.T, f func(t *testing.T)) {
	was := ISA()
	defer func() { _ = SetISA(was) }()
	for _, name := range archISAs() {
		t.Run(name, func(t *testing.T) {
			if err := SetISA(name); err != nil {
				t.Skip(err)
			}
			f(t)
		})
	}
}

func TestFMARoundsOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	check := func(a, b, c float32) {
		t.Helper()
		p := new(big.Float).SetPrec(2000).Mul(big.NewFloat(float64(a)), big.NewFloat(float64(b)))
		want, _ := p.Add(p, big.NewFloat(float64(c))).Float32()
		if got := fma32(a, b, c); math.Float32bits(got) != math.Float32bits(want) && !(got == 0 && want == 0) {
			t.Fatalf("%v*%v + %v = %v, want %v", a, b, c, got, want)
		}
	}
	for range 20000 {
		a := float32(rng.IntN(1<<21) - 1<<20)
		b := math.Float32frombits(rng.Uint32())
		if rng.IntN(2) == 0 {
			b = float32(rng.NormFloat64())
		}
		c := math.Float32frombits(rng.Uint32())
		if rng.IntN(2) == 0 {
			c = a * b * float32(rng.NormFloat64())
		}
		if b != b || c != c || abs(b) > 1e18 || abs(c) > 1e30 {
			continue
		}
		check(a, b, c)
		check(a, math.Float32frombits(math.Float32bits(b)&0x807fffff), 1e-40) // subnormals
		// c a power of two and a*b near half its last place: the middle between two float32s
		e := float32(math.Ldexp(1, rng.IntN(40)-20))
		check(1, e*0x1p-24, e)
		check(1, math.Nextafter32(e*0x1p-24, 1e9), e)
		check(1, math.Nextafter32(e*0x1p-24, 0), math.Nextafter32(e, 1e9))
		check(3, e*0x1p-24*(1+0x1p-23), e)
	}
	check(12345, 1e-45, 0)
	check(0, 1, 0)
}

func ExampleMatrix_Mul() {
	w := make([]byte, 2*F32.RowBytes(3))
	_ = Quantize(F32, w, []float32{1, 2, 3, 0, 0, 1})
	m, err := NewMatrix(F32, w, 2, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	out := make([]float32, 2)
	m.Mul(out, []float32{1, 1, 1}, 1, nil)
	fmt.Println(out)
	// Output: [6 1]
}
