package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/edgevlm/edgevlm/board"
	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
)

// newBoard makes what the board has beside cameras: pins, power monitor,
// temperatures and the pace.
func (d *daemon) newBoard() (*board.Board, error) {
	hooks := board.Hooks{Trigger: d.triggered, Private: d.setPrivate, Pace: d.setPace}
	return board.New(config.BoardConfig(d.cfg.GPIO, d.cfg.Power), hooks, board.Options{Log: d.log})
}

// runBoard works until the function that it returns is called.
func (d *daemon) runBoard(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	d.board.Light(board.Starting)
	go func() { defer close(done); d.board.Run(ctx) }()
	return func() { cancel(); <-done }
}

// triggered opens the motion gates of the cameras that a sensor concerns.
func (d *daemon) triggered(time.Time) {
	only := d.cfg.GPIO.Trigger.Cameras
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, c := range d.cams {
		if len(only) == 0 || slices.Contains(only, name) {
			c.source.Trigger()
		}
	}
}

// setPrivate closes every camera, or lets them open again. What is being
// described of a camera that is closed is thrown away.
func (d *daemon) setPrivate(private bool, why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, c := range d.cams {
		c.private = private
		c.source.Shut("privacy", private)
		if private {
			c.up = false
			if c.Publish.Snapshot {
				d.pub.SetRetained(d.topics.Snapshot(name), nil)
			}
		}
		d.applySettings(name, c)
		d.sayAvailability(c)
	}
	d.light()
}

// setPace slows every camera down, or lets it go faster again.
func (d *daemon) setPace(p board.Pace) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, c := range d.cams {
		c.pace = p.Step
		d.applySettings(name, c)
	}
	if p.Level > 0 {
		d.sd.Status("slowed down to %s: %s", p, p.Reason)
	} else {
		d.sd.Status("describing with %s, %d cameras", d.info.Name, len(d.cfg.Cameras))
	}
}

// threaded is a model whose threads can be limited while it works.
type threaded interface {
	Threads() int       // unlimited
	LimitThreads(n int) // from now on
}

// paced makes the model that open loads use as many threads as heat and power
// allow.
func (d *daemon) paced(open func(context.Context) (model, error)) func(context.Context) (model, error) {
	return func(ctx context.Context) (model, error) {
		m, err := open(ctx)
		if t, ok := m.(threaded); ok && err == nil {
			d.board.Follow(d.threadsOf(t))
		}
		return m, err
	}
}

// threadsOf hands a pace to a model, and says what that changes.
func (d *daemon) threadsOf(m threaded) func(board.Pace) {
	inUse := m.Threads()
	return func(p board.Pace) {
		n := p.ThreadsOf(m.Threads())
		if n == inUse {
			return
		}
		m.LimitThreads(n)
		d.log.Warn("the model's threads change with the pace", "threads", n, "before", inUse, "of", m.Threads())
		inUse = n
	}
}

// applySettings brings a camera's settings to the pipeline. d.mu is held.
func (d *daemon) applySettings(name string, c *cameraState) {
	if p := d.pipe.Load(); p != nil {
		if err := p.Set(name, c.settings()); err != nil {
			d.log.Warn("settings not applied", "camera", name, "err", err)
		}
	}
}

// light shows on the status LED how the cameras are. d.mu is held.
func (d *daemon) light() {
	up := false
	for _, c := range d.cams {
		up = up || c.up
	}
	switch {
	case up:
		d.board.Light(board.Lit)
	case d.anyUp:
		d.board.Light(board.Trouble)
	}
}

// newSource makes a camera's source from its configuration.
func (d *daemon) newSource(c config.Camera) (*capture.Camera, error) {
	cc, err := c.Sight().Camera(capture.Spec{
		Source: c.Source, Loop: c.Loop, FPS: c.FPS, Width: c.Width, Height: c.Height, Log: d.log.With("camera", c.Name),
	})
	if err != nil {
		return nil, fmt.Errorf("camera %s: %w", c.Name, err)
	}
	return capture.NewCamera(cc)
}

// openCamera opens a camera's source at the pace of the moment.
func (d *daemon) openCamera(ctx context.Context, name string, state func(bool, error)) (capture.Source, error) {
	d.mu.Lock()
	c := d.cams[name]
	source := c.source
	source.SetPace(c.settings().FPS, c.step().Pixels)
	d.mu.Unlock()
	return source.Open(ctx, state)
}
