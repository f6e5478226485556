package world

// canvas is a frame under way, seen by a camera that has moved by (jx, jy)
// pixels.
type canvas struct {
	pix    *[FrameBytes]int16
	jx, jy int
}

type paint [3]int16

// rect fills pixels x0 <= x < x1, y0 <= y < y1 of the scene.
func (f canvas) rect(x0, y0, x1, y1 int, p paint) {
	x0, x1 = max(0, x0-f.jx), min(Size, x1-f.jx)
	y0, y1 = max(0, y0-f.jy), min(Size, y1-f.jy)
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			copy(f.pix[(y*Size+x)*3:][:3], p[:])
		}
	}
}

var palette = [NumColours][3]int{{205, 35, 35}, {40, 70, 215}, {35, 165, 60}, {230, 205, 45}, {238, 238, 238}, {22, 22, 24}}

// actor is an object ready to be drawn.
type actor struct {
	obj    *Object
	sprite *sprite
	paints [numPaints]paint
	mirror bool
	depth  int
}

func (r *Renderer) actor(g *rng, o *Object) actor {
	a := actor{obj: o, sprite: &r.sprites[o.Class], mirror: g.chance(50)} // facing tells nothing about motion
	for c := range 3 {
		v := clamp(palette[o.Colour][c]+g.between(-14, 14), 0, 255)
		a.paints[body][c] = int16(v)
		a.paints[shade][c] = int16(v * 72 / 100)
		a.paints[dark][c] = int16(35 + v/20)
		a.paints[light][c] = [NumClasses][3]int16{{225, 195, 170}, {185, 205, 215}, {200, 180, 140}, {200, 180, 140}}[o.Class][c]
		a.paints[accent][c] = [NumClasses][3]int16{{70, 50, 38}, {150, 152, 156}, {190, 60, 60}, {240, 238, 230}}[o.Class][c]
	}
	if o.Class == Person {
		hair := [4][3]int16{{70, 50, 38}, {36, 30, 28}, {150, 112, 62}, {120, 116, 112}}[g.intn(4)]
		a.paints[accent] = hair
	}
	for _, p := range o.path {
		a.depth += p.by
	}
	return a
}

// draw stretches the sprite over the object's box in frame t.
func (a *actor) draw(f canvas, t int) {
	b := a.obj.path[t].box()
	b = box{b.x0 - f.jx*unit, b.y0 - f.jy*unit, b.x1 - f.jx*unit, b.y1 - f.jy*unit}
	w, h := b.x1-b.x0, b.y1-b.y0
	// A pixel is covered when its centre is.
	xa, xb := max(0, (b.x0+unit/2-1)/unit), min(Size, (b.x1+unit/2-1)/unit)
	ya, yb := max(0, (b.y0+unit/2-1)/unit), min(Size, (b.y1+unit/2-1)/unit)
	if xa >= xb || ya >= yb {
		return
	}
	var us [Size]int
	for x := xa; x < xb; x++ {
		us[x] = clamp((x*unit+unit/2-b.x0)*64/w, 0, 63)
		if a.mirror {
			us[x] = 63 - us[x]
		}
	}
	for y := ya; y < yb; y++ {
		row := &a.sprite[clamp((y*unit+unit/2-b.y0)*64/h, 0, 63)]
		for x := xa; x < xb; x++ {
			if c := row[us[x]]; c != clear {
				copy(f.pix[(y*Size+x)*3:][:3], a.paints[c][:])
			}
		}
	}
}

// doorPaint is how a scene's door or gate looks.
type doorPaint struct {
	leaf, frame, panel, inner paint
	hingeLeft                 bool
}

func newDoorPaint(g *rng) doorPaint {
	d := doorPaint{hingeLeft: g.chance(50)}
	col := [4][3]int{{130, 85, 50}, {165, 160, 150}, {90, 105, 120}, {110, 60, 40}}[g.intn(4)]
	inner := int16(g.between(28, 45))
	for c := range 3 {
		v := col[c] + g.between(-15, 15)
		d.leaf[c], d.frame[c], d.panel[c], d.inner[c] = int16(v), int16(v*55/100), int16(v*86/100), inner
	}
	return d
}

// draw shows the leaf getting narrower as the door opens (opened: 0..1024).
func (d *doorPaint) draw(f canvas, s *Scene, opened int) {
	px := func(v int) int { return (v + unit/2) / unit }
	x0, y0, x1, y1 := px(s.door.x0), px(s.door.y0), px(s.door.x1), px(s.door.y1)
	w := x1 - x0
	leaf := (w*(102400-85*opened) + 51200) / 102400
	a := x0
	if !d.hingeLeft {
		a = x1 - leaf
	}
	if s.Door == HouseDoor {
		f.rect(x0-2, y0-2, x1+2, y1, d.frame)
		f.rect(x0, y0, x1, y1, d.inner)
		f.rect(a, y0, a+leaf, y1, d.leaf)
		if leaf > 8 {
			h := y1 - y0
			f.rect(a+3, y0+4, a+leaf-3, y0+h*4/10, d.panel)
			f.rect(a+3, y0+h*6/10, a+leaf-3, y1-4, d.panel)
			k := a + 2
			if d.hingeLeft {
				k = a + leaf - 4
			}
			f.rect(k, (y0+y1)/2, k+2, (y0+y1)/2+2, paint{230, 230, 230})
		}
		return
	}
	// A gate: two posts, and bars that one sees through.
	f.rect(x0-2, y0-2, x0, y1, d.frame)
	f.rect(x1, y0-2, x1+2, y1, d.frame)
	f.rect(x0-2, y0-2, x1+2, y0, d.frame)
	f.lighten(x0, y0+1, x1, y1)
	for x := 0; x < leaf; x += 4 {
		f.rect(a+x, y0+1, min(a+x+2, a+leaf), y1, d.leaf)
	}
	f.rect(a, y0+3, a+leaf, y0+6, d.leaf)
	f.rect(a, y1-5, a+leaf, y1-2, d.leaf)
}

// lighten is the brighter yard behind a gate.
func (f canvas) lighten(x0, y0, x1, y1 int) {
	x0, x1 = max(0, x0-f.jx), min(Size, x1-f.jx)
	y0, y1 = max(0, y0-f.jy), min(Size, y1-f.jy)
	for y := y0; y < y1; y++ {
		for i := (y*Size + x0) * 3; i < (y*Size+x1)*3; i++ {
			f.pix[i] = min(f.pix[i]*11/10+10, 215)
		}
	}
}
