package qwen2vl

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/edgevlm/edgevlm/quant"
)

// everyISA runs f with each of the instruction sets.
func everyISA(t *testing.T, isas []string, f func(t *testing.T)) {
	was := quant.ISA()
	defer func() { _ = quant.SetISA(was) }()
	for _, isa := range isas {
		if err := quant.SetISA(isa); err != nil {
			t.Fatal(err)
		}
		t.Run(isa, f)
	}
}

func TestAttentionOnBytesFollowsThatOfFloats(t *testing.T) {
	everyISA(t, quant.ISAs(), func(t *testing.T) { followsFloats(t, newByteHead, 4, 0.9995) })
}

// One key has half of all the weight, the others share the rest: with one scale for all of them they would round to nothing.
func TestAttentionOnBytesKeepsManySmallWeights(t *testing.T) {
	const n, hd = 1024, 32
	q, kt, v := make([]float32, hd), make([]float32, hd*n), make([]float32, n*hd)
	q[0] = 1
	kt[500] = float32(math.Log(n))
	for j := range n {
		v[j*hd] = 1
	}
	v[500*hd] = 0
	heads, err := fitHeads(nil, newByteHead, 1, n, hd)
	if err != nil {
		t.Fatal(err)
	}
	heads[0].set(kt, n, v, hd)
	out := make([]float32, hd)
	heads[0].attend(out, hd, q, hd, 1, 1)
	if math.Abs(float64(out[0])-0.5) > 0.02 {
		t.Errorf("%v, want a half", out[0])
	}
}

func TestATowerThatAttendsOnBytesFollowsOneOnFloats(t *testing.T) {
	tower := func(kind func() head) *Vision {
		v := loadVision(t, demoVision(t, quant.Q8_0), testPool(t, 2))
		v.newHead = kind
		return v
	}
	floatTower, byteTower := tower(newFloatHead), tower(newByteHead)
	everyISA(t, quant.ISAs()[len(quant.ISAs())-1:], func(t *testing.T) { // a whole tower takes long in portable Go
		for _, grid := range []GridTHW{{1, 8, 8}, {3, 6, 10}, {1, 16, 10}} {
			t.Run(fmt.Sprint(grid), func(t *testing.T) {
				n := grid[0] * grid[1] * grid[2]
				x := pixels(n, 3)
				run := func(f func(dst []float32) error) []float32 {
					dst := make([]float32, n/4*byteTower.c.OutDim)
					if err := f(dst); err != nil {
						t.Fatal(err)
					}
					return dst
				}
				ctx := context.Background()
				floats := run(func(dst []float32) error { return floatTower.Encode(ctx, x, grid, dst) })
				bytes := run(func(dst []float32) error { return byteTower.Encode(ctx, x, grid, dst) })
				if cos := cosine(floats, bytes); cos < 0.999 || cos == 1 {
					t.Errorf("cosine %.6f", cos)
				}
				if grid[0] > 1 {
					return
				}
				var m VisionMemory
				kept := run(func(dst []float32) error { return byteTower.EncodeChanged(ctx, &m, x, grid, nil, dst) })
				if cos := cosine(kept, bytes); cos < 0.9999 {
					t.Errorf("cosine of a tower that remembers %.6f", cos)
				}
				marks := make([]bool, n/4)
				marks[1], marks[len(marks)-1] = true, true
				again := run(func(dst []float32) error {
					copy(dst, kept)
					return byteTower.EncodeChanged(ctx, &m, x, grid, marks, dst)
				})
				if cos := cosine(again, kept); cos < 0.9999 {
					t.Errorf("cosine where nothing changed %.6f", cos)
				}
			})
		}
	})
}

func TestAttentionOnBytesShowsWhatIsNoNumber(t *testing.T) {
	heads, err := fitHeads(nil, newByteHead, 1, 40, 32)
	if err != nil {
		t.Fatal(err)
	}
	q, kt, v, out := make([]float32, 32), make([]float32, 32*40), make([]float32, 40*32), make([]float32, 32)
	v[7*32] = float32(math.NaN())
	heads[0].set(kt, 40, v, 32)
	heads[0].attend(out, 32, q, 32, 1, 1)
	if out[0] == out[0] {
		t.Errorf("a value that is no number gave %v", out[0])
	}
}
