package config

import (
	"strings"
	"testing"

	"github.com/edgevlm/edgevlm/capture"
)

func problems(check func(*decoder)) string {
	d := decoder{lines: map[string]int{}}
	check(&d)
	var all []string
	for _, p := range d.problems {
		all = append(all, p.Text)
	}
	return strings.Join(all, "; ")
}

func TestWhatIsWrongWithPinsAndPowerNamesTheKey(t *testing.T) {
	for want, c := range map[string]struct {
		g GPIO
		p Power
	}{
		"":                         {GPIO{Privacy: GPIOPrivacy{Pin: "GPIO27", Pull: "up"}}, Power{MaxWatts: 12, INA219: INA219{Bus: "/dev/i2c-1", Address: 0x45}}},
		"gpio.led.pin":             {g: GPIO{Privacy: GPIOPrivacy{Pin: "A"}, LED: GPIOLED{Pin: "A"}}},
		"gpio.trigger.edge":        {g: GPIO{Trigger: GPIOTrigger{Pin: "A", Edge: "up"}}},
		"gpio.trigger.cameras":     {g: GPIO{Trigger: GPIOTrigger{Pin: "A", Cameras: []string{"cellar"}}}},
		"power.ina219.address":     {p: Power{INA219: INA219{Bus: "/dev/i2c-1", Address: 0x12}}},
		"power.max_temperature":    {p: Power{MaxTemperature: 500}},
		"power.min_watts is wrong": {p: Power{MaxWatts: 5, MinWatts: 6}},
	} {
		got := problems(func(d *decoder) { d.checkBoard(c.g, c.p, map[string]bool{"yard": true}) })
		if got = strings.ReplaceAll(got, "`", ""); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q, want one about %q", got, want)
		}
	}
}

func TestSightBecomesACamera(t *testing.T) {
	s := Sight{
		Masks: [][][]float64{{{0, 0}, {0.5, 0}, {0.5, 0.5}}}, Rotate: 90, Crop: Crop{0, 0, 1, 0.5},
		Motion: Motion{Enabled: true, Before: 3}, Schedule: []string{"mon-fri 07:00-19:00"},
	}
	c, err := s.Camera(capture.Spec{Source: "files:x"})
	if err != nil || len(c.View.Masks) != 1 || c.View.Masks[0][1] != (capture.Point{X: 0.5}) || c.View.Rotate != 90 ||
		c.Motion.Before != 3 || len(c.Schedule) != 1 || c.Spec.Source != "files:x" {
		t.Errorf("%+v, %v", c, err)
	}
	if got := problems(func(d *decoder) { d.checkSight(s, "cameras[0]") }); got != "" {
		t.Errorf("problems: %s", got)
	}
	for want, s := range map[string]Sight{
		"masks":    {Masks: [][][]float64{{{0, 0}, {1, 1}}}},
		"masks ":   {Masks: [][][]float64{{{0, 0}, {1, 1}, {0.5}}}},
		"rotate":   {Rotate: 45},
		"crop":     {Crop: Crop{0.5, 0, 0.6, 1}},
		"schedule": {Schedule: []string{"always"}},
		"area":     {Motion: Motion{Area: 2}},
		"before":   {Motion: Motion{Before: 100}},
	} {
		if got := problems(func(d *decoder) { d.checkSight(s, "cameras[0]") }); !strings.Contains(got, strings.TrimSpace(want)) {
			t.Errorf("%q, want one about %s", got, want)
		}
	}
}
