package metrics

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func full() Snapshot {
	temp, watts, pace := 61.5, 4.2, 1
	return Snapshot{
		Version: "v1", Model: "tiny", Quant: "Q4_0", Backend: "cpu",
		Cameras: []Camera{{Name: "yard", Up: true, Frames: 10, Dropped: 2, Broken: 1, Descriptions: 3, Failed: 1, Opens: 2, Suppressed: 11, Conditions: 12,
			Pairs: 13, Missed: 14, Late: 15, TowerSkips: 16, TokensKept: 17, TokensDropped: 18, AnswersReused: 19}, {Name: "gate"}},
		Spool:  Spool{Events: 4, Bytes: 800, Dropped: 5, Unsafe: 6},
		Broker: Broker{Connected: true, Connects: 7, Published: 8, InFlight: 9},

		TemperatureC: &temp, PowerW: &watts, Pace: &pace,
	}
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestAScrapeShowsTheDaemonAsItIs(t *testing.T) {
	m := New(full)
	m.Observe(Description{Camera: "yard", Stages: map[Stage]time.Duration{Vision: 60 * time.Millisecond, Decode: 2 * time.Second}, PromptTokens: 100, AnsweredTokens: 21})
	got := scrape(t, m)
	for _, line := range []string{
		`edgevlm_info{backend="cpu",model="tiny",quant="Q4_0",version="v1"} 1`,
		`edgevlm_camera_up{camera="yard"} 1`, `edgevlm_camera_up{camera="gate"} 0`,
		`edgevlm_frames_total{camera="yard"} 10`, `edgevlm_frames_dropped_total{camera="yard"} 2`, `edgevlm_frames_broken_total{camera="yard"} 1`,
		`edgevlm_descriptions_total{camera="yard"} 3`, `edgevlm_descriptions_failed_total{camera="yard"} 1`, `edgevlm_camera_opens_total{camera="yard"} 2`,
		`edgevlm_descriptions_suppressed_total{camera="yard"} 11`, `edgevlm_condition_events_total{camera="yard"} 12`,
		`edgevlm_stream_pairs_total{camera="yard"} 13`, `edgevlm_stream_pairs_missed_total{camera="yard"} 14`, `edgevlm_stream_pairs_late_total{camera="yard"} 15`,
		`edgevlm_stream_tower_skips_total{camera="yard"} 16`, `edgevlm_stream_tokens_total{camera="yard",fate="kept"} 17`,
		`edgevlm_stream_tokens_total{camera="yard",fate="dropped"} 18`, `edgevlm_stream_answers_reused_total{camera="yard"} 19`,
		`edgevlm_stage_seconds_bucket{camera="yard",stage="vision",le="0.05"} 0`, `edgevlm_stage_seconds_bucket{camera="yard",stage="vision",le="0.1"} 1`,
		`edgevlm_stage_seconds_sum{camera="yard",stage="decode"} 2`,
		`edgevlm_tokens_total{kind="prompt"} 100`, `edgevlm_tokens_total{kind="answer"} 21`, `edgevlm_tokens_per_second 10`,
		`edgevlm_spool_events 4`, `edgevlm_spool_bytes 800`, `edgevlm_spool_dropped_total 5`, `edgevlm_spool_unsafe_events 6`,
		`edgevlm_mqtt_connected 1`, `edgevlm_mqtt_connects_total 7`, `edgevlm_mqtt_published_total 8`, `edgevlm_mqtt_in_flight 9`,
		`edgevlm_temperature_celsius 61.5`, `edgevlm_power_watts 4.2`, `edgevlm_pace_steps 1`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if !strings.Contains(got, "process_resident_memory_bytes ") || !strings.Contains(got, "go_goroutines ") {
		t.Error("nothing about the process itself")
	}
}

func TestWhatTheBoardHasNotIsNotShown(t *testing.T) {
	got := scrape(t, New(func() Snapshot { return Snapshot{} }))
	for _, name := range []string{"edgevlm_temperature", "edgevlm_power", "edgevlm_pace", "edgevlm_camera_up"} {
		if strings.Contains(got, name) {
			t.Errorf("%s is shown", name)
		}
	}
}

func TestNamesAndHelpFollowPrometheus(t *testing.T) {
	m := New(full)
	m.Observe(Description{Camera: "yard", Stages: map[Stage]time.Duration{Total: time.Second}})
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "edgevlm_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestRecentIsSinceTheLastCall(t *testing.T) {
	m := New(full)
	for _, d := range []time.Duration{time.Second, 3 * time.Second} {
		m.Observe(Description{Camera: "yard", Stages: map[Stage]time.Duration{Decode: d}, AnsweredTokens: 31})
	}
	stages, rate := m.Recent()
	if s := stages[Decode]; s.Count != 2 || s.Mean != 2*time.Second || s.Max != 3*time.Second || rate != 10 {
		t.Errorf("%+v, %v tokens/s", s, rate)
	}
	if stages, rate := m.Recent(); len(stages) != 0 || rate != 10 {
		t.Errorf("%+v, %v tokens/s", stages, rate)
	}
}

func TestScrapesAndDescriptionsMayComeAtOnce(t *testing.T) {
	m := New(full)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			m.Observe(Description{Camera: "yard", Stages: map[Stage]time.Duration{Total: 1}})
			w := httptest.NewRecorder()
			m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			_, _ = io.Copy(io.Discard, w.Body)
			m.Recent()
		})
	}
	wg.Wait()
}
