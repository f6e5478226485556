package stream

import (
	"fmt"
	"time"

	"github.com/edgevlm/edgevlm/runtime/imageproc"
)

// Frame is one picture of a camera.
type Frame struct {
	Seq uint64
	At  time.Time // when it was taken, by the camera's clock
	RGB imageproc.RGB
	// Decode, if set, makes the picture when a model takes it: of what is skipped nobody needs it. RGB then has its size
	// only.
	Decode func() (imageproc.RGB, error)
	Origin any // the caller's own
}

// Pair is two frames that follow each other: one temporal patch of the model.
type Pair struct {
	Frames [2]Frame
	// At is when the first frame was taken, by a clock that never goes back; Window knows no other.
	At time.Time
	// Restart, if not "", says why what came before this pair is not its past: a new window begins.
	Restart string
}

// Decode makes the pictures that are still to be made, and says which could not be. Where that is one of the two, the other
// one stands for both, as it does at a stream's end; where it is both, the pair can't be used, and the error is ErrPair.
func (p *Pair) Decode() (damaged []error, err error) {
	bad := [2]bool{}
	for i := range p.Frames {
		f := &p.Frames[i]
		if f.Decode == nil {
			continue
		}
		if i == 1 && f.Seq == p.Frames[0].Seq { // the last one, paired with itself
			*f, bad[1] = p.Frames[0], bad[0]
			continue
		}
		rgb, err := f.Decode()
		f.Decode = nil
		if err != nil {
			bad[i] = true
			damaged = append(damaged, fmt.Errorf("frame %d: %w", f.Seq, err))
			continue
		}
		f.RGB = rgb
	}
	switch bad {
	case [2]bool{true, true}:
		return damaged, fmt.Errorf("%w: no picture of frames %d and %d can be decoded", ErrPair, p.Frames[0].Seq, p.Frames[1].Seq)
	case [2]bool{true, false}:
		p.Frames[0] = p.Frames[1]
	case [2]bool{false, true}:
		p.Frames[1] = p.Frames[0]
	}
	return damaged, nil
}

// Pairs groups a camera's frames two by two. The frame that has no partner within two frame periods is left out: a pair
// never spans a hole. Frames of no size and frames that come twice are left out too. A clock that is set back by less than a
// window goes on from where it was; one that is set back by more, like a change of the pictures' size, begins a new
// window.
type Pairs struct {
	period time.Duration // of frames
	length time.Duration // of the window

	first   *Frame
	at      time.Time // of first
	last    time.Time // of the newest frame, corrected
	seen    time.Time // of the newest frame, as it came
	offset  time.Duration
	size    [2]int
	restart string
	left    uint64
}

// NewPairs is for frames that come fps times a second and a window of that length; zeros are Config's defaults.
func NewPairs(fps float64, length time.Duration) (*Pairs, error) {
	c := Config{FPS: fps, Length: length}
	if err := c.defaults(); err != nil {
		return nil, err
	}
	return &Pairs{period: framePeriod(c.FPS), length: c.Length}, nil
}

// Left counts the frames that went into no pair.
func (p *Pairs) Left() uint64 { return p.left }

// Pending says whether a frame waits for its partner.
func (p *Pairs) Pending() bool { return p.first != nil }

// Add takes the next frame. ok says that it completed a pair. note, if not "", is a line for the log: what was wrong with
// the frame or its clock, and what was done about it.
func (p *Pairs) Add(f Frame) (pair Pair, ok bool, note string) {
	if w, h := f.RGB.W, f.RGB.H; w < 1 || h < 1 || f.Decode == nil && len(f.RGB.Pix) != 3*w*h {
		p.left++
		return Pair{}, false, fmt.Sprintf("frame %d has no picture (%dx%d, %d bytes): left out", f.Seq, w, h, len(f.RGB.Pix))
	}
	switch back := p.seen.Sub(f.At); {
	case p.last.IsZero():
	case back == 0:
		p.left++
		return Pair{}, false, fmt.Sprintf("frame %d has the time of the frame before: left out", f.Seq)
	case back > p.length:
		note = fmt.Sprintf("the clock was set back by %v: a new window begins", back.Round(time.Millisecond))
		p.again(note)
	case back > 0:
		note = fmt.Sprintf("the clock was set back by %v: time goes on from the frame before", back.Round(time.Millisecond))
		p.offset = p.last.Add(p.period).Sub(f.At)
	}
	if size := [2]int{f.RGB.W, f.RGB.H}; size != p.size {
		if p.size != [2]int{} {
			note = fmt.Sprintf("pictures are %dx%d now, not %dx%d: a new window begins", size[0], size[1], p.size[0], p.size[1])
			p.again(note)
		}
		p.size = size
	}
	at := f.At.Add(p.offset)
	gap := at.Sub(p.last)
	p.last, p.seen = at, f.At
	if p.first != nil && gap > 2*p.period {
		p.left++
		p.first = nil
		if note == "" {
			note = fmt.Sprintf("%v without a frame: the one before it has no partner and is left out", gap.Round(time.Millisecond))
		}
	}
	if p.first == nil {
		p.first, p.at = &f, at
		return Pair{}, false, note
	}
	pair = Pair{Frames: [2]Frame{*p.first, f}, At: p.at, Restart: p.restart}
	p.first, p.restart = nil, ""
	return pair, true, note
}

// Flush ends the stream: a frame without a partner is paired with itself, as the model's own preprocessing does with an odd
// number of frames.
func (p *Pairs) Flush() (Pair, bool) {
	if p.first == nil {
		return Pair{}, false
	}
	pair := Pair{Frames: [2]Frame{*p.first, *p.first}, At: p.at, Restart: p.restart}
	p.first, p.restart = nil, ""
	return pair, true
}

func (p *Pairs) again(why string) {
	if p.first != nil {
		p.left++
		p.first = nil
	}
	p.restart, p.offset, p.last = why, 0, time.Time{}
}
