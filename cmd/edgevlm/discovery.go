package main

import (
	"time"

	"github.com/edgevlm/edgevlm/mqtt/discovery"
)

// announce tells Home Assistant what there is.
func (d *daemon) announce() error {
	if !d.cfg.MQTT.Discovery.Enabled {
		return nil
	}
	_, err := discovery.Announce(d.pub, d.topics, d.discoveryOptions())
	return err
}

func (d *daemon) discoveryOptions() discovery.Options {
	c := d.cfg.MQTT.Discovery
	o := discovery.Options{
		Prefix: c.Prefix, Single: c.Single, Version: version(),
		Temperature: temperature(thermalDir) != nil,
	}
	slowest, beat, never := time.Duration(0), time.Duration(0), false
	for _, cam := range d.cfg.Cameras {
		slowest = max(slowest, cam.Publish.Every.Std())
		if cam.Publish.Changes {
			beat = max(beat, cam.Stream.Heartbeat.Std()+cam.Publish.Every.Std()+time.Minute)
			never = never || cam.Stream.Heartbeat == 0
		}
		x := discovery.Camera{Name: cam.Name, Snapshot: cam.Publish.Snapshot, MinFPS: minSetFPS, MaxFPS: max(2, cam.FPS), Modes: len(cam.Questions) > 0}
		for _, q := range cam.Questions {
			x.Questions = append(x.Questions, discovery.Question{Name: q.Name, Kind: q.Kind, Choices: q.Choices, Unit: q.Unit})
		}
		for _, c := range cam.Conditions {
			x.Conditions = append(x.Conditions, c.Name)
		}
		o.Cameras = append(o.Cameras, x)
	}
	if e := c.Expire.Std(); e > 0 {
		// A value must not expire before the next one can be there.
		if o.ExpireDescription = int(max(e, 3*slowest, beat).Seconds()); never {
			o.ExpireDescription = 0
		}
		o.ExpireStats = int((5 * statsEvery).Seconds())
	}
	return o
}

// minSetFPS is the least frame rate that Home Assistant offers.
const minSetFPS = 0.1
