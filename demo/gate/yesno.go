package gate

// yesNo asks something that is true, or not.
func (s *Scene) yesNo(g *rng, yes bool) (Task, bool) {
	q, ok := s.claim(g, yes)
	return Task{YesNo, q, [2]string{"No.", "Yes."}[b2i(yes)]}, ok
}

// claim asks whether something is so whose answer is known. Where a kind of
// question can't have this answer in this scene, it would tell the answer by
// being asked: then nothing is asked.
func (s *Scene) claim(g *rng, yes bool) (string, bool) {
	o := s.some(g)
	switch z := g.intn(100); {
	case z < 20: // presence; as many noes are left out as an empty scene adds
		if yes && o == nil || !yes && o != nil && g.chance(5) {
			break
		}
		c := Class(g.intn(NumClasses))
		if yes {
			c = o.Class
		} else {
			for s.has(c) != nil {
				c = Class(g.intn(NumClasses))
			}
		}
		return "Is there a " + c.String() + "?", true
	case z < 32: // colour
		if o == nil {
			break
		}
		col := o.Colour
		if !yes {
			col = Colour((int(col) + 1 + g.intn(NumColours-1)) % NumColours)
		}
		if o.Class == Person {
			return "Does the person wear " + col.String() + "?", true
		}
		return "Is the " + o.Class.String() + " " + col.String() + "?", true
	case z < 42: // both
		if o == nil {
			break
		}
		p := *o
		if !yes {
			if g.chance(70) {
				p.Colour = Colour((int(p.Colour) + 1 + g.intn(NumColours-1)) % NumColours)
			} else {
				for s.has(p.Class) != nil {
					p.Class = Class(g.intn(NumClasses))
				}
			}
		}
		return "Is there " + p.a() + "?", true
	case z < 64: // motion
		if o == nil || o.Motion >= IsPut || s.still || o.Class == Parcel {
			break
		}
		m := o.Motion
		if !yes {
			m = s.another(g, o)
		}
		return "Does the " + o.Class.String() + " " + m.infinitive() + "?", true
	case z < 78: // the door's state
		if s.Door == NoDoor {
			break
		}
		d := s.DoorState
		if !yes {
			d = DoorState(int(d) ^ 1)
		}
		if d >= Opens {
			return "Does the " + s.Door.String() + " " + [2]string{"open", "close"}[d-Opens] + "?", true
		}
		return "Is the " + s.Door.String() + " " + [2]string{"closed", "open"}[d] + "?", true
	case z < 84: // is there one?
		if (s.Door != NoDoor) == yes {
			k := s.Door
			if !yes {
				k = DoorKind(1 + g.intn(2))
			}
			return "Is there a " + k.String() + "?", true
		}
		if s.Door != NoDoor && g.chance(55) { // the other kind, less often: there is also no door at all
			return "Is there a " + DoorKind(3-s.Door).String() + "?", true
		}
	case z < 92: // light
		l := s.Light
		if !yes {
			l = Light((int(l) + 1 + g.intn(2)) % 3)
		}
		return "Is it " + l.String() + "?", true
	default:
		w := s.Weather
		if !yes {
			w = Weather((int(w) + 1 + g.intn(2)) % 3)
		}
		return "Is it " + w.String() + "?", true
	}
	return "", false
}

// another is a motion that o could have but has not; in half of the cases the
// opposite.
func (s *Scene) another(g *rng, o *Object) Motion {
	if r := o.Motion.Reversed(); r != o.Motion && g.chance(50) {
		return r
	}
	// With a parcel or a door in the scene, leaving it or going in are claims as good as others.
	n := freeMotions
	if s.Frames < crossFrames {
		n--
	}
	for {
		m := Motion(g.intn(n))
		if o.Class == Person && s.Frames >= interactFrames && g.chance(30) {
			switch {
			case s.has(Parcel) != nil && g.chance(50):
				m = Puts + Motion(g.intn(2))
			case s.Door == HouseDoor:
				m = Enters + Motion(g.intn(2))
			}
		}
		if m == o.Motion || m.Reversed() == o.Motion && m != o.Motion {
			continue
		}
		if alike(m, o.Motion) {
			continue
		}
		return m
	}
}

// alike says whether somebody could call the one motion the other: who leaves
// a parcel also arrives, moves and leaves.
func alike(claim, truth Motion) bool {
	switch {
	case truth >= Puts && truth <= Exits:
		return claim != Still && claim < freeMotions
	case truth == Arrives || truth == Leaves || truth == Crosses:
		return claim == Left || claim == Right || claim >= Arrives && claim <= Crosses
	}
	return false
}
