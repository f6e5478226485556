package main

import (
	"context"
	"sync"
	"time"

	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/vlm"
	"github.com/edgevlm/edgevlm/systemd"
)

// stalled is how long the model may work without a sign of progress before the
// watchdog bites: an encode of a large picture on a slow board takes minutes.
const stalled = 5 * time.Minute

// modelPulse shows the watchdog that the model gets on, while it has work.
type modelPulse struct {
	n *systemd.Notifier

	mu    sync.Mutex
	pulse *systemd.Pulse // nil: idle
}

// begin says that the model has work; the function that it returns, that it is
// done.
func (m *modelPulse) begin() (end func()) {
	p := m.n.Pulse("model", stalled)
	m.mu.Lock()
	m.pulse = p
	m.mu.Unlock()
	return func() {
		m.mu.Lock()
		m.pulse = nil
		m.mu.Unlock()
		p.Stop()
	}
}

// progress is the engine's callback.
func (m *modelPulse) progress(stage string, done, total int64) {
	m.mu.Lock()
	p := m.pulse
	m.mu.Unlock()
	if p == nil {
		return
	}
	p.Beat()
	if stage == "load" {
		m.n.ExtendStart(stalled)
	}
}

// watched is a model whose work shows in a pulse.
type watched struct {
	pipeline.Describer
	pulse *modelPulse
}

func (w watched) Generate(ctx context.Context, r vlm.Request, emit func(string)) (vlm.Result, error) {
	defer w.pulse.begin()()
	return w.Describer.Generate(ctx, r, emit)
}
