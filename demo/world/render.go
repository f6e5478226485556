package world

// Renderer makes the scenes of one split and seed and draws them. It keeps
// scratch memory: one goroutine each.
type Renderer struct {
	split    Split
	seed     uint64
	bank     uint64 // which backgrounds
	noise    []int8
	textures map[int]*texture
	sprites  [NumClasses]sprite
	back     [margin * margin * 3]int16
}

const (
	pad      = 4 // background around the frame, for camera jitter
	margin   = Size + 2*pad
	noiseLen = 1 << 19

	trainTextures = 192 // backgrounds seen in training
	testTextures  = 64  // and never seen there
)

type texture [margin * margin * 3]int8

// New returns a renderer. The same split and seed give the same scenes
// everywhere; different splits share none.
func New(split Split, seed uint64) *Renderer {
	r := &Renderer{split: split, seed: seed, textures: map[int]*texture{}, sprites: sprites()}
	if split != Train {
		r.bank = 1
	}
	g := newRNG(0x6e6f697365) // sensor noise, the same for all
	r.noise = make([]int8, noiseLen)
	for i := range r.noise {
		r.noise[i] = int8(clamp(g.normalish(), -127, 127))
	}
	return r
}

// texture is a smooth random field, the sum of four octaves.
func (r *Renderer) texture(bank uint64, i int) *texture {
	if t, ok := r.textures[i]; ok {
		return t
	}
	g := newRNG(0x746578, bank, uint64(i))
	var sum [margin * margin * 3]int
	for _, o := range []struct{ cells, amp int }{{3, 26}, {7, 14}, {15, 8}, {30, 5}} {
		z := make([][3]int, o.cells*o.cells) // in 1/32
		for k := range z {
			a := g.normalish() * o.amp
			for c := range 3 {
				z[k][c] = a + g.normalish()*o.amp*25/100
			}
		}
		step := (o.cells - 1) * 256 * 1000 / (margin - 1) // in 1/256000 cell
		for y := range margin {
			fy := min(y*step/1000, (o.cells-1)*256-1)
			for x := range margin {
				fx := min(x*step/1000, (o.cells-1)*256-1)
				cy, cx, wy, wx := fy>>8, fx>>8, fy&255, fx&255
				if o.cells > 10 { // the fine octaves stay blocky: grain, stones, leaves
					wy, wx = 0, 0
				}
				k := cy*o.cells + cx
				for c := range 3 {
					top := z[k][c]*(256-wx) + z[k+1][c]*wx
					low := z[k+o.cells][c]*(256-wx) + z[k+o.cells+1][c]*wx
					sum[(y*margin+x)*3+c] += (top*(256-wy) + low*wy) >> 16
				}
			}
		}
	}
	t := new(texture)
	for k, v := range sum {
		t[k] = int8(clamp(v>>5, -127, 127))
	}
	r.textures[i] = t
	return t
}

// background fills r.back for one scene.
func (r *Renderer) background(g *rng, bank uint64) {
	n := trainTextures
	if bank != 0 {
		n = testTextures
	}
	tex, mirror, amp := r.texture(bank, g.intn(n)), g.chance(50), g.between(128, 282)
	level := g.between(95, 165)
	var wall, ground [3]int
	step := g.between(-22, 22)
	for c := range 3 {
		wall[c] = level + g.between(-15, 15)
		ground[c] = wall[c] + step + g.between(-12, 12)
	}
	horizon := g.between(35, 70) + pad
	top, bottom := g.between(-14, 14), g.between(-14, 14)
	bricks, slabs := g.chance(25), g.chance(25)
	course := g.between(6, 10)
	for y := range margin {
		base := &wall
		if y >= horizon {
			base = &ground
		}
		grad := top + (bottom-top)*y/(margin-1)
		for x := range margin {
			joint := 0
			if bricks && y < horizon && (y%course == 0 || (x+y/course%2*course)%(2*course) == 0) {
				joint = -9
			}
			if slabs && y >= horizon && (y-horizon)*(y-horizon)/40 != (y-horizon+1)*(y-horizon+1)/40 && (y-horizon)%7 == 0 {
				joint = -8
			}
			src := (y*margin + x) * 3
			if mirror {
				src = (y*margin + margin - 1 - x) * 3
			}
			dst := (y*margin + x) * 3
			for c := range 3 {
				r.back[dst+c] = int16(clamp(int(tex[src+c])*amp>>8+base[c]+grad+joint, 60, 200))
			}
		}
	}
}

// Render draws s into dst, ClipBytes long.
func (r *Renderer) Render(s *Scene, dst []byte) {
	g := s.look // a copy: drawing twice gives the same picture
	r.background(&g, s.bank)
	d := newDoorPaint(&g)
	var actors [4]actor
	order := actors[:0]
	for i := range s.Objects {
		a := r.actor(&g, &s.Objects[i])
		order = append(order, a)
		for j := len(order) - 1; j > 0 && order[j].depth < order[j-1].depth; j-- {
			order[j], order[j-1] = order[j-1], order[j]
		}
	}
	shaky := g.chance(60)
	gain := [3]int{0, 0, 0}
	light := g.between(225, 276)
	if s.Night {
		light = g.between(108, 148)
	}
	for c := range 3 {
		gain[c] = light
	}
	if s.Night { // a cold light
		gain[0], gain[2] = light*94/100, light*106/100
	}
	sigma := g.between(16, 56) // in 1/256 of the noise table's unit, which is 1/32: 2..7 levels
	var frame [FrameBytes]int16
	for t := range Frames {
		jx, jy := 0, 0
		if shaky {
			jx, jy = g.between(-1, 1), g.between(-1, 1)
		}
		for y := range Size {
			src := ((y+pad+jy)*margin + pad + jx) * 3
			copy(frame[y*Size*3:(y+1)*Size*3], r.back[src:src+Size*3])
		}
		f := canvas{&frame, jx, jy}
		if s.Door != NoDoor {
			d.draw(f, s, s.opened[t])
		}
		for i := range order {
			order[i].draw(f, t)
		}
		out := dst[t*FrameBytes : (t+1)*FrameBytes]
		noise := r.noise[g.intn(noiseLen-FrameBytes):][:FrameBytes]
		expose(out, frame[:], noise, gain, sigma)
	}
}

// expose applies light and sensor noise.
func expose(out []byte, frame []int16, noise []int8, gain [3]int, sigma int) {
	g := [3]int32{int32(gain[0]), int32(gain[1]), int32(gain[2])}
	sg := int32(sigma)
	frame, noise = frame[:len(out)], noise[:len(out)]
	for i := 0; i+2 < len(out); i += 3 {
		for c := range 3 {
			v := (int32(frame[i+c])*g[c] + int32(noise[i+c])*sg + 128) >> 8
			out[i+c] = uint8(max(0, min(v, 255)))
		}
	}
}
