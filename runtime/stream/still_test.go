package stream_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// yard is a still picture with texture that a camera sees with noise, light and shaking of its own.
type yard struct {
	base  imageproc.RGB // larger than what is seen
	rng   *rand.Rand
	noise float64 // standard deviation, levels
	light float64 // factor
	shake int     // pixels
}

const margin = 4

func newYard() *yard {
	y := &yard{rng: rand.New(rand.NewPCG(1, 9)), light: 1}
	side := gate.Size + 2*margin
	small := imageproc.RGB{W: 16, H: 16, Pix: make([]byte, 3*16*16)}
	for i := range small.Pix {
		small.Pix[i] = byte(60 + y.rng.IntN(130))
	}
	y.base = imageproc.Resize(small, side, side)
	return y
}

// frame is what the camera sees now; draw may paint on it before light and noise.
func (y *yard) frame(draw func(p imageproc.RGB)) imageproc.RGB {
	dx, dy := 0, 0
	if y.shake > 0 {
		dx, dy = y.rng.IntN(2*y.shake+1)-y.shake, y.rng.IntN(2*y.shake+1)-y.shake
	}
	scene := imageproc.RGB{W: y.base.W, H: y.base.H, Pix: slices.Clone(y.base.Pix)}
	if draw != nil {
		draw(scene)
	}
	p := imageproc.RGB{W: gate.Size, H: gate.Size, Pix: make([]byte, 3*gate.Size*gate.Size)}
	for r := range gate.Size {
		o := 3 * ((r+margin+dy)*scene.W + margin + dx)
		for c, v := range scene.Pix[o : o+3*gate.Size] {
			x := float64(v)*y.light + y.rng.NormFloat64()*y.noise
			p.Pix[3*r*gate.Size+c] = byte(min(max(x+0.5, 0), 255))
		}
	}
	return p
}

// box paints a rectangle whose corner is (x, y) of what is seen without shaking.
func box(x, y, w, h int, level byte) func(imageproc.RGB) {
	return func(p imageproc.RGB) {
		for r := y + margin; r < min(y+margin+h, p.H); r++ {
			for c := max(x+margin, 0); c < min(x+margin+w, p.W); c++ {
				for i := range 3 {
					p.Pix[3*(r*p.W+c)+i] = level
				}
			}
		}
	}
}

// live feeds a window pair by pair.
type live struct {
	t testing.TB
	w *stream.Window
	n int
}

func (l *live) pair(a, b imageproc.RGB) stream.Step {
	l.t.Helper()
	p := stream.Pair{At: begin.Add(time.Duration(l.n) * time.Second)}
	p.Frames[0] = stream.Frame{Seq: uint64(2 * l.n), At: p.At, RGB: a}
	p.Frames[1] = stream.Frame{Seq: uint64(2*l.n + 1), At: p.At.Add(500 * time.Millisecond), RGB: b}
	l.n++
	st, err := l.w.Add(l.t.Context(), p)
	if err != nil {
		l.t.Fatal(err)
	}
	return st
}

func TestAStillSceneCostsNoTokensWhateverTheCameraAdds(t *testing.T) {
	e := openDemo(t, vlm.Options{})
	for _, c := range []struct {
		name string
		set  func(y *yard, pair int)
	}{
		{"a perfect camera", func(*yard, int) {}},
		{"noise", func(y *yard, _ int) { y.noise = 5 }},
		{"much noise", func(y *yard, _ int) { y.noise = 12 }},
		{"a camera that shakes", func(y *yard, _ int) { y.shake = 2 }},
		{"noise and shaking", func(y *yard, _ int) { y.noise, y.shake = 6, 1 }},
		{"evening", func(y *yard, pair int) { y.noise, y.light = 4, 1-0.003*float64(pair) }},
	} {
		y := newYard()
		l := &live{t: t, w: newWindow(t, e, stream.Config{Length: 16 * time.Second, FPS: 2, Savings: stream.Savings{Drop: true}})}
		tokens, encoded := 0, 0
		const n = 40
		for i := range n {
			c.set(y, i)
			st := l.pair(y.frame(nil), y.frame(nil))
			if i == 0 {
				if st.Tokens != 16 || st.Changed != 1 {
					t.Errorf("%s: the first pair: %+v", c.name, st)
				}
				continue
			}
			tokens += st.Tokens
			if !st.Skipped {
				encoded++
			}
		}
		// Each sequence begins with a whole pair of 16 tokens, every 8 pairs one.
		if tokens > 16*n/8+16 || encoded > 2 {
			t.Errorf("%s: %d tokens and %d of %d pairs encoded", c.name, tokens, encoded, n-1)
		}
	}
}

func TestWhatMovesIsKeptAndWhatDoesNotIsDropped(t *testing.T) {
	e := openDemo(t, vlm.Options{})
	for name, set := range map[string]func(*yard){
		"a perfect camera":  func(*yard) {},
		"noise and shaking": func(y *yard) { y.noise, y.shake = 5, 1 },
	} {
		y := newYard()
		set(y)
		l := &live{t: t, w: newWindow(t, e, stream.Config{Length: 60 * time.Second, FPS: 2, Savings: stream.Savings{Drop: true}})}
		for range 4 {
			l.pair(y.frame(nil), y.frame(nil))
		}
		// Something 12 pixels wide walks through the second row of cells: 28 pixels each.
		for x := 0; x < 88; x += 8 {
			st := l.pair(y.frame(box(x, 34, 12, 12, 230)), y.frame(box(x+4, 34, 12, 12, 230)))
			if st.Tokens < 1 || st.Tokens > 4 || st.Skipped || st.Changed < 0.05 || st.Changed > 0.3 {
				t.Errorf("%s: at %d: %+v", name, x, st)
			}
		}
		// It has gone: once more the place where it was, then nothing.
		gone := l.pair(y.frame(nil), y.frame(nil))
		if gone.Tokens < 1 || gone.Tokens > 4 {
			t.Errorf("%s: gone: %+v", name, gone)
		}
		if st := l.pair(y.frame(nil), y.frame(nil)); st.Tokens != 0 || !st.Skipped {
			t.Errorf("%s: after it has gone: %+v", name, st)
		}
		// The lamp goes on: everything is new.
		y.light = 1.4
		if st := l.pair(y.frame(nil), y.frame(nil)); st.Tokens != 16 || st.Changed < 0.9 {
			t.Errorf("%s: a lamp: %+v", name, st)
		}
	}
}

func TestTimePassesInAStillScene(t *testing.T) {
	e := openDemo(t, vlm.Options{})
	y := newYard()
	l := &live{t: t, w: newWindow(t, e, stream.Config{Length: 16 * time.Second, FPS: 2, Savings: stream.DefaultSavings()})}
	first := l.pair(y.frame(nil), y.frame(nil))
	for i := int32(1); i < 8; i++ {
		st := l.pair(y.frame(nil), y.frame(nil))
		if st.Index != i || st.Next != first.Next-4+max(i+1, 4) {
			t.Errorf("pair %d: index %d, next position %d after %d", i, st.Index, st.Next, first.Next)
		}
	}
	moved := l.pair(y.frame(box(40, 40, 20, 20, 250)), y.frame(box(40, 40, 20, 20, 250)))
	if moved.Index != 8 || moved.Tokens == 0 {
		t.Errorf("%+v", moved)
	}
	if n := len(l.w.Frames()); n != 18 {
		t.Errorf("%d frames in the window: dropped tokens must not drop frames", n)
	}
}

func TestAFirstPairThatFailsLeavesNothingBehind(t *testing.T) {
	e := openDemo(t, vlm.Options{MinPixels: 28 * 28, MaxPixels: 224 * 224})
	w := newWindow(t, e, stream.Config{FPS: 2, Savings: stream.DefaultSavings()})
	y := newYard()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := stream.Pair{At: begin, Frames: [2]stream.Frame{{RGB: y.frame(nil)}, {RGB: y.frame(nil)}}}
	if _, err := w.Add(ctx, p); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for i := range p.Frames {
		p.Frames[i].RGB = imageproc.Resize(p.Frames[i].RGB, 168, 84)
	}
	if st, err := w.Add(t.Context(), p); err != nil || st.Tokens != 6*3 || st.Compared {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestSavingsThatAreOffChangeNothing(t *testing.T) {
	e := openDemo(t, vlm.Options{})
	y := newYard()
	l := &live{t: t, w: newWindow(t, e, stream.Config{Length: 16 * time.Second, FPS: 2})}
	for range 20 {
		if st := l.pair(y.frame(nil), y.frame(nil)); st.Dropped != 0 || st.Skipped || st.Patches != 64 || st.Changed != 1 {
			t.Errorf("%+v", st)
		}
	}
}

func TestTheIncrementalTowerComputesAroundWhatMovesAndNowAndThenAll(t *testing.T) {
	e := openDemo(t, vlm.Options{})
	y := newYard()
	y.noise = 3
	l := &live{t: t, w: newWindow(t, e, stream.Config{Length: 300 * time.Second, FPS: 2, Savings: stream.Savings{Drop: true, Incremental: true, FullEvery: 5}})}
	if st := l.pair(y.frame(nil), y.frame(nil)); st.Patches != 64 {
		t.Errorf("the first pair: %+v", st)
	}
	whole := 0
	for i := range 24 {
		p := box(2, 2+i, 14, 14, 240) // within the left column of cells
		st := l.pair(y.frame(p), y.frame(p))
		switch {
		case st.Patches == 64:
			whole++
		case st.Patches > 4*8 || st.Patches == 0: // the column and its neighbour
			t.Errorf("pair %d: %+v", i, st)
		}
		if st.Tokens < 1 || st.Tokens > 2 {
			t.Errorf("pair %d: %+v", i, st)
		}
	}
	if whole != 4 {
		t.Errorf("%d of 24 pairs were computed whole, want every sixth", whole)
	}
}

func TestTheBeginningOfASequenceIsSpreadWhereMostIsDropped(t *testing.T) {
	e := openDemo(t, vlm.Options{})
	y := newYard()
	l := &live{t: t, w: newWindow(t, e, stream.Config{Length: 16 * time.Second, FPS: 2, Savings: stream.Savings{Drop: true}})}
	for i := range 60 {
		p := box(2, 2+i%8, 14, 14, 240)
		st := l.pair(y.frame(p), y.frame(p))
		if i > 0 && st.Tokens > 6 { // one cell for each sequence, and a quarter of the 16 of one that begins
			t.Errorf("pair %d: %d tokens", i, st.Tokens)
		}
		if i%7 == 6 { // the window can be asked at any time
			if _, err := l.w.Describe(t.Context(), "What is happening?", 4, vlm.Sampling{}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}
