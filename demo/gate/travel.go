package gate

// speed is the range of pixels that a thing moves from one frame to the next.
func (l *layout) speed() int {
	switch l.Rate {
	case 4:
		return l.between(5*unit/2, 8*unit)
	case 2:
		return l.between(4*unit, 13*unit)
	default:
		return l.between(6*unit, 22*unit)
	}
}

// growth is the range of size changes from one frame to the next, in 1/1024
// octave.
func (l *layout) growth() int {
	switch l.Rate {
	case 4:
		return l.between(70, 160)
	case 2:
		return l.between(100, 260)
	default:
		return l.between(150, 400)
	}
}

// scaleAt is the size of things whose base is at y: nearer is larger. 1024 is 1.
func scaleAt(y int) int { return 790 + 430*(y/unit-45)/63 }

// size is that of an object of class c with its base at y.
func (l *layout) size(c Class, y int) (w, h int) {
	k := scaleAt(y) * l.between(93, 108) / 100
	return baseSize[c][0] * unit * k / 1024, baseSize[c][1] * unit * k / 1024
}

// ground is somewhere to stand.
func (l *layout) ground() int {
	lo := l.place.horizon + 6
	return l.between(lo*unit, 108*unit)
}

// steps is how many frames a way takes, at most room. Short clips are filled.
func (l *layout) steps(way, speed, room int) int {
	n := clamp(way/max(1, speed), min(2, room), room)
	if l.Frames < orderFrames {
		n = clamp(n, room-1, room)
	}
	return max(n, 1)
}

// travel is where an object of class c is in each frame when it does m within
// w. One of each pair of opposite motions is made and, for the other, played
// backwards.
func (l *layout) travel(c Class, m Motion, w span) ([]place, bool) {
	if m == Left || m == Away || m == Leaves {
		p, ok := l.travel(c, m.Reversed(), w.reversed(l.Frames))
		reverse(p)
		return p, ok
	}
	p := make([]place, l.Frames)
	room := w.to - w.from
	by := l.ground()
	wd, ht := l.size(c, by)
	switch m {
	case Still:
		cx := l.between(wd/2+unit, edge-wd/2-unit)
		for t := range p {
			p[t] = place{cx: cx, by: by, w: wd, h: ht}
		}
	case Right:
		free := edge - wd - 2*unit
		way := l.between(min(22*unit, free), free)
		n := l.steps(way, l.speed(), room)
		way = min(way, 24*unit*n)
		f0, a := w.from+l.intn(room-n+1), unit+wd/2+l.between(0, free-way)
		drift := l.between(-4*unit, 4*unit)
		if by+drift < (l.place.horizon+4)*unit || by+drift > 110*unit {
			drift = 0
		}
		for t := range p {
			u := clamp(t-f0, 0, n)
			p[t] = place{cx: a + way*u/n, by: by + drift*u/n, w: wd, h: ht}
		}
	case Closer:
		return l.approach(c, w)
	case Arrives:
		if l.Frames > 2 { // it is seen to stay
			room = min(w.to, l.Frames-2) - w.from
		}
		a := -wd/2 - 3*unit
		b := l.between(wd/2+4*unit, min(edge-wd/2-4*unit, wd/2+66*unit))
		n := l.steps(b-a, l.speed(), room)
		if room < 1 || l.Frames > 2 && n < 2 {
			return p, false
		}
		f0, mirror := w.from+l.intn(room-n+1), l.chance(50)
		for t := range p {
			cx := a + (b-a)*clamp(t-f0, 0, n)/n
			if mirror {
				cx = edge - cx
			}
			p[t] = place{cx: cx, by: by, w: wd, h: ht}
		}
	case Crosses:
		a, b := -wd/2-3*unit, edge+wd/2+3*unit
		n := l.steps(b-a, 2*l.speed(), room)
		f0, mirror, inside := w.from+l.intn(room-n+1), l.chance(50), 0
		for t := range p {
			cx := a + (b-a)*clamp(t-f0, 0, n)/n
			if cx-wd/2 >= 0 && cx+wd/2 <= edge {
				inside++
			}
			if mirror {
				cx = edge - cx
			}
			p[t] = place{cx: cx, by: by, w: wd, h: ht}
		}
		return p, inside >= 2
	}
	return p, true
}

// approach is the path of something that comes closer.
func (l *layout) approach(c Class, w span) ([]place, bool) {
	p := make([]place, l.Frames)
	room := w.to - w.from
	octaves := l.between(740, 1165) // growth 1.65 .. 2.2
	if l.Frames == 2 {
		octaves = l.between(420, 800) // 1.33 .. 1.72
	}
	n := l.steps(octaves, l.growth(), room)
	if octaves > 500*n {
		octaves = 500 * n // 1.4 from frame to frame
	}
	if l.Frames > 2 && octaves < 740 {
		return p, false
	}
	f0 := w.from + l.intn(room-n+1)
	b1 := l.between(82*unit, 110*unit)
	far := l.between((l.place.horizon+4)*unit, min(b1-8*unit, (l.place.horizon+22)*unit))
	small := 600 * l.between(93, 108) / 100 // of 1024, when farthest
	wm := baseSize[c][0] * unit * (small * exp2(octaves) >> 16) / 1024
	if wm > 88*unit {
		return p, false
	}
	lo, hi := wm/2+unit, edge-wm/2-2*unit
	a := l.between(lo, hi)
	b := clamp(a+l.between(-7*unit, 7*unit), lo, hi)
	for t := range p {
		u := 1024 * clamp(t-f0, 0, n) / n
		k := small * exp2(octaves*u/1024) >> 16
		p[t] = place{cx: a + (b-a)*u/1024, by: far + (b1-far)*u/1024, w: baseSize[c][0] * unit * k / 1024, h: baseSize[c][1] * unit * k / 1024}
	}
	return p, true
}

// exp2 is 2^(x/1024) in 1/65536, for 0 <= x < 2048.
func exp2(x int) int {
	v := 1 << 30
	for i, f := range exp2Steps {
		if x>>(9-i)&1 == 1 {
			v = v * f >> 30
		}
	}
	return v << (x >> 10) >> 14
}

// exp2Steps are 2^(1/2), 2^(1/4) .. 2^(1/1024) in 1/2^30.
var exp2Steps = [10]int{
	1414213562 << 30 / 1_000_000_000, 1189207115 << 30 / 1_000_000_000, 1090507733 << 30 / 1_000_000_000, 1044273782 << 30 / 1_000_000_000,
	1021897149 << 30 / 1_000_000_000, 1010889286 << 30 / 1_000_000_000, 1005429901 << 30 / 1_000_000_000, 1002711275 << 30 / 1_000_000_000,
	1001354720 << 30 / 1_000_000_000, 1000677131 << 30 / 1_000_000_000,
}
