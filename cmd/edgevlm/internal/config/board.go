package config

import (
	"fmt"
	"strings"

	"github.com/edgevlm/edgevlm/board"
	"github.com/edgevlm/edgevlm/capture"
)

// GPIO are the pins in use. A pin is a line's name (GPIO17) or CHIP/NUMBER
// (gpiochip0/17).
type GPIO struct {
	Trigger GPIOTrigger `yaml:"trigger"`
	Privacy GPIOPrivacy `yaml:"privacy"`
	LED     GPIOLED     `yaml:"led"`
}

// GPIOTrigger is a motion sensor, a door contact or a button.
type GPIOTrigger struct {
	Pin      string   `yaml:"pin"`
	Edge     string   `yaml:"edge"`
	Pull     string   `yaml:"pull"`
	Debounce Duration `yaml:"debounce"`
	Cameras  []string `yaml:"cameras"` // empty: all
}

// GPIOPrivacy is a switch that closes every camera.
type GPIOPrivacy struct {
	Pin    string `yaml:"pin"`
	Active string `yaml:"active"`
	Pull   string `yaml:"pull"`
}

// GPIOLED is the status light.
type GPIOLED struct {
	Pin    string `yaml:"pin"`
	Active string `yaml:"active"`
}

// Power says how hot and how hungry the board may get before its pace goes down.
type Power struct {
	INA219         INA219   `yaml:"ina219"`
	Every          Duration `yaml:"every"`
	MaxTemperature float64  `yaml:"max_temperature"` // °C
	MinTemperature float64  `yaml:"min_temperature"` // cool again; 0: 8 below
	Critical       float64  `yaml:"critical"`        // slowest step at once; 0: 10 above
	MaxWatts       float64  `yaml:"max_watts"`       // 0: no limit
	MinWatts       float64  `yaml:"min_watts"`       // low again; 0: 0.85 of it
	DownAfter      Duration `yaml:"down_after"`
	UpAfter        Duration `yaml:"up_after"`
}

// INA219 is a power monitor on I2C.
type INA219 struct {
	Bus     string  `yaml:"bus"` // /dev/i2c-1; "": none
	Address int     `yaml:"address"`
	Shunt   float64 `yaml:"shunt"` // ohms
	MaxAmps float64 `yaml:"max_amps"`
}

// BoardConfig is the board's form of gpio and power.
func BoardConfig(g GPIO, p Power) board.Config {
	return board.Config{
		GPIO: board.GPIO{
			Trigger: board.Trigger{
				Pin: g.Trigger.Pin, Edge: g.Trigger.Edge, Pull: g.Trigger.Pull, Debounce: g.Trigger.Debounce.Std(), Cameras: g.Trigger.Cameras,
			},
			Privacy: board.Privacy(g.Privacy),
			LED:     board.LED(g.LED),
		},
		Power: board.Power{
			INA219: board.INA219{Bus: p.INA219.Bus, Address: uint16(p.INA219.Address), Shunt: p.INA219.Shunt, MaxAmps: p.INA219.MaxAmps},
			Every:  p.Every.Std(),
			Pace: board.PaceConfig{
				MaxTemperature: p.MaxTemperature, MinTemperature: p.MinTemperature, Critical: p.Critical,
				MaxWatts: p.MaxWatts, MinWatts: p.MinWatts, DownAfter: p.DownAfter.Std(), UpAfter: p.UpAfter.Std(),
			},
		},
	}
}

// checkBoard validates gpio and power; cameras are the names that a trigger may
// concern. board's errors begin with the key they are about.
func (d *decoder) checkBoard(g GPIO, p Power, cameras map[string]bool) {
	d.check(p.INA219.Address >= 0 && p.INA219.Address <= 0x7f, "power.ina219.address", "must be 0x40 to 0x4f")
	for i, name := range g.Trigger.Cameras {
		d.check(cameras[name], fmt.Sprintf("gpio.trigger.cameras[%d]", i), "`%s` is no camera of this config", name)
	}
	err := BoardConfig(g, p).Validate()
	if err == nil {
		return
	}
	text := strings.TrimPrefix(err.Error(), "board: ")
	end := strings.IndexAny(text, ": ")
	key := text
	if end > 0 {
		key, text = text[:end], strings.TrimLeft(text[end:], ": ")
	}
	d.check(false, key, "is wrong: %s", text)
}

// Motion is when frames of a camera count: while something moves.
type Motion struct {
	Enabled  bool     `yaml:"enabled"`
	Area     float64  `yaml:"area"`     // share of the picture, 0 to 1
	Contrast float64  `yaml:"contrast"` // steps of brightness, 0 to 255
	Hold     Duration `yaml:"hold"`
	Before   int      `yaml:"before"` // frames from before the motion; -1: none
}

// Crop is a part of the picture; the coordinates go from 0 to 1.
type Crop struct {
	X float64 `yaml:"x"`
	Y float64 `yaml:"y"`
	W float64 `yaml:"w"`
	H float64 `yaml:"h"`
}

// Sight is what of a camera's picture anything else may see, and when.
type Sight struct {
	Masks    [][][]float64 // polygons of points [x, y]
	Crop     Crop
	Rotate   int
	Motion   Motion
	Schedule []string
}

// Camera puts a source, its sight and its hours together.
func (s Sight) Camera(spec capture.Spec) (capture.CameraConfig, error) {
	c := capture.CameraConfig{Spec: spec, View: capture.View{Crop: capture.Rect(s.Crop), Rotate: s.Rotate}}
	for i, polygon := range s.Masks {
		var m capture.Mask
		for _, p := range polygon {
			if len(p) != 2 {
				return c, fmt.Errorf("mask %d: a point has two numbers, like [0.1, 0.5]", i+1)
			}
			m = append(m, capture.Point{X: p[0], Y: p[1]})
		}
		c.View.Masks = append(c.View.Masks, m)
	}
	if m := s.Motion; m.Enabled {
		c.Motion = &capture.MotionConfig{Area: m.Area, Contrast: m.Contrast, Hold: m.Hold.Std(), Before: m.Before}
	}
	var err error
	if c.Schedule, err = capture.ParseSchedule(s.Schedule); err != nil {
		return c, err
	}
	return c, c.Validate()
}

// checkSight validates a camera's sight.
func (d *decoder) checkSight(s Sight, at string) {
	m := s.Motion
	d.check(m.Area >= 0 && m.Area <= 1, at+".motion.area", "must be between 0 and 1, a share of the picture")
	d.check(m.Contrast >= 0 && m.Contrast <= 255, at+".motion.contrast", "must be between 0 and 255")
	d.check(m.Hold >= 0, at+".motion.hold", "must not be negative")
	d.check(m.Before >= -1 && m.Before <= 64, at+".motion.before", "must be between -1 (none) and 64 frames")
	_, err := s.Camera(capture.Spec{})
	if err == nil {
		return
	}
	text := strings.TrimPrefix(err.Error(), "capture: ")
	key := "masks"
	for _, k := range []string{"crop", "rotate", "schedule"} {
		if strings.HasPrefix(text, k) {
			key = k
		}
	}
	d.check(false, at+"."+key, "is wrong: %s", text)
}
