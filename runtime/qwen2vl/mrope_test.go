package qwen2vl

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestMRoPEPositions(t *testing.T) {
	for _, c := range []struct {
		name  string
		spans []Span
		start int32
		want  [][3]int32
		next  int32
	}{
		{"nothing", nil, 7, nil, 7},
		{"text", []Span{{Tokens: 3}}, 5, [][3]int32{{5, 5, 5}, {6, 6, 6}, {7, 7, 7}}, 8},
		{"still", []Span{{Tokens: 1}, {Grid: GridTHW{1, 2, 2}}, {Tokens: 1}}, 0,
			[][3]int32{{0, 0, 0}, {1, 1, 1}, {1, 1, 2}, {1, 2, 1}, {1, 2, 2}, {3, 3, 3}}, 4},
		{"video longer than its sides", []Span{{Grid: GridTHW{3, 1, 1}}, {Tokens: 1}}, 0,
			[][3]int32{{0, 0, 0}, {1, 0, 0}, {2, 0, 0}, {3, 3, 3}}, 4},
		{"times of its own", []Span{{Grid: GridTHW{3, 1, 2}, T: []int32{0, 4, 6}}, {Tokens: 1}}, 10,
			[][3]int32{{10, 10, 10}, {10, 10, 11}, {14, 10, 10}, {14, 10, 11}, {16, 10, 10}, {16, 10, 11}, {17, 17, 17}}, 18},
		{"times that end early", []Span{{Grid: GridTHW{3, 1, 1}, T: []int32{2}}}, 0, [][3]int32{{2, 0, 0}, {3, 0, 0}, {4, 0, 0}}, 5},
		{"a second window's first time is not zero", []Span{{Grid: GridTHW{1, 1, 1}, T: []int32{9}}}, 0, [][3]int32{{9, 0, 0}}, 10},
		{"negative counts are none", []Span{{Tokens: -2}, {Grid: GridTHW{1, -1, 3}}}, 4, nil, 4},
	} {
		pos, next := MRoPEPositions(c.spans, c.start)
		if !slices.Equal(pos, c.want) || next != c.next {
			t.Errorf("%s: %v then %d, want %v then %d", c.name, pos, next, c.want, c.next)
		}
	}
}

// Splitting a prompt between spans and continuing at next gives the positions of the whole.
func TestMRoPEPositionsCompose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spans := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Span {
			if rapid.Bool().Draw(t, "text") {
				return Span{Tokens: rapid.IntRange(0, 9).Draw(t, "tokens")}
			}
			side := rapid.IntRange(1, 5)
			return Span{Grid: GridTHW{side.Draw(t, "t"), side.Draw(t, "h"), side.Draw(t, "w")}}
		}), 0, 6).Draw(t, "spans")
		cut := rapid.IntRange(0, len(spans)).Draw(t, "cut")
		whole, end := MRoPEPositions(spans, 3)
		a, mid := MRoPEPositions(spans[:cut], 3)
		b, last := MRoPEPositions(spans[cut:], mid)
		if !slices.Equal(whole, append(a, b...)) || end != last {
			t.Fatalf("whole %v to %d, in two parts %v to %d", whole, end, append(a, b...), last)
		}
		for _, p := range whole {
			if max(p[0], p[1], p[2]) >= end {
				t.Fatalf("position %v is not before the next, %d", p, end)
			}
		}
	})
}
