package pipeline

import (
	"fmt"
	"time"
)

// Settings are what may change of a camera while the pipeline runs.
type Settings struct {
	// Disabled: the source is closed, and no frame of it is kept or described.
	Disabled bool
	FPS      float64
	Frames   int // the window's length; rounded up to an even number, at least 2
	Prompt   string
}

func (s Settings) even() Settings {
	s.Frames = max(2, s.Frames+s.Frames%2)
	return s
}

// period is the time between two frames.
func (s Settings) period() time.Duration { return time.Duration(float64(time.Second) / s.FPS) }

// Set changes a camera. Another rate, or disabling it, closes its source and
// begins a new window; a description under way of a camera that is disabled is
// thrown away. It may be called at any time.
func (p *Pipeline) Set(camera string, s Settings) error {
	c := p.camera(camera)
	switch {
	case c == nil:
		return fmt.Errorf("pipeline: no camera %s", camera)
	case !(s.FPS > 0):
		return fmt.Errorf("pipeline: camera %s: %v frames a second; it must be more than 0", camera, s.FPS)
	}
	c.apply(s.even())
	return nil
}

func (p *Pipeline) camera(name string) *camera {
	for _, c := range p.cams {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func (c *camera) apply(s Settings) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.set
	c.set = s
	if old.Disabled == s.Disabled && old.FPS == s.FPS && old.Frames == s.Frames {
		return
	}
	c.gen++
	c.clear()
	c.described = time.Time{}
	if s.Disabled {
		c.stats.Up = false
	}
	close(c.changed)
	c.changed = make(chan struct{})
	c.p.poke() // the window in the model is to be freed
}

func (c *camera) settings() (Settings, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.set, c.changed
}

func (c *camera) disabled() bool {
	s, _ := c.settings()
	return s.Disabled
}
