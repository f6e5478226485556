package gate

const (
	pad    = 4 // background around the frame, for camera jitter
	margin = Size + 2*pad

	trainTextures = 192 // backgrounds seen in training
	testTextures  = 64  // and never seen there
)

// texture is a smooth random field, the sum of four octaves.
type texture [margin * margin * 3]int8

func (r *Renderer) texture(bank uint64, i int) *texture {
	if t, ok := r.textures[i]; ok {
		return t
	}
	g := newRNG(0x67617465, bank, uint64(i))
	var sum [margin * margin * 3]int
	for _, o := range []struct{ cells, amp int }{{3, 22}, {7, 13}, {15, 8}, {40, 5}} {
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

// hash is a number from 0 to 255 that looks random.
func hash(x, y, salt int) int {
	h := uint32(x)*0x9e3779b1 ^ uint32(y)*0x85ebca6b ^ uint32(salt)*0xc2b2ae35
	h ^= h >> 15
	h *= 0x2c1b3c6d
	h ^= h >> 12
	h *= 0x297a2d39
	return int(h >> 24)
}
