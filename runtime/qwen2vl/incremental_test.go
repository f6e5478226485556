package qwen2vl

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// pairs makes the patches of two temporal patches of a grid that differ in the marked merged cells.
func pairs(v *Vision, grid GridTHW, differ func(cell int) bool) (a, b []float32) {
	c := v.Config()
	rng := rand.New(rand.NewPCG(5, 6))
	group, pl := c.MergeSize*c.MergeSize, c.PatchLen()
	for range grid[1] * grid[2] * pl {
		a = append(a, 2*rng.Float32()-1)
	}
	b = slices.Clone(a)
	for i := range b {
		if differ(i / pl / group) {
			b[i] = 2*rng.Float32() - 1
		}
	}
	return a, b
}

func TestATowerThatRemembersComputesAWholePairAsEncodeDoes(t *testing.T) {
	v := tinyVision(t)
	for _, grid := range []GridTHW{{1, 4, 6}, {1, 48, 12}} { // the second one is more than one block of rows
		a, _ := pairs(v, grid, func(int) bool { return false })
		want := make([]float32, grid[1]*grid[2]/4*v.Config().OutDim)
		got := make([]float32, len(want))
		if err := v.Encode(context.Background(), a, grid, want); err != nil {
			t.Fatal(err)
		}
		var m VisionMemory
		if m.Valid(grid) {
			t.Error("an empty memory is valid")
		}
		if err := v.EncodeChanged(context.Background(), &m, a, grid, nil, got); err != nil {
			t.Fatal(err)
		}
		if c := cosine(want, got); c < 0.99999 || !m.Valid(grid) || m.Bytes() == 0 {
			t.Errorf("grid %v: cosine %.7f", grid, c)
		}
	}
}

func TestATowerThatRemembersComputesOnlyWhatItIsTold(t *testing.T) {
	v := tinyVision(t)
	grid := GridTHW{1, 8, 8}
	dim := v.Config().OutDim
	marks := make([]bool, 16)
	marks[5], marks[6], marks[9] = true, true, true
	a, b := pairs(v, grid, func(cell int) bool { return marks[cell] })
	ctx := context.Background()
	first, again, part, whole := make([]float32, 16*dim), make([]float32, 16*dim), make([]float32, 16*dim), make([]float32, 16*dim)
	var m VisionMemory
	if err := v.EncodeChanged(ctx, &m, a, grid, nil, first); err != nil {
		t.Fatal(err)
	}
	// The same picture again: what is computed anew is what was there.
	if err := v.EncodeChanged(ctx, &m, a, grid, marks, again); err != nil {
		t.Fatal(err)
	}
	for cell, marked := range marks {
		for i := cell * dim; i < (cell+1)*dim; i++ {
			if !marked && again[i] != 0 {
				t.Fatalf("cell %d was written", cell)
			}
			if marked && math.Abs(float64(again[i]-first[i])) > 1e-4 {
				t.Fatalf("cell %d: %v, was %v", cell, again[i], first[i])
			}
		}
	}
	// Another one in these cells: near to a whole run, and nearer than the old embeddings.
	if err := v.Encode(ctx, b, grid, whole); err != nil {
		t.Fatal(err)
	}
	if err := v.EncodeChanged(ctx, &m, b, grid, marks, part); err != nil {
		t.Fatal(err)
	}
	for cell, marked := range marks {
		at := cell * dim
		if !marked {
			continue
		}
		now, was := cosine(part[at:at+dim], whole[at:at+dim]), cosine(first[at:at+dim], whole[at:at+dim])
		if now < 0.9 || now < was {
			t.Errorf("cell %d: cosine to a whole run %.4f, of the old one %.4f", cell, now, was)
		}
	}
	// With all cells marked it is a whole run.
	if err := v.EncodeChanged(ctx, &m, b, grid, slices.Repeat([]bool{true}, 16), part); err != nil || cosine(part, whole) < 0.99999 {
		t.Errorf("cosine %.6f, %v", cosine(part, whole), err)
	}
	// Another grid begins anew, whatever is marked.
	c, _ := pairs(v, GridTHW{1, 4, 4}, func(int) bool { return false })
	small := make([]float32, 4*dim)
	if err := v.EncodeChanged(ctx, &m, c, GridTHW{1, 4, 4}, make([]bool, 4), small); err != nil || slices.Max(small) == 0 {
		t.Errorf("a new grid was not computed whole: %v", err)
	}
}

func TestATowerThatWasInterruptedRemembersNothing(t *testing.T) {
	v := tinyVision(t)
	grid := GridTHW{1, 4, 4}
	a, _ := pairs(v, grid, func(int) bool { return false })
	dst := make([]float32, 4*v.Config().OutDim)
	var m VisionMemory
	if err := v.EncodeChanged(context.Background(), &m, a, grid, nil, dst); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := v.EncodeChanged(ctx, &m, a, grid, []bool{true, false, false, false}, dst); !errors.Is(err, context.Canceled) || m.Valid(grid) {
		t.Errorf("%v, valid %v", err, m.Valid(grid))
	}
	for _, bad := range []GridTHW{{2, 4, 4}, {1, 3, 4}, {1, 0, 4}, {1, 4, 8}, {1, 1 << 17, 1 << 17}} {
		if err := v.EncodeChanged(context.Background(), &m, a, bad, nil, dst); err == nil {
			t.Errorf("grid %v was taken", bad)
		}
	}
	if err := v.EncodeChanged(context.Background(), &m, a, grid, make([]bool, 3), dst); err == nil {
		t.Error("three marks for four cells were taken")
	}
}

func tinyVision(t *testing.T) *Vision {
	t.Helper()
	return loadVision(t, openModel(t, "mmproj.gguf"), testPool(t, 2))
}

func TestShiftedRowsAreThoseThatWereAppendedThere(t *testing.T) {
	m := textModel(t, 1)
	ids, pos := story(40, 3), line(0, 40)
	ctx := context.Background()
	want, got := make([]float32, m.c.VocabSize), make([]float32, m.c.VocabSize)
	far := make([][3]int32, 40)
	for i, p := range pos {
		far[i] = p
		if i >= 10 {
			far[i] = [3]int32{p[0] + 90, p[1] + 7, p[2]}
		}
	}
	s, u := newSession(t, m, 0), newSession(t, m, 0)
	// Rows of a later layer have seen the earlier ones where these were: only one layer's keys can be told from fresh ones, so
	// that all rows move together here, but for the first ten, which nothing distinguishes from a prompt.
	if err := s.Append(ctx, ids[10:39], nil, far[10:39], nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Shift(0, s.Len(), [3]int32{-90, -7, 0}); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(ctx, ids[39:], nil, pos[39:], got); err != nil {
		t.Fatal(err)
	}
	if err := u.Append(ctx, ids[10:], nil, pos[10:], want); err != nil {
		t.Fatal(err)
	}
	if c := cosine(got, want); c < 0.9999 || argmax(got) != argmax(want) {
		t.Errorf("cosine %.6f", c)
	}
	if err := s.Shift(3, 99, [3]int32{}); err == nil {
		t.Error("rows beyond the end were shifted")
	}
}
