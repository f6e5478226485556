package main

import (
	"fmt"
	"slices"

	"github.com/edgevlm/edgevlm/board"
	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/commands"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
)

// cameraState is a camera as it is now: the configuration with what was set over
// MQTT.
type cameraState struct {
	config.Camera
	set     commands.State
	up      bool // its source delivers
	source  eye
	private bool       // the privacy switch is on
	pace    board.Step // that heat and power allow; zero: full
}

// step is the pace.
func (c *cameraState) step() board.Step {
	if c.pace == (board.Step{}) {
		return board.Step{FPS: 1, Pixels: 1, Threads: 1}
	}
	return c.pace
}

func newCameraStates(cfg *config.Config) map[string]*cameraState {
	all := map[string]*cameraState{}
	for _, c := range cfg.Cameras {
		all[c.Name] = &cameraState{Camera: c, set: commands.State{Enabled: true, FPS: c.FPS, Prompt: c.Prompt, Mode: c.Mode}}
	}
	return all
}

// availability is what the camera's topic says.
func (c *cameraState) availability() mqtt.Availability {
	switch {
	case !c.set.Enabled || c.private:
		return mqtt.Disabled
	case c.up:
		return mqtt.Online
	}
	return mqtt.Offline
}

// settings are the pipeline's.
func (c *cameraState) settings() pipeline.Settings {
	at := c.Camera
	at.FPS = c.step().Rate(c.set.FPS)
	s := pipeline.Settings{Disabled: !c.set.Enabled || c.private, FPS: at.FPS, Frames: at.Frames(), Prompt: c.set.Prompt}
	if c.set.Mode == config.ModeQuestions {
		s.Prompt = ""
	}
	return s
}

// Apply implements commands.Handler.
func (d *daemon) Apply(camera string, s commands.Settings) (commands.State, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.cams[camera]
	if c == nil {
		return commands.State{}, fmt.Errorf("no camera %s", camera)
	}
	next := commands.State{Enabled: true, FPS: c.FPS, Prompt: c.Prompt, Mode: c.Mode}
	if s.Enabled != nil {
		next.Enabled = *s.Enabled
	}
	if s.FPS != nil {
		next.FPS = *s.FPS
	}
	if s.Prompt != nil {
		next.Prompt = *s.Prompt
	}
	if s.Mode != nil {
		next.Mode = *s.Mode
	}
	at := c.Camera
	at.FPS = next.FPS
	switch {
	case next.Mode == config.ModeQuestions && len(c.Questions) == 0:
		return c.set, fmt.Errorf("mode questions, and camera %s has none: add them to its configuration", camera)
	case at.Frames() > config.MaxFrames:
		return c.set, fmt.Errorf("a window of %v at %v fps is %d frames: at most %d", c.Window, next.FPS, at.Frames(), config.MaxFrames)
	}
	if c.set != next {
		d.log.Info("camera set", "camera", camera, "enabled", next.Enabled, "fps", next.FPS, "mode", next.Mode, "prompt", next.Prompt)
	}
	c.set = next
	if !next.Enabled {
		c.up = false
		d.sayConditions(c)
	}
	if p := d.pipe.Load(); p != nil {
		if err := p.Set(camera, c.settings()); err != nil {
			return c.set, err
		}
	}
	if !next.Enabled && c.Publish.Snapshot {
		d.pub.SetRetained(d.topics.Snapshot(camera), nil)
	}
	d.sayAvailability(c)
	return next, nil
}

// setUp notes that a camera delivers or not. d.mu is held.
func (d *daemon) setUp(camera string, up bool) {
	if c := d.cams[camera]; c != nil {
		c.up = up && c.set.Enabled && !c.private // a source that is being closed may have a last word
		d.sayAvailability(c)
		d.light()
	}
}

func (d *daemon) sayAvailability(c *cameraState) {
	if c.private {
		d.sayConditions(c)
	}
	if err := d.pub.SetCamera(c.Name, c.availability()); err != nil {
		d.log.Warn("availability not published", "camera", c.Name, "err", err)
	}
}

// allDown says that no camera delivers: at the end.
func (d *daemon) allDown() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.cfg.Cameras {
		d.setUp(c.Name, false)
	}
}

// cameraInfos are the info topic's.
func cameraInfos(cfg *config.Config) (all []mqtt.CameraInfo) {
	for _, c := range cfg.Cameras {
		i := mqtt.CameraInfo{Name: c.Name, FPS: c.FPS, Prompt: c.Prompt}
		for _, q := range c.Questions {
			i.Questions = append(i.Questions, q.Name)
		}
		for _, x := range c.Conditions {
			i.Conditions = append(i.Conditions, x.Name)
		}
		all = append(all, i)
	}
	return all
}

// setSchema are the keys that set/ takes, for the info topic.
func setSchema(allow []string) map[string]any {
	all := map[string]any{
		"enabled": map[string]any{"type": "boolean"},
		"fps":     map[string]any{"type": "number", "minimum": commands.MinFPS, "maximum": commands.MaxFPS},
		"prompt":  map[string]any{"type": "string", "maxLength": commands.MaxPrompt},
		"mode":    map[string]any{"enum": []string{config.ModeDescribe, config.ModeQuestions}},
	}
	for key := range all {
		if !slices.Contains(allow, "set/"+key) {
			delete(all, key)
		}
	}
	return all
}
