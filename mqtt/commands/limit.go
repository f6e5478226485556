package commands

import "time"

// bucket is a token bucket. Its owner calls take from one goroutine.
type bucket struct {
	rate, burst float64 // tokens a second; at most
	tokens      float64
	last        time.Time
	told        bool // that it is empty
}

type verdict int

const (
	allowed verdict = iota
	limited         // over the limit, and the first to be: worth an answer
	silent          // over the limit again
)

func (b *bucket) take(now time.Time) verdict {
	if b.last.IsZero() {
		b.tokens = b.burst
	} else if passed := now.Sub(b.last).Seconds(); passed > 0 {
		b.tokens = min(b.burst, b.tokens+passed*b.rate)
	}
	b.last = now
	if b.tokens >= 1 {
		b.tokens--
		b.told = false
		return allowed
	}
	if b.told {
		return silent
	}
	b.told = true
	return limited
}
