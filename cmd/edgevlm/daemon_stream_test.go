package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
	"github.com/edgevlm/edgevlm/demo"
	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/mqtttest"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// streamConfig is a daemon with a sample clip that loops before two cameras: one with questions and conditions, one whose
// descriptions are documents. The clip plays ten times as fast as it was drawn; to the model pairs follow each other all the same.
func streamConfig(t *testing.T, url string) *config.Config {
	t.Helper()
	dir := t.TempDir()
	for i, m := range demo.Clips()[0].Frames {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i, ".png")))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, m); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	cfg, err := config.Parse("test", fmt.Appendf(nil, `
device: gate
cameras:
  - name: yard
    source: "files:%[1]s"
    loop: true
    fps: 20
    window: 400ms
    questions: [{ name: person, text: Is there a person?, kind: yes_no }]
    conditions:
      seen: notify "The model has looked" when person or not person
      never: notify when person and not person
    publish: { every: 100ms }
  - name: door
    source: "files:%[1]s"
    loop: true
    fps: 20
    window: 400ms
    schema: { type: object, properties: { people: { type: integer, minimum: 0, maximum: 9 }, door: { enum: [open, closed] } }, required: [people, door] }
    publish: { every: 100ms, changes: false }
mqtt: { url: "%[2]s", commands: { rate: 1000, burst: 1000 } }
http: { listen: "" }
`, dir, url))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// startDemoDaemon runs the daemon with the embedded model.
func startDemoDaemon(t *testing.T, cfg *config.Config) *runningDaemon {
	t.Helper()
	e, err := vlm.OpenBytes(context.Background(), demo.Text(), demo.MMProj(), vlm.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return startDaemon(t, cfg, pipeline.Engine{Engine: e})
}

func TestTheDaemonKeepsItsWindowsInTheModel(t *testing.T) {
	b := startTestBroker(t)
	got := mqtttest.Collect(t, b.URL(), "edgevlm/gate/#")
	d := startDemoDaemon(t, streamConfig(t, b.URL()))
	send := sender(t, b.URL())

	// The condition's event comes before the first description, and once.
	mqtttest.Eventually(t, "the clip is described, and the other one as a document", func() bool {
		return len(got.Events(t, "edgevlm/gate/yard/event")) > 1 && len(got.Events(t, "edgevlm/gate/door/event")) > 2
	})
	events := got.Events(t, "edgevlm/gate/yard/event")
	c := events[0].Condition
	if c == nil || c.Name != "seen" || c.Message != "The model has looked" || c.State != mqtt.ConditionStart || events[0].Text != "" || len(events[0].Answers) != 1 {
		t.Errorf("the first event is %+v, condition %+v", events[0], c)
	}
	for _, e := range events[1:] {
		if e.Condition != nil || e.Text == "" || len(e.Answers) != 1 || len(e.FrameSeqs) < 4 || len(e.FrameSeqs) > 8 || e.TimingsMS.Decode == 0 {
			t.Errorf("event %+v", e)
		}
	}
	for topic, want := range map[string]string{"seen": "on", "never": "off"} {
		var s mqtt.ConditionState
		if err := json.Unmarshal([]byte(got.Last("edgevlm/gate/yard/condition/"+topic)), &s); err != nil || s.State != want || s.At.IsZero() {
			t.Errorf("condition %s: %+v, %v", topic, s, err)
		}
	}
	for _, e := range got.Events(t, "edgevlm/gate/door/event") {
		var doc struct {
			People *int
			Door   string
		}
		if err := json.Unmarshal([]byte(e.Text), &doc); err != nil || doc.People == nil || doc.Door == "" {
			t.Errorf("document %q: %v", e.Text, err)
		}
	}
	if q := got.Last("edgevlm/gate/yard/question/person"); !strings.Contains(q, `"probability"`) {
		t.Errorf("question %s", q)
	}

	send("request/describe", `{"transaction":1,"camera":"yard","schema":{"type":"object","properties":{"animals":{"type":"array","items":{"enum":["dog","cat"]},"maxItems":2}},"required":["animals"]}}`)
	r := response(t, got, "describe", "1")
	if data, _ := r.Data.(map[string]any); r.Status != "ok" || data["text"] != nil {
		t.Errorf("describe with a schema: %+v", r)
	} else if doc, _ := data["json"].(map[string]any); doc["animals"] == nil {
		t.Errorf("document %v", data["json"])
	}
	send("request/describe", `{"transaction":2,"camera":"door"}`)
	if r := response(t, got, "describe", "2"); !strings.Contains(fmt.Sprint(r.Data), "json:map[door:") {
		t.Errorf("describe where descriptions are documents: %+v", r)
	}
	send("request/describe", `{"transaction":3,"camera":"yard","schema":{"type":"banana"}}`)
	if r := response(t, got, "describe", "3"); r.Status != "error" || !strings.Contains(r.Error, "banana") {
		t.Errorf("describe with a schema that is none: %+v", r)
	}
	send("request/ask", `{"transaction":4,"camera":"yard","question":"Is there a dog?","kind":"yes_no"}`)
	if r := response(t, got, "ask", "4"); r.Status != "ok" || !strings.Contains(fmt.Sprint(r.Data), "probabilities") {
		t.Errorf("ask: %+v", r)
	}

	all := d.pipe.Load().Stats()
	s := d.stats(all, all, time.Second)
	if y := s.Cameras["yard"]; y.Stream == nil || y.Stream.Tokens == 0 || y.Stream.Pairs == 0 || y.Conditions != 1 {
		t.Errorf("stats %+v, %+v", y, y.Stream)
	}
	w := httptest.NewRecorder()
	d.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if m := w.Body.String(); !strings.Contains(m, `edgevlm_stream_tokens_total{camera="yard",fate="kept"}`) || strings.Contains(m, `edgevlm_stream_pairs_total{camera="yard"} 0`) {
		t.Errorf("metrics\n%s", m)
	}

	send("yard/set/enabled", "OFF")
	mqtttest.Eventually(t, "no condition of a disabled camera holds", func() bool {
		return strings.Contains(got.Last("edgevlm/gate/yard/condition/seen"), `"off"`)
	})
	send("yard/set/enabled", "ON")
	mqtttest.Eventually(t, "it holds again", func() bool { return strings.Contains(got.Last("edgevlm/gate/yard/condition/seen"), `"on"`) })
	d.stop()
	if log := d.log.String(); !strings.Contains(log, "msg=condition camera=yard") || strings.Contains(log, "level=WARN msg=\"no description\"") {
		t.Errorf("log\n%s", log)
	}
}

func TestConditionsOfAModelWithoutWindowsMakeEventsToo(t *testing.T) {
	b := startTestBroker(t)
	got := mqtttest.Collect(t, b.URL(), "edgevlm/gate/#")
	cfg := askConfig(t, b.URL())
	cfg.Cameras[0].Conditions = config.Conditions{{Name: "wet", Line: "notify when weather is rain and cars > 2"}}
	startDaemon(t, cfg, &askModel{})
	mqtttest.Eventually(t, "its event arrives", func() bool {
		for _, e := range got.Events(t, "edgevlm/gate/yard/event") {
			if e.Condition != nil && e.Condition.Name == "wet" && e.Condition.State == mqtt.ConditionStart && len(e.Answers) == 2 {
				return true
			}
		}
		return false
	})
}

// sameModel says the same of everything.
type sameModel struct{ fakeModel }

func (m *sameModel) Generate(ctx context.Context, _ vlm.Request, _ func(string)) (vlm.Result, error) {
	return vlm.Result{Text: "A yard.", Backend: "fake"}, ctx.Err()
}

func TestWhatWasSaidIsNotSaidAgain(t *testing.T) {
	b := startTestBroker(t)
	got := mqtttest.Collect(t, b.URL(), "edgevlm/gate/#")
	cfg := clipConfig(t, b.URL(), 6)
	cfg.Cameras[0].Loop, cfg.Cameras[0].Publish.Changes = true, true
	d := startDaemon(t, cfg, &sameModel{})
	mqtttest.Eventually(t, "some descriptions are not published", func() bool {
		p := d.pipe.Load()
		return p != nil && p.Stats()[0].Stream.Suppressed > 2
	})
	d.stop()
	mqtttest.Eventually(t, "the device is offline", func() bool { return got.Last("edgevlm/gate/availability") == "offline" })
	if n := len(got.Events(t, "edgevlm/gate/yard/event")); n != 1 {
		t.Errorf("%d events", n)
	}
}
