package main

import (
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/edgevlm/edgevlm/metrics"
	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
)

// figures are the daemon's metrics and the pipeline that they are read from; nil
// until the model is loaded.
type figures struct {
	metrics *metrics.Metrics
	pipe    atomic.Pointer[pipeline.Pipeline]
}

// snapshot is what a scrape shows.
func (d *daemon) snapshot() metrics.Snapshot {
	s := metrics.Snapshot{Version: version(), TemperatureC: temperature(thermalDir)}
	if d.board != nil {
		now := d.board.Status()
		s.Pace = &now.Pace.Level
		if now.HasPower {
			s.PowerW = &now.Power.Watts
		}
	}
	if p := d.pipe.Load(); p != nil { // it was stored after d.info
		s.Model, s.Quant, s.Backend = d.info.Name, d.info.Quant, d.info.Backend
		for _, c := range p.Stats() {
			s.Cameras = append(s.Cameras, metrics.Camera{
				Name: c.Camera, Up: c.Up, Frames: c.Frames, Dropped: c.Dropped, Broken: c.Broken,
				Descriptions: c.Descriptions, Failed: c.Failed, Opens: c.Opens,
				Suppressed: c.Stream.Suppressed, Conditions: c.Conditions,
				Pairs: c.Stream.Pairs, Missed: c.Stream.Missed, Late: c.Stream.Late, TowerSkips: c.Stream.Skipped,
				TokensKept: c.Stream.Tokens, TokensDropped: c.Stream.Dropped, AnswersReused: c.Stream.Reused,
			})
		}
	} else {
		for _, c := range d.cfg.Cameras {
			s.Cameras = append(s.Cameras, metrics.Camera{Name: c.Name})
		}
	}
	spool := d.pub.SpoolStats()
	s.Spool = metrics.Spool{Events: spool.Events, Bytes: spool.Bytes, Dropped: spool.Dropped, Unsafe: spool.Unsafe}
	b := d.pub.Status()
	s.Broker = metrics.Broker{Connected: b.Connected, Connects: b.Connects, Published: b.Published, InFlight: b.InFlight}
	return s
}

// observe counts one description.
func (d *daemon) observe(x pipeline.Description) {
	t := x.Result.Timings
	d.metrics.Observe(metrics.Description{
		Camera: x.Camera,
		Stages: map[metrics.Stage]time.Duration{
			metrics.Preprocess: t.Preprocess, metrics.Vision: t.Vision, metrics.Prefill: t.Prefill, metrics.Decode: t.Decode,
			metrics.Total: max(0, x.Ready.Sub(x.Last())),
		},
		PromptTokens: x.Prefilled, AnsweredTokens: len(x.Result.Tokens),
	})
}

// addStages puts into the stats topic what a scrape shows as histograms.
func (d *daemon) addStages(s *mqtt.Stats) {
	stages, rate := d.metrics.Recent()
	s.TokensPerSecond = rate
	s.Stages = make(map[string]mqtt.StageStats, len(stages))
	for name, x := range stages {
		s.Stages[string(name)] = mqtt.StageStats{Count: x.Count, MeanMS: mqtt.MS(x.Mean), MaxMS: mqtt.MS(x.Max)}
	}
}

// serveMetrics shows /metrics at the configured address until the function that
// it returns is called. An address that is taken is said, and no reason to stop
// describing.
func (d *daemon) serveMetrics() (stop func()) {
	listen := d.cfg.HTTP.Listen
	if listen == "" {
		return func() {}
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		d.log.Warn("no metrics: set http.listen to a free address, or to \"\" for none", "err", err)
		return func() {}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", d.metrics.Handler())
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			d.log.Warn("metrics ended", "err", err)
		}
	}()
	d.log.Info("metrics", "url", "http://"+l.Addr().String()+"/metrics")
	return func() {
		_ = srv.Close() // a scrape that is cut off is no loss
		<-done
	}
}
