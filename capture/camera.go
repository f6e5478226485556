package capture

import (
	"context"
	"errors"
	"sync"

	"github.com/edgevlm/edgevlm/capture/internal/mjpeg"
)

// CameraConfig is a camera with all that happens to its frames before anything else sees them:
//
//	cameras:
//	  - masks: [[[0, 0], [0.3, 0], [0.2, 0.4]]]        # polygons of points, 0 to 1, blacked out
//	    crop: { x: 0.1, y: 0, w: 0.8, h: 1 }
//	    rotate: 90
//	    motion: { area: 0.005, contrast: 12, hold: 5s, before: 2 }
//	    schedule: [mon-fri 07:00-19:00]
type CameraConfig struct {
	Spec     Spec // Spec.FPS is the rate of the frames that come out, too
	View     View
	Motion   *MotionConfig // nil: every frame passes
	Schedule Schedule
}

// Validate says what is wrong with it, in one line. What only the camera knows, Open says.
func (c CameraConfig) Validate() error { return c.View.Check() }

// Camera is a source that masks, gates and keeps hours. Open it again and again; its switches keep their positions.
type Camera struct {
	cfg   CameraConfig
	valve *Valve

	mu     sync.Mutex
	fps    float64
	pixels float64 // share of a frame's pixels
	gate   *gated  // of the source that is open
}

// NewCamera checks the configuration; nothing is opened.
func NewCamera(c CameraConfig) (*Camera, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Camera{cfg: c, valve: NewValve(c.Schedule), fps: c.Spec.FPS, pixels: 1}, nil
}

// Open returns the camera's source; state overrides Spec.OnState unless it is nil. While the camera is shut, it is not open
// and Next waits; whether it can be opened at all is then said by Next. One source of a Camera is open at a time.
func (c *Camera) Open(ctx context.Context, state func(up bool, why error)) (Source, error) {
	open := func(ctx context.Context) (Source, error) {
		spec := c.cfg.Spec
		if state != nil {
			spec.OnState = state
		}
		src, err := Open(ctx, spec)
		if err != nil {
			return nil, err
		}
		return c.prepare(src), nil
	}
	src := c.valve.Source(open)
	if !c.valve.Open() {
		return src, nil
	}
	inner, err := open(ctx)
	if err != nil {
		src.Close()
		return nil, err
	}
	c.valve.mu.Lock()
	defer c.valve.mu.Unlock()
	c.valve.inner = inner
	if !c.valve.open() {
		c.valve.close()
	}
	return src, nil
}

// Shut closes the camera for a reason, or takes the reason away: see Valve.Shut.
func (c *Camera) Shut(reason string, shut bool) { c.valve.Shut(reason, shut) }

// Watching says whether the camera may deliver now: nothing shuts it and its schedule is open.
func (c *Camera) Watching() bool { return c.valve.Open() }

// Closed waits until a camera that was shut is closed.
func (c *Camera) Closed() { c.valve.Closed() }

// Trigger opens the motion gate with the next frame, with the frames from before: for a motion sensor or a person who asks.
func (c *Camera) Trigger() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gate != nil {
		c.gate.trigger()
	}
}

// SetPace slows the camera down: frames a second from now on, and the share of each frame's pixels (0 to 1, 1 is all).
func (c *Camera) SetPace(fps, pixels float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fps, c.pixels = fps, pixels
	if c.gate != nil {
		c.gate.setPace(fps, pixels)
	}
}

// prepare puts the sampler, the view and the motion gate behind a source, and owns it from here on.
func (c *Camera) prepare(src Source) Source {
	c.mu.Lock()
	defer c.mu.Unlock()
	view := c.cfg.View
	g := &gated{src: src, sampler: NewSampler(src, c.fps), view: &view, pixels: c.pixels}
	if c.cfg.Motion != nil {
		g.gate = NewMotionGate(*c.cfg.Motion)
		if len(view.Masks) > 0 && view.Crop == (Rect{}) {
			g.gate.hide = &View{Masks: view.Masks}
		}
	}
	c.gate = g
	return g
}

// gated samples a source and yields what passes. It is Unpaced: frames from before a trigger come all at once, and a Sampler
// that follows must not keep only the newest.
type gated struct {
	src     Source
	sampler *Sampler

	mu     sync.Mutex
	view   *View
	gate   *MotionGate // nil: open
	luma   mjpeg.Luma  // of the newest frame, if the view has decoded it
	pixels float64
	queue  []Frame
}

func (g *gated) Unpaced() bool { return true }

// Next implements Source. Damaged frames are ErrBadFrame, as the pipeline counts them.
func (g *gated) Next(ctx context.Context) (Frame, error) {
	for {
		if f, ok := g.take(); ok {
			return f, nil
		}
		f, err := g.sampler.Next(ctx)
		if err != nil {
			return Frame{}, err
		}
		if err := g.add(f); err != nil {
			return Frame{}, err
		}
	}
}

func (g *gated) take() (Frame, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		return Frame{}, false
	}
	f := g.queue[0]
	g.queue[0] = Frame{}
	g.queue = g.queue[1:]
	return f, true
}

// add puts what passes of a frame into the queue. Nothing leaves, nor is looked at for motion, that the view does not show: a
// view that crops comes first; else the gate itself leaves the masks out, and the frames that it lets pass go through the view
// then. Most frames of a quiet scene are so never decoded, and those of one that moves once: while the gate is open the view
// comes first, and the means that the gate needs come with its picture.
func (g *gated) add(f Frame) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gate == nil {
		return g.show(f)
	}
	if g.view.Crop != (Rect{}) {
		f, err := g.view.Apply(f)
		if err != nil {
			return err
		}
		pass, _, err := g.gate.Add(f)
		return errors.Join(err, g.enqueue(pass...))
	}
	var shown Frame
	first := g.gate.Open() && g.view.changes()
	if first {
		var err error
		if shown, err = g.view.apply(f, &g.luma); err != nil {
			return err
		}
	} else {
		g.luma.W = 0
	}
	pass, _, err := g.gate.add(f, &g.luma)
	if n := len(pass) - 1; first && n >= 0 { // the frame itself is the last
		err = errors.Join(err, g.showAll(pass[:n]), g.enqueue(shown))
		return err
	}
	return errors.Join(err, g.showAll(pass))
}

func (g *gated) showAll(frames []Frame) (err error) {
	for _, f := range frames {
		err = errors.Join(err, g.show(f))
	}
	return err
}

// show queues a frame as the view and the pace have it.
func (g *gated) show(f Frame) error {
	f, err := g.view.Apply(f)
	if err != nil {
		return err
	}
	return g.enqueue(f)
}

// enqueue queues frames that the view has shown, as the pace has them.
func (g *gated) enqueue(frames ...Frame) (err error) {
	for _, f := range frames {
		f, e := shrink(f, g.pixels)
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		g.queue = append(g.queue, f)
	}
	return err
}

func (g *gated) trigger() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gate != nil {
		g.gate.Trigger()
	}
}

func (g *gated) setPace(fps, pixels float64) {
	g.sampler.SetFPS(fps)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pixels = pixels
}

// Stats are the source's.
func (g *gated) Stats() Stats { return StatsOf(g.src) }

// Close implements Source.
func (g *gated) Close() error {
	g.sampler.Close()
	return g.src.Close()
}

// Pauses says whether frames may stay away for good reason: the gate is shut, or the camera is. A watchdog must not take that
// for a fault.
func (c *Camera) Pauses() bool { return c.cfg.Motion != nil || !c.Watching() }
