package pipeline

import (
	"context"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/stream"
)

// push puts a frame in front of the model. c.mu is held.
func (c *camera) push(f capture.Frame, dropped uint64) {
	c.stats.Frames++
	c.drop(dropped)
	c.latest = f
	note := c.intake.Add(stream.Frame{
		Seq: f.Seq, At: f.At, RGB: imageproc.RGB{W: f.Width, H: f.Height}, Origin: f,
		Decode: func() (imageproc.RGB, error) {
			pix, w, h, err := f.RGB()
			return imageproc.RGB{W: w, H: h, Pix: pix}, err
		},
	})
	if note != "" {
		c.p.o.Log.Info(note, "camera", c.Name)
	}
	c.p.poke()
}

// waitRoom waits until the model has taken what waits, for a camera that is Patient.
func (c *camera) waitRoom(ctx context.Context) error {
	for {
		c.mu.Lock()
		full := c.intake != nil && c.intake.Waiting() > 0
		c.mu.Unlock()
		if !full {
			return nil
		}
		select {
		case <-c.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// fetch takes the pair that the model gets next. What the model had no time for is counted.
func (c *camera) fetch() (stream.Pair, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.intake == nil || c.set.Disabled {
		return stream.Pair{}, false
	}
	p, ok := c.intake.Poll()
	select {
	case c.room <- struct{}{}:
	default:
	}
	if c.intake.Waiting() == 0 { // else a trigger may still bring back what was skipped
		c.settle(0)
	}
	return p, ok
}

// settle brings the intake's counters up to date; waiting is how many frames in it are given up. c.mu is held.
func (c *camera) settle(waiting uint64) {
	if c.intake == nil {
		return
	}
	missed, late, left := c.intake.Skipped()
	c.drop(2*(missed-c.took.missed) + left - c.took.left + waiting)
	c.stats.Stream.Missed += missed - c.took.missed
	c.stats.Stream.Late += late - c.took.late
	c.took = intakeCounts{missed, late, left}
}

// giveUp counts what is in the intake as dropped, before it goes. c.mu is held.
func (c *camera) giveUp() {
	if c.intake != nil {
		c.settle(2*uint64(c.intake.Waiting()) + c.intake.Pending())
	}
}

type intakeCounts struct{ missed, late, left uint64 }

// refill begins a new intake; the frames in the one before are dropped. c.mu is held.
func (c *camera) refill() {
	c.giveUp()
	length := time.Duration(c.set.Frames) * c.set.period()
	pairs, err := stream.NewPairs(c.set.FPS, length)
	if err != nil {
		c.p.o.Log.Warn("no stream for this rate: every description runs anew", "camera", c.Name, "err", err)
		c.intake, c.took = nil, intakeCounts{}
		return
	}
	c.intake, c.took = stream.NewIntake(pairs, c.Stream.before()), intakeCounts{}
	select {
	case c.room <- struct{}{}:
	default:
	}
}

// Trigger says that something happens in front of a camera just now: the newest pairs that the model had no time for come
// first, so that it sees what passed quickly.
func (p *Pipeline) Trigger(camera string) {
	c := p.camera(camera)
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.intake != nil {
		c.intake.Trigger()
		p.poke()
	}
}
