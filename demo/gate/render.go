package gate

// Renderer makes the scenes of one split and seed and draws them. It keeps
// scratch memory: one goroutine each.
type Renderer struct {
	Steady bool // the camera never trembles; scenes are otherwise the same

	split    Split
	seed     uint64
	bank     uint64 // which backgrounds
	noise    []int8
	textures map[int]*texture
	sprites  *spriteSet
	back     [margin * margin * 3]int16
	glow     [margin * margin]bool
	light    lighting
	frame    [FrameBytes]int16
}

const noiseLen = 1 << 19

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

// Render draws s into dst, s.Bytes() long: RGB, frame after frame, row-major.
func (r *Renderer) Render(s *Scene, dst []byte) {
	g := s.look // a copy: drawing twice gives the same picture
	r.paintBackdrop(&g, s)
	r.lightUp(&g, s)
	d := newDoorPaint(&g, s)
	actors := make([]actor, len(s.Objects))
	for i := range s.Objects {
		actors[i] = r.actor(&g, s, &s.Objects[i])
	}
	sigma := int32(g.between(16, 48)) // in 1/256 of the noise table's unit, which is 1/32: 2..6 levels
	slant, drops, bright := g.between(-5, 5), g.between(60, 110), [3]int{34, 28, 22}[s.Light]+g.between(0, 10)
	order := make([]*actor, 0, len(actors))
	for t := range s.Frames {
		out := dst[t*FrameBytes : (t+1)*FrameBytes]
		if s.still && t > 0 {
			copy(out, dst[:FrameBytes])
			continue
		}
		f := canvas{&r.frame, s.shake[t][0], s.shake[t][1]}
		r.background(f)
		if s.Door != NoDoor {
			d.draw(f, s, s.opened[t])
		}
		order = order[:0]
		for i := range actors { // far ones first
			order = append(order, &actors[i])
			for j := i; j > 0 && order[j].obj.path[t].by < order[j-1].obj.path[t].by; j-- {
				order[j], order[j-1] = order[j-1], order[j]
			}
		}
		for _, a := range order {
			a.shadow(f, t)
		}
		for _, a := range order {
			if !a.obj.path[t].carried {
				a.draw(f, s, t)
			}
			if a.obj.path[t].carries { // what is carried is in front
				for j := range actors {
					if actors[j].obj.path[t].carried {
						actors[j].draw(f, s, t)
					}
				}
			}
		}
		r.expose(out, r.frame[:], r.noise[g.intn(noiseLen-FrameBytes):], sigma)
		if s.Weather == Rain {
			r.rain(&g, out, slant, drops, bright)
		}
	}
}

// background copies the part of the backdrop that the camera sees. What glows
// is made so bright that the light makes it what it was.
func (r *Renderer) background(f canvas) {
	for y := range Size {
		src := (y+pad+f.jy)*margin + pad + f.jx
		row := f.pix[y*Size*3 : (y+1)*Size*3]
		copy(row, r.back[src*3:])
		for x, glows := range r.glow[src : src+Size] {
			if glows {
				f.glow(x, y, &r.light)
			}
		}
	}
}

// glow makes a pixel that is already drawn shine by itself.
func (f canvas) glow(x, y int, l *lighting) {
	i := (y*Size + x) * 3
	for c := range 3 {
		f.pix[i+c] = int16(clamp((int(f.pix[i+c])*256-int(l.add[i+c]))/max(1, int(l.gain[i+c])), 0, 1<<14))
	}
}
