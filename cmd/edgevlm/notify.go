package main

import (
	"context"
	"sync/atomic"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// notify tells systemd; without systemd it does nothing. A failure is no reason
// to stop describing.
func notify(state string) { _, _ = sd.SdNotify(false, state) }

// stalled is how long the model may work without a sign of progress before the
// watchdog is left to bite.
const stalled = 5 * time.Minute

// pulse knows whether the model still makes progress.
type pulse struct {
	busy atomic.Bool
	last atomic.Int64 // Unix nanoseconds
}

func newPulse() *pulse {
	p := &pulse{}
	p.beat()
	return p
}

func (p *pulse) beat()                                    { p.last.Store(time.Now().UnixNano()) }
func (p *pulse) begin()                                   { p.beat(); p.busy.Store(true) }
func (p *pulse) end()                                     { p.busy.Store(false); p.beat() }
func (p *pulse) progress(stage string, done, total int64) { p.beat() }
func (p *pulse) alive(now time.Time) bool {
	return !p.busy.Load() || now.Sub(time.Unix(0, p.last.Load())) < stalled
}

// feedWatchdog pings systemd's watchdog, if it is on, while the model is alive.
func (p *pulse) feedWatchdog(ctx context.Context) {
	every, err := sd.SdWatchdogEnabled(false)
	if err != nil || every <= 0 {
		return
	}
	t := time.NewTicker(every / 3)
	defer t.Stop()
	for {
		if p.alive(time.Now()) {
			notify(sd.SdNotifyWatchdog)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// watched is a model whose work shows in a pulse.
type watched struct {
	pipeline.Describer
	pulse *pulse
}

func (w watched) Generate(ctx context.Context, r vlm.Request, emit func(string)) (vlm.Result, error) {
	w.pulse.begin()
	defer w.pulse.end()
	return w.Describer.Generate(ctx, r, emit)
}
