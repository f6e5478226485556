package gate

// doorPaint is how a scene's door or gate looks.
type doorPaint struct {
	leaf, frame, panel, inner, edge paint
	hingeLeft                       bool
}

func newDoorPaint(g *rng, s *Scene) doorPaint {
	d := doorPaint{hingeLeft: g.chance(50)}
	col := [6][3]int{{124, 82, 52}, {168, 164, 156}, {84, 100, 122}, {112, 58, 48}, {72, 92, 78}, {140, 112, 76}}[g.intn(6)]
	inner := g.between(24, 40)
	if s.Door == GardenGate { // bars are darker than the garden behind them
		for c := range col {
			col[c] = col[c]*55/100 + 4
		}
	}
	for c := range 3 {
		v := col[c] + g.between(-12, 12)
		d.leaf[c], d.panel[c], d.edge[c] = int16(v), int16(v*84/100), int16(v*60/100)
		d.frame[c] = int16(v*40/100 + 76)
		d.inner[c] = int16(inner + 4 - 4*c)
		if s.Light != Day { // somebody is at home
			d.inner[c] = int16([2][3]int{{300, 236, 140}, {450, 350, 210}}[s.Light-Dusk][c] + inner)
		}
	}
	return d
}

// draw shows the leaf getting narrower as the door opens (opened: 0..1024).
func (d *doorPaint) draw(f canvas, s *Scene, opened int) {
	px := func(v int) int { return (v + unit/2) / unit }
	x0, y0, x1, y1 := px(s.door.x0), px(s.door.y0), px(s.door.x1), px(s.door.y1)
	w := x1 - x0
	leaf := (w*(102400-84*opened) + 51200) / 102400
	if s.Door == HouseDoor {
		f.rect(x0-2, y0-2, x1+2, y1, d.frame)
		f.rect(x0-3, y1, x1+3, y1+2, paint{150, 146, 140}) // the step
		d.room(f, x0, y0, x1, y1)
	} else {
		f.rect(x0-3, y0-3, x0, y1+1, d.frame) // posts
		f.rect(x1, y0-3, x1+3, y1+1, d.frame)
		f.rect(x0-4, y0-5, x0+1, y0-3, d.edge)
		f.rect(x1-1, y0-5, x1+4, y0-3, d.edge)
		d.garden(f, x0, y0, x1, y1)
	}
	// The leaf turns towards the camera: its free edge comes lower and rises higher.
	for i := range leaf {
		x := x0 + i
		if !d.hingeLeft {
			x = x1 - 1 - i
		}
		far := 0
		if leaf > 1 {
			far = 4 * opened * i / (1024 * (leaf - 1))
		}
		top, low := y0-far/2, y1+far
		switch {
		case s.Door == HouseDoor:
			d.column(f, x, top, low, i, leaf)
		case i%4 < 2 || leaf < 8:
			f.rect(x, top+1, x+1, low, d.leaf)
		default:
			f.rect(x, top+4, x+1, top+7, d.leaf)
			f.rect(x, low-6, x+1, low-3, d.leaf)
		}
	}
}

// column draws column i of a house door's leaf, counted from the hinge.
func (d *doorPaint) column(f canvas, x, top, low, i, leaf int) {
	h := low - top
	at := i * 24 / leaf
	p := d.leaf
	if i == leaf-1 || leaf < 6 && i > leaf/2 {
		p = d.edge
	}
	f.rect(x, top, x+1, low, p)
	if at >= 4 && at < 20 && leaf > 7 {
		f.rect(x, top+4, x+1, top+h*42/100, d.panel)
		f.rect(x, top+h*52/100, x+1, low-4, d.panel)
		f.rect(x, top+4, x+1, top+5, d.edge)
		f.rect(x, top+h*52/100, x+1, top+h*52/100+1, d.edge)
	}
	if at >= 20 && at < 23 {
		f.rect(x, top+h/2-1, x+1, top+h/2+1, paint{232, 214, 150})
	}
}

// room is what one sees through an open door.
func (d *doorPaint) room(f canvas, x0, y0, x1, y1 int) {
	for y := y0; y < y1; y++ {
		k := 100 - 30*(y-y0)/(y1-y0)
		f.rect(x0, y, x1, y+1, paint{int16(int(d.inner[0]) * k / 100), int16(int(d.inner[1]) * k / 100), int16(int(d.inner[2]) * k / 100)})
	}
}

// garden is what one sees through a gate: a lawn and a path in brighter light.
func (d *doorPaint) garden(f canvas, x0, y0, x1, y1 int) {
	mid := (y0*6 + y1*4) / 10
	f.rect(x0, y0, x1, mid, paint{168, 186, 170})
	f.rect(x0, mid, x1, y1, paint{148, 168, 108})
	w := x1 - x0
	for y := mid; y < y1; y++ {
		k := w/8 + (y-mid)*w/4/max(1, y1-mid)
		f.rect((x0+x1)/2-k, y, (x0+x1)/2+k, y+1, paint{206, 196, 176})
	}
}
