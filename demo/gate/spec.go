package gate

import "fmt"

// Spec fixes what a scene is about; where things are and when they happen
// stays random.
type Spec struct {
	Objects []Object // Class, Colour, Motion; ordered by class
	Door    DoorKind
	State   DoorState
	Light   Light
	Weather Weather
	Frames  int
	Rate    Rate
}

// lengths is the distribution of clip lengths, in percent.
var lengths = []struct{ frames, percent int }{{8, 35}, {4, 14}, {2, 12}, {6, 12}, {10, 8}, {12, 7}, {16, 6}, {24, 3}, {32, 3}}

// Least frames of a clip in which something can be told.
const (
	crossFrames    = 6 // crosses
	interactFrames = 6 // a person and a parcel, or a person and the door
	orderFrames    = 8 // motions that fill only a part of the clip
)

// tries is how many layouts a spec gets before another is drawn.
const tries = 60

// Scene makes scene number index of the given kind.
func (r *Renderer) Scene(index uint64, kind Kind) *Scene { return r.SceneOf(index, kind, 0) }

// SceneOf is Scene with a given number of frames, even and from 2 to MaxFrames;
// 0 leaves it open. Only normal scenes have a choice.
func (r *Renderer) SceneOf(index uint64, kind Kind, frames int) *Scene {
	g := newRNG(uint64(r.split)+1, r.seed, index, uint64(kind), uint64(frames))
	for {
		sp, ok := r.draw(&g, kind, frames)
		if !ok {
			continue
		}
		for range tries {
			if s, ok := r.layOut(&g, sp, kind); ok {
				return s
			}
		}
	}
}

// Compose makes a scene about sp; seed decides the rest. It fails where no
// layout can show what sp wants.
func (r *Renderer) Compose(sp Spec, seed uint64) (*Scene, error) {
	if err := sp.check(); err != nil {
		return nil, err
	}
	g := newRNG(uint64(r.split)+1, r.seed, seed, 99)
	for range 100 * tries {
		if s, ok := r.layOut(&g, sp, Normal); ok {
			return s, nil
		}
	}
	return nil, fmt.Errorf("gate: no room for %d objects in %d frames: use fewer objects or more frames", len(sp.Objects), sp.Frames)
}

func (sp Spec) check() error {
	if sp.Frames < 2 || sp.Frames > MaxFrames || sp.Frames%2 != 0 {
		return fmt.Errorf("gate: %d frames: use an even number from 2 to %d", sp.Frames, MaxFrames)
	}
	if sp.Rate != 1 && sp.Rate != 2 && sp.Rate != 4 {
		return fmt.Errorf("gate: rate %d: use 1, 2 or 4", sp.Rate)
	}
	var has [NumMotions]int
	for i, o := range sp.Objects {
		if i > 0 && o.Class <= sp.Objects[i-1].Class {
			return fmt.Errorf("gate: a %s after a %s: order objects by class, one of each", o.Class, sp.Objects[i-1].Class)
		}
		has[o.Motion]++
		if m := o.Motion; m >= Puts && m <= Exits && (o.Class != Person || sp.Frames < interactFrames) ||
			m >= IsPut && o.Class != Parcel || m == Crosses && sp.Frames < crossFrames {
			return fmt.Errorf("gate: a %s can't do that in %d frames", o.Class, sp.Frames)
		}
	}
	if has[Puts] != has[IsPut] || has[Takes] != has[IsTaken] {
		return fmt.Errorf("gate: a person who leaves or takes a parcel needs one that is left or taken")
	}
	if has[Enters]+has[Exits] > 0 && (sp.Door != HouseDoor || sp.State == Closed || sp.State != Open && sp.Frames < orderFrames) {
		return fmt.Errorf("gate: a person who goes in or comes out needs an open house door")
	}
	return nil
}

// draw picks what a scene is about. It fails where the split forbids the pick.
func (r *Renderer) draw(g *rng, kind Kind, frames int) (Spec, bool) {
	sp := Spec{Frames: frames, Rate: Rate(1) << g.intn(3)}
	if frames == 0 {
		z := g.intn(100)
		for _, l := range lengths {
			if sp.Frames = l.frames; z < l.percent {
				break
			}
			z -= l.percent
		}
	}
	switch kind {
	case Dense:
		sp.Frames = 8
	case Frozen:
		sp.Frames = 2
	}
	meets, uses := false, false // a person and a parcel; a person and the door
	if kind != Frozen && sp.Frames >= interactFrames {
		z := g.intn(100)
		meets, uses = z < 15, z >= 15 && z < 29
	}
	classes := r.classes(g, kind, meets, uses)
	backwards := g.chance(50)
	for i, c := range classes {
		o := Object{Class: c, Colour: Colour(g.intn(NumColours))}
		switch first := i == 0 || classes[i-1] != c; {
		case kind == Frozen:
		case first && c == Person && meets:
			o.Motion = [2]Motion{Puts, Takes}[b2i(backwards)]
		case first && c == Parcel && meets:
			o.Motion = [2]Motion{IsPut, IsTaken}[b2i(backwards)]
		case first && c == Person && uses:
			o.Motion = [2]Motion{Enters, Exits}[b2i(backwards)]
		case c == Parcel:
		case sp.Frames >= crossFrames:
			o.Motion = Motion(g.intn(freeMotions))
		default:
			o.Motion = Motion(g.intn(freeMotions - 1))
		}
		sp.Objects = append(sp.Objects, o)
	}
	if g.chance(70) || uses {
		sp.Door = DoorKind(1 + g.intn(2))
		sp.State = DoorState(g.intn(NumDoorStates))
		if sp.Frames >= orderFrames && g.chance(30) {
			sp.State = Opens + sp.State%2
		}
		if uses {
			sp.Door = HouseDoor
			sp.State = [4]DoorState{Open, Open, Opens, Closes}[g.intn(4)]
			if sp.Frames < orderFrames {
				sp.State = Open
			}
		}
		if kind == Frozen {
			sp.State %= 2
		}
	}
	sp.Light = [20]Light{10: Dusk, Dusk, Dusk, Dusk, 14: Night, Night, Night, Night, Night, Night}[g.intn(20)]
	sp.Weather = [10]Weather{6: Rain, Rain, 8: Fog, Fog}[g.intn(10)]
	held := false
	for _, o := range sp.Objects {
		held = held || HeldOut(o.Class, o.Colour, o.Motion)
	}
	return sp, held == (r.split == Held)
}

// classes picks the objects' classes, in order.
func (r *Renderer) classes(g *rng, kind Kind, meets, uses bool) []Class {
	var out []Class
	if meets {
		out = append(out, Person, Parcel)
	} else if uses {
		out = append(out, Person)
	}
	var n int
	switch z := g.intn(100); {
	case kind == Dense:
		n = 3 + z%2
	case z < 5 && r.split != Held:
	case z < 35:
		n = 1
	case z < 77:
		n = 2
	default:
		n = 3
	}
	if len(out) > 0 { // an interaction is a lot already
		n = max(len(out), n-g.intn(2))
	}
	for len(out) < n {
		c := Class(g.intn(NumClasses))
		twice := false
		for _, o := range out {
			twice = twice || o == c
		}
		if !twice || kind == Dense {
			out = append(out, c)
		}
	}
	for i := range out { // insertion sort, at most four
		for j := i; j > 0 && out[j] < out[j-1]; j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func clamp(v, lo, hi int) int { return max(lo, min(v, hi)) }

func abs(x int) int { return max(x, -x) }
