package world

// A sprite is a 64x64 map of paint: what to draw where, stretched to the
// object's box.
type sprite [64][64]uint8

const (
	clear  uint8 = iota
	body         // the object's colour
	dark         // tyres, shoes, eyes
	light        // glass, tape, skin
	shade        // the object's colour, darker
	accent       // hair, hubs, label
	numPaints
)

// Shapes take coordinates in 1/1000 of the sprite.
func (s *sprite) fill(c uint8, inside func(x, y int) bool) {
	for y := range 64 {
		for x := range 64 {
			if inside((2*x+1)*1000/128, (2*y+1)*1000/128) {
				s[y][x] = c
			}
		}
	}
}

func (s *sprite) rect(c uint8, x0, y0, x1, y1 int) {
	s.fill(c, func(x, y int) bool { return x >= x0 && x < x1 && y >= y0 && y < y1 })
}

func (s *sprite) ellipse(c uint8, cx, cy, rx, ry int) {
	s.fill(c, func(x, y int) bool {
		dx, dy := (x-cx)*ry, (y-cy)*rx
		return dx*dx+dy*dy < rx*rx*ry*ry
	})
}

// slab is a trapezium from y0 (width x0..x1) to y1 (sides moved out by grow).
func (s *sprite) slab(c uint8, x0, y0, x1, y1, grow int) {
	s.fill(c, func(x, y int) bool {
		if y < y0 || y >= y1 {
			return false
		}
		g := grow * (y - y0) / (y1 - y0)
		return x >= x0-g && x < x1+g
	})
}

func sprites() [NumClasses]sprite {
	var s [NumClasses]sprite
	p := &s[Person]
	p.rect(shade, 140, 270, 860, 560) // arms
	p.rect(light, 150, 560, 280, 610) // hands
	p.rect(light, 720, 560, 850, 610) //
	p.slab(body, 240, 230, 760, 640, 20)
	p.rect(shade, 200, 620, 450, 960) // legs
	p.rect(shade, 550, 620, 800, 960)
	p.rect(dark, 180, 950, 460, 1000)
	p.rect(dark, 540, 950, 840, 1000)
	p.ellipse(light, 500, 120, 260, 120)
	p.fill(accent, func(x, y int) bool { // hair: the top of the head
		dx, dy := (x-500)*120, (y-115)*270
		return y < 75 && dx*dx+dy*dy < 120*120*270*270
	})

	c := &s[Car]
	c.slab(body, 290, 50, 650, 430, 110)
	c.slab(light, 320, 130, 470, 400, 70)
	c.slab(light, 510, 130, 620, 400, 70)
	c.rect(body, 470, 100, 510, 420)
	c.fill(body, func(x, y int) bool { return y > 420 && y < 850 && (y > 500 || x > 40 && x < 960) })
	c.rect(shade, 0, 720, 1000, 850)
	c.ellipse(dark, 230, 840, 125, 165)
	c.ellipse(dark, 770, 840, 125, 165)
	c.ellipse(accent, 230, 840, 50, 66)
	c.ellipse(accent, 770, 840, 50, 66)
	c.rect(light, 930, 500, 1000, 610)

	d := &s[Dog]
	d.fill(body, func(x, y int) bool { return x < 150 && abs(y-250-x) < 90 }) // tail
	for _, x := range []int{180, 310, 580, 700} {
		d.rect(shade, x-55, 500, x+55, 1000)
	}
	d.ellipse(body, 450, 480, 360, 220)
	d.ellipse(body, 820, 270, 160, 200)
	d.ellipse(body, 920, 330, 85, 90)
	d.rect(shade, 690, 60, 780, 310) // ear
	d.ellipse(dark, 860, 220, 40, 52)
	d.ellipse(dark, 985, 300, 35, 45)
	d.fill(accent, func(x, y int) bool { return abs(x+y/3-835) < 32 && y > 380 && y < 600 && x < 800 })

	b := &s[Parcel]
	b.rect(shade, 0, 0, 1000, 1000)
	b.rect(body, 60, 60, 940, 940)
	b.rect(light, 420, 0, 580, 1000)
	b.rect(light, 0, 290, 1000, 410)
	b.rect(accent, 660, 620, 880, 820)
	return s
}

func abs(x int) int { return max(x, -x) }
