package world

// Spec fixes what a scene is about; where things are stays random.
type Spec struct {
	Objects []Object // Class, Colour, Motion
	Door    DoorKind
	State   DoorState
	Night   bool
}

// Sizes in pixels: width and height at scale 1.
var baseSize = [NumClasses][2]int{{16, 38}, {40, 22}, {28, 20}, {20, 18}}

type box struct{ x0, y0, x1, y1 int }

func (b box) area() int { return (b.x1 - b.x0) * (b.y1 - b.y0) }

func (b box) overlap(o box) int {
	return max(0, min(b.x1, o.x1)-max(b.x0, o.x0)) * max(0, min(b.y1, o.y1)-max(b.y0, o.y0))
}

// Scene makes scene number index of the given kind.
func (r *Renderer) Scene(index uint64, kind Kind) *Scene {
	g := newRNG(uint64(r.split)+1, r.seed, index, uint64(kind))
	for {
		sp, ok := r.draw(&g, kind)
		if !ok {
			continue
		}
		if s, ok := r.layOut(&g, sp); ok {
			return s
		}
	}
}

// Compose makes a scene about sp; seed decides the rest.
func (r *Renderer) Compose(sp Spec, seed uint64) *Scene {
	g := newRNG(uint64(r.split)+1, r.seed, seed, 99)
	for {
		if s, ok := r.layOut(&g, sp); ok {
			return s
		}
	}
}

// draw picks what a scene is about. It fails where the split forbids the pick.
func (r *Renderer) draw(g *rng, kind Kind) (Spec, bool) {
	var sp Spec
	var classes []Class
	if kind == Dense {
		for range 3 + g.intn(2) {
			classes = append(classes, Class(g.intn(NumClasses)))
		}
	} else {
		n := 2
		switch z := g.intn(100); {
		case z < 5 && r.split != Held:
			n = 0
		case z < 42:
			n = 1
		}
		order := [NumClasses]Class{Person, Car, Dog, Parcel}
		for i := range order {
			j := i + g.intn(NumClasses-i)
			order[i], order[j] = order[j], order[i]
		}
		classes = append(classes, order[:n]...)
	}
	for i := range classes { // by class; insertion sort, at most four
		for j := i; j > 0 && classes[j] < classes[j-1]; j-- {
			classes[j], classes[j-1] = classes[j-1], classes[j]
		}
	}
	held := false
	for _, c := range classes {
		o := Object{Class: c, Colour: Colour(g.intn(NumColours)), Motion: Motion(g.intn(NumMotions))}
		if kind == Frozen {
			o.Motion = Still
		}
		held = held || HeldOut(o.Class, o.Colour, o.Motion)
		sp.Objects = append(sp.Objects, o)
	}
	if g.chance(75) {
		sp.Door = DoorKind(1 + g.intn(2))
		sp.State = DoorState(g.intn(NumDoorStates))
		if kind == Frozen {
			sp.State %= 2
		}
	}
	sp.Night = g.chance(35)
	return sp, held == (r.split == Held)
}

// layOut places everything. It fails where things would hide one another.
func (r *Renderer) layOut(g *rng, sp Spec) (*Scene, bool) {
	s := &Scene{Door: sp.Door, DoorState: sp.State, Night: sp.Night, bank: r.bank}
	for _, o := range sp.Objects {
		o.path = travel(g, o.Class, o.Motion)
		s.Objects = append(s.Objects, o)
	}
	if s.Door != NoDoor {
		w, h := g.between(21*unit, 28*unit), g.between(42*unit, 54*unit)
		if s.Door == GardenGate {
			w, h = g.between(36*unit, 48*unit), g.between(26*unit, 34*unit)
		}
		x, base := g.between(3*unit, Size*unit-w-3*unit), g.between(h+3*unit, 76*unit)
		s.door = box{x, base - h, x + w, base}
		s.swing(g)
	}
	if s.crowded() {
		return nil, false
	}
	s.look = newRNG(g.next())
	s.ask(g)
	return s, true
}

// crowded reports whether an object hides too much of another or of the door.
func (s *Scene) crowded() bool {
	const most, between, door = 450, 150, 250 // per mille: in one frame, mean of two objects, mean over a door
	for i := range s.Objects {
		a := &s.Objects[i]
		for j := range i {
			b, sum := &s.Objects[j], 0
			for t := range Frames {
				x, y := a.path[t].box(), b.path[t].box()
				f := x.overlap(y) * 1000 / min(x.area(), y.area())
				if sum += f; f >= most {
					return true
				}
			}
			if sum >= between*Frames {
				return true
			}
		}
		if s.Door == NoDoor {
			continue
		}
		sum := 0
		for t := range Frames {
			f := a.path[t].box().overlap(s.door) * 1000 / s.door.area()
			if sum += f; f >= most {
				return true
			}
		}
		if sum >= door*Frames {
			return true
		}
	}
	return false
}

// swing decides how far the door is open in each frame.
func (s *Scene) swing(g *rng) {
	full := g.between(800, 1024)
	f0, f1 := g.intn(2), 6+g.intn(2)
	for t := range Frames {
		u := full * clamp(t-f0, 0, f1-f0) / (f1 - f0)
		switch s.DoorState {
		case Closed:
			s.opened[t] = 0
		case Open:
			s.opened[t] = full
		case Opens:
			s.opened[t] = u
		case Closes:
			s.opened[Frames-1-t] = u
		}
	}
}

func clamp(v, lo, hi int) int { return max(lo, min(v, hi)) }
