package gate

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

var palette = [NumColours][3]int{
	{200, 32, 36}, {38, 72, 210}, {30, 158, 58}, {234, 212, 48}, {238, 124, 24}, {134, 52, 172}, {240, 240, 240}, {22, 22, 25},
}

// actor is an object ready to be drawn.
type actor struct {
	obj    *Object
	poses  []sprite // a thing that walks uses them in turn
	paints [numPaints]paint
	mirror bool // facing tells nothing about motion
	phase  int
}

func (r *Renderer) actor(g *rng, s *Scene, o *Object) actor {
	a := actor{obj: o, mirror: g.chance(50), phase: g.intn(64)}
	looks := r.sprites[o.Class]
	a.poses = looks[g.intn(len(looks))]
	tint := 14
	if o.Colour == Black {
		tint = 6
	}
	for c := range 3 {
		v := clamp(palette[o.Colour][c]+g.between(-tint, tint), 0, 255)
		a.paints[body][c] = int16(v)
		a.paints[shade][c] = int16(v * 70 / 100)
		a.paints[shine][c] = int16(min(v*112/100+10, 255))
		a.paints[dark][c] = int16(32 + v/24)
	}
	a.paints[light] = [NumClasses]paint{{225, 225, 220}, {176, 198, 212}, {226, 214, 196}, {226, 214, 196}, {190, 190, 194}, {206, 184, 142}}[o.Class]
	a.paints[accent] = [NumClasses]paint{{70, 50, 38}, {152, 154, 158}, {186, 60, 60}, {150, 190, 90}, {150, 152, 156}, {236, 234, 226}}[o.Class]
	a.paints[skin] = [4]paint{{228, 190, 160}, {206, 160, 124}, {150, 106, 78}, {104, 72, 54}}[g.intn(4)]
	a.paints[lamp] = paint{246, 238, 196}
	if s.Light != Day {
		a.paints[lamp] = paint{620, 580, 420}
	}
	if o.Class == Person {
		a.paints[accent] = [4]paint{{70, 50, 38}, {36, 30, 28}, {150, 112, 62}, {120, 116, 112}}[g.intn(4)]
	}
	return a
}

// pose follows from where the object is, and is as good as random for one that
// stands.
func (a *actor) pose(p place) *sprite {
	way := p.cx/(5*unit) + p.h/(2*unit) + a.phase
	return &a.poses[way%len(a.poses)]
}

// draw stretches the sprite over the object's box in frame t. Each pixel is the
// mean of four points.
func (a *actor) draw(f canvas, s *Scene, t int) {
	p := a.obj.path[t]
	if p.w == 0 {
		return
	}
	b := p.box()
	b = box{b.x0 - f.jx*unit, b.y0 - f.jy*unit, b.x1 - f.jx*unit, b.y1 - f.jy*unit}
	w, h := b.x1-b.x0, b.y1-b.y0
	xa, xb := max(0, b.x0>>8), min(Size, b.x1>>8+1)
	ya, yb := max(0, b.y0>>8), min(Size, b.y1>>8+1)
	if p.inDoor { // only what the frame of the door leaves to be seen
		xa, xb = max(xa, (s.door.x0>>8)-f.jx), min(xb, (s.door.x1>>8)-f.jx)
	}
	if xa >= xb || ya >= yb {
		return
	}
	var us [2 * Size]int8 // column of the sprite, -1 outside
	for x := 2 * xa; x < 2*xb; x++ {
		u := x*unit/2 + unit/4 - b.x0
		if u = u * spriteSize / w; u < 0 || u >= spriteSize || x*unit/2+unit/4 < b.x0 {
			us[x] = -1
			continue
		}
		if a.mirror {
			u = spriteSize - 1 - u
		}
		us[x] = int8(u)
	}
	sp := a.pose(p)
	for y := ya; y < yb; y++ {
		var rows [2]*[spriteSize]uint8
		for k := range rows {
			v := y*unit + unit/4 + k*unit/2 - b.y0
			if v >= 0 && v*spriteSize/h < spriteSize {
				rows[k] = &sp[v*spriteSize/h]
			}
		}
		for x := xa; x < xb; x++ {
			var sum [3]int
			n := 0
			for _, row := range rows {
				if row == nil {
					continue
				}
				for _, u := range us[2*x : 2*x+2] {
					if u < 0 || row[u] == nothing {
						continue
					}
					c := &a.paints[row[u]]
					n++
					sum[0] += int(c[0])
					sum[1] += int(c[1])
					sum[2] += int(c[2])
				}
			}
			if n == 0 {
				continue
			}
			px := f.pix[(y*Size+x)*3:][:3]
			for c := range px {
				v := sum[c]
				if p.inDoor {
					v = v * 55 / 100
				}
				px[c] = int16((v + int(px[c])*(4-n)) >> 2)
			}
		}
	}
}

// shadow darkens the ground under the object.
func (a *actor) shadow(f canvas, t int) {
	p := a.obj.path[t]
	if p.w == 0 || p.carried || p.inDoor {
		return
	}
	cx, cy := p.cx/unit-f.jx, p.by/unit-f.jy-1
	rx, ry := p.w*54/100/unit, max(2, p.w*10/100/unit)
	if a.obj.Class == Person {
		rx += 2
	}
	if rx == 0 {
		return
	}
	for y := max(0, cy-ry); y <= min(Size-1, cy+ry); y++ {
		for x := max(0, cx-rx); x <= min(Size-1, cx+rx); x++ {
			dx, dy := (x-cx)*64/rx, (y-cy)*64/ry
			q := 4096 - dx*dx - dy*dy
			if q <= 0 {
				continue
			}
			k := 256 - min(q*160>>12, 90)
			px := f.pix[(y*Size+x)*3:][:3]
			for c := range px {
				px[c] = int16(int(px[c]) * k >> 8)
			}
		}
	}
}
