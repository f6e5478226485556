package capture

import "time"

// streamClock takes a stream's own times to ours. The delay of the network and of decoding only ever adds, so the frame that
// came with the least delay says best how the clocks lie; the estimate gives way slowly, for two clocks never run alike.
type streamClock struct {
	set    bool
	offset time.Time // our time when the stream's clock was 0
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
