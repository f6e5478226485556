package main

import (
	"context"
	"sync"
	"time"

	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/stream"
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

// watch makes a model whose work shows in a pulse, and that answers questions and
// keeps windows if m does.
func watch(m pipeline.Describer, pulse *modelPulse) pipeline.Describer {
	if s, ok := m.(pipeline.Streamer); ok {
		if l, ok := m.(pipeline.Looker); ok {
			return watchedStreamer{watchedLooker{watched{m, pulse}, l}, s}
		}
	}
	if l, ok := m.(pipeline.Looker); ok {
		return watchedLooker{watched{m, pulse}, l}
	}
	return watched{m, pulse}
}

type watched struct {
	pipeline.Describer
	pulse *modelPulse
}

func (w watched) Generate(ctx context.Context, r vlm.Request, emit func(string)) (vlm.Result, error) {
	defer w.pulse.begin()()
	return w.Describer.Generate(ctx, r, emit)
}

type watchedLooker struct {
	watched
	looker pipeline.Looker
}

func (w watchedLooker) Info() vlm.Info { return w.looker.Info() }

func (w watchedLooker) Look(ctx context.Context, system *string, media []vlm.Media) (pipeline.Scene, vlm.Timings, error) {
	defer w.pulse.begin()()
	s, t, err := w.looker.Look(ctx, system, media)
	if err != nil {
		return nil, t, err
	}
	return watchedScene{s, w.pulse}, t, nil
}

type watchedScene struct {
	pipeline.Scene
	pulse *modelPulse
}

func (w watchedScene) Ask(ctx context.Context, qs []vlm.Question) ([]vlm.Answer, error) {
	defer w.pulse.begin()()
	return w.Scene.Ask(ctx, qs)
}

type watchedStreamer struct {
	watchedLooker
	streamer pipeline.Streamer
}

func (w watchedStreamer) Sizes() (least, most, unit int) { return w.streamer.Sizes() }

func (w watchedStreamer) Stream(ctx context.Context, c stream.Config) (pipeline.Window, error) {
	defer w.pulse.begin()()
	win, err := w.streamer.Stream(ctx, c)
	if err != nil {
		return nil, err
	}
	return watchedWindow{win, w.pulse}, nil
}

type watchedWindow struct {
	pipeline.Window
	pulse *modelPulse
}

func (w watchedWindow) Add(ctx context.Context, p stream.Pair) (stream.Step, error) {
	defer w.pulse.begin()()
	return w.Window.Add(ctx, p)
}

func (w watchedWindow) Ask(ctx context.Context, qs []vlm.Question) ([]vlm.Answer, error) {
	defer w.pulse.begin()()
	return w.Window.Ask(ctx, qs)
}

func (w watchedWindow) Describe(ctx context.Context, prompt string, maxTokens int, how vlm.Sampling, emit func(string)) (vlm.Result, error) {
	defer w.pulse.begin()()
	return w.Window.Describe(ctx, prompt, maxTokens, how, emit)
}
