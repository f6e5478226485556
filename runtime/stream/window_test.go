package stream_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// camera delivers a film with a clock of its own.
type camera struct {
	film *film
	next int
	at   time.Time
	rng  *rand.Rand
}

// irregular gives the next frame: late and early ones, holes of up to 1.5 s, frames that come twice, a clock that is set
// back a little or a lot, a day's gap.
func (c *camera) irregular() stream.Frame {
	step := 500 * time.Millisecond
	switch c.rng.IntN(40) {
	case 0, 1, 2, 3, 4, 5:
		step += time.Duration(c.rng.IntN(400)-200) * time.Millisecond
	case 6, 7:
		step *= time.Duration(2 + c.rng.IntN(3))
	case 8:
		step = 0
	case 9:
		step = -time.Duration(c.rng.IntN(2500)) * time.Millisecond
	case 10:
		if c.rng.IntN(4) == 0 {
			step = -time.Hour
		}
	case 11:
		if c.rng.IntN(4) == 0 {
			step = 24 * time.Hour
		}
	}
	c.at = c.at.Add(step)
	f := stream.Frame{Seq: uint64(c.next), At: c.at, RGB: c.film.frame(c.next)}
	if c.next++; c.rng.IntN(60) == 0 {
		f.RGB = imageproc.RGB{}
	}
	return f
}

func (c *camera) regular() stream.Frame {
	f := stream.Frame{Seq: uint64(c.next), At: c.at, RGB: c.film.frame(c.next)}
	c.next++
	c.at = c.at.Add(500 * time.Millisecond)
	return f
}

// fresh is a run over a window's frames that knows nothing of streams.
func fresh(t *testing.T, e *vlm.Engine, pairs []stream.Pair) vlm.Result {
	t.Helper()
	m := vlm.Media{Video: true, Period: 500 * time.Millisecond}
	for _, p := range pairs {
		for _, f := range p.Frames {
			m.Frames = append(m.Frames, f.RGB)
			m.Times = append(m.Times, p.At.Sub(pairs[0].At))
		}
	}
	r, err := e.Generate(t.Context(), vlm.Request{Media: []vlm.Media{m}, Prompt: gate.Prompts()[0], MaxTokens: 40}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// inWindow are the pairs that a window says it is about.
func inWindow(t *testing.T, w *stream.Window, all []stream.Pair) []stream.Pair {
	t.Helper()
	refs := w.Frames()
	for i, p := range all {
		if p.Frames[0].Seq != refs[0].Seq {
			continue
		}
		pairs := all[i:]
		if len(pairs)*2 != len(refs) {
			t.Fatalf("the window has %d frames, %d pairs came since its first", len(refs), len(pairs))
		}
		for j, p := range pairs {
			if p.Frames[0].Seq != refs[2*j].Seq || p.Frames[1].Seq != refs[2*j+1].Seq {
				t.Fatalf("the window's frames are %v", refs)
			}
		}
		return pairs
	}
	t.Fatalf("the window's frames %v never came", refs)
	return nil
}

func TestTheExactModeAnswersAsAFreshRunOverItsFramesDoes(t *testing.T) {
	const length = 4 * time.Second
	e := openDemo(t, vlm.Options{})
	for _, c := range []struct {
		name    string
		windows int
		next    func(*camera) stream.Frame
	}{{"regular", 60, (*camera).regular}, {"irregular", 140, (*camera).irregular}} {
		t.Run(c.name, func(t *testing.T) {
			w, pairs := newWindow(t, e, stream.Config{Length: length, FPS: 2}), newPairs(t, 2, length)
			cam := &camera{film: newFilm(7), at: begin, rng: rand.New(rand.NewPCG(1, 2))}
			var all []stream.Pair
			jumps, late := 0, 0
			for len(all) < c.windows {
				p, ok, _ := pairs.Add(c.next(cam))
				if !ok {
					continue
				}
				all = append(all, p)
				st, err := w.Add(t.Context(), p)
				if err != nil {
					t.Fatal(err)
				}
				if st.Restart != "" {
					jumps++
				}
				if st.Index != int32(st.Pairs-1) {
					late++
				}
				got, err := w.Describe(t.Context(), gate.Prompts()[0], 40, vlm.Sampling{}, nil)
				if err != nil {
					t.Fatal(err)
				}
				in := inWindow(t, w, all)
				if span := p.At.Sub(in[0].At); span >= length {
					t.Errorf("window %d spans %v", len(all), span)
				}
				if want := fresh(t, e, in); !slices.Equal(got.Tokens, want.Tokens) {
					t.Errorf("window %d of %d pairs: %q, a fresh run says %q", len(all), len(in), got.Text, want.Text)
				}
			}
			t.Logf("%d windows, %d began anew, %d with holes", len(all), jumps, late)
			if c.name == "irregular" && (jumps < 3 || late < 20) {
				t.Error("the clock was not irregular enough to show anything")
			}
		})
	}
}

func TestEveryPairIsEncodedOnceAndNoStepCostsMoreThanTheUsualOne(t *testing.T) {
	const most, cells = 8, gate.Grid * gate.Grid
	e := openDemo(t, vlm.Options{})
	w, pairs := newWindow(t, e, stream.Config{Length: most * time.Second, FPS: 2}), newPairs(t, 2, most*time.Second)
	cam := &camera{film: newFilm(3), at: begin}
	var tokens []int
	for n := 0; n < 50; {
		p, ok, note := pairs.Add(cam.regular())
		if note != "" {
			t.Error(note)
		}
		if !ok {
			continue
		}
		st, err := w.Add(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		// Of the two sequences one begins at every half window: the older one has 5 to 8 pairs once there are two.
		inWindow := n + 1
		if n >= most {
			inWindow = most/2 + 1 + n%(most/2)
		}
		if st.Pairs != inWindow || st.Index != int32(inWindow-1) {
			t.Errorf("pair %d: %d pairs in the window, index %d; want %d", n, st.Pairs, st.Index, inWindow)
		}
		if st.Patches != cells*4 || st.Dropped != 0 || st.Changed != 1 {
			t.Errorf("pair %d: %+v", n, st)
		}
		tokens = append(tokens, st.Tokens)
		n++
	}
	for i, n := range tokens {
		if want := cells * (1 + min(1, i/(most/2))); n != want {
			t.Errorf("pair %d: %d tokens, want %d", i, n, want)
		}
	}
	c := w.Counters()
	if c.Patches != 50*cells*4 || c.Tokens != uint64(cells*(4+2*46)) || c.Restarts != 0 {
		t.Errorf("%+v", c)
	}
	slices.Sort(tokens)
	if median := tokens[len(tokens)/2]; tokens[len(tokens)-1]*2 > median*3 {
		t.Errorf("a step of %d tokens, the median is %d", tokens[len(tokens)-1], median)
	}
}

func TestPositionsFollowTheClock(t *testing.T) {
	e := openDemo(t, vlm.Options{})
	w := newWindow(t, e, stream.Config{Length: 20 * time.Second, FPS: 2})
	f := newFilm(1)
	var got []int32
	start := int32(-1)
	for i, at := range []time.Duration{0, 1000, 1900, 3200, 3200, 7400, 8501} {
		p := stream.Pair{At: begin.Add(at * time.Millisecond)}
		p.Frames[0] = stream.Frame{Seq: uint64(2 * i), RGB: f.frame(2 * i)}
		p.Frames[1] = stream.Frame{Seq: uint64(2*i + 1), RGB: f.frame(2*i + 1)}
		st, err := w.Add(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, st.Index)
		if start < 0 {
			start = st.Next - gate.Grid // the grid's sides are the largest positions at first
		}
		if want := start + max(st.Index, gate.Grid-1) + 1; st.Next != want {
			t.Errorf("pair %d: next position %d, want %d", i, st.Next, want)
		}
	}
	if want := []int32{0, 1, 2, 3, 3, 7, 9}; !slices.Equal(got, want) {
		t.Errorf("indices %v, want %v", got, want)
	}
}

func TestAStandingClockDoesNotMakeAWindowEndless(t *testing.T) {
	e := openDemo(t, vlm.Options{})
	w := newWindow(t, e, stream.Config{Length: 4 * time.Second, FPS: 2})
	f := newFilm(1)
	for i := range 20 {
		p := stream.Pair{At: begin}
		p.Frames[0], p.Frames[1] = stream.Frame{RGB: f.frame(2 * i)}, stream.Frame{RGB: f.frame(2*i + 1)}
		st, err := w.Add(t.Context(), p)
		if err != nil || st.Pairs > 4 {
			t.Fatalf("%d pairs in the window, %v", st.Pairs, err)
		}
	}
}

func TestAnInterruptedStepIsMadeUpFor(t *testing.T) {
	const length = 4 * time.Second
	e := openDemo(t, vlm.Options{})
	w, pairs := newWindow(t, e, stream.Config{Length: length, FPS: 2}), newPairs(t, 2, length)
	cam := &camera{film: newFilm(9), at: begin}
	var all []stream.Pair
	for n := 0; n < 40; n++ {
		p, ok, _ := pairs.Add(cam.regular())
		if !ok {
			continue
		}
		ctx := t.Context()
		if n%6 == 1 { // ends somewhere in the step, or before it
			c, cancel := context.WithTimeout(ctx, time.Duration(n)*50*time.Microsecond)
			defer cancel()
			ctx = c
		}
		before := w.Counters().Pairs
		if _, err := w.Add(ctx, p); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if w.Counters().Pairs > before {
			all = append(all, p)
		}
		if len(all) == 0 || w.Frames() == nil {
			continue
		}
		got, err := w.Describe(t.Context(), gate.Prompts()[0], 40, vlm.Sampling{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := fresh(t, e, inWindow(t, w, all)); !slices.Equal(got.Tokens, want.Tokens) {
			t.Errorf("frame %d: %q, a fresh run says %q", n, got.Text, want.Text)
		}
	}
}

func TestWhatAWindowCannotUseIsSaidInOneLineAndTheRestGoesOn(t *testing.T) {
	e := openDemo(t, vlm.Options{})
	w, pairs := newWindow(t, e, stream.Config{Length: 4 * time.Second, FPS: 2}), newPairs(t, 2, 4*time.Second)
	f := newFilm(4)
	good := func(i int) stream.Frame {
		return stream.Frame{Seq: uint64(i), At: begin.Add(time.Duration(i) * 500 * time.Millisecond), RGB: f.frame(i % 80)}
	}
	edit := func(i int, change func(*stream.Frame)) stream.Frame {
		x := good(i)
		change(&x)
		return x
	}
	line := func(s string) bool { return s != "" && !strings.Contains(s, "\n") && len(s) < 200 }
	if _, err := w.Describe(t.Context(), "?", 1, vlm.Sampling{}, nil); !errors.Is(err, stream.ErrEmpty) {
		t.Errorf("an empty window: %v", err)
	}
	for _, c := range []struct {
		name    string
		frames  []stream.Frame
		notes   int
		pairs   int
		restart bool
	}{
		{"fine", []stream.Frame{good(0), good(1), good(2), good(3)}, 0, 2, false},
		{"no picture", []stream.Frame{edit(4, func(f *stream.Frame) { f.RGB = imageproc.RGB{} }), good(5), good(6)}, 1, 1, false},
		{"too few bytes", []stream.Frame{edit(7, func(f *stream.Frame) { f.RGB.Pix = f.RGB.Pix[:99] }), good(8), good(9)}, 1, 1, false},
		{"twice", []stream.Frame{good(10), good(10), good(11)}, 1, 1, false},
		{"set back a little", []stream.Frame{edit(12, func(f *stream.Frame) { f.At = f.At.Add(-time.Second) }), edit(13, func(f *stream.Frame) { f.At = f.At.Add(-time.Second) })}, 1, 1, false},
		{"set back a day", []stream.Frame{edit(14, func(f *stream.Frame) { f.At = f.At.AddDate(0, 0, -1) }), edit(15, func(f *stream.Frame) { f.At = f.At.AddDate(0, 0, -1) })}, 1, 1, true},
		{"a day's gap", []stream.Frame{good(16), good(17)}, 0, 1, true},
		{"another size", []stream.Frame{edit(18, func(f *stream.Frame) { f.RGB = imageproc.Resize(f.RGB, 224, 224) }), edit(19, func(f *stream.Frame) { f.RGB = imageproc.Resize(f.RGB, 224, 224) })}, 1, 1, true},
		{"another shape", []stream.Frame{edit(20, func(f *stream.Frame) { f.RGB = imageproc.Resize(f.RGB, 56, 224) }), edit(21, func(f *stream.Frame) { f.RGB = imageproc.Resize(f.RGB, 56, 224) })}, 1, 1, true},
		{"a partner that never comes", []stream.Frame{edit(22, func(f *stream.Frame) { f.RGB = imageproc.Resize(f.RGB, 56, 224) }), good(26), good(27)}, 1, 1, true},
	} {
		notes, added, restart := 0, 0, false
		for _, f := range c.frames {
			p, ok, note := pairs.Add(f)
			if note != "" {
				notes++
				if !line(note) {
					t.Errorf("%s: %q", c.name, note)
				}
			}
			if !ok {
				continue
			}
			added++
			st, err := w.Add(t.Context(), p)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			if restart = restart || st.Restart != ""; restart && (st.Pairs != 1 || st.Index != 0 || !line(st.Restart)) {
				t.Errorf("%s: %+v", c.name, st)
			}
			if _, err := w.Describe(t.Context(), "What is happening?", 8, vlm.Sampling{}, nil); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if notes != c.notes || added != c.pairs || restart != c.restart {
			t.Errorf("%s: %d notes, %d pairs, restart %v; want %+v", c.name, notes, added, restart, c)
		}
	}

	// A picture that no model takes: the pair is refused, the window stays.
	n := len(w.Frames())
	long := imageproc.RGB{W: 3000, H: 2, Pix: make([]byte, 3*3000*2)}
	if _, err := w.Add(t.Context(), stream.Pair{At: begin.Add(30 * time.Second), Frames: [2]stream.Frame{{RGB: long}, {RGB: long}}}); !errors.Is(err, stream.ErrPair) || !line(err.Error()) {
		t.Errorf("%v", err)
	}
	if len(w.Frames()) != n {
		t.Errorf("%d frames left of %d", len(w.Frames()), n)
	}
	if _, err := w.Describe(t.Context(), strings.Repeat("What is happening? ", 2000), 8, vlm.Sampling{}, nil); !errors.Is(err, vlm.ErrRequest) || !strings.Contains(err.Error(), "shorten it") {
		t.Errorf("a question longer than the context: %v", err)
	}
	if _, err := w.Describe(t.Context(), "What is happening?", 8, vlm.Sampling{}, nil); err != nil {
		t.Errorf("after it: %v", err)
	}
}

func TestAWindowThatTheContextCannotHoldIsShortened(t *testing.T) {
	e := openDemo(t, vlm.Options{MaxContext: 160})
	w := newWindow(t, e, stream.Config{Length: time.Minute, FPS: 2, Reserve: 60})
	f := newFilm(4)
	for i := range 40 {
		p := stream.Pair{At: begin.Add(time.Duration(i) * time.Second)}
		p.Frames[0], p.Frames[1] = stream.Frame{RGB: f.frame(2 * i)}, stream.Frame{RGB: f.frame(2*i + 1)}
		if st, err := w.Add(t.Context(), p); err != nil || st.Pairs > 5 {
			t.Fatalf("pair %d: %+v, %v", i, st, err)
		}
		if _, err := w.Describe(t.Context(), "What is happening?", 8, vlm.Sampling{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.Nominal(); n < 3*time.Second || n > 5*time.Second {
		t.Errorf("a window of %v", n)
	}
	// Not one pair fits.
	e = openDemo(t, vlm.Options{MaxContext: 32})
	w = newWindow(t, e, stream.Config{Length: time.Minute, FPS: 2})
	p := stream.Pair{At: begin, Frames: [2]stream.Frame{{RGB: f.frame(0)}, {RGB: f.frame(1)}}}
	if _, err := w.Add(t.Context(), p); !errors.Is(err, stream.ErrPair) || !strings.Contains(err.Error(), "lower the maximum of pixels") {
		t.Errorf("%v", err)
	}
}
