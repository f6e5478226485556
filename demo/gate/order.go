package gate

import "fmt"

// gap is how many frames two events must be apart, both in their beginnings
// and in their ends, for their order to be asked.
const gap = 2

// event is something that happens between two frames.
type event struct {
	name     string
	from, to int
	tied     bool // to the door
}

// events are those whose order can be seen.
func (s *Scene) events() []event {
	var out []event
	for i := range s.Objects {
		if o := &s.Objects[i]; o.Motion != Still && o.Motion < IsPut {
			out = append(out, event{"the " + o.Class.String() + " " + o.Motion.gerund(), o.from, o.to, o.Motion >= Enters})
		}
	}
	if s.Door != NoDoor && s.DoorState >= Opens {
		out = append(out, event{"the " + s.Door.String() + " " + [2]string{"opening", "closing"}[s.DoorState-Opens], s.doorFrom, s.doorTo, false})
	}
	return out
}

// order asks which of two events came first. Not of a person at the door and
// the door: the order follows from what they do.
func (s *Scene) order(g *rng) (Task, bool) {
	if s.Frames < orderFrames {
		return Task{}, false
	}
	all := s.events()
	var first, second []event
	for i, a := range all {
		for j, b := range all {
			door := s.DoorState >= Opens && s.Door != NoDoor && (i == len(all)-1 || j == len(all)-1)
			if a.from+gap <= b.from && a.to+gap <= b.to && !(door && (a.tied || b.tied)) {
				first, second = append(first, a), append(second, b)
			}
		}
	}
	if len(first) == 0 {
		return Task{}, false
	}
	i := g.intn(len(first))
	a, b := first[i], second[i]
	q := "What came first: " + a.name + " or " + b.name + "?"
	if g.chance(50) {
		q = "What came first: " + b.name + " or " + a.name + "?"
	}
	return Task{Order, q, capital(a.name) + "."}, true
}

// where asks for the box of an object or of the door in the last frame, in
// thousandths of the picture, of the part that is in the picture.
func (s *Scene) where(g *rng) (Task, bool) {
	last := s.Frames - 1
	i := g.intn(len(s.Objects) + 1)
	if i == len(s.Objects) {
		if s.Door == NoDoor {
			return Task{}, false
		}
		return Task{Boxes, "Where is the " + s.Door.String() + "?", s.boxText(s.Door.String(), s.door)}, true
	}
	o := &s.Objects[i]
	p := o.path[last]
	if p.w == 0 || p.carried || p.inDoor || p.seen().area()*10 < p.box().area()*6 {
		return Task{}, false
	}
	hidden := 0
	for j := range s.Objects {
		if q := s.Objects[j].path[last]; j != i && q.w > 0 && q.by >= p.by {
			hidden += q.seen().overlap(p.seen())
		}
	}
	if hidden*10 > p.box().area() {
		return Task{}, false
	}
	return Task{Boxes, "Where is the " + o.Class.String() + "?", s.boxText(o.Class.String(), p.seen())}, true
}

// boxText writes a box as Qwen2-VL does.
func (s *Scene) boxText(name string, b box) string {
	jx, jy := s.shake[s.Frames-1][0]*unit, s.shake[s.Frames-1][1]*unit
	at := func(v, j int) int { return clamp(((v-j)*100+edge/2)/edge, 0, 100) * 10 }
	return fmt.Sprintf("<|object_ref_start|>%s<|object_ref_end|><|box_start|>(%d,%d),(%d,%d)<|box_end|>", name,
		at(b.x0, jx), at(b.y0, jy), at(b.x1, jx), at(b.y1, jy))
}
