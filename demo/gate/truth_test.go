package gate

import (
	"fmt"
	"strings"
	"testing"
)

// shows says whether a path can be seen to be what m claims, by rules that
// know nothing of how paths are made.
func shows(m Motion, p []place) bool {
	n := len(p)
	inside := func(q place) bool { return q.w > 0 && q.seen() == q.box() }
	count := func(ok func(place) bool) int {
		k := 0
		for _, q := range p {
			k += b2i(ok(q))
		}
		return k
	}
	out := func(q place) bool { return q.seen().area() == 0 }
	first, last := p[0], p[n-1]
	least := 8 * unit
	if n > 2 {
		least = 20 * unit
	}
	switch m {
	case Still:
		return count(func(q place) bool { return q == first }) == n && inside(first)
	case Left, Right:
		way := last.cx - first.cx
		if m == Left {
			way = -way
		}
		for t := 1; t < n; t++ {
			if (p[t].cx-p[t-1].cx)*(2*b2i(m == Right)-1) < 0 || p[t].w != first.w {
				return false
			}
		}
		return way >= least && count(inside) == n
	case Closer, Away:
		a, b := first, last
		if m == Away {
			a, b = b, a
		}
		return count(inside) == n && b.h*100 >= a.h*130 && (n == 2 || b.h*100 >= a.h*160) && abs(a.cx-b.cx) <= 8*unit
	case Arrives:
		return out(first) && inside(last) && (n == 2 || inside(p[n-2]))
	case Leaves:
		return out(last) && inside(first) && (n == 2 || inside(p[1]))
	case Crosses:
		return out(first) && out(last) && count(inside) >= 2
	case Puts:
		return first.carries && !last.carries && count(func(q place) bool { return q.carries && !out(q) }) >= 2 && count(func(q place) bool { return !q.carries && !out(q) }) >= 1
	case Takes:
		return !first.carries && last.carries && count(func(q place) bool { return q.carries && !out(q) }) >= 1 && count(func(q place) bool { return !q.carries && !out(q) }) >= 1
	case IsPut:
		return inside(last) && !last.carried && inside(p[n-2]) && !p[n-2].carried && first.carried
	case IsTaken:
		return inside(first) && !first.carried && inside(p[1]) && !p[1].carried && last.carried
	case Enters:
		return last.w == 0 && count(func(q place) bool { return q.w > 0 && !q.inDoor && inside(q) }) >= 2 && count(func(q place) bool { return q.inDoor }) == 1
	case Exits:
		return first.w == 0 && count(func(q place) bool { return q.w > 0 && !q.inDoor && inside(q) }) >= 2 && count(func(q place) bool { return q.inDoor }) == 1
	}
	return false
}

func TestWhatIsSaidCanBeSeenForwardsAndBackwards(t *testing.T) {
	r := New(Test, 21)
	seen := map[Motion]int{}
	for i := range uint64(6000) {
		s := r.Scene(i, Kind(i%10/8))
		for _, o := range s.Objects {
			p := append([]place(nil), o.path...)
			if !shows(o.Motion, p) {
				t.Errorf("scene %d of %d frames: a %s %s: %v", i, s.Frames, o.Class, o.Motion, p)
			}
			reverse(p)
			if !shows(o.Motion.Reversed(), p) {
				t.Errorf("scene %d of %d frames, reversed: a %s %s: %v", i, s.Frames, o.Class, o.Motion.Reversed(), p)
			}
			for m := range freeMotions {
				if m := Motion(m); m != o.Motion && o.Motion < freeMotions && shows(m, o.path) {
					t.Errorf("scene %d: a %s %s, but one could say that it %s", i, o.Class, o.Motion, m)
				}
			}
			seen[o.Motion]++
		}
		a, b := s.opened[0], s.opened[s.Frames-1]
		if s.Door != NoDoor {
			if got := [4]bool{a == 0 && b == 0, a == b && a > 800, a == 0 && b > 800, a > 800 && b == 0}[s.DoorState]; !got {
				t.Errorf("scene %d: the %s %s: %v", i, s.Door, s.DoorState, s.opened)
			}
		}
	}
	for m := range Motion(NumMotions) {
		if seen[m] < 50 {
			t.Errorf("only %d objects: %s", seen[m], m)
		}
	}
}

// A box task and the labels of the cells must tell of the same place.
func TestPlacesAreWhereBoxesAre(t *testing.T) {
	r := New(Train, 11)
	labels, places := make([]int8, 256*NumLabels), make([]float32, 256*NumPlaces)
	told := 0
	for i := range uint64(200) {
		s := r.Scene(i, Normal)
		s.Targets(labels, places)
		for _, k := range s.Tasks {
			if k.Kind != Boxes {
				continue
			}
			var name string
			var b [4]float32
			text := strings.NewReplacer("<|object_ref_start|>", "", "<|object_ref_end|><|box_start|>(", " ", "),(", " ", ",", " ", ")<|box_end|>", "").Replace(k.A)
			if _, err := fmt.Sscan(text, &name, &b[0], &b[1], &b[2], &b[3]); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			for c := range Grid * Grid {
				at := s.Cells() - Grid*Grid + c
				l, p := labels[at*NumLabels:], places[at*NumPlaces:]
				e := p[PlaceBox:PlaceDoor]
				switch {
				case name == s.Door.String() && l[LabelDoor] > 0:
					e = p[PlaceDoor:NumPlaces]
				case l[LabelClass] <= 0 || Class(l[LabelClass]-1).String() != name:
					continue
				}
				told++
				for k := range b {
					mid := float32(c%Grid) + 0.5
					if k%2 == 1 {
						mid = float32(c/Grid) + 0.5
					}
					if got := (e[k] + mid) * 1000 / Grid; got < b[k]-15 || got > b[k]+15 {
						t.Errorf("scene %d, %s: edge %d of cell %d is at %.0f", i, text, k, c, got)
					}
				}
			}
		}
	}
	if told < 200 {
		t.Errorf("only %d cells", told)
	}
}
