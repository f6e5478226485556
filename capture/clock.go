package capture

import "time"

// streamClock takes a stream's own times to ours. The delay of the network and of decoding only ever adds, so the frame that
// came with the least delay says best how the clocks lie; the estimate gives way slowly, for two clocks never run alike.
type streamClock struct {
	set    bool
	offset time.Time // our time when the stream's clock was 0

	settled     bool
	prevPTS     time.Duration
	prevArrived time.Time
}

// live says whether the stream has reached the present. At its start ffmpeg hands over in one burst what it gathered while it
// looked at the stream; when those frames were taken isn't known, so they are better left out.
func (c *streamClock) live(pts time.Duration, arrived time.Time) bool {
	if !c.settled && !c.prevArrived.IsZero() {
		c.settled = arrived.Sub(c.prevArrived) >= (pts-c.prevPTS)/2
	}
	c.prevPTS, c.prevArrived = pts, arrived
	return c.settled
}

const (
	clockJump  = 2 * time.Second // a difference that means a new clock, not a delay
	clockYield = 0.005           // share of a late frame's lateness that the estimate gives way by
)

// at returns when a frame with time pts by the stream's clock was taken, given when it arrived. It is never after arrival.
func (c *streamClock) at(pts time.Duration, arrived time.Time) time.Time {
	offset := arrived.Add(-pts)
	late := offset.Sub(c.offset)
	if !c.set || late < 0 || late > clockJump {
		c.set, c.offset = true, offset
		return arrived
	}
	c.offset = c.offset.Add(time.Duration(float64(late) * clockYield))
	return c.offset.Add(pts)
}
