package gate

import "math"

// Labels of one merged vision cell (28x28 pixels) in one frame pair, for the
// dense heads that train the vision tower. -1 is "don't score".
const (
	LabelClass    = iota // 0 none, 1 + Class
	LabelColour          // Colour
	LabelStep            // motion within the pair: 0 none, 1 left, 2 right, 3 growing, 4 shrinking
	LabelDoor            // DoorKind
	LabelDoorStep        // 0 closed, 1 open, 2 opening, 3 closing
	LabelCarrying        // of a person: 0 no, 1 yes
	LabelPartly          // of an object: 1 if the picture's edge cuts it
	NumLabels
)

// Places of one merged vision cell in one frame pair, in cells from the cell's
// centre, x before y. NaN is "don't score".
const (
	PlaceCentre = 0 // of the object in it: 2 numbers
	PlaceBox    = 2 // the object's visible box in the pair's second frame, as a box task tells it: x0, y0, x1, y1
	PlaceDoor   = 6 // the same of the door
	NumPlaces   = 10
)

// Cells is the number of merged vision cells of the clip; labels are
// [Frames/2, Grid, Grid, NumLabels], places [Frames/2, Grid, Grid, NumPlaces].
func (s *Scene) Cells() int { return s.Frames / 2 * Grid * Grid }

const cell = 28 * unit

// unknown is a place that isn't scored.
var unknown = float32(math.NaN())

// Targets fills labels (Cells*NumLabels) and places (Cells*NumPlaces).
func (s *Scene) Targets(labels []int8, places []float32) {
	for i := range s.Cells() {
		l, p := labels[i*NumLabels:][:NumLabels], places[i*NumPlaces:][:NumPlaces]
		for k := range l {
			l[k] = -1
		}
		l[LabelClass], l[LabelDoor] = 0, 0
		for k := range p {
			p[k] = unknown
		}
	}
	best := make([]int, s.Cells()) // covered area, sum of both frames
	for k := range s.Objects {
		for t := range s.Frames / 2 {
			s.target(&s.Objects[k], t, labels, places, best)
		}
	}
	if s.Door == NoDoor {
		return
	}
	for t := range s.Frames / 2 {
		a, b := s.opened[2*t], s.opened[2*t+1]
		state := int8(0)
		switch {
		case b-a > 30:
			state = 2
		case a-b > 30:
			state = 3
		case a+b >= 600:
			state = 1
		}
		for i := range Grid * Grid {
			at := t*Grid*Grid + i
			l := labels[at*NumLabels:][:NumLabels]
			switch cov := s.door.overlap(cellBox(i)) * 100; {
			case cov > 15*cell*cell:
				l[LabelDoor], l[LabelDoorStep] = int8(s.Door), state
				s.edges(places[at*NumPlaces+PlaceDoor:][:4], s.door, 2*t+1, cellBox(i))
			case cov > 3*cell*cell:
				l[LabelDoor] = -1
			}
		}
	}
}

func cellBox(i int) box {
	x, y := i%Grid*cell, i/Grid*cell
	return box{x, y, x + cell, y + cell}
}

// edges are a box's in frame t, from the centre of cell c.
func (s *Scene) edges(out []float32, b box, t int, c box) {
	for k, v := range [4]int{b.x0, b.y0, b.x1, b.y1} {
		mid := (c.x0 + c.x1) / 2
		if k%2 == 1 {
			mid = (c.y0 + c.y1) / 2
		}
		out[k] = float32(v-s.shake[t][k%2]*unit-mid) / cell
	}
}

// target labels the cells that o covers in pair t, where it covers more than
// the objects before it.
func (s *Scene) target(o *Object, t int, labels []int8, places []float32, best []int) {
	p, q := o.path[2*t], o.path[2*t+1]
	pb, qb := p.seen(), q.seen()
	there := qb.area() > 0
	if p.w == 0 { // where there is none in one frame, its centre is the other's
		p.cx, p.by, p.h = q.cx, q.by, q.h
	} else if q.w == 0 {
		q.cx, q.by, q.h = p.cx, p.by, p.h
	}
	cx, cy := (p.cx+q.cx)/2, (p.by-p.h/2+q.by-q.h/2)/2
	const whole = 2 * cell * cell
	for i := range Grid * Grid {
		at := t*Grid*Grid + i
		c := cellBox(i)
		cov := pb.overlap(c) + qb.overlap(c)
		l := labels[at*NumLabels:][:NumLabels]
		switch {
		case cov*100 > 12*whole && cov > best[at]:
			l[LabelClass], l[LabelColour], l[LabelStep], l[LabelCarrying] = int8(o.Class)+1, int8(o.Colour), pairStep(p, q), -1
			if o.Class == Person {
				l[LabelCarrying] = int8(b2i(p.carries))
				if p.carries != q.carries {
					l[LabelCarrying] = -1
				}
			}
			l[LabelPartly] = int8(b2i(p.cut() || q.cut()))
			at := places[at*NumPlaces:][:NumPlaces]
			at[PlaceCentre], at[PlaceCentre+1] = float32(cx-(c.x0+c.x1)/2)/cell, float32(cy-(c.y0+c.y1)/2)/cell
			for k := range 4 {
				at[PlaceBox+k] = unknown
			}
			if there {
				s.edges(at[PlaceBox:][:4], qb, 2*t+1, c)
			}
		case cov*100 > 3*whole && cov*100 <= 12*whole && best[at]*100 < 3*whole:
			l[LabelClass] = -1
		}
		best[at] = max(best[at], cov)
	}
}

// cut says whether the picture's edge runs through the object or it is beyond.
func (p place) cut() bool { return p.w > 0 && p.seen() != p.box() }

// pairStep is what a place does from the first frame of a pair to the second.
func pairStep(p, q place) int8 {
	switch {
	case q.h*100 > 102*p.h:
		return 3
	case q.h*102 < 100*p.h:
		return 4
	case q.cx-p.cx < -unit*12/10:
		return 1
	case q.cx-p.cx > unit*12/10:
		return 2
	}
	return 0
}
