package qwen2vl

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// story is a deterministic row of tokens.
func story(n int, seed uint64) []int32 {
	r := rand.New(rand.NewPCG(seed, 2))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(r.IntN(500))
	}
	return ids
}

func line(from, n int) [][3]int32 {
	pos, _ := MRoPEPositions([]Span{{Tokens: n}}, int32(from))
	return pos
}

func newSession(t testing.TB, m *Text, max int) *Session {
	t.Helper()
	s, err := m.NewSession(max)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// feed appends tokens at the positions that follow the sequence's rows and returns the logits.
func feed(t testing.TB, s *Session, tokens []int32) []float32 {
	t.Helper()
	logits := make([]float32, s.m.c.VocabSize)
	if err := s.Append(context.Background(), tokens, nil, line(s.Len(), len(tokens)), logits); err != nil {
		t.Fatal(err)
	}
	return logits
}

func textModel(t testing.TB, threads int) *Text {
	return loadText(t, openModel(t, "qwen2vl.gguf"), testPool(t, threads))
}

// The stream rests on this: the same rows give the same bits, however they were cut into calls.
func TestPiecesDoNotChangeTheResult(t *testing.T) {
	ids := story(700, 1)
	m := textModel(t, 2)
	want := feed(t, newSession(t, m, 0), ids)
	for _, piece := range []int{1, 7, 64, 255, 300} {
		s := newSession(t, m, 0)
		var got []float32
		for at := 0; at < len(ids); at += piece {
			got = feed(t, s, ids[at:min(len(ids), at+piece)])
		}
		if !slices.Equal(got, want) {
			t.Errorf("pieces of %d: logits differ by %g, want the same bits", piece, maxDiff(got, want))
		}
	}
	one := newSession(t, textModel(t, 1), 0)
	if got := feed(t, one, ids); !slices.Equal(got, want) {
		t.Errorf("one thread: logits differ by %g from two threads", maxDiff(got, want))
	}
}

func TestEmbeddingsActAsTheirTokens(t *testing.T) {
	m := textModel(t, 1)
	ids := story(40, 2)
	want := feed(t, newSession(t, m, 0), ids)
	d := m.c.Hidden
	embeds := make([]float32, len(ids)*d)
	for i, id := range ids {
		m.embed.Row(embeds[i*d:(i+1)*d], int(id))
	}
	got := make([]float32, m.c.VocabSize)
	if err := newSession(t, m, 0).Append(context.Background(), nil, embeds, line(0, len(ids)), got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Error("embeddings of the tokens give other logits than the tokens")
	}
}

func TestForkTruncateAndBatchEqualFreshRuns(t *testing.T) {
	m := textModel(t, 2)
	prefix := story(100, 3)
	questions := [][]int32{story(5, 4), story(30, 5), story(1, 6), story(200, 7)}
	var want [][]float32
	for _, q := range questions {
		want = append(want, feed(t, newSession(t, m, 0), slices.Concat(prefix, q)))
	}
	base := newSession(t, m, 0)
	feed(t, base, prefix)

	var forks []*Session
	var in []Input
	for i, q := range questions {
		f, err := base.Fork()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got := feed(t, f, q); !slices.Equal(got, want[i]) {
			t.Errorf("fork with question %d: logits differ by %g from a fresh run", i, maxDiff(got, want[i]))
		}
		if err := f.Truncate(len(prefix)); err != nil {
			t.Fatal(err)
		}
		forks = append(forks, f)
		in = append(in, Input{Tokens: q, Pos: line(len(prefix), len(q)), Logits: make([]float32, m.c.VocabSize)})
	}
	if err := AppendBatch(context.Background(), forks, in); err != nil {
		t.Fatal(err)
	}
	for i := range in {
		if !slices.Equal(in[i].Logits, want[i]) {
			t.Errorf("batched question %d: logits differ by %g from a fresh run", i, maxDiff(in[i].Logits, want[i]))
		}
	}
	if base.Len() != len(prefix) {
		t.Errorf("the prefix has %d rows after its forks grew, want %d", base.Len(), len(prefix))
	}
	// One more step each, as decoding does, with one session asking for no logits.
	for i := range in {
		in[i].Tokens, in[i].Pos = []int32{int32(i)}, line(forks[i].Len(), 1)
	}
	in[1].Logits = nil
	if err := AppendBatch(context.Background(), forks, in); err != nil {
		t.Fatal(err)
	}
	for i, q := range questions {
		if i != 1 && !slices.Equal(in[i].Logits, feed(t, newSession(t, m, 0), slices.Concat(prefix, q, []int32{int32(i)}))) {
			t.Errorf("batched step %d differs from a fresh run", i)
		}
	}
}

// Dropped tokens: rows may be left out as long as the others keep their positions, and order of equal positions is the
// order of rows.
func TestPositionsAreExplicit(t *testing.T) {
	m := textModel(t, 1)
	ids := story(30, 8)
	s := newSession(t, m, 0)
	logits := make([]float32, m.c.VocabSize)
	pos := line(0, 30)
	keep := func(i int) bool { return i%3 != 1 }
	var kept []int32
	var at [][3]int32
	for i := range ids {
		if keep(i) {
			kept, at = append(kept, ids[i]), append(at, pos[i])
		}
	}
	if err := s.Append(context.Background(), kept, nil, at, logits); err != nil {
		t.Fatal(err)
	}
	if dense := feed(t, newSession(t, m, 0), kept); slices.Equal(logits, dense) {
		t.Error("positions with gaps give the same logits as dense ones")
	}
	// A shift of all positions changes nothing but rounding: rotary attention sees differences only.
	for i := range at {
		for j := range at[i] {
			at[i][j] += 50
		}
	}
	shifted := make([]float32, m.c.VocabSize)
	if err := newSession(t, m, 0).Append(context.Background(), kept, nil, at, shifted); err != nil {
		t.Fatal(err)
	}
	if c := cosine(shifted, logits); c < 0.99999 {
		t.Errorf("shifted positions: cosine %v, want 1", c)
	}
}

func TestEvictKeepsTheOthers(t *testing.T) {
	m := textModel(t, 1)
	ids := story(150, 9)
	s := newSession(t, m, 0)
	feed(t, s, ids)
	if err := s.Evict(10, 90); err != nil {
		t.Fatal(err)
	}
	if s.Len() != 70 {
		t.Fatalf("%d rows after evicting 80 of 150", s.Len())
	}
	logits := make([]float32, m.c.VocabSize)
	if err := s.Append(context.Background(), ids[:1], nil, line(150, 1), logits); err != nil {
		t.Fatal(err)
	}
	for _, v := range logits {
		if v-v != 0 {
			t.Fatal("logits are not finite after an eviction")
		}
	}
}

func TestCancelledAppendLeavesTheSequence(t *testing.T) {
	m := textModel(t, 2)
	s := newSession(t, m, 0)
	want := feed(t, s, story(300, 10))
	_ = want
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := s.Append(ctx, story(600, 11), nil, line(300, 600), nil)
	if !errors.Is(err, context.Canceled) || s.Len() != 300 {
		t.Fatalf("cancelled: %v, %d rows, want 300", err, s.Len())
	}
	fresh := feed(t, newSession(t, m, 0), slices.Concat(story(300, 10), story(5, 12)))
	if got := feed(t, s, story(5, 12)); !slices.Equal(got, fresh) {
		t.Error("after a cancelled append the sequence continues differently")
	}
}

func TestContextLimit(t *testing.T) {
	m := textModel(t, 1)
	s := newSession(t, m, 10)
	feed(t, s, story(8, 13))
	err := s.Append(context.Background(), story(3, 14), nil, line(8, 3), nil)
	if !errors.Is(err, ErrContextFull) || s.Len() != 8 {
		t.Errorf("3 rows onto 8 of 10: %v, %d rows", err, s.Len())
	}
	feed(t, s, story(2, 14))
	if got := newSession(t, m, 1<<30).kv.Max(); got != m.c.ContextLength {
		t.Errorf("a session of 2^30 rows is bounded by %d, want the model's %d", got, m.c.ContextLength)
	}
}

func TestBadInputIsAnError(t *testing.T) {
	m := textModel(t, 1)
	v, d := m.c.VocabSize, m.c.Hidden
	one := line(0, 1)
	for _, c := range []struct {
		name, want string
		in         Input
	}{
		{"both", "not both", Input{Tokens: []int32{1}, Embeds: make([]float32, d), Pos: one}},
		{"neither", "want 64 values", Input{Pos: one}},
		{"positions", "2 tokens with 1 positions", Input{Tokens: []int32{1, 2}, Pos: one}},
		{"short embeddings", "want 64 values", Input{Embeds: make([]float32, d-1), Pos: one}},
		{"token below", "outside the vocabulary", Input{Tokens: []int32{-1}, Pos: one}},
		{"token above", "outside the vocabulary", Input{Tokens: []int32{int32(v)}, Pos: one}},
		{"position", "negative", Input{Tokens: []int32{1}, Pos: [][3]int32{{0, -1, 0}}}},
		{"logits", "room for 3 logits", Input{Tokens: []int32{1}, Pos: one, Logits: make([]float32, 3)}},
		{"nothing to score", "no rows", Input{Logits: make([]float32, v)}},
	} {
		s := newSession(t, m, 0)
		err := s.Append(context.Background(), c.in.Tokens, c.in.Embeds, c.in.Pos, c.in.Logits)
		if err == nil || !strings.Contains(err.Error(), c.want) || s.Len() != 0 {
			t.Errorf("%s: error %v with %d rows, want %q", c.name, err, s.Len(), c.want)
		}
	}
	s := newSession(t, m, 0)
	if err := s.Append(context.Background(), nil, nil, nil, nil); err != nil {
		t.Errorf("appending nothing: %v", err)
	}
	in := Input{Tokens: []int32{1}, Pos: one}
	if err := AppendBatch(context.Background(), []*Session{s, s}, []Input{in, in}); err == nil || s.Len() != 0 {
		t.Errorf("a session twice in a batch: %v", err)
	}
	if s.Truncate(1) == nil || s.Truncate(-1) == nil || s.Evict(0, 1) == nil {
		t.Error("truncating or evicting rows that are not there gives no error")
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if _, err := s.Fork(); err == nil || s.Truncate(0) == nil || s.Append(context.Background(), []int32{1}, nil, one, nil) == nil || s.Len() != 0 {
		t.Error("a closed session works on")
	}
}

func TestVisionInputIsChecked(t *testing.T) {
	v := loadVision(t, openModel(t, "mmproj.gguf"), nil)
	ctx, ok := context.Background(), pixels(16, 1)
	for _, c := range []struct {
		name    string
		patches []float32
		grid    GridTHW
		out     int
	}{
		{"odd height", ok, GridTHW{1, 3, 4}, 4}, {"zero", nil, GridTHW{0, 4, 4}, 0}, {"negative", ok, GridTHW{-1, -4, 4}, 4},
		{"too few patches", ok[:1000], GridTHW{1, 4, 4}, 4}, {"huge", ok, GridTHW{1, math.MaxInt / 2 &^ 1, math.MaxInt / 2 &^ 1}, 4},
		{"long", ok, GridTHW{math.MaxInt32, 1 << 20, 2}, 4}, {"short output", ok, GridTHW{1, 4, 4}, 3},
	} {
		if err := v.Encode(ctx, c.patches, c.grid, make([]float32, c.out*v.c.OutDim)); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := v.Encode(done, ok, GridTHW{1, 4, 4}, make([]float32, 4*v.c.OutDim)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Temporal patches do not see each other: a video's embeddings are those of its pairs.
func TestVideoIsItsTemporalPatches(t *testing.T) {
	v := loadVision(t, openModel(t, "mmproj.gguf"), testPool(t, 2))
	for _, grid := range []GridTHW{{40, 4, 6}, {2, 20, 30}} { // in groups, and one at a time
		n := grid[1] * grid[2]
		x, out := pixels(grid[0]*n, 3), n/4*v.c.OutDim
		all := make([]float32, grid[0]*out)
		if err := v.Encode(context.Background(), x, grid, all); err != nil {
			t.Fatal(err)
		}
		for i := range grid[0] {
			one := make([]float32, out)
			if err := v.Encode(context.Background(), x[i*n*1176:(i+1)*n*1176], GridTHW{1, grid[1], grid[2]}, one); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(one, all[i*out:(i+1)*out]) {
				t.Fatalf("grid %v: temporal patch %d differs from its encoding alone by %g", grid, i, maxDiff(one, all[i*out:(i+1)*out]))
			}
		}
	}
}

func TestForksRunConcurrently(t *testing.T) {
	m := textModel(t, 3)
	base := newSession(t, m, 0)
	prefix := story(100, 20)
	feed(t, base, prefix)
	var wg sync.WaitGroup
	for i := range 4 {
		f, err := base.Fork()
		if err != nil {
			t.Fatal(err)
		}
		q := story(10+i, uint64(21+i))
		want := feed(t, newSession(t, m, 0), slices.Concat(prefix, q))
		wg.Go(func() {
			defer f.Close()
			for range 5 {
				got := make([]float32, m.c.VocabSize)
				if err := f.Append(context.Background(), q, nil, line(len(prefix), len(q)), got); err != nil || !slices.Equal(got, want) {
					t.Errorf("fork %d: error %v, logits differ by %g from a run alone", i, err, maxDiff(got, want))
				}
				_ = f.Truncate(len(prefix))
			}
		})
	}
	wg.Wait()
}
