package world

// Labels of one merged vision cell (28x28 pixels) in one frame pair, for the
// dense heads that train the vision tower. -1 is "don't score".
const (
	LabelClass    = iota // 0 none, 1 + Class
	LabelColour          // Colour
	LabelStep            // motion within the pair: 0 none, 1 left, 2 right, 3 growing, 4 shrinking
	LabelDoor            // DoorKind
	LabelDoorStep        // 0 closed, 1 open, 2 opening, 3 closing
	LabelMotion          // Motion of the whole clip
	NumLabels
)

// Cells is the number of merged vision cells of a clip; labels are
// [Pairs, Grid, Grid, NumLabels], offsets [Pairs, Grid, Grid, 2].
const Cells = Pairs * Grid * Grid

// Targets fills labels (Cells*NumLabels) and offsets (Cells*2): from the
// cell's centre to that of the object in it, x then y, in cells.
func (s *Scene) Targets(labels []int8, offsets []float32) {
	const cell = 28 * unit
	for i := range Cells {
		l := labels[i*NumLabels : (i+1)*NumLabels]
		for k := range l {
			l[k] = -1
		}
		l[LabelClass], l[LabelDoor] = 0, 0
		offsets[2*i], offsets[2*i+1] = 0, 0
	}
	var best [Cells]int // covered area, sum of both frames
	for k := range s.Objects {
		o := &s.Objects[k]
		for t := range Pairs {
			p, q := o.path[2*t], o.path[2*t+1]
			pb, qb := p.box(), q.box()
			step := pairStep(p, q)
			cx, cy := (p.cx+q.cx)/2, (p.by-p.h/2+q.by-q.h/2)/2
			for y := range Grid {
				for x := range Grid {
					i := (t*Grid+y)*Grid + x
					c := box{x * cell, y * cell, (x + 1) * cell, (y + 1) * cell}
					cov := pb.overlap(c) + qb.overlap(c)
					l := labels[i*NumLabels : (i+1)*NumLabels]
					switch {
					case cov*100 > 12*2*cell*cell && cov > best[i]:
						l[LabelClass], l[LabelColour], l[LabelStep], l[LabelMotion] = int8(o.Class)+1, int8(o.Colour), step, int8(o.Motion)
						offsets[2*i] = float32(cx-(c.x0+c.x1)/2) / cell
						offsets[2*i+1] = float32(cy-(c.y0+c.y1)/2) / cell
					case cov*100 > 3*2*cell*cell && cov*100 <= 12*2*cell*cell && best[i]*100 < 3*2*cell*cell:
						l[LabelClass] = -1
					}
					best[i] = max(best[i], cov)
				}
			}
		}
	}
	if s.Door == NoDoor {
		return
	}
	for t := range Pairs {
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
		for y := range Grid {
			for x := range Grid {
				l := labels[((t*Grid+y)*Grid+x)*NumLabels:][:NumLabels]
				cov := s.door.overlap(box{x * cell, y * cell, (x + 1) * cell, (y + 1) * cell}) * 100
				switch {
				case cov > 15*cell*cell:
					l[LabelDoor], l[LabelDoorStep] = int8(s.Door), state
				case cov > 3*cell*cell:
					l[LabelDoor] = -1
				}
			}
		}
	}
}

// pairStep is what a place does from the first frame of a pair to the second.
func pairStep(p, q place) int8 {
	switch {
	case q.h*100 > 103*p.h:
		return 3
	case q.h*103 < 100*p.h:
		return 4
	case q.cx-p.cx < -unit*12/10:
		return 1
	case q.cx-p.cx > unit*12/10:
		return 2
	}
	return 0
}
