package stream_test

import (
	"slices"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

func TestTheRollingModeKeepsOneSequenceOfAWholeWindow(t *testing.T) {
	e := openDemo(t, vlm.Options{})
	l := &live{t: t, w: newWindow(t, e, stream.Config{Mode: stream.Rolling, Length: 4 * time.Second, FPS: 2})}
	f := newFilm(6)
	for i := range 40 {
		st := l.pair(f.frame(2*i), f.frame(2*i+1))
		if st.Tokens != 16 || st.Pairs != min(i+1, 4) || st.Index != int32(min(i, 3)) {
			t.Errorf("pair %d: %+v", i, st)
		}
		s, err := l.w.Fork(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if st.Pairs == 4 && i > 4 { // the prompt and a window, however long it has been running
			if n := s.Len(); n > 4*16+20 {
				t.Errorf("pair %d: %d rows", i, n)
			}
		}
		_ = s.Close()
	}
	if c := l.w.Counters(); c.Evicted != 36 || c.Anchored != 36 {
		t.Errorf("%+v", c)
	}
}

func TestTheRollingModeMovesPositionsBackBeforeTheyReachTheirLimit(t *testing.T) {
	e := openDemo(t, vlm.Options{MaxContext: 192})
	l := &live{t: t, w: newWindow(t, e, stream.Config{Mode: stream.Rolling, Length: 4 * time.Second, FPS: 2, Anchor: -1})}
	f := newFilm(6)
	highest, widest := int32(0), 0
	for i := range 180 {
		st := l.pair(f.frame(i%8*2), f.frame(i%8*2+1))
		highest, widest = max(highest, st.Next), max(widest, st.Tokens)
		if i >= 4 && st.Pairs < 3 {
			t.Errorf("pair %d: %d pairs in the window", i, st.Pairs)
		}
	}
	if c := l.w.Counters(); c.Anchored < 2 || highest > 192 || widest > 16 {
		t.Errorf("highest position %d, most tokens %d, %+v", highest, widest, c)
	}
}

func TestTheRollingModeNeverForgetsAStillPartOfThePicture(t *testing.T) {
	e := openDemo(t, vlm.Options{})
	y := newYard()
	l := &live{t: t, w: newWindow(t, e, stream.Config{Mode: stream.Rolling, Length: 8 * time.Second, FPS: 2, Savings: stream.Savings{Drop: true}})}
	for i := range 60 {
		st := l.pair(y.frame(nil), y.frame(nil))
		if i > 0 && (st.Tokens < 2 || st.Tokens > 3) { // 16 cells over 7 pairs
			t.Errorf("pair %d: %d tokens", i, st.Tokens)
		}
		s, err := l.w.Fork(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n := s.Len(); i > 8 && n < 16 {
			t.Errorf("pair %d: %d rows", i, n)
		}
		_ = s.Close()
	}
}

func TestTheRollingModeIsExactUntilItEvicts(t *testing.T) {
	e := openDemo(t, vlm.Options{})
	l := &live{t: t, w: newWindow(t, e, stream.Config{Mode: stream.Rolling, Length: 4 * time.Second, FPS: 2})}
	f := newFilm(11)
	var frames []imageproc.RGB
	for i := range 4 {
		frames = append(frames, f.frame(2*i), f.frame(2*i+1))
		l.pair(frames[2*i], frames[2*i+1])
		got, err := l.w.Describe(t.Context(), gate.Prompts()[0], 40, vlm.Sampling{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := e.Generate(t.Context(), vlm.Request{Prompt: gate.Prompts()[0], MaxTokens: 40, Media: []vlm.Media{{Video: true, Frames: frames}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Tokens, want.Tokens) {
			t.Errorf("pair %d: %q, a fresh run says %q", i, got.Text, want.Text)
		}
	}
}
