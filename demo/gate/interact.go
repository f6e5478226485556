package gate

// handOver lays out a person who leaves a parcel, or takes one: the same,
// played backwards.
func (l *layout) handOver(who, what *Object) bool {
	n := l.Frames
	by := l.between((l.place.horizon+12)*unit, 106*unit)
	w, h := l.size(Person, by)
	pw, ph := l.size(Parcel, by)
	k := l.between(66, 82)
	pw, ph = pw*k/100, ph*k/100
	side := 1 - 2*l.intn(2) // on which the parcel is, in the arms and on the ground
	reach := w/2 + pw + unit
	spot := l.between(reach+2*unit, edge-reach-2*unit)
	a, aOK := l.wayTo(spot, w, pw)
	b, bOK := l.wayTo(spot, w, pw)
	if !aOK || !bOK {
		return false
	}
	most := (n - 2) / 2
	in := clamp(abs(spot-a)/l.speed(), 2, most)
	out := clamp(abs(spot-b)/l.speed(), 2, most)
	slack := n - 1 - in - 1 - out
	if slack < 0 {
		return false
	}
	var wait [4]int // at first, before it is put down, after that, at last
	for range slack {
		wait[l.intn(4)]++
	}
	f0 := wait[0]
	put := f0 + in + wait[1] + 1 // the first frame in which it stands on the ground
	f1 := put + wait[2]
	who.path, what.path = make([]place, n), make([]place, n)
	for t := range n {
		p := place{cx: spot, by: by, w: w, h: h, carries: t < put}
		switch {
		case t < f0+in:
			p.cx = a + (spot-a)*clamp(t-f0, 0, in)/in
		case t > f1:
			p.cx = spot + (b-spot)*clamp(t-f1, 0, out)/out
		}
		q := place{cx: spot + side*(w/2+pw/2-unit), by: by + 2*unit, w: pw, h: ph}
		if t < put {
			q.cx, q.by, q.carried = p.cx+side*w*45/100, by-h*34/100, true
		}
		who.path[t], what.path[t] = p, q
	}
	who.from, who.to = put-1, put
	if who.Motion == Takes {
		reverse(who.path)
		reverse(what.path)
		who.from, who.to = n-1-put, n-put
	}
	what.from, what.to = who.from, who.to
	return true
}

// wayTo is where somebody who walks to x comes from: mostly outside of the
// picture, else a good way off.
func (l *layout) wayTo(x, w, extra int) (int, bool) {
	left := l.chance(50)
	out := w/2 + extra + 3*unit
	if l.chance(65) {
		if left {
			return -out, true
		}
		return edge + out, true
	}
	if left {
		lo, hi := w/2+2*unit, x-24*unit
		return l.between(lo, hi), lo <= hi
	}
	lo, hi := x+24*unit, edge-w/2-2*unit
	return l.between(lo, hi), lo <= hi
}

// throughDoor lays out a person who goes in at the door and what the door
// does; for one who comes out, the same is played backwards.
func (l *layout) throughDoor(who *Object) bool {
	n, state := l.Frames, l.DoorState
	if who.Motion == Exits {
		state = state.Reversed()
	}
	d := l.door
	w, h := l.size(Person, d.y1)
	if tall := (d.y1 - d.y0) * 88 / 100; h > tall {
		w, h = w*tall/h, tall
	}
	x1, y1 := (d.x0+d.x1)/2, d.y1+unit
	y0 := l.between((l.place.horizon+8)*unit, min((l.place.horizon+40)*unit, 106*unit))
	w0, h0 := w*scaleAt(y0)/scaleAt(y1), h*scaleAt(y0)/scaleAt(y1)
	x0, ok := l.wayTo(x1, w0, 0)
	if !ok {
		return false
	}
	walk := clamp((abs(x1-x0)+abs(y1-y0))/l.speed(), 2, n-3)
	f0 := l.between(0, n-3-walk)
	there := f0 + walk // in the doorway; then half gone, then gone
	who.path = make([]place, n)
	seen := 0 // frames that show all of the person
	for t := range n {
		u := clamp(t-f0, 0, walk)
		p := place{cx: x0 + (x1-x0)*u/walk, by: y0 + (y1-y0)*u/walk, w: w0 + (w-w0)*u/walk, h: h0 + (h-h0)*u/walk}
		switch {
		case t > there+1:
			p = place{}
		case t > there:
			p = place{cx: x1, by: d.y1 - unit, w: w * 92 / 100, h: h * 92 / 100, inDoor: true}
		}
		who.path[t] = p
		seen += b2i(t <= there && p.seen() == p.box())
	}
	if seen < 2 {
		return false
	}
	who.from, who.to = there, there+2
	window := span{0, n - 1}
	switch state {
	case Opens:
		window.to = there
	case Closes:
		window.from = there + 2
	}
	if window.to-window.from < 2 {
		return false
	}
	if who.Motion == Exits {
		reverse(who.path)
		who.from, who.to = n-1-who.to, n-1-who.from
		window = window.reversed(n)
	}
	return l.swing(window)
}
