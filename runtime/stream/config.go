package stream

import (
	"fmt"
	"log/slog"
	"time"
)

// Mode is how a window slides.
type Mode uint8

const (
	Exact   Mode = iota // two staggered sequences; answers equal a fresh run's
	Rolling             // one sequence; the oldest pair is evicted
)

// String is the name that configurations use.
func (m Mode) String() string {
	if m == Rolling {
		return "rolling"
	}
	return "exact"
}

// ParseMode is the reverse of String; "" is Exact.
func ParseMode(s string) (Mode, error) {
	switch s {
	case "", "exact":
		return Exact, nil
	case "rolling":
		return Rolling, nil
	}
	return 0, fmt.Errorf("stream: mode %q: use exact or rolling", s)
}

// Config says what a Window is to be. The zero value of a field is its default.
type Config struct {
	Mode   Mode
	Length time.Duration // of the window; 0: 16 s
	FPS    float64       // nominal frames a second; 0: 2. Temporal positions count its pairs
	System *string       // system prompt: nil for the model's own, "" for none
	// MaxPixels bounds a frame after resizing, below what the model's own limits allow; 0: they alone count.
	MaxPixels int
	// Reserve is how many tokens of the context stay free for questions and answers; 0: 512, at most half of the context.
	Reserve int
	// Anchor is, in the rolling mode, how far temporal positions run, in pairs, before they are moved back to where a fresh
	// run would have them; 0: 1, so that they always are there. Negative: as far as the context's length allows.
	Anchor  int
	Savings Savings
	Log     *slog.Logger // nil: silent
}

// Savings say what is left out because it did not change. The zero value leaves nothing out: the exact mode is exact only
// with it.
type Savings struct {
	// Drop leaves cells of later pairs that did not change out of the decoder; a pair with no change at all is not even
	// encoded.
	Drop bool
	// Present gives the decoder, when something is asked, the present of all cells that it has only from well before the last
	// change. Without, it takes what stood still all along for what left when something else did.
	Present bool
	// Incremental computes only changed cells in the vision tower, against the kept keys and values of the others.
	Incremental bool
	// Contrast is the least change that counts, in levels of 0 to 255, of the mean over a quarter of a patch; 0: 2.
	Contrast float64
	// Noise is how many times the noise floor a change must be; 0: 5.
	Noise float64
	// Shift is by how many pixels a shaking camera may move the picture against the one compared with, without changing it; 0: 4, negative: none.
	Shift int
	// Grow is by how many cells what changed is enlarged; 0: none for the decoder, 1 for the incremental tower. Negative:
	// none for either.
	Grow int
	// FullEvery is after how many pairs encoded in part the tower computes a whole one; 0: 8.
	FullEvery int
}

// Any says whether anything is left out.
func (s Savings) Any() bool { return s.Drop || s.Incremental }

// DefaultSavings leave out what they can.
func DefaultSavings() Savings { return Savings{Drop: true, Present: true, Incremental: true} }

func (s *Savings) defaults() error {
	if s.Contrast < 0 || s.Noise < 0 || s.FullEvery < 0 {
		return fmt.Errorf("stream: contrast %v, noise %v and full_every %d must not be negative", s.Contrast, s.Noise, s.FullEvery)
	}
	if s.Contrast == 0 {
		s.Contrast = 2
	}
	if s.Noise == 0 {
		s.Noise = 5
	}
	if s.Shift == 0 {
		s.Shift = 4
	}
	s.Shift = min(max(s.Shift, 0), maxShift)
	if s.FullEvery == 0 {
		s.FullEvery = 8
	}
	return nil
}

// growth is by how many cells a change is enlarged for the decoder and for the tower.
func (s *Savings) growth() (decoder, tower int) {
	if s.Grow < 0 {
		return 0, 0
	}
	if s.Grow == 0 {
		return 0, 1
	}
	return s.Grow, s.Grow
}

func (c *Config) defaults() error {
	switch {
	case c.Length < 0:
		return fmt.Errorf("stream: a window of %v: give more than 0", c.Length)
	case c.FPS < 0 || c.FPS > 120 || c.FPS != c.FPS:
		return fmt.Errorf("stream: %v frames a second: give more than 0 and at most 120", c.FPS)
	case c.MaxPixels < 0:
		return fmt.Errorf("stream: at most %d pixels: give 0 or more", c.MaxPixels)
	case c.Mode > Rolling:
		return fmt.Errorf("stream: mode %d: use Exact or Rolling", c.Mode)
	case c.Reserve < 0:
		return fmt.Errorf("stream: a reserve of %d tokens: give 0 or more", c.Reserve)
	}
	if c.Length == 0 {
		c.Length = 16 * time.Second
	}
	if c.FPS == 0 {
		c.FPS = 2
	}
	if c.Reserve == 0 {
		c.Reserve = 512
	}
	if c.Anchor == 0 {
		c.Anchor = 1
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c.Savings.defaults()
}

// period is the nominal time from one pair to the next.
func (c *Config) period() time.Duration { return 2 * framePeriod(c.FPS) }

func framePeriod(fps float64) time.Duration { return time.Duration(float64(time.Second) / fps) }

// pairs is how many pairs the window holds while frames are regular.
func (c *Config) pairs() int {
	p := c.period()
	return max(1, int((c.Length+p/2)/p))
}
