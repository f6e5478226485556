package world

import "testing"

// near reports whether a pixel has roughly the colour.
func near(p []byte, c Colour) bool {
	d := 0
	for k := range 3 {
		d += abs(int(p[k]) - palette[c][k])
	}
	return d < 120
}

// One object by day on an empty yard: its colour is found where labels say it
// is, and hardly anywhere else.
func TestLabelsAgreeWithPixels(t *testing.T) {
	r := New(Test, 21)
	pix := make([]byte, ClipBytes)
	labels, offsets := make([]int8, Cells*NumLabels), make([]float32, Cells*2)
	for seed := range uint64(40) {
		c, m := Class(seed%NumClasses), Motion(seed%NumMotions)
		o := Colour(0) // red: no background is
		s := r.Compose(Spec{Objects: []Object{{Class: c, Colour: o, Motion: m}}}, seed)
		r.Render(s, pix)
		s.Targets(labels, offsets)
		in, out := 0, 0
		for t := range Frames {
			for y := range Size {
				for x := range Size {
					if !near(pix[t*FrameBytes+(y*Size+x)*3:], o) {
						continue
					}
					l := labels[((t/2*Grid+y/28)*Grid+x/28)*NumLabels:][:NumLabels]
					if l[LabelClass] == int8(c)+1 && l[LabelColour] == int8(o) && l[LabelMotion] == int8(m) {
						in++
					} else if l[LabelClass] == 0 {
						out++
					}
				}
			}
		}
		if in < 200 || out*5 > in {
			t.Errorf("%s: %d pixels of its colour in its cells, %d in cells labelled empty", s.Caption(), in, out)
		}
	}
}

func TestDoorLabelsFollowTheLeaf(t *testing.T) {
	r := New(Test, 22)
	labels, offsets := make([]int8, Cells*NumLabels), make([]float32, Cells*2)
	want := map[DoorState]map[int8]bool{Closed: {0: true}, Open: {1: true}, Opens: {0: true, 1: true, 2: true}, Closes: {0: true, 1: true, 3: true}}
	for seed := range uint64(40) {
		st := DoorState(seed % NumDoorStates)
		s := r.Compose(Spec{Door: HouseDoor, State: st}, seed)
		s.Targets(labels, offsets)
		cells, moving := 0, 0
		for i := range Cells {
			l := labels[i*NumLabels:][:NumLabels]
			if l[LabelDoor] != int8(HouseDoor) {
				continue
			}
			cells++
			if l[LabelDoorStep] >= 2 {
				moving++
			}
			if !want[st][l[LabelDoorStep]] {
				t.Errorf("door %s: cell labelled %d", st, l[LabelDoorStep])
			}
		}
		if cells == 0 || (moving > 0) != (st >= Opens) {
			t.Errorf("door %s: %d cells, %d of them moving", st, cells, moving)
		}
	}
}

func TestStepLabels(t *testing.T) {
	p := place{50 * unit, 80 * unit, 20 * unit, 20 * unit}
	for _, c := range []struct {
		q    place
		want int8
	}{
		{p, 0},
		{place{48 * unit, 80 * unit, 20 * unit, 20 * unit}, 1},
		{place{52 * unit, 80 * unit, 20 * unit, 20 * unit}, 2},
		{place{50 * unit, 80 * unit, 22 * unit, 22 * unit}, 3},
		{place{50 * unit, 80 * unit, 18 * unit, 18 * unit}, 4},
	} {
		if got := pairStep(p, c.q); got != c.want {
			t.Errorf("from %v to %v: %d, want %d", p, c.q, got, c.want)
		}
	}
}

func TestFrozenScenesDoNotMove(t *testing.T) {
	r := New(Train, 23)
	for i := range uint64(300) {
		s := r.Scene(i, Frozen)
		if s.Caption() != s.Reversed().Caption() {
			t.Errorf("scene %d moves: %s", i, s.Caption())
		}
	}
}
