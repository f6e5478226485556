package main

import (
	"fmt"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/schema"
)

// eye is a camera's source; what triggers its motion gate also brings back the frames that the model had no time for.
type eye struct {
	*capture.Camera
	woken func()
}

// Trigger opens the motion gate.
func (e eye) Trigger() {
	e.Camera.Trigger()
	e.woken()
}

// wake says that something happens in front of a camera.
func (d *daemon) wake(camera string) {
	if p := d.pipe.Load(); p != nil {
		p.Trigger(camera)
	}
}

// condition tells of one that has started or ended, beside its event.
func (d *daemon) condition(x pipeline.Description, e mqtt.Event) {
	c := x.Condition
	d.mu.Lock()
	if cam := d.cams[x.Camera]; cam != nil && cam.set.Enabled && !cam.private {
		d.pub.SetRetained(d.topics.Condition(x.Camera, c.Condition), mqtt.NewConditionState(c.Start, c.At))
	}
	d.mu.Unlock()
	d.log.Info("condition", "camera", x.Camera, "seq", e.Seq, "name", c.Condition, "state", e.Condition.State, "message", c.Message,
		"held", c.Held.Round(time.Millisecond))
}

// sayConditions says that none of a camera's conditions holds: at the start, and when it is closed.
func (d *daemon) sayConditions(c *cameraState) {
	for _, x := range c.Conditions {
		d.pub.SetRetained(d.topics.Condition(c.Name, x.Name), mqtt.NewConditionState(false, time.Now()))
	}
}

// schemas are those of the cameras that have one.
func schemas(cfg *config.Config) (map[string]*schema.Schema, error) {
	all := map[string]*schema.Schema{}
	for _, c := range cfg.Cameras {
		s, err := c.Schema.Parse()
		if err != nil {
			return nil, fmt.Errorf("camera %s: %w", c.Name, err)
		}
		if s != nil {
			all[c.Name] = s
		}
	}
	return all, nil
}
