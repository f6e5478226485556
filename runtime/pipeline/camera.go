package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// camera is a Camera at work: one goroutine fills its window, the pipeline's
// takes from it. What of Camera may change is in set.
type camera struct {
	Camera
	p      *Pipeline
	served uint64 // the turn of its latest description

	// With served the pipeline's goroutine's alone.
	voice *voice
	live  *live       // nil: none yet, or none any more
	mode  stream.Mode // Stream's, or what the accelerator can do instead
	tuner *stream.Tuner
	tuned int // the generation of settings that tuner is for

	mu        sync.Mutex
	set       Settings
	gen       int            // counts the changes of set that begin a new window
	intake    *stream.Intake // nil: frames go to window and half instead
	took      intakeCounts   // of intake, as far as they are counted
	room      chan struct{}  // holds one token when intake may have room
	latest    capture.Frame  // with an intake: the newest of all
	changed   chan struct{}  // closed when set has changed in a way that the source must hear of
	window    []*slot        // whole pairs, the newest Frames frames; once ended, possibly a lone one at the end
	half      *slot          // the first frame of the pair to come
	described time.Time      // capture time of the newest frame described
	ended     bool
	dropped   uint64 // since the latest description
	stats     Stats
}

// slot is a frame in a window. rgb is filled when the model first needs it, by
// the pipeline's goroutine, which alone touches it.
type slot struct {
	frame capture.Frame
	rgb   imageproc.RGB
	bad   bool
	taken bool // was in a window that the model got; guarded by camera.mu
}

func newCamera(c Camera, p *Pipeline) *camera {
	set := Settings{Disabled: c.Disabled, FPS: c.FPS, Frames: c.Frames, Prompt: c.Prompt}
	cam := &camera{Camera: c, p: p, set: set.even(), changed: make(chan struct{}), room: make(chan struct{}, 1), stats: Stats{Camera: c.Name}}
	if c.Stream != nil && p.streamer != nil {
		cam.mode = c.Stream.Mode
		cam.refill()
	}
	return cam
}

func (c *camera) count(f func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.stats)
}

// run opens the source again and again until ctx ends or, for a camera that
// Ends, its source does. While the camera is disabled, the source is closed.
func (c *camera) run(ctx context.Context) {
	for failures := 0; ; {
		set, changed := c.settings()
		if set.Disabled {
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
			continue
		}
		frames, err := c.playUntil(ctx, changed, set.FPS)
		if ctx.Err() != nil {
			return
		}
		select {
		case <-changed:
			failures = 0
			continue
		default:
		}
		if c.Ends && errors.Is(err, io.EOF) {
			c.end()
			return
		}
		if frames > 0 {
			failures = 0
		}
		failures++
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("the source of camera %s has ended", c.Name)
		}
		wait := c.p.o.Backoff(failures)
		c.setState(false, err)
		c.p.o.Log.Warn("camera failed", "camera", c.Name, "err", err, "retry_in", wait)
		select {
		case <-time.After(wait):
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// playUntil is play until the settings change.
func (c *camera) playUntil(ctx context.Context, changed <-chan struct{}, fps float64) (frames int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	defer func() { cancel(); <-done }()
	go func() {
		defer close(done)
		select {
		case <-changed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return c.play(ctx, fps)
}

// play reads one opened source to its error; frames is how many it gave.
func (c *camera) play(ctx context.Context, fps float64) (frames int, err error) {
	c.count(func(s *Stats) { s.Opens++ })
	src, err := c.Open(ctx, c.setState)
	if err != nil {
		return 0, err
	}
	s := capture.NewSampler(src, fps)
	defer func() {
		s.Close()
		if e := src.Close(); e != nil && err == nil {
			err = e
		}
	}()
	var dropped uint64
	for {
		if c.Patient {
			if err := c.waitRoom(ctx); err != nil {
				return frames, err
			}
		}
		f, err := s.Next(ctx)
		switch {
		case errors.Is(err, capture.ErrBadFrame):
			c.count(func(s *Stats) { s.Broken++ })
			continue
		case err != nil:
			return frames, err
		case ctx.Err() != nil:
			return frames, ctx.Err()
		}
		frames++
		c.setState(true, nil)
		if c.p.o.Watch != nil {
			c.p.o.Watch(c.Name, f)
		}
		now := s.Dropped()
		c.add(f, now-dropped)
		dropped = now
	}
}

func (c *camera) setState(up bool, why error) {
	c.mu.Lock()
	if c.set.Disabled && up {
		c.mu.Unlock()
		return // a last word of a source that is being closed
	}
	changed := c.stats.Up != up || !up && why != nil && c.stats.LastError != why.Error()
	c.stats.Up = up
	if why != nil {
		c.stats.LastError = why.Error()
	}
	c.mu.Unlock()
	if changed {
		c.p.sink.CameraState(c.Name, up, why)
	}
}

// add puts a frame into the window, pair by pair. A frame of another size, from
// before the newest, or from after a gap as long as the window, begins a new
// one: the model must not take it for a continuation.
func (c *camera) add(f capture.Frame, dropped uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.set.Disabled {
		return
	}
	if c.intake != nil {
		c.push(f, dropped)
		return
	}
	c.stats.Frames++
	c.drop(dropped)
	if last := c.newest(); last != nil {
		span := time.Duration(c.set.Frames) * c.set.period()
		gap := f.At.Sub(last.frame.At)
		if gap < 0 || gap > span || f.Width != last.frame.Width || f.Height != last.frame.Height {
			c.clear()
		}
		if gap < 0 {
			c.described = time.Time{}
		}
		// A pair is one patch in time: it must not span a hole.
		if c.half != nil && gap > 2*c.set.period() {
			c.drop(1)
			c.half = nil
		}
	}
	s := &slot{frame: f}
	if c.half == nil {
		c.half = s
		return
	}
	c.window = append(c.window, c.half, s)
	c.half = nil
	for len(c.window) > c.set.Frames {
		c.evict(2)
	}
	c.p.poke()
}

// end closes the window with the frame that found no partner.
func (c *camera) end() {
	c.mu.Lock()
	c.ended = true
	if c.intake != nil {
		c.intake.End()
	}
	if c.half != nil {
		c.window = append(c.window, c.half)
		c.half = nil
	}
	if len(c.window) > c.set.Frames {
		c.evict(2)
	}
	c.mu.Unlock()
	c.p.poke()
}

func (c *camera) newest() *slot {
	if c.half != nil || len(c.window) == 0 {
		return c.half
	}
	return c.window[len(c.window)-1]
}

func (c *camera) clear() {
	c.latest = capture.Frame{}
	if c.intake != nil {
		c.refill()
		return
	}
	if c.half != nil {
		c.drop(1)
		c.half = nil
	}
	c.evict(len(c.window))
}

// evict forgets the n oldest frames; those the model never got are dropped.
func (c *camera) evict(n int) {
	for _, s := range c.window[:n] {
		if !s.taken {
			c.drop(1)
		}
	}
	c.window = slices.Delete(c.window, 0, n)
}

func (c *camera) drop(n uint64) {
	c.dropped += n
	c.stats.Dropped += n
}

func (c *camera) takeDropped() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.dropped
	c.dropped = 0
	return n
}

// due says whether the window is worth describing now, and whether the camera
// has ended with nothing left to describe.
func (c *camera) due() (due, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.intake != nil {
		due = !c.set.Disabled && (c.intake.Waiting() > 0 || c.ended && c.live != nil && c.live.gen == c.gen && !c.live.spoken)
		return due, c.ended && !due
	}
	if n := len(c.window); n > 0 && (n == c.set.Frames || c.ended) {
		at := c.window[n-1].frame.At
		// Frames come a little early or late; half an interval makes up for it.
		slack := c.set.period() / 2
		due = !c.window[n-1].taken && (c.described.IsZero() || at.Sub(c.described) >= c.Every-slack)
	}
	return due, c.ended && !due
}

// streams says whether the camera's frames go into a window that the model keeps.
func (c *camera) streams() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.intake != nil
}

// job is a window on its way to the model, with what was set when it was taken.
type job struct {
	c     *camera
	slots []*slot
	set   Settings
	gen   int
}

// take hands the window to the model; nil if it is empty.
func (c *camera) take() *job {
	c.mu.Lock()
	defer c.mu.Unlock()
	slots := slices.Clone(c.window)
	if len(slots) == 0 && c.half != nil {
		slots = append(slots, c.half)
	}
	if len(slots) == 0 {
		return nil
	}
	for _, s := range slots {
		s.taken = true
	}
	c.described = slots[len(slots)-1].frame.At
	return &job{c, slots, c.set, c.gen}
}

// media decodes a window. Damaged frames are left out and counted.
func (j *job) media() (vlm.Media, []FrameRef) {
	c := j.c
	m := vlm.Media{Video: true, Period: j.set.period()}
	var refs []FrameRef
	for _, s := range j.slots {
		if s.rgb.Pix == nil && !s.bad {
			pix, width, height, err := s.frame.RGB()
			s.rgb = imageproc.RGB{W: width, H: height, Pix: pix}
			if err != nil {
				s.bad = true
				c.count(func(st *Stats) { st.Broken++; st.LastError = err.Error() })
				c.p.o.Log.Warn("damaged frame left out", "camera", c.Name, "seq", s.frame.Seq, "err", err)
			}
		}
		if s.bad {
			continue
		}
		m.Frames = append(m.Frames, s.rgb)
		refs = append(refs, FrameRef{s.frame.Seq, s.frame.At})
		m.Times = append(m.Times, s.frame.At.Sub(refs[0].At))
	}
	return m, refs
}
