// Package metrics shows the daemon's figures to Prometheus. It keeps the figures
// that only it is told of (how long the stages take, tokens) and asks for all
// others when it is scraped.
package metrics

import (
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Stage is a part of a description's way.
type Stage string

// The stages in their order. Total is from the last frame's capture to the
// description, with what it waited for.
const (
	Preprocess Stage = "preprocess"
	Vision     Stage = "vision"
	Prefill    Stage = "prefill"
	Decode     Stage = "decode"
	Total      Stage = "total"
)

// Description is what one description took.
type Description struct {
	Camera                       string
	Stages                       map[Stage]time.Duration
	PromptTokens, AnsweredTokens int
}

// Metrics collects and shows. Safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	stages   *prometheus.HistogramVec
	tokens   *prometheus.CounterVec

	mu     sync.Mutex
	recent map[Stage]*Summary
	rate   float64 // tokens a second, of the newest answer
}

// New makes the metrics; read is called at every scrape, from any goroutine.
func New(read func() Snapshot) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "edgevlm_stage_seconds", Help: "How long a stage of a description took.",
			// From the demo model on a PC to a 2B model on a Raspberry Pi 4.
			Buckets: []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 60, 120},
		}, []string{"camera", "stage"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "edgevlm_tokens_total", Help: "Tokens of prompts (pictures included) and of answers.",
		}, []string{"kind"}),
		recent: map[Stage]*Summary{},
	}
	for _, kind := range []string{"prompt", "answer"} {
		m.tokens.WithLabelValues(kind) // shown as 0 from the start
	}
	m.registry.MustRegister(m.stages, m.tokens, &snapshots{read: read, rate: m.tokenRate},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the text format, or OpenMetrics where that is asked for.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// Observe counts one description.
func (m *Metrics) Observe(d Description) {
	for stage, took := range d.Stages {
		m.stages.WithLabelValues(d.Camera, string(stage)).Observe(took.Seconds())
	}
	m.tokens.WithLabelValues("prompt").Add(float64(max(0, d.PromptTokens)))
	m.tokens.WithLabelValues("answer").Add(float64(max(0, d.AnsweredTokens)))
	m.mu.Lock()
	defer m.mu.Unlock()
	for stage, took := range d.Stages {
		if m.recent[stage] == nil {
			m.recent[stage] = &Summary{}
		}
		m.recent[stage].add(took)
	}
	// The first token comes out of the prefill.
	if decode := d.Stages[Decode]; d.AnsweredTokens > 1 && decode > 0 {
		m.rate = float64(d.AnsweredTokens-1) / decode.Seconds()
	}
}

func (m *Metrics) tokenRate() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rate
}

// Summary is a stage over some time.
type Summary struct {
	Count     int
	Mean, Max time.Duration
	sum       time.Duration
}

func (s *Summary) add(d time.Duration) {
	s.Count++
	s.sum += d
	s.Mean = s.sum / time.Duration(s.Count)
	s.Max = max(s.Max, d)
}

// Recent are the stages since the last call, those without any left out, and
// the newest answer's tokens a second (0: none yet).
func (m *Metrics) Recent() (stages map[Stage]Summary, tokensPerSecond float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	stages = make(map[Stage]Summary, len(m.recent))
	for name, s := range m.recent {
		stages[name] = *s
	}
	m.recent = map[Stage]*Summary{}
	return stages, m.rate
}
