package eval

import (
	"strings"

	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// tally counts how often something was right.
type tally struct{ right, of int }

func (t *tally) add(ok bool) {
	t.of++
	if ok {
		t.right++
	}
}

// score collects the tallies of one part, by row.
type score struct {
	rows              map[string]*tally
	later, left, bare int
}

func (s *score) add(c clip, wrong func(row, question, truth, got string)) {
	if s.rows == nil {
		s.rows = map[string]*tally{}
	}
	note := func(row string, ok bool) {
		if s.rows[row] == nil {
			s.rows[row] = &tally{}
		}
		s.rows[row].add(ok)
	}
	same := func(row, question, truth, got string) {
		note(row, got == truth)
		if got != truth {
			wrong(row, question, truth, got)
		}
	}
	sc, back := c.scene, c.scene.Reversed()
	prompt := gate.Prompts()[0]
	same(RowExact, prompt, sc.Caption(), c.forward)
	same(RowExactReversed, prompt, back.Caption(), c.backward)
	note(lengthRow(sc.Frames), c.forward == sc.Caption())
	same(RowDropped, prompt, sc.Caption(), c.dropped)
	same(RowSparse, prompt, sc.Caption(), c.sparse)
	s.later, s.left, s.bare = s.later+c.later, s.left+c.left, s.bare+c.bare
	s.motions(c, note)
	n := 0
	for i, t := range sc.Tasks {
		row := taskRows[t.Kind]
		if t.Kind == gate.Boxes {
			ok := boxIoU(t.A, c.answers[i].Boxes) >= .5
			note(row, ok)
			if !ok {
				wrong(row, t.Q, t.A, c.answers[i].Text)
			}
			continue
		}
		same(row, t.Q, t.A, c.answers[i].Text)
		switch t.Kind {
		case gate.YesNo:
			if t.A == "No." {
				note(RowNo, c.answers[i].Text == t.A)
			}
		case gate.Order:
			note(RowOrderEqual, c.order[0][n] == t.A)
			note(RowOrderReversed, c.order[1][n] == t.A)
			n++
		}
	}
}

// motions scores what the descriptions say that things do. A flip is right when
// the motion is right forwards and its opposite is said about the reversed clip.
func (s *score) motions(c clip, note func(string, bool)) {
	sc, back := c.scene, c.scene.Reversed()
	f, b := parse(c.forward), parse(c.backward)
	for i := range sc.Objects {
		o := &sc.Objects[i]
		if o.Motion >= gate.IsPut {
			continue // said in the person's sentence
		}
		x, found := f[o.Class.String()]
		note(RowColour, found && x.colour == o.Colour.String())
		if o.Motion == gate.Still {
			continue
		}
		ok := does(x.does, o.Motion)
		note(RowDirection, ok)
		if o.Motion == gate.Crosses {
			continue // backwards it crosses too
		}
		flips := ok && does(b[o.Class.String()].does, back.Objects[i].Motion)
		note(RowFlip, flips)
		note(flipRows[min(o.Motion, o.Motion.Reversed())], flips)
	}
	if sc.Door == gate.NoDoor {
		return
	}
	name := sc.Door.String()
	ok := f[name].does == sc.DoorState.String()
	note(RowDoor, ok)
	if sc.DoorState >= gate.Opens {
		flips := ok && b[name].does == back.DoorState.String()
		note(RowFlip, flips)
		note(RowFlipDoor, flips)
	}
}

// said is what a description claims about one thing.
type said struct{ colour, does string }

// parse reads a description into what it says about each thing.
func parse(text string) map[string]said {
	out := map[string]said{}
	for _, s := range strings.Split(text, ".") {
		w := strings.Fields(s)
		if len(w) < 3 {
			continue
		}
		switch a := w[0] == "A" || w[0] == "An"; {
		case a && len(w) > 4 && w[2] == "in": // A person in red ..
			out[w[1]] = said{w[3], strings.Join(w[4:], " ")}
		case a && len(w) > 3:
			out[w[2]] = said{w[1], strings.Join(w[3:], " ")}
		case w[0] == "The":
			out[w[1]] = said{"", strings.Join(w[2:], " ")}
		}
	}
	return out
}

// does says whether a verb phrase is that of a motion, whatever parcel is meant.
func does(phrase string, m gate.Motion) bool {
	if m == gate.Puts || m == gate.Takes {
		return strings.HasPrefix(phrase, m.String()+" a")
	}
	return phrase == m.String()
}

// boxIoU is the overlap of the true box and what was answered: exactly one box
// with the right name, else 0.
func boxIoU(truth string, got []vlm.Box) float64 {
	want := vlm.ParseBoxes(truth)
	if len(want) != 1 || len(got) != 1 || want[0].Label != got[0].Label {
		return 0
	}
	a, b := want[0], got[0]
	w := min(a.X+a.W, b.X+b.W) - max(a.X, b.X)
	h := min(a.Y+a.H, b.Y+b.H) - max(a.Y, b.Y)
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h / (a.W*a.H + b.W*b.H - w*h)
}
