package stream_test

import (
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// question asks a window something.
func (l *live) question() {
	l.t.Helper()
	if _, err := l.w.Ask(l.t.Context(), []vlm.Question{{Name: "person", Text: "Is there a person?", Kind: "yes_no"}}); err != nil {
		l.t.Fatal(err)
	}
}

func TestWhatIsAskedAboutIsGivenThePresentOnce(t *testing.T) {
	e := openDemo(t, vlm.Options{})
	for _, present := range []bool{true, false} {
		y := newYard()
		l := &live{t: t, w: newWindow(t, e, stream.Config{Length: 60 * time.Second, FPS: 2, Savings: stream.Savings{Drop: true, Present: present}})}
		again := func(what string, want uint64) {
			t.Helper()
			l.question()
			if n := l.w.Counters().Again; present && n != want || !present && n != 0 {
				t.Errorf("%s, present %v: %d cells given again, want %d", what, present, n, want)
			}
		}
		still := func(pairs int) {
			for range pairs {
				l.pair(y.frame(nil), y.frame(nil))
			}
		}
		at := func(x int) func(imageproc.RGB) { return box(x, 34, 12, 12, 230) } // in the second row of cells
		still(4)
		again("nothing ever changed", 0)
		l.pair(y.frame(at(2)), y.frame(at(2)))
		again("one cell changed, the others are four pairs old", 15)
		again("asked twice", 15)
		l.pair(y.frame(nil), y.frame(nil))
		l.pair(y.frame(at(2)), y.frame(at(2)))
		again("all was given two pairs ago", 15)
		still(1) // it has gone
		rows := l.pair(y.frame(nil), y.frame(nil)).Rows
		still(5)
		again("all but that cell is four pairs older than the last change", 30)
		if n := l.pair(y.frame(nil), y.frame(nil)).Rows - rows; present && n != 15 || !present && n != 0 {
			t.Errorf("present %v: %d rows more, want those given again", present, n)
		}
		again("nothing changed since", 30)
	}
}

func TestPairsGivenAgainAreEvictedWhole(t *testing.T) {
	e := openDemo(t, vlm.Options{})
	y := newYard()
	l := &live{t: t, w: newWindow(t, e, stream.Config{Mode: stream.Rolling, Length: 8 * time.Second, FPS: 2, Savings: stream.DefaultSavings()})}
	most := 0
	for i := range 60 {
		p := box(2+4*(i%20), 34, 12, 12, 230)
		st := l.pair(y.frame(p), y.frame(p))
		if i == 0 {
			most = st.Rows - st.Tokens + 8*16
		}
		if st.Rows > most {
			t.Fatalf("pair %d: %d rows, more than the %d of whole pairs", i, st.Rows, most)
		}
		if i%3 == 0 {
			l.question()
		}
	}
	if l.w.Counters().Again == 0 {
		t.Error("nothing was ever given again")
	}
}
