package vlm

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
)

func TestQuestionsOnForksOfASharedPrefixEqualWholePrompts(t *testing.T) {
	e := chat(t, Options{})
	clip := Media{Video: true, Frames: []imageproc.RGB{picture(60, 60, 0), picture(60, 60, 1), picture(60, 60, 2), picture(60, 60, 3)}}
	head, tail := "<|im_start|>user\n"+visionStart, "<|im_end|>\n<|im_start|>assistant\n"
	m, err := e.Embed(t.Context(), clip)
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.NewSequence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, err := range []error{s.Append(t.Context(), ids(e, head)), s.AppendMedia(t.Context(), m)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	mark := s.Mark()
	ask := func(s *Sequence, question string) []int32 {
		t.Helper()
		if err := s.Prefill(t.Context(), ids(e, visionEnd+question+tail)); err != nil {
			t.Fatal(err)
		}
		r, err := s.Generate(t.Context(), 6, Sampling{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r.Tokens
	}
	whole := func(question string) []int32 {
		t.Helper()
		r, err := e.Generate(t.Context(), Request{Raw: true, Prompt: head + videoPad + visionEnd + question + tail, Media: []Media{clip}, MaxTokens: 6}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r.Tokens
	}
	for _, q := range []string{"Who?", "What is there?", ""} {
		f, err := s.Fork(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := ask(f, q), whole(q); !slices.Equal(got, want) {
			t.Errorf("%q on a fork: %v, want %v", q, got, want)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	// The same without forks: go back to the mark.
	for _, q := range []string{"Who?", "What is there?"} {
		if got, want := ask(s, q), whole(q); !slices.Equal(got, want) {
			t.Errorf("%q after going back: %v, want %v", q, got, want)
		}
		if err := s.Rewind(t.Context(), mark); err != nil {
			t.Fatal(err)
		}
		if s.Len() != mark.rows || s.Next() != mark.next || s.Logits() != nil {
			t.Errorf("after going back: %d rows, next %d, logits %v", s.Len(), s.Next(), s.Logits() != nil)
		}
	}
}

func TestGenerateNeedsLogits(t *testing.T) {
	e := chat(t, Options{})
	s, err := e.NewSequence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Generate(t.Context(), 1, Sampling{}, nil); !errors.Is(err, errNoLogits) {
		t.Error(err)
	}
	if err := s.Prefill(t.Context(), []int32{1, 2}); err != nil || len(s.Logits()) != e.vocab {
		t.Errorf("%v, %d logits", err, len(s.Logits()))
	}
	if err := s.Append(t.Context(), []int32{3}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Generate(t.Context(), 1, Sampling{}, nil); !errors.Is(err, errNoLogits) {
		t.Errorf("logits of a row that is not the last: %v", err)
	}
}

func TestAppendAtTakesAnyPositions(t *testing.T) {
	e := chat(t, Options{})
	ctx := context.Background()
	logits := func(build func(s *Sequence) error) []float32 {
		t.Helper()
		s, err := e.NewSequence(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := build(s); err != nil {
			t.Fatal(err)
		}
		if err := s.Prefill(ctx, []int32{9}); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(s.Logits())
	}
	a := logits(func(s *Sequence) error { return s.Append(ctx, []int32{5, 6}) })
	b := logits(func(s *Sequence) error {
		return s.AppendAt(ctx, npu.Chunk{Tokens: []int32{5, 6}, Pos: [][3]int32{{0, 0, 0}, {1, 1, 1}}}, 2)
	})
	c := logits(func(s *Sequence) error {
		return s.AppendAt(ctx, npu.Chunk{Tokens: []int32{5, 6}, Pos: [][3]int32{{0, 0, 0}, {1, 1, 1}}}, 30)
	})
	if !slices.Equal(a, b) {
		t.Error("the same positions, different logits")
	}
	if slices.Equal(a, c) {
		t.Error("a later next position changed nothing")
	}
}

func TestTemporalIndicesFollowTheClock(t *testing.T) {
	s := func(at ...float64) (d []time.Duration) {
		for _, x := range at {
			d = append(d, time.Duration(x*float64(time.Second)))
		}
		return d
	}
	for _, c := range []struct {
		name   string
		times  []time.Duration
		period time.Duration
		want   []int32
	}{
		{"no clock", nil, time.Second, nil},
		{"one pair", s(0, 1), 0, nil},
		{"regular", s(0, 1, 2, 3, 4, 5), 0, []int32{0, 1, 2}},
		{"jitter", s(0.1, 1, 2.3, 3, 3.8, 5, 6.2, 7), 0, []int32{0, 1, 2, 3}},
		{"odd count", s(7, 8, 9, 10, 11), 0, []int32{0, 1, 2}},
		{"a pair is missing", s(0, 1, 2, 3, 6, 7, 8, 9), 0, []int32{0, 1, 3, 4}},
		{"period given", s(0, 1, 4, 5, 8, 9), time.Second, []int32{0, 2, 4}},
		{"first two pairs missing, period unknown", s(4, 5, 6, 7), 0, []int32{0, 1}},
		{"clock jumps back", s(0, 1, 2, 3, -50, -49, -48, -47), time.Second, []int32{0, 1, 1, 1}},
		{"clock stands still", s(5, 5, 5, 5), 0, nil},
		{"a day's gap", s(0, 1, 2, 3, 86400, 86401), time.Second, []int32{0, 1, 1 + maxTemporalGap}},
	} {
		if diff := cmp.Diff(c.want, temporalIndex(c.times, c.period, 2)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestAClipsClockReachesItsPositions(t *testing.T) {
	e := chat(t, Options{})
	m := Media{Video: true, Times: []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second, 8 * time.Second, 9 * time.Second}}
	for i := range 6 {
		m.Frames = append(m.Frames, picture(60, 60, i))
	}
	next := func(m Media) int32 {
		t.Helper()
		x, err := e.Embed(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		s, err := e.NewSequence(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.AppendMedia(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		return s.Next()
	}
	m.Period = time.Second
	if got := next(m); got != 5 {
		t.Errorf("pairs at 0, 2 and 8 s end at position %d, want 5", got)
	}
	m.Times = nil
	if got := next(m); got != 3 {
		t.Errorf("three regular pairs end at position %d, want 3", got)
	}
}
