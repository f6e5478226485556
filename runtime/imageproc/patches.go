package imageproc

import "fmt"

// Patches is what the vision tower takes.
type Patches struct {
	// Data is [t*h*w, 3*TemporalPatchSize*PatchSize*PatchSize], row-major. The
	// rows run over t, then over merge groups (row, column), then inside a group
	// (row, column), so that a MergeSize x MergeSize group is contiguous. A row
	// is [channel, temporal slice, y, x].
	Data []float32
	// Grid is t, h, w in patches, before merging.
	Grid [3]int
}

// Image prepares a still. Its frame stands in every temporal slice.
func (c Config) Image(img RGB) (Patches, error) {
	return c.patches([]RGB{img}, c.ImageMinPixels, c.ImageMaxPixels)
}

// Video prepares the frames of one clip, in order of time and all of one size.
// The last frame is repeated until TemporalPatchSize divides their number.
func (c Config) Video(frames []RGB) (Patches, error) {
	return c.patches(frames, c.VideoMinPixels, c.VideoMaxPixels)
}

func (c Config) patches(frames []RGB, minPixels, maxPixels int) (Patches, error) {
	if err := c.check(); err != nil {
		return Patches{}, err
	}
	if len(frames) == 0 {
		return Patches{}, fmt.Errorf("imageproc: a video needs at least one frame")
	}
	for i, f := range frames {
		if err := f.check(); err != nil {
			return Patches{}, err
		}
		if f.W != frames[0].W || f.H != frames[0].H {
			return Patches{}, fmt.Errorf("imageproc: frame %d is %dx%d but the first is %dx%d; a video's frames must have one size",
				i, f.W, f.H, frames[0].W, frames[0].H)
		}
	}
	h, w, err := SmartResize(frames[0].H, frames[0].W, c.PatchSize*c.MergeSize, minPixels, maxPixels)
	if err != nil {
		return Patches{}, err
	}
	ts := c.TemporalPatchSize
	p := Patches{Grid: [3]int{(len(frames) + ts - 1) / ts, h / c.PatchSize, w / c.PatchSize}}
	slice := c.PatchSize * c.PatchSize
	p.Data = make([]float32, p.Grid[0]*p.Grid[1]*p.Grid[2]*3*ts*slice)
	lut := c.normalised()
	var last RGB
	for i := range p.Grid[0] * ts {
		if i < len(frames) {
			last = Resize(frames[i], w, h)
		}
		c.cut(p, last, i, &lut)
	}
	return p, nil
}

// cut writes one resized frame into its temporal slice of the patches.
func (c Config) cut(p Patches, img RGB, frame int, lut *[3][256]float32) {
	ps, ms := c.PatchSize, c.MergeSize
	slice := ps * ps
	chanStride := c.TemporalPatchSize * slice
	rowLen := 3 * chanStride
	gh, gw := p.Grid[1], p.Grid[2]
	base := frame/c.TemporalPatchSize*gh*gw*rowLen + frame%c.TemporalPatchSize*slice
	for gy := range gh {
		for gx := range gw {
			group := (gy/ms)*(gw/ms) + gx/ms
			row := group*ms*ms + (gy%ms)*ms + gx%ms
			dst := p.Data[base+row*rowLen:]
			for y := range ps {
				src := img.Pix[3*((gy*ps+y)*img.W+gx*ps):][:3*ps]
				r := dst[y*ps:][:ps]
				g := dst[chanStride+y*ps:][:ps]
				b := dst[2*chanStride+y*ps:][:ps]
				for x := range r {
					px := src[3*x:][:3]
					r[x], g[x], b[x] = lut[0][px[0]], lut[1][px[1]], lut[2][px[2]]
				}
			}
		}
	}
}

// normalised tabulates (v/255 - mean) / std the way torchvision fuses it:
// (v - 255*mean) / (255*std), in float32.
func (c Config) normalised() (t [3][256]float32) {
	for ch := range t {
		mean, std := float32(c.Mean[ch]*255), float32(c.Std[ch]*255) // converted: arm64 may else fuse
		for v := range t[ch] {
			t[ch][v] = (float32(v) - mean) / std
		}
	}
	return t
}
