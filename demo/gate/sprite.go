package gate

const spriteSize = 96

// A sprite is a map of paint: what to draw where, stretched to the object's
// box.
type sprite [spriteSize][spriteSize]uint8

const (
	nothing uint8 = iota
	body          // the object's colour
	shade         // the object's colour, darker
	shine         // the object's colour, lighter
	dark          // tyres, shoes, eyes
	light         // glass, tape, muzzle
	accent        // hair, hubs, collar
	skin
	lamp
	numPaints
)

// spriteSet holds, for each class, a few looks, each with its poses.
type spriteSet [NumClasses][][]sprite

// brush draws into a sprite, in tenths of a pixel at scale 1, so that circles
// are round whatever the object's shape.
type brush struct {
	s    *sprite
	w, h int
}

func (b brush) fill(c uint8, inside func(x, y int) bool) {
	for y := range spriteSize {
		for x := range spriteSize {
			if inside((2*x+1)*b.w/(2*spriteSize), (2*y+1)*b.h/(2*spriteSize)) {
				b.s[y][x] = c
			}
		}
	}
}

func (b brush) rect(c uint8, x0, y0, x1, y1 int) {
	b.fill(c, func(x, y int) bool { return x >= x0 && x < x1 && y >= y0 && y < y1 })
}

func (b brush) disc(c uint8, cx, cy, r int) {
	b.fill(c, func(x, y int) bool { return (x-cx)*(x-cx)+(y-cy)*(y-cy) < r*r })
}

// ring is a circle of radius r, thick wide, between heights y0 and y1.
func (b brush) ring(c uint8, cx, cy, r, thick, y0, y1 int) {
	b.fill(c, func(x, y int) bool {
		d := (x-cx)*(x-cx) + (y-cy)*(y-cy)
		return d < r*r && d >= (r-thick)*(r-thick) && y >= y0 && y < y1
	})
}

// line is a stroke with round ends, 2r wide.
func (b brush) line(c uint8, x0, y0, x1, y1, r int) {
	dx, dy := x1-x0, y1-y0
	n := max(1, dx*dx+dy*dy)
	b.fill(c, func(x, y int) bool {
		t := clamp((x-x0)*dx+(y-y0)*dy, 0, n)
		ex, ey := (x-x0)*n-dx*t, (y-y0)*n-dy*t
		ex, ey = ex/64, ey/64
		return ex*ex+ey*ey < (r*n/64)*(r*n/64)
	})
}

// poly is a convex polygon, given clockwise as x, y, x, y ..
func (b brush) poly(c uint8, p ...int) {
	b.fill(c, func(x, y int) bool {
		for i := 0; i < len(p); i += 2 {
			j := (i + 2) % len(p)
			if (p[j]-p[i])*(y-p[i+1])-(p[j+1]-p[i+1])*(x-p[i]) < 0 {
				return false
			}
		}
		return true
	})
}

// sprites draws all looks. They face right.
func sprites() *spriteSet {
	set := new(spriteSet)
	draw := func(c Class, poses int, paint func(b brush, pose int)) {
		look := make([]sprite, poses)
		for i := range look {
			paint(brush{&look[i], baseSize[c][0] * 10, baseSize[c][1] * 10}, i)
		}
		set[c] = append(set[c], look)
	}
	draw(Person, 2, func(b brush, pose int) { person(b, pose, false) })
	draw(Person, 2, func(b brush, pose int) { person(b, pose, true) })
	draw(Car, 1, func(b brush, _ int) { car(b, 135, 292, 96) })
	draw(Car, 1, func(b brush, _ int) { car(b, 62, 300, 30) })
	draw(Dog, 2, dog)
	draw(Cat, 2, cat)
	draw(Bicycle, 1, func(b brush, _ int) { bicycle(b) })
	draw(Parcel, 1, func(b brush, _ int) { parcel(b) })
	return set
}

// person is 160 by 380, with short hair or long.
func person(b brush, pose int, long bool) {
	l, r := 58, 102 // the feet
	if pose == 1 {
		l, r = 32, 128
	}
	swing := 14 * pose
	b.line(shade, 50, 112, 34-swing, 200, 13)
	b.disc(skin, 33-swing, 208, 13)
	if long {
		b.line(accent, 66, 40, 56, 92, 24)
	}
	b.line(shade, 68, 220, l, 348, 19)
	b.line(shade, 94, 220, r, 348, 19)
	b.line(dark, l-6, 366, l+16, 366, 14)
	b.line(dark, r-6, 366, r+16, 366, 14)
	b.line(skin, 80, 70, 80, 96, 13)
	b.line(body, 66, 116, 66, 208, 26)
	b.line(body, 94, 116, 94, 208, 26)
	b.rect(body, 42, 190, 118, 238)
	if long { // a coat
		b.poly(body, 42, 200, 118, 200, 128, 274, 34, 274)
	}
	b.line(shine, 110, 114, 126+swing/2, 198, 13)
	b.disc(skin, 128+swing/2, 207, 13)
	b.disc(skin, 82, 44, 36)
	b.fill(accent, func(x, y int) bool {
		d := (x-78)*(x-78) + (y-40)*(y-40)
		return d < 40*40 && (y < 28 || x < 58)
	})
	b.disc(dark, 102, 42, 6)
}

// car is 420 by 230; its roof goes from x roof to back at the height of the
// windscreen's foot (hood).
func car(b brush, roof, back, hood int) {
	b.poly(body, roof, 14, back-22, 14, back+44, 104, roof-44, 104)
	b.line(body, 28, 120, 392, 126, 24)
	b.rect(body, 8, 112, 412, 172)
	if hood < 60 { // a van: high to the rear
		b.rect(body, 14, 22, 80, 130)
		b.line(body, 30, 34, 260, 34, 18)
	}
	b.poly(light, roof+6, 30, roof+66, 30, roof+66, 96, roof-22, 96)
	b.poly(light, roof+80, 30, back-30, 30, back+18, 96, roof+80, 96)
	b.rect(shine, 14, 108, 404, 118)
	b.rect(shade, 8, 156, 412, 180)
	b.rect(shade, roof+71, 104, roof+75, 160)
	b.rect(dark, roof+84, 122, roof+106, 128)
	b.disc(dark, 98, 178, 50)
	b.disc(dark, 318, 178, 50)
	b.disc(accent, 98, 178, 25)
	b.disc(accent, 318, 178, 25)
	b.disc(dark, 98, 178, 9)
	b.disc(dark, 318, 178, 9)
	b.line(lamp, 400, 128, 408, 138, 11)
	b.rect(accent, 4, 124, 18, 142)
}

// dog is 290 by 210.
func dog(b brush, pose int) {
	s := 18 * pose
	b.line(body, 48, 82, 16, 34, 11)
	b.line(shade, 74, 110, 66+s, 196, 13)
	b.line(shade, 182, 110, 176-s, 196, 13)
	b.line(body, 60, 106, 50-s, 196, 14)
	b.line(body, 200, 106, 206+s, 196, 14)
	b.line(dark, 46-s, 202, 58-s, 202, 8)
	b.line(dark, 202+s, 202, 216+s, 202, 8)
	b.line(body, 70, 92, 190, 90, 36)
	b.line(body, 192, 86, 226, 50, 24)
	b.disc(body, 232, 46, 34)
	b.line(body, 244, 58, 270, 62, 17)
	b.line(light, 262, 68, 272, 66, 10)
	b.line(accent, 196, 66, 222, 88, 8)
	b.line(shade, 216, 24, 206, 66, 14)
	b.disc(dark, 246, 40, 7)
	b.disc(dark, 280, 54, 9)
}

// cat is 230 by 190.
func cat(b brush, pose int) {
	s := 12 * pose
	b.line(body, 40, 110, 18, 72, 9)
	b.line(body, 18, 72, 30, 22, 9)
	b.line(body, 30, 22, 46, 12, 8)
	b.line(shade, 64, 130, 60+s, 180, 11)
	b.line(shade, 150, 130, 146-s, 180, 11)
	b.line(body, 52, 124, 46-s, 180, 12)
	b.line(body, 162, 124, 168+s, 180, 12)
	b.line(body, 60, 112, 152, 114, 30)
	b.poly(body, 150, 14, 178, 44, 150, 66)
	b.poly(body, 218, 14, 218, 66, 190, 44)
	b.disc(body, 184, 72, 38)
	b.poly(light, 156, 30, 170, 46, 156, 54)
	b.poly(light, 212, 30, 212, 54, 198, 46)
	b.disc(accent, 172, 68, 8)
	b.disc(accent, 200, 68, 8)
	b.disc(dark, 172, 68, 4)
	b.disc(dark, 200, 68, 4)
	b.disc(light, 188, 90, 14)
	b.disc(dark, 188, 83, 6)
	b.rect(shade, 84, 82, 94, 112)
	b.rect(shade, 106, 82, 116, 112)
	b.rect(shade, 128, 84, 138, 112)
}

// bicycle is 360 by 230.
func bicycle(b brush) {
	for _, x := range [2]int{74, 286} {
		b.ring(dark, x, 158, 72, 15, 0, 230)
		b.line(accent, x-52, 158, x+52, 158, 3)
		b.line(accent, x, 106, x, 210, 3)
		b.ring(body, x, 158, 84, 14, 70, 134)
		b.disc(accent, x, 158, 12)
	}
	b.line(body, 74, 158, 134, 76, 11)
	b.line(body, 134, 76, 246, 72, 15)
	b.line(body, 250, 72, 176, 160, 15)
	b.line(body, 176, 160, 74, 158, 11)
	b.line(body, 134, 76, 176, 160, 13)
	b.line(body, 246, 60, 286, 158, 13)
	b.line(accent, 246, 64, 238, 26, 8)
	b.line(dark, 226, 24, 272, 32, 9)
	b.line(accent, 134, 76, 128, 48, 8)
	b.line(dark, 102, 42, 156, 42, 11)
	b.disc(dark, 176, 160, 20)
	b.disc(accent, 176, 160, 9)
	b.line(lamp, 274, 58, 282, 58, 10)
}

// parcel is 200 by 180: a box seen from above, with tape and a label.
func parcel(b brush) {
	b.poly(shine, 34, 0, 166, 0, 200, 46, 0, 46)
	b.rect(body, 0, 46, 200, 180)
	b.rect(shade, 0, 166, 200, 180)
	b.rect(shade, 188, 46, 200, 180)
	b.poly(light, 88, 0, 112, 0, 116, 46, 84, 46)
	b.rect(light, 84, 46, 116, 180)
	b.rect(accent, 130, 96, 178, 140)
	b.rect(dark, 138, 106, 170, 110)
	b.rect(dark, 138, 118, 162, 122)
}
