package stream

import "time"

// Step is what adding one pair took and changed.
type Step struct {
	Frames  [2]FrameRef
	Restart string  // why a new window began with this pair, "" if none did
	Changed float64 // share of the picture's cells that differ from what the model got last, 0 to 1; 1 if nothing compares
	// Compared says that Changed was measured: there are Savings, and this is not a window's first pair.
	Compared bool
	Cells    int   // of a pair: what it has of tokens if none is dropped
	Skipped  bool  // nothing changed: the vision tower was not run
	Patches  int   // computed by the vision tower
	Tokens   int   // prefilled, in both sequences together
	Dropped  int   // not prefilled because they did not change, in both sequences together
	Pairs    int   // in the window, this one included
	Most     int   // pairs that the window has room for
	Rows     int   // of the sequence that answers, the prompt before the frames included
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
	Again    uint64 // of Tokens: cells that were dropped, and given after all when something was asked (Savings.Present)
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

// Since is what was added after before.
func (c Counters) Since(before Counters) Counters {
	return Counters{
		Pairs: c.Pairs - before.Pairs, Refused: c.Refused - before.Refused, Restarts: c.Restarts - before.Restarts,
		Skipped: c.Skipped - before.Skipped, Patches: c.Patches - before.Patches, Tokens: c.Tokens - before.Tokens,
		Dropped: c.Dropped - before.Dropped, Again: c.Again - before.Again, Evicted: c.Evicted - before.Evicted, Anchored: c.Anchored - before.Anchored,
		Preprocess: c.Preprocess - before.Preprocess, Vision: c.Vision - before.Vision, Prefill: c.Prefill - before.Prefill,
	}
}

// Plus is the sum of both.
func (c Counters) Plus(d Counters) Counters {
	// a - (0 - d) is a + d, for unsigned numbers too.
	return c.Since(Counters{}.Since(d))
}

// stopwatch adds up what passed since the last lap.
type stopwatch struct{ last time.Time }

func (s *stopwatch) lap(into *time.Duration) {
	now := time.Now()
	*into += now.Sub(s.last)
	s.last = now
}
