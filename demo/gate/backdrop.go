package gate

// wall is what stands behind the yard.
type wall uint8

const (
	plaster wall = iota
	bricks
	siding
	stones
	planks // a fence: from here on there is sky above
	hedge
	lowWall
	numWalls
)

// floor is what the yard is made of.
type floor uint8

const (
	lawn floor = iota
	gravel
	asphalt
	paving
	numFloors
)

// backdrop is a scene's wall, ground and sky, in whole pixels.
type backdrop struct {
	wall    wall
	floor   floor
	horizon int // where the ground meets the wall
	skyline int // where the wall meets the sky, 0 for a house
	course  int // height of a row of bricks, slabs ..
	vanish  int // x of the vanishing point
	trees   bool
	windows []window
}

type window struct {
	x, y, w, h int
	lit        bool
}

// newBackdrop picks a house's wall for a house door, a fence for a gate, and
// any without a door.
func newBackdrop(g *rng, door DoorKind) backdrop {
	b := backdrop{floor: floor(g.intn(int(numFloors))), horizon: g.between(46, 57), course: g.between(5, 8), vanish: g.between(16, 96), trees: g.chance(60)}
	house := door == HouseDoor || door == NoDoor && g.chance(50)
	if house {
		b.wall = wall(g.intn(int(planks)))
		for i := range g.intn(3) {
			w := window{x: g.between(4, 40) + 52*i, y: g.between(6, 12), w: g.between(13, 18), h: g.between(13, 18), lit: g.chance(60)}
			if w.x+w.w < Size-3 {
				b.windows = append(b.windows, w)
			}
		}
		return b
	}
	b.wall = planks + wall(g.intn(int(numWalls-planks)))
	b.skyline = b.horizon - g.between(22, 30)
	return b
}

// clearWindows takes out the windows that are in a door's way.
func (b *backdrop) clearWindows(door box) {
	var out []window
	for _, w := range b.windows {
		if (w.x-5)*unit > door.x1 || (w.x+w.w+5)*unit < door.x0 {
			out = append(out, w)
		}
	}
	b.windows = out
}

// palettes of walls and floors, muted so that things stand out.
var (
	wallColours = [numWalls][3][3]int{
		{{176, 168, 152}, {150, 158, 164}, {168, 146, 128}},
		{{142, 98, 82}, {156, 122, 100}, {124, 104, 98}},
		{{150, 150, 142}, {128, 140, 150}, {146, 132, 112}},
		{{128, 124, 118}, {142, 134, 120}, {112, 116, 120}},
		{{134, 108, 82}, {118, 110, 100}, {150, 128, 98}},
		{{78, 98, 62}, {88, 104, 78}, {70, 88, 66}},
		{{140, 130, 122}, {126, 112, 104}, {150, 146, 138}},
	}
	floorColours = [numFloors][3][3]int{
		{{98, 116, 72}, {108, 118, 84}, {88, 106, 74}},
		{{150, 142, 130}, {136, 132, 128}, {158, 144, 120}},
		{{92, 94, 98}, {104, 104, 104}, {84, 88, 94}},
		{{146, 142, 136}, {130, 128, 130}, {154, 142, 128}},
	}
	skyColours = [3][2][3]int{ // at the top, at the skyline; as the camera sees them
		{{128, 164, 206}, {186, 200, 212}},
		{{104, 104, 150}, {224, 156, 120}},
		{{26, 32, 60}, {52, 60, 92}},
	}
)

// paintBackdrop fills r.back for one scene. Sky and lit windows shine by
// themselves: they are marked so in r.glow and no light falls on them.
func (r *Renderer) paintBackdrop(g *rng, s *Scene) {
	b := &s.place
	n := trainTextures
	if s.bank != 0 {
		n = testTextures
	}
	tex := r.texture(s.bank, g.intn(n))
	p := pattern{b: b, salt: g.intn(1 << 20), wall: wallColours[b.wall][g.intn(3)], floor: floorColours[b.floor][g.intn(3)]}
	mirror, amp, level := g.chance(50), g.between(110, 230), g.between(-16, 16)
	for c := range 3 {
		p.wall[c] += level + g.between(-9, 9)
		p.floor[c] += level + g.between(-9, 9)
	}
	clear(r.glow[:])
	for y := range margin {
		for x := range margin {
			src := (y*margin + x) * 3
			if mirror {
				src = (y*margin + margin - 1 - x) * 3
			}
			dst := (y*margin + x) * 3
			at := [3]int8(tex[src : src+3])
			base, d, a := p.at(x-pad, y-pad, int(at[0]))
			if base == nil { // sky
				u := clamp((y-pad)*256/max(1, b.skyline), 0, 256)
				sky := &skyColours[s.Light]
				for c := range 3 {
					v := (sky[0][c]*(256-u) + sky[1][c]*u) >> 8
					if s.Weather != Clear {
						v = (v + fogColours[s.Light][c]) / 2
					}
					r.back[dst+c] = int16(clamp(v+int(at[0])*60*(2-int(s.Light))>>8, 0, 235))
				}
				r.glow[y*margin+x] = true
				continue
			}
			for c := range 3 {
				r.back[dst+c] = int16(clamp(int(at[c])*amp*a>>16+base[c]+d, 45, 196))
			}
		}
	}
	for _, w := range b.windows {
		r.paintWindow(s, w)
	}
}

// pattern knows the colour of each point of the backdrop.
type pattern struct {
	b           *backdrop
	salt        int
	wall, floor [3]int
}

var treeColour, treesFar = [3]int{74, 90, 66}, [3]int{92, 104, 92}

// at is the base colour at a pixel, how much lighter it is there, and how
// strong the texture is, of 256. A nil colour is sky. v is the texture's value
// there.
func (p *pattern) at(x, y, v int) (*[3]int, int, int) {
	b := p.b
	if y >= b.horizon {
		d, a := p.ground(x, y)
		switch y - b.horizon { // the wall's shadow
		case 0:
			d -= 30
		case 1:
			d -= 18
		case 2, 3:
			d -= 8
		}
		return &p.floor, d, a
	}
	top := b.skyline
	if b.wall == hedge {
		top += v/14 + hash(x/5, 3, p.salt)%4
	}
	if y < top {
		if b.trees && y > top-9-hash(x/9, 1, p.salt)%6-v/8 {
			if hash(x/9, 2, p.salt)&1 == 0 {
				return &treesFar, hash(x, y, p.salt) % 12, 256
			}
			return &treeColour, hash(x, y, p.salt) % 12, 256
		}
		return nil, 0, 0
	}
	return &p.wall, p.upright(x, y, top), 256
}

// upright is the pattern of the wall.
func (p *pattern) upright(x, y, top int) int {
	b := p.b
	k := b.course
	grain := hash(x, y, p.salt)%9 - 4
	switch b.wall {
	case bricks, stones, lowWall:
		w := 2 * k
		if b.wall != bricks {
			k += 2
			w = k + 5
		}
		row := (b.horizon - 1 - y) / k
		xx := x + 400 + row%2*(w/2)
		if b.wall == lowWall && y < top+3 {
			return 22 + grain // its coping
		}
		if (b.horizon-1-y)%k == k-1 || xx%w == 0 {
			return -16 + grain
		}
		return hash(xx/w, row, p.salt)%26 - 13 + grain
	case siding:
		return (b.horizon-1-y)%k*14/k - 9 - b2i((b.horizon-1-y)%k == 0)*16 + grain/2
	case planks:
		xx := x + 400
		if y < top+1+b2i(xx%(k+1) < 2 || xx%(k+1) == k)*2 {
			return -34
		}
		if xx%(k+1) == 0 {
			return -38
		}
		if y > top+5 && y < top+8 || y > b.horizon-8 && y < b.horizon-5 {
			return hash(xx/(k+1), 0, p.salt)%24 - 22
		}
		return hash(xx/(k+1), 0, p.salt)%24 - 12 + grain
	case hedge:
		return hash(x/2, y/2, p.salt)%44 - 24 + grain + clamp(14-(y-top), 0, 14)
	}
	if y > b.horizon-5 {
		return -20 // the plinth
	}
	return grain
}

// ground is the pattern of the floor, and how strong its texture is.
func (p *pattern) ground(x, y int) (int, int) {
	b := p.b
	depth := y - b.horizon + 6
	grain := hash(x, y, p.salt+1)
	switch b.floor {
	case lawn:
		return hash(x, y/2, p.salt+1)%22 - 11, 256
	case gravel:
		return grain%30 - 15, 160
	case asphalt:
		return grain%12 - 6, 160
	}
	row := (1 << 13) / depth // slabs in perspective
	col := (x-b.vanish)*220/depth + 1<<14
	if row/150 != (1<<13)/(depth+1)/150 || col/130 != ((x+1-b.vanish)*220/depth+1<<14)/130 {
		return -20, 200
	}
	return hash(col/130, row/150, p.salt)%18 - 9 + grain%7 - 3, 200
}

// paintWindow puts a window into the wall.
func (r *Renderer) paintWindow(s *Scene, w window) {
	for y := -2; y < w.h+3; y++ {
		for x := -2; x < w.w+2; x++ {
			at := (y+w.y+pad)*margin + x + w.x + pad
			c := [3]int{168, 164, 156} // the frame
			glow := false
			switch {
			case y >= w.h:
				c = [3]int{150, 146, 140}
				x := x
				if y > w.h+1 && (x < 0 || x >= w.w) {
					continue
				}
			case x < 0 || x >= w.w || y < 0 || x == w.w/2 || y == w.h/2:
			case s.Light != Day && w.lit:
				c, glow = [3]int{236 - y, 190 - y, 112}, true
			default:
				v := 66 + y + (x+y)/2%9
				c = [3]int{v, v + 10, v + 22}
			}
			for k := range 3 {
				r.back[at*3+k] = int16(c[k])
			}
			r.glow[at] = glow
		}
	}
}
