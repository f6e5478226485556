package capture

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/edgevlm/edgevlm/capture/internal/mjpeg"
)

// Point is a place in the picture as the camera delivers it: 0,0 is the top left corner, 1,1 the bottom right one.
type Point struct{ X, Y float64 }

// Mask is a polygon that is blacked out: its inside by the even-odd rule, with every pixel that its edge touches. In a frame
// that comes as JPEG or YUYV it grows to the blocks that are coded together (16x16 pixels as a rule), since the pixels of a
// block are mixed with each other.
type Mask []Point

// Rect is a part of the picture, in the same coordinates as Point. The zero value is all of it.
type Rect struct{ X, Y, W, H float64 }

// View is what of a camera's picture anything else may see. It applies masks first, then the crop, then the rotation. The zero
// value passes frames through. It keeps what it works out for a frame size, so one goroutine uses it at a time.
type View struct {
	Masks  []Mask
	Crop   Rect
	Rotate int // degrees clockwise: 0, 90, 180 or 270

	cover     []bool   // masked pixels, [h][w]
	spans     [][2]int // where they begin and end, counted row by row
	coverSize [4]int   // w, h and block size that cover is for
}

// Check says what is wrong with a view, in one line.
func (v *View) Check() error {
	for i, m := range v.Masks {
		if len(m) < 3 {
			return fmt.Errorf("capture: mask %d has %d points; a polygon has 3 or more", i+1, len(m))
		}
		for _, p := range m {
			if !(p.X >= 0 && p.X <= 1 && p.Y >= 0 && p.Y <= 1) {
				return fmt.Errorf("capture: mask %d: point %v,%v is outside the picture; coordinates go from 0 to 1", i+1, p.X, p.Y)
			}
		}
	}
	if c := v.Crop; c != (Rect{}) && !(c.X >= 0 && c.Y >= 0 && c.W > 0 && c.H > 0 && c.X+c.W <= 1+1e-9 && c.Y+c.H <= 1+1e-9) {
		return fmt.Errorf("capture: crop %v,%v %vx%v is outside the picture; x, y, w, h go from 0 to 1", c.X, c.Y, c.W, c.H)
	}
	switch v.Rotate {
	case 0, 90, 180, 270:
		return nil
	}
	return fmt.Errorf("capture: rotate %d; use 0, 90, 180 or 270", v.Rotate)
}

// Apply returns the frame as the view shows it: RGB24 in memory of its own, or f itself where the view changes nothing. On an
// error there is no frame, so that nothing masked can get past it. A damaged frame is ErrBadFrame.
func (v *View) Apply(f Frame) (Frame, error) { return v.apply(f, nil) }

// changes says whether the view shows anything else than the frame as it is.
func (v *View) changes() bool { return len(v.Masks) > 0 || v.Crop != (Rect{}) || v.Rotate != 0 }

// apply is Apply; for l see Frame.rgb. Nothing is hidden in it.
func (v *View) apply(f Frame, l *mjpeg.Luma) (Frame, error) {
	if err := v.Check(); err != nil {
		return Frame{}, err
	}
	if !v.changes() {
		return f, nil
	}
	bw, bh := blockOf(f)
	pix, w, h, err := f.rgb(l)
	if err != nil {
		return Frame{}, err
	}
	if f.Format == RGB24 {
		pix = append([]byte(nil), pix...)
	}
	if len(v.Masks) > 0 {
		v.blackOut(pix, w, h, bw, bh)
	}
	if v.Crop != (Rect{}) {
		if pix, w, h, err = crop(pix, w, h, v.Crop); err != nil {
			return Frame{}, err
		}
	}
	pix, w, h = rotate(pix, w, h, v.Rotate)
	f.Format, f.Data, f.Width, f.Height = RGB24, pix, w, h
	return f, nil
}

// blockOf is the size of the blocks in which a format mixes pixels.
func blockOf(f Frame) (w, h int) {
	switch f.Format {
	case JPEG:
		head, err := mjpeg.ParseHeader(f.Data)
		if err != nil {
			return 32, 32 // RGB will say what is wrong
		}
		return head.BlockW, head.BlockH
	case YUYV:
		return 2, 1
	}
	return 1, 1
}

// hideBlocks makes the blocks under masks black. A mask has grown to what is coded together, so each block of 8x8 pixels lies
// under it wholly or not at all.
func (v *View) hideBlocks(l *mjpeg.Luma, head mjpeg.Header) {
	v.coverFor(head.Width, head.Height, head.BlockW, head.BlockH)
	for i := range l.Mean {
		if v.cover[i/l.W*8*head.Width+i%l.W*8] {
			l.Mean[i] = 0
		}
	}
}

// coverFor works cover and spans out for a size of picture and of blocks, if they are not.
func (v *View) coverFor(w, h, bw, bh int) {
	size := [4]int{w, h, bw, bh}
	if v.cover != nil && v.coverSize == size {
		return
	}
	v.cover, v.coverSize, v.spans = coverOf(v.Masks, w, h, bw, bh), size, nil
	for i := 0; i < len(v.cover); i++ {
		if !v.cover[i] {
			continue
		}
		from := i
		for i < len(v.cover) && v.cover[i] {
			i++
		}
		v.spans = append(v.spans, [2]int{from, i})
	}
}

func (v *View) blackOut(pix []byte, w, h, bw, bh int) {
	v.coverFor(w, h, bw, bh)
	for _, s := range v.spans {
		clear(pix[3*s[0] : 3*s[1]])
	}
}

// coverOf marks the pixels under polygons, grown to blocks.
func coverOf(masks []Mask, w, h, bw, bh int) []bool {
	cover := make([]bool, w*h)
	for _, m := range masks {
		fill(cover, m, w, h)
	}
	if bw == 1 && bh == 1 {
		return cover
	}
	for by := 0; by < h; by += bh {
		for bx := 0; bx < w; bx += bw {
			x1, y1 := min(bx+bw, w), min(by+bh, h)
			if anySet(cover, w, bx, by, x1, y1) {
				for y := by; y < y1; y++ {
					for x := bx; x < x1; x++ {
						cover[y*w+x] = true
					}
				}
			}
		}
	}
	return cover
}

func anySet(cover []bool, w, x0, y0, x1, y1 int) bool {
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			if cover[y*w+x] {
				return true
			}
		}
	}
	return false
}

// fill marks a polygon: the inside at pixel centres, and every pixel that an edge passes through.
func fill(cover []bool, m Mask, w, h int) {
	fw, fh := float64(w), float64(h)
	var cross []float64 // where edges cross the row's middle, in pixels
	for y := range h {
		cy := (float64(y) + 0.5) / fh
		cross = cross[:0]
		for i, a := range m {
			b := m[(i+1)%len(m)]
			if (a.Y > cy) != (b.Y > cy) {
				cross = append(cross, (a.X+(cy-a.Y)/(b.Y-a.Y)*(b.X-a.X))*fw)
			}
		}
		slices.Sort(cross)
		for i := 0; i+1 < len(cross); i += 2 {
			for x := max(int(math.Ceil(cross[i]-0.5)), 0); x < w && float64(x)+0.5 <= cross[i+1]; x++ {
				cover[y*w+x] = true
			}
		}
	}
	for i, a := range m {
		b := m[(i+1)%len(m)]
		markEdge(cover, a.X*fw, a.Y*fh, b.X*fw, b.Y*fh, w, h)
	}
}

// markEdge walks the rows that a line crosses and marks the columns it spans there, one more on each side for rounding.
func markEdge(cover []bool, x0, y0, x1, y1 float64, w, h int) {
	if y0 > y1 {
		x0, y0, x1, y1 = x1, y1, x0, y0
	}
	at := func(y float64) float64 {
		if y1 == y0 {
			return x0
		}
		return x0 + (min(max(y, y0), y1)-y0)/(y1-y0)*(x1-x0)
	}
	first, last := max(int(math.Floor(y0)), 0), min(int(math.Floor(y1)), h-1)
	for y := first; y <= last; y++ {
		a, b := at(float64(y)), at(float64(y+1))
		if y1 == y0 {
			a, b = x0, x1
		}
		if a > b {
			a, b = b, a
		}
		for x := max(int(math.Floor(a))-1, 0); x <= min(int(math.Floor(b))+1, w-1); x++ {
			cover[y*w+x] = true
		}
	}
}

func crop(pix []byte, w, h int, r Rect) ([]byte, int, int, error) {
	x0, y0 := int(math.Round(r.X*float64(w))), int(math.Round(r.Y*float64(h)))
	x1, y1 := min(int(math.Round((r.X+r.W)*float64(w))), w), min(int(math.Round((r.Y+r.H)*float64(h))), h)
	if x1 <= x0 || y1 <= y0 {
		return nil, 0, 0, errors.New("capture: the crop leaves no pixel; make it larger")
	}
	cw, ch := x1-x0, y1-y0
	out := make([]byte, 0, 3*cw*ch)
	for y := y0; y < y1; y++ {
		out = append(out, pix[3*(y*w+x0):3*(y*w+x1)]...)
	}
	return out, cw, ch, nil
}

// rotate turns the picture clockwise.
func rotate(pix []byte, w, h, degrees int) ([]byte, int, int) {
	// A row of the result begins at from[0] + row*from[1] in pix, and its next pixel is from[2] further.
	ow, oh := h, w
	var from [3]int
	switch degrees {
	case 90:
		from = [3]int{(h - 1) * w, 1, -w}
	case 180:
		ow, oh = w, h
		from = [3]int{w*h - 1, -w, -1}
	case 270:
		from = [3]int{w - 1, -1, w}
	default:
		return pix, w, h
	}
	out := make([]byte, len(pix))
	for y := range oh {
		p := 3 * (from[0] + y*from[1])
		row := out[3*ow*y:][:3*ow]
		for x := 0; x < len(row); x += 3 {
			in, o := pix[p:][:3:3], row[x:][:3:3]
			o[0], o[1], o[2] = in[0], in[1], in[2]
			p += 3 * from[2]
		}
	}
	return out, ow, oh
}
