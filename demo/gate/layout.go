package gate

// Sizes in pixels: width and height at scale 1.
var baseSize = [NumClasses][2]int{{16, 38}, {42, 23}, {29, 21}, {23, 19}, {36, 23}, {20, 18}}

type box struct{ x0, y0, x1, y1 int }

func (b box) area() int { return (b.x1 - b.x0) * (b.y1 - b.y0) }

func (b box) overlap(o box) int {
	return max(0, min(b.x1, o.x1)-max(b.x0, o.x0)) * max(0, min(b.y1, o.y1)-max(b.y0, o.y0))
}

// layout is a scene while things find their places.
type layout struct {
	*rng
	*Scene
}

// layOut places everything. It fails where things would hide one another, or
// where what happens would not be seen.
func (r *Renderer) layOut(g *rng, sp Spec, kind Kind) (*Scene, bool) {
	s := &Scene{
		Door: sp.Door, DoorState: sp.State, Light: sp.Light, Weather: sp.Weather, Frames: sp.Frames, Rate: sp.Rate,
		still: kind == Frozen, bank: r.bank, opened: make([]int, sp.Frames), shake: make([][2]int, sp.Frames),
	}
	l := layout{g, s}
	s.place = newBackdrop(g, sp.Door)
	if s.Door != NoDoor {
		l.hang()
	}
	s.Objects = append(s.Objects, sp.Objects...)
	if !l.move(kind == Dense) {
		return nil, false
	}
	for i := range s.Objects {
		s.Objects[i].when()
	}
	if s.crowded(kind == Dense) {
		return nil, false
	}
	if s.Shaky = g.chance(30); s.Shaky {
		for t := range s.shake {
			s.shake[t] = [2]int{g.between(-1, 1), g.between(-1, 1)}
			if s.still {
				s.shake[t] = s.shake[0]
			}
		}
	}
	if r.Steady {
		s.Shaky, s.shake = false, make([][2]int, sp.Frames)
	}
	s.look = newRNG(g.next())
	if kind != Dense {
		s.ask(g)
	}
	return s, true
}

// hang decides where the door is: on the wall's foot.
func (l *layout) hang() {
	w, h := l.between(23*unit, 29*unit), l.between(42*unit, 50*unit)
	if l.Door == GardenGate {
		w, h = l.between(36*unit, 48*unit), l.between(26*unit, 33*unit)
	}
	base := (l.place.horizon + 1) * unit
	h = min(h, base-4*unit)
	x := l.between(4*unit, edge-w-4*unit)
	l.door = box{x, base - h, x + w, base}
	l.place.clearWindows(l.door)
}

// span is a stretch of frames.
type span struct{ from, to int }

func (s span) reversed(frames int) span { return span{frames - 1 - s.to, frames - 1 - s.from} }

// move gives every object its path and the door its swing.
func (l *layout) move(dense bool) bool {
	all := span{0, l.Frames - 1}
	var events []int // indices of objects that move by themselves; -1 is the door
	actor, thing := -1, -1
	for i, o := range l.Objects {
		switch m := o.Motion; {
		case m >= Puts && m <= Exits:
			actor = i
		case m >= IsPut:
			thing = i
		case m != Still:
			events = append(events, i)
		}
	}
	tied := actor >= 0 && l.Objects[actor].Motion >= Enters
	if l.Door != NoDoor && l.DoorState >= Opens && !tied {
		events = append(events, -1)
	}
	// In most of the clips that are long enough one thing happens after another, in an order that nothing tells.
	k := len(events)
	spans := map[int]span{}
	if k > 1 && actor < 0 && !dense && l.Frames >= orderFrames && (l.Frames-1)/k >= 2 && l.chance(85) {
		for i := range events {
			j := i + l.intn(k-i)
			events[i], events[j] = events[j], events[i]
			spans[events[i]] = span{i * (l.Frames - 1) / k, min((i+1)*(l.Frames-1)/k+1, l.Frames-1)}
		}
	}
	in := func(i int) span {
		if s, ok := spans[i]; ok {
			return s
		}
		return all
	}
	for i := range l.Objects {
		if o := &l.Objects[i]; o.Motion < freeMotions {
			var ok bool
			if o.path, ok = l.travel(o.Class, o.Motion, in(i)); !ok {
				return false
			}
		}
	}
	switch {
	case tied:
		return l.throughDoor(&l.Objects[actor])
	case actor >= 0 && !l.handOver(&l.Objects[actor], &l.Objects[thing]):
		return false
	}
	return l.Door == NoDoor || l.swing(in(-1))
}

// when finds the frames between which the object's picture changes.
func (o *Object) when() {
	if o.Motion >= Puts { // interactions have said it already
		return
	}
	n := len(o.path)
	for o.from < n-1 && o.path[o.from+1].seen() == o.path[0].seen() {
		o.from++
	}
	for o.to = n - 1; o.to > 0 && o.path[o.to-1].seen() == o.path[n-1].seen(); {
		o.to--
	}
}

// crowded reports whether an object hides too much of another or of the door.
func (s *Scene) crowded(dense bool) bool {
	most, mean, door := 350, 100, 350 // per mille: in one frame, over the frames; of a door in one frame
	if dense {
		most, mean, door = 550, 250, 550
	}
	for i := range s.Objects {
		a := &s.Objects[i]
		for j := range i {
			b, sum := &s.Objects[j], 0
			if b.Motion >= Puts && b.Motion <= Takes && a.Motion >= IsPut {
				continue // they belong together
			}
			for t := range s.Frames {
				x, y := a.path[t].seen(), b.path[t].seen()
				if x.area() == 0 || y.area() == 0 {
					continue
				}
				f := x.overlap(y) * 1000 / min(x.area(), y.area())
				if sum += f; f >= most {
					return true
				}
			}
			if sum >= mean*s.Frames {
				return true
			}
		}
		if s.Door == NoDoor || a.Motion == Enters || a.Motion == Exits {
			continue
		}
		sum := 0
		for t := range s.Frames {
			f := a.path[t].seen().overlap(s.door) * 1000 / s.door.area()
			if sum += f; f >= door {
				return true
			}
		}
		if sum*2 >= door*s.Frames {
			return true
		}
	}
	return false
}

// swing decides how far the door is open in each frame. What moves does so
// within w.
func (l *layout) swing(w span) bool {
	full := l.between(860, 1024)
	switch l.DoorState {
	case Open:
		for t := range l.opened {
			l.opened[t] = full
		}
	case Opens, Closes:
		if l.DoorState == Closes {
			w = w.reversed(l.Frames)
		}
		room := w.to - w.from
		n := min(room, 2+l.intn(1+int(l.Rate))) // slower at a higher rate
		if l.Frames > 2 && n < 2 {
			return false
		}
		f0 := w.from + l.intn(room-n+1)
		for t := range l.opened {
			l.opened[t] = full * clamp(t-f0, 0, n) / n
		}
		l.doorFrom, l.doorTo = f0, f0+n
		if l.DoorState == Closes {
			reverse(l.opened)
			l.doorFrom, l.doorTo = l.Frames-1-l.doorTo, l.Frames-1-l.doorFrom
		}
	}
	return true
}

func reverse[T any](s []T) {
	for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
		s[i], s[j] = s[j], s[i]
	}
}
