package capture

import "time"

// Pair is two frames that follow each other in time: a temporal patch of the model.
type Pair [2]Frame

// Pairer groups frames two by two: first and second, third and fourth. The zero value is ready.
//
// A frame that is not later than the one before it is left out. If the second frame of a pair is missing, that is, the next
// one comes more than MaxGap after the first, then the first is left out and the next one begins a new pair: a pair never
// spans a hole. Left counts both kinds.
type Pairer struct {
	MaxGap time.Duration // 0 is no limit

	first *Frame
	last  time.Time
	left  uint64
}

// Add takes the next frame and returns a pair when it completes one.
func (p *Pairer) Add(f Frame) (Pair, bool) {
	if !p.last.IsZero() && !f.At.After(p.last) {
		p.left++
		return Pair{}, false
	}
	gap := f.At.Sub(p.last)
	p.last = f.At
	if p.first == nil {
		p.first = &f
		return Pair{}, false
	}
	if p.MaxGap > 0 && gap > p.MaxGap {
		p.left++
		p.first = &f
		return Pair{}, false
	}
	pair := Pair{*p.first, f}
	p.first = nil
	return pair, true
}

// Flush ends the stream: a frame that is alone is paired with itself, as the model's own preprocessing does with an odd number
// of frames.
func (p *Pairer) Flush() (Pair, bool) {
	if p.first == nil {
		return Pair{}, false
	}
	pair := Pair{*p.first, *p.first}
	p.first = nil
	return pair, true
}

// Left counts the frames that went into no pair.
func (p *Pairer) Left() uint64 { return p.left }
