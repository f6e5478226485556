package capture

import (
	"errors"
	"fmt"
	"image"
	"slices"
	"time"

	"github.com/edgevlm/edgevlm/capture/internal/mjpeg"
)

// MotionConfig says when a MotionGate opens. The zero value of each field is its default.
type MotionConfig struct {
	// Area is the share of the picture that has to change, 0 to 1; 0 is 0.005 (a person some 20 metres away).
	Area float64
	// Contrast is how much a part of the picture has to change, in steps of brightness from 0 to 255; 0 is 12. Noise that the gate
	// has seen in that part comes on top.
	Contrast float64
	// Hold keeps the gate open after the last motion; 0 is 5 s.
	Hold time.Duration
	// Before is how many frames from before the motion come with it; 0 is 2, negative is none, 64 the most.
	Before int
	// BeforeBytes bounds the memory of those; 0 is 32 MiB.
	BeforeBytes int
}

// MotionGate lets frames through while something moves. It compares brightness on a grid of 80x60 cells with a background that
// follows slow changes (a cloud, the sun). Frames from just before the motion are kept and come first. One goroutine uses it at a
// time.
type MotionGate struct {
	cfg  MotionConfig
	ring []Frame
	size int // bytes in ring

	cells   []float32 // this frame, [gridH*gridW]
	back    []float32 // background
	noise   []float32 // mean absolute difference of cells that did not move
	scratch []float32
	decoder mjpeg.Decoder
	luma    mjpeg.Luma
	hide    *View // masks of what is not to be looked at; nil: none
	begun   bool
	last    time.Time

	open  bool
	until time.Time
	force bool
}

const (
	gridW, gridH = 80, 60
	// How fast the background follows, as time constants: what moved may stay for good (a parked car), so it follows there too.
	followStill = 5 * time.Second
	followMoved = 30 * time.Second
	// A change of more than this share is the light or the camera itself: the background starts over.
	wholeScene = 0.7
	noiseLimit = 3 // times the noise that counts as motion
)

// NewMotionGate makes a gate that is shut.
func NewMotionGate(c MotionConfig) *MotionGate {
	if c.Area <= 0 {
		c.Area = 0.005
	}
	if c.Contrast <= 0 {
		c.Contrast = 12
	}
	if c.Hold <= 0 {
		c.Hold = 5 * time.Second
	}
	if c.Before == 0 {
		c.Before = 2
	}
	c.Before = min(max(c.Before, 0), 64)
	if c.BeforeBytes <= 0 {
		c.BeforeBytes = 32 << 20
	}
	n := gridW * gridH
	return &MotionGate{
		cfg: c, cells: make([]float32, n), back: make([]float32, n), noise: make([]float32, n), scratch: make([]float32, n),
	}
}

// Open says whether frames pass.
func (g *MotionGate) Open() bool { return g.open }

// Trigger opens the gate with the next frame, whatever that shows: for a motion sensor, or a person who asks.
func (g *MotionGate) Trigger() { g.force = true }

// Add takes the next frame and returns those that pass, oldest first: none while nothing moves, the frames from before and this
// one when motion begins, then each frame until Hold is over. Moved is the share of the picture that changed, 0 to 1. A damaged
// frame is ErrBadFrame and passes never.
func (g *MotionGate) Add(f Frame) (pass []Frame, moved float64, err error) { return g.add(f, nil) }

// add is Add for a frame that was decoded already, with its means in l; nil, or without a size: it is looked at here.
func (g *MotionGate) add(f Frame, l *mjpeg.Luma) (pass []Frame, moved float64, err error) {
	if err := g.lumaGrid(f, l, g.cells); err != nil {
		return nil, 0, err
	}
	moved = g.compare(f.At)
	if moved >= g.cfg.Area || g.force {
		g.open, g.force = true, false
		g.until = f.At.Add(g.cfg.Hold)
	} else if g.open && f.At.After(g.until) {
		g.open = false
	}
	if !g.open {
		g.keep(f)
		return nil, moved, nil
	}
	pass = append(g.ring, f)
	g.ring, g.size = nil, 0
	return pass, moved, nil
}

// keep puts a frame into the ring and drops what is too much.
func (g *MotionGate) keep(f Frame) {
	if g.cfg.Before == 0 || len(f.Data) > g.cfg.BeforeBytes {
		return
	}
	g.ring = append(g.ring, f)
	g.size += len(f.Data)
	for len(g.ring) > g.cfg.Before || g.size > g.cfg.BeforeBytes {
		g.size -= len(g.ring[0].Data)
		g.ring = slices.Delete(g.ring, 0, 1) // clears the slot, so that the picture is freed
	}
}

// compare returns the share of cells that differ from the background, and lets the background follow.
func (g *MotionGate) compare(at time.Time) float64 {
	if !g.begun {
		g.begun, g.last = true, at
		copy(g.back, g.cells)
		return 0
	}
	// All cells brighter or darker by as much is the light, or the camera's exposure.
	for i, c := range g.cells {
		g.scratch[i] = c - g.back[i]
	}
	light := median(g.scratch)

	dt := max(at.Sub(g.last), 0)
	g.last = at
	still, stay := follow(dt, followStill), follow(dt, followMoved)
	moved := 0
	for i, c := range g.cells {
		diff := c - g.back[i]
		change := abs32(diff - light)
		if change > float32(g.cfg.Contrast)+noiseLimit*g.noise[i] {
			moved++
			g.back[i] += diff * stay
			continue
		}
		g.back[i] += diff * still
		g.noise[i] += (change - g.noise[i]) * 0.1
	}
	share := float64(moved) / float64(len(g.cells))
	if share > wholeScene {
		copy(g.back, g.cells)
	}
	return share
}

// median is the value in the middle, by Hoare's selection: v is put into another order.
func median(v []float32) float32 {
	mid := len(v) / 2
	for lo, hi := 0, len(v)-1; lo < hi; {
		pivot := v[(lo+hi)/2]
		i, j := lo, hi
		for i <= j {
			for v[i] < pivot {
				i++
			}
			for v[j] > pivot {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i++
				j--
			}
		}
		switch {
		case mid <= j:
			hi = j
		case mid >= i:
			lo = i
		default:
			return v[mid]
		}
	}
	return v[mid]
}

// follow is the share of a difference that goes away in dt.
func follow(dt, constant time.Duration) float32 {
	return float32(min(float64(dt)/float64(constant), 1))
}

func abs32(v float32) float32 {
	if v < 0 {
		return -v
	}
	return v
}

// lumaGrid fills cells with the mean brightness of each part of the picture. For l see add.
func (g *MotionGate) lumaGrid(f Frame, l *mjpeg.Luma, cells []float32) error {
	if g.hide != nil && f.Format != JPEG {
		var err error
		if f, err = g.hide.Apply(f); err != nil {
			return err
		}
	}
	switch f.Format {
	case JPEG:
		// A camera's JPEG has the mean of each 8x8 block in it, and that is all that the grid needs.
		head, err := jpegHeader(f.Data)
		if err != nil {
			return err
		}
		if l == nil || l.W == 0 {
			l = &g.luma
			err = g.decoder.Luma(f.Data, head, l)
		}
		if err == nil {
			if g.hide != nil {
				g.hide.hideBlocks(l, head)
			}
			grid(cells, l.W, l.H, func(x, y int) int { return int(l.Mean[y*l.W+x]) })
			return nil
		}
		if !errors.Is(err, mjpeg.ErrOther) {
			return fmt.Errorf("capture: %w: %w", ErrBadFrame, err)
		}
		if g.hide != nil {
			if f, err = g.hide.Apply(f); err != nil {
				return err
			}
			break
		}
		img, err := decodeJPEG(f.Data)
		if err != nil {
			return err
		}
		switch m := img.(type) {
		case *image.YCbCr:
			w, h := m.Rect.Dx(), m.Rect.Dy()
			grid(cells, w, h, func(x, y int) int { return int(m.Y[y*m.YStride+x]) })
			return nil
		case *image.Gray:
			grid(cells, m.Rect.Dx(), m.Rect.Dy(), func(x, y int) int { return int(m.Pix[y*m.Stride+x]) })
			return nil
		}
		pix, w, h := rgbFromImage(img)
		f = Frame{Format: RGB24, Width: w, Height: h, Data: pix}
	case YUYV:
		stride := yuyvStride(f.Width)
		if err := f.checkSize(stride); err != nil {
			return err
		}
		grid(cells, f.Width, f.Height, func(x, y int) int { return int(f.Data[y*stride+2*x]) })
		return nil
	}
	pix, w, h, err := f.RGB()
	if err != nil {
		return err
	}
	grid(cells, w, h, func(x, y int) int {
		p := pix[3*(y*w+x):]
		return (77*int(p[0]) + 150*int(p[1]) + 29*int(p[2])) >> 8 // BT.601 luma
	})
	return nil
}

// grid averages each cell over about 4x4 of its pixels: enough for a mean, and the cost doesn't grow with the picture.
func grid(cells []float32, w, h int, luma func(x, y int) int) {
	for gy := range gridH {
		y0, y1 := gy*h/gridH, max((gy+1)*h/gridH, gy*h/gridH+1)
		sy := (y1 - y0 + 3) / 4
		for gx := range gridW {
			x0, x1 := gx*w/gridW, max((gx+1)*w/gridW, gx*w/gridW+1)
			sx := (x1 - x0 + 3) / 4
			sum, n := 0, 0
			for y := y0; y < y1; y += sy {
				for x := x0; x < x1; x += sx {
					sum += luma(x, y)
					n++
				}
			}
			cells[gy*gridW+gx] = float32(sum) / float32(n)
		}
	}
}
