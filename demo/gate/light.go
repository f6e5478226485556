package gate

// lighting says how the camera sees each pixel: value*gain/256 + add, for the
// three channels.
type lighting struct {
	gain, add [FrameBytes]int16
}

// ambient is the light of the times of day: the range of its strength, of 256,
// and the strength of each channel in percent.
var ambient = [3]struct {
	lo, hi int
	tint   [3]int
}{
	{228, 268, [3]int{100, 100, 100}},
	{160, 190, [3]int{109, 97, 94}},
	{112, 142, [3]int{92, 100, 112}},
}

// fogColours are what far things fade to.
var fogColours = [3][3]int{{186, 190, 194}, {156, 140, 136}, {74, 80, 92}}

// lightUp fills r.light for one scene.
func (r *Renderer) lightUp(g *rng, s *Scene) {
	a := &ambient[s.Light]
	strength := g.between(a.lo, a.hi)
	if s.Weather == Rain {
		strength = strength * 90 / 100
	}
	lampX, lampY := g.between(10, Size-10), g.between(20, 70) // a lamp throws a pool of warm light
	lamp := 0
	if s.Light == Night {
		lamp = g.between(30, 80)
	} else if s.Light == Dusk {
		lamp = g.between(0, 40)
	}
	fog, fogTop := 0, 0
	if s.Weather == Fog {
		fog, fogTop = g.between(58, 80), g.between(20, 38) // of 256, near and, in addition, far
		if s.Light == Night {
			fog = fog * 70 / 100
		}
	}
	for y := range Size {
		f := 0
		if fog > 0 {
			f = fog + fogTop*clamp(Size-y-20, 0, Size)/Size
		}
		for x := range Size {
			dx, dy := x-Size/2, y-Size/2
			v := strength * (2600 - (dx*dx+dy*dy)/12) / 2600 // darker to the corners
			px, py := x-lampX, (y-lampY)*5/4
			pool := lamp * 900 / (900 + px*px + py*py)
			i := (y*Size + x) * 3
			for c := range 3 {
				gain := v*a.tint[c]/100 + pool*[3]int{115, 100, 70}[c]/100
				r.light.gain[i+c] = int16(gain * (256 - f) >> 8)
				r.light.add[i+c] = int16(fogColours[s.Light][c] * f)
			}
		}
	}
}

// rain draws streaks over an exposed frame.
func (r *Renderer) rain(g *rng, out []byte, slant, drops, bright int) {
	for range drops {
		x, y, n := g.between(-4, Size+3), g.between(-6, Size-1), g.between(5, 10)
		for k := range n {
			px, py := x+slant*k/8, y+k
			if px < 0 || px >= Size || py < 0 || py >= Size {
				continue
			}
			i := (py*Size + px) * 3
			for c := range 3 {
				out[i+c] = uint8(min(int(out[i+c])+bright, 255))
			}
		}
	}
}

// expose applies light and sensor noise.
func (r *Renderer) expose(out []byte, frame []int16, noise []int8, sigma int32) {
	gain, add := r.light.gain[:len(out)], r.light.add[:len(out)]
	frame, noise = frame[:len(out)], noise[:len(out)]
	for i := range out {
		v := (int32(frame[i])*int32(gain[i]) + int32(add[i]) + int32(noise[i])*sigma + 128) >> 8
		out[i] = uint8(max(0, min(v, 255)))
	}
}
