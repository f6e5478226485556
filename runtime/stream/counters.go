package stream

import "time"

// Step is what adding one pair took and changed.
type Step struct {
	Frames  [2]FrameRef
	Restart string  // why a new window began with this pair, "" if none did
	Changed float64 // share of the picture's cells that differ from what the model got last, 0 to 1; 1 if nothing compares
	// Compared says that Changed was measured: there are Savings, and this is not a window's first pair.
	Compared bool
	Skipped  bool  // nothing changed: the vision tower was not run
	Patches  int   // computed by the vision tower
	Tokens   int   // prefilled, in both sequences together
	Dropped  int   // not prefilled because they did not change, in both sequences together
	Pairs    int   // in the window, this one included
	Index    int32 // temporal index of this pair, 0 for the window's first
	Next     int32 // position of the row after this pair's

	Preprocess, Vision, Prefill time.Duration
}

// Counters are sums of Steps, and what went wrong.
type Counters struct {
	Pairs    uint64 // added
	Refused  uint64 // left out
	Restarts uint64 // new windows after the first
	Skipped  uint64 // pairs that the vision tower was not run for
	Patches  uint64
	Tokens   uint64
	Dropped  uint64
	Evicted  uint64 // pairs, in the rolling mode
	Anchored uint64 // how often a new sequence took over in the rolling mode

	Preprocess, Vision, Prefill time.Duration
}

func (c *Counters) add(s *Step) {
	c.Pairs++
	if s.Skipped {
		c.Skipped++
	}
	c.Patches += uint64(s.Patches)
	c.Tokens += uint64(s.Tokens)
	c.Dropped += uint64(s.Dropped)
	c.Preprocess += s.Preprocess
	c.Vision += s.Vision
	c.Prefill += s.Prefill
}

// stopwatch adds up what passed since the last lap.
type stopwatch struct{ last time.Time }

func (s *stopwatch) lap(into *time.Duration) {
	now := time.Now()
	*into += now.Sub(s.last)
	s.last = now
}
