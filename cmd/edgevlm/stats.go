package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
)

// reportStats publishes the counters until ctx ends.
func (d *daemon) reportStats(ctx context.Context, p *pipeline.Pipeline) error {
	// Not only after the first interval: who listens wants to know what there is.
	t := time.NewTicker(time.Second)
	defer t.Stop()
	before, since := p.Stats(), time.Now()
	for first := true; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		if first {
			if !d.pub.Status().Connected {
				continue
			}
			first = false
			t.Reset(statsEvery)
		}
		now, at := p.Stats(), time.Now()
		if err := d.pub.SendStats(d.stats(before, now, at.Sub(since))); err != nil {
			d.log.Warn("stats not published", "err", err)
		}
		before, since = now, at
	}
}

// stats are the device's figures; rates are over the time passed between two
// readings of the cameras' counters.
func (d *daemon) stats(before, now []pipeline.Stats, passed time.Duration) mqtt.Stats {
	s := mqtt.Stats{
		At: time.Now().UTC(), UptimeS: time.Since(d.start).Seconds(), Cameras: map[string]mqtt.CameraStats{},
		TemperatureC: temperature(thermalDir), RSSBytes: residentBytes(),
	}
	d.addStages(&s)
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, c := range now {
		s.Cameras[c.Camera] = mqtt.CameraStats{
			FPS:    float64(c.Frames-before[i].Frames) / max(passed.Seconds(), 1e-3),
			Frames: c.Frames, Dropped: c.Dropped, Broken: c.Broken, Descriptions: c.Descriptions, Failed: c.Failed,
			LatencyMS:  mqtt.MS(d.latency[c.Camera]),
			Suppressed: c.Stream.Suppressed, Conditions: c.Conditions, Stream: streamStats(c.Stream),
		}
	}
	return s
}

// streamStats are nil for a camera whose window isn't kept in the model.
func streamStats(s pipeline.StreamStats) *mqtt.Stream {
	if s.Pairs == 0 && s.Missed == 0 {
		return nil
	}
	return &mqtt.Stream{
		Pairs: s.Pairs, Tokens: s.Tokens, DroppedTokens: s.Dropped, TowerSkips: s.Skipped, MissedPairs: s.Missed, LatePairs: s.Late,
		ReusedAnswers: s.Reused, Pixels: s.Pixels,
	}
}

// thermalDir is where Linux shows its thermal zones.
const thermalDir = "/sys/class/thermal"

// temperature is the hottest thermal zone's, in degrees Celsius; nil where the
// board has none.
func temperature(dir string) *float64 {
	files, _ := filepath.Glob(filepath.Join(dir, "thermal_zone*", "temp"))
	var hottest *float64
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		milli, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			continue
		}
		if c := float64(milli) / 1000; hottest == nil || c > *hottest {
			hottest = &c
		}
	}
	return hottest
}

// residentBytes is the memory that the process holds; 0 if unknown.
func residentBytes() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
