package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/broker"
	"github.com/edgevlm/edgevlm/mqtt/commands"
	"github.com/edgevlm/edgevlm/mqtt/mqtttest"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// askModel answers every question the same way.
type askModel struct{ fakeModel }

func (m *askModel) Look(ctx context.Context, _ *string, media []vlm.Media) (pipeline.Scene, vlm.Timings, error) {
	return &askScene{frames: len(media[0].Frames)}, vlm.Timings{}, ctx.Err()
}

type askScene struct{ frames int }

func (s *askScene) Close() error { return nil }
func (s *askScene) Ask(_ context.Context, qs []vlm.Question) (all []vlm.Answer, _ error) {
	for _, q := range qs {
		a := vlm.Answer{Name: q.Name, Kind: q.Kind, Value: fmt.Sprintf("%d frames, asked %q", s.frames, q.Text)}
		switch q.Kind {
		case vlm.KindYesNo:
			a.Value, a.Probability, a.Probabilities = "yes", 0.9, []float64{0.9, 0.1}
		case vlm.KindChoice:
			a.Value, a.Probability = q.Choices[1], 0.6
		case vlm.KindText:
			if q.Schema != nil {
				a.Value = `{"cars":2}`
			}
		case vlm.KindNumber:
			a.Value, a.Probability = "3", 0.7
		}
		if strings.Contains(q.Text, "impossible") {
			return nil, fmt.Errorf("%w: question %s", vlm.ErrRequest, q.Name)
		}
		all = append(all, a)
	}
	return all, nil
}

// askConfig is a daemon with one looping clip, questions and snapshots.
func askConfig(t *testing.T, url string) *config.Config {
	t.Helper()
	cfg := clipConfig(t, url, 6)
	c := &cfg.Cameras[0]
	c.Loop, c.Publish.Snapshot = true, true
	c.Questions = []config.Question{
		{Name: "person", Text: "Is there a person?", Kind: "yes_no"},
		{Name: "broken", Text: "An impossible question?", Kind: "yes_no"},
		{Name: "weather", Text: "Sun or rain?", Kind: "choice", Choices: []string{"sun", "rain"}},
		{Name: "cars", Text: "How many?", Kind: "number", Unit: "cars"},
	}
	cfg.HTTP.Listen = ""
	cfg.MQTT.Commands.Rate, cfg.MQTT.Commands.Burst = 1000, 1000
	return cfg
}

// runningDaemon is a daemon that runs until stop or the test's end.
type runningDaemon struct {
	*daemon
	log  *logBuffer
	stop func()
}

func startDaemon(t *testing.T, cfg *config.Config, m model) *runningDaemon {
	t.Helper()
	r := &runningDaemon{log: &logBuffer{}}
	var err error
	if r.daemon, err = newDaemon(cfg, slog.New(slog.NewTextHandler(r.log, nil))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.run(ctx, func(context.Context) (model, error) { return m, nil })
	}()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(r.stop)
	return r
}

// sender publishes what a smart home would.
func sender(t *testing.T, url string) func(topic, payload string) {
	t.Helper()
	topics, err := mqtt.NewTopics("home")
	if err != nil {
		t.Fatal(err)
	}
	spool := mqtt.NewMemorySpool(1)
	p, err := mqtt.NewPublisher(mqtt.Config{URL: url}, topics, spool, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	mqtttest.Eventually(t, "the sender is connected", func() bool { return p.Status().Connected })
	return func(topic, payload string) { p.Send("edgevlm/gate/"+topic, []byte(payload)) }
}

func startTestBroker(t *testing.T) *broker.Broker {
	t.Helper()
	b, err := broker.Start(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestAnswersComeWithTheEventAndOnTheirTopics(t *testing.T) {
	b := startTestBroker(t)
	got := mqtttest.Collect(t, b.URL(), "edgevlm/gate/#")
	d := startDaemon(t, askConfig(t, b.URL()), &askModel{})
	mqtttest.Eventually(t, "an event arrives", func() bool { return len(got.Events(t, "edgevlm/gate/yard/event")) > 0 })
	d.stop()
	e := got.Events(t, "edgevlm/gate/yard/event")[0]
	want := []mqtt.Answer{{Name: "person", Kind: "yes_no", Value: "yes", Probability: 0.9},
		{Name: "weather", Kind: "choice", Value: "rain", Probability: 0.6}, {Name: "cars", Kind: "number", Value: "3", Probability: 0.7}}
	if !slices.Equal(e.Answers, want) || e.Text != `4 frames, asked "What is happening?"` || e.Backend != "fake" {
		t.Errorf("event %+v", e)
	}
	var q mqtt.QuestionState
	if err := json.Unmarshal([]byte(got.Last("edgevlm/gate/yard/question/weather")), &q); err != nil || q.Value != "rain" || q.Probability != 0.6 || q.At.IsZero() {
		t.Errorf("question %+v, %v", q, err)
	}
	if got.Last("edgevlm/gate/yard/question/broken") != "" || !strings.Contains(d.log.String(), "question not answered") {
		t.Error("a question that can't be answered must be left out and said")
	}
}

// response waits for the answer with a transaction.
func response(t *testing.T, got *mqtttest.Collector, verb, transaction string) (r commands.Response) {
	t.Helper()
	mqtttest.Eventually(t, verb+" "+transaction+" is answered", func() bool {
		for _, m := range got.Messages("edgevlm/gate/response/" + verb) {
			r = commands.Response{}
			if err := json.Unmarshal(m.Payload, &r); err != nil {
				t.Fatal(err)
			}
			if string(r.Transaction) == transaction {
				return true
			}
		}
		return false
	})
	return r
}

func TestRequestsAreAnsweredByTheModel(t *testing.T) {
	b := startTestBroker(t)
	got := mqtttest.Collect(t, b.URL(), "edgevlm/gate/#")
	cfg := askConfig(t, b.URL())
	cfg.Cameras[0].Publish.Every = config.Duration(1 << 40) // one regular description only
	cfg.MQTT.Commands.Allow = []string{"describe", "ask", "snapshot", "health"}
	startDaemon(t, cfg, &askModel{})
	send := sender(t, b.URL())
	mqtttest.Eventually(t, "the regular description arrives", func() bool { return len(got.Events(t, "edgevlm/gate/yard/event")) == 1 })

	send("request/describe", `{"transaction":1}`)
	r := response(t, got, "describe", "1")
	if data, _ := r.Data.(map[string]any); r.Status != "ok" || !strings.HasPrefix(fmt.Sprint(data["text"]), "4 frames") {
		t.Errorf("describe: %+v", r)
	}
	mqtttest.Eventually(t, "it is an event too", func() bool { return len(got.Events(t, "edgevlm/gate/yard/event")) == 2 })

	send("request/describe", `{"transaction":2,"prompt":"Colours?","max_tokens":5}`)
	if r := response(t, got, "describe", "2"); r.Status != "ok" || !strings.Contains(fmt.Sprint(r.Data), "Colours?") {
		t.Errorf("describe with a prompt: %+v", r)
	}
	send("request/ask", `{"transaction":3,"question":"Is it raining?","kind":"yes_no"}`)
	r = response(t, got, "ask", "3")
	if data, _ := r.Data.(map[string]any); data["value"] != "yes" || data["probability"] != 0.9 || fmt.Sprint(data["probabilities"]) != "map[no:0.1 yes:0.9]" {
		t.Errorf("ask: %+v", r)
	}
	send("request/ask", `{"transaction":4,"question":"Is that impossible?","kind":"yes_no"}`)
	if r := response(t, got, "ask", "4"); r.Status != "error" || !strings.Contains(r.Error, "bad request") {
		t.Errorf("a question that can't be asked: %+v", r)
	}
	send("request/ask", `{"transaction":41,"question":"What is there?","schema":{"type":"object","properties":{"cars":{"type":"integer","minimum":0,"maximum":9}},"required":["cars"]}}`)
	if r := response(t, got, "ask", "41"); !strings.Contains(fmt.Sprint(r.Data), "json:map[cars:2]") {
		t.Errorf("a question with a schema: %+v", r)
	}
	send("request/ask", `{"transaction":42,"question":"What is there?","schema":{"type":"nonsense"}}`)
	if r := response(t, got, "ask", "42"); r.Status != "error" {
		t.Errorf("a schema that is none: %+v", r)
	}
	send("request/snapshot", `{"transaction":5}`)
	if r := response(t, got, "snapshot", "5"); r.Status != "ok" || !strings.Contains(fmt.Sprint(r.Data), "edgevlm/gate/yard/snapshot") {
		t.Errorf("snapshot: %+v", r)
	}
	mqtttest.Eventually(t, "the picture arrives", func() bool { return got.Last("edgevlm/gate/yard/snapshot") != "" })
	if m, err := jpeg.Decode(strings.NewReader(got.Last("edgevlm/gate/yard/snapshot"))); err != nil || m.Bounds().Dx() != 32 {
		t.Errorf("snapshot: %v", err)
	}
	send("request/health", `{"transaction":6}`)
	r = response(t, got, "health", "6")
	if text := fmt.Sprint(r.Data); r.Status != "ok" || !strings.Contains(text, "ready:true") || !strings.Contains(text, "availability:online") {
		t.Errorf("health: %s", text)
	}
	send("yard/set/fps", "1")
	mqtttest.Eventually(t, "what is not allowed is refused", func() bool {
		return strings.Contains(got.Last("edgevlm/gate/response/set"), "not allowed by the configuration")
	})
	send("request/describe", strings.Repeat("x", 10<<20))
	mqtttest.Eventually(t, "a payload of 10 MiB is refused", func() bool {
		return strings.Contains(got.Last("edgevlm/gate/response/describe"), "has 10485760 bytes: at most")
	})
}

func TestWithoutLeaveNoPictureLeavesTheDevice(t *testing.T) {
	b := startTestBroker(t)
	got := mqtttest.Collect(t, b.URL(), "edgevlm/gate/#")
	cfg := askConfig(t, b.URL())
	cfg.Cameras[0].Publish.Snapshot = false
	startDaemon(t, cfg, &askModel{})
	send := sender(t, b.URL())
	mqtttest.Eventually(t, "events arrive", func() bool { return len(got.Events(t, "edgevlm/gate/yard/event")) > 1 })
	send("request/snapshot", `{"transaction":1}`)
	if r := response(t, got, "snapshot", "1"); r.Status != "error" || !strings.Contains(r.Error, "publish.snapshot") {
		t.Errorf("snapshot: %+v", r)
	}
	if got.Last("edgevlm/gate/yard/snapshot") != "" {
		t.Error("a picture was published")
	}
}

func TestWhatIsSetOverMQTTCountsAndSurvivesARestart(t *testing.T) {
	b := startTestBroker(t)
	got := mqtttest.Collect(t, b.URL(), "edgevlm/gate/#")
	cfg := askConfig(t, b.URL())
	cfg.MQTT.Commands.StateFile = filepath.Join(t.TempDir(), "settings.json")
	d := startDaemon(t, cfg, &askModel{})
	send := sender(t, b.URL())
	text := func(want string) {
		t.Helper()
		mqtttest.Eventually(t, want, func() bool {
			events := got.Events(t, "edgevlm/gate/yard/event")
			return len(events) > 0 && strings.Contains(events[len(events)-1].Text+"|", want)
		})
	}
	text("What is happening?")
	send("yard/set/prompt", "Is the gate open?")
	text("Is the gate open?")
	mqtttest.Eventually(t, "the state says so", func() bool {
		return strings.Contains(got.Last("edgevlm/gate/yard/state"), `"prompt":"Is the gate open?"`)
	})
	send("yard/set/enabled", "OFF")
	mqtttest.Eventually(t, "it is disabled, and its picture gone", func() bool {
		m := got.Messages("edgevlm/gate/yard/snapshot")
		return got.Last("edgevlm/gate/yard/availability") == "disabled" && len(m) > 0 && len(m[len(m)-1].Payload) == 0
	})
	send("request/describe", `{"transaction":1}`)
	if r := response(t, got, "describe", "1"); !strings.Contains(r.Error, "disabled") {
		t.Errorf("describe of a disabled camera: %+v", r)
	}
	n := len(got.Events(t, "edgevlm/gate/yard/event"))
	d.stop()
	// Else the last life's "online" may be what is seen below, and a command to a daemon that doesn't listen yet is lost.
	mqtttest.Eventually(t, "it is offline", func() bool { return got.Last("edgevlm/gate/availability") == "offline" })
	d = startDaemon(t, cfg, &askModel{})
	mqtttest.Eventually(t, "it is online", func() bool { return got.Last("edgevlm/gate/availability") == "online" })
	mqtttest.Eventually(t, "it says that the camera is disabled", func() bool { return got.Last("edgevlm/gate/yard/availability") == "disabled" })
	if now := len(got.Events(t, "edgevlm/gate/yard/event")); now != n {
		t.Errorf("%d events of a disabled camera", now-n)
	}
	send("yard/set/enabled", "ON")
	text("Is the gate open?")
	mqtttest.Eventually(t, "it is online again", func() bool { return got.Last("edgevlm/gate/yard/availability") == "online" })
	send("yard/set/mode", "questions")
	text("|")
	if last := got.Last("edgevlm/gate/yard/description"); !strings.Contains(last, "Is the gate open?") {
		t.Errorf("an event without a text took the description away: %s", last)
	}
	send("yard/set/fps", "10")
	mqtttest.Eventually(t, "the rate is set", func() bool { return strings.Contains(got.Last("edgevlm/gate/yard/state"), `"fps":10`) })
	send("yard/set/prompt", "")
	send("yard/set/mode", "")
	text("What is happening?")
	d.stop()
}

// topicRow is a row of the README's table of topics.
type topicRow struct {
	pattern  *regexp.Regexp
	retained bool
	qos      byte
	inbound  bool
}

// covers says whether the row of that name is about topic, which follows edgevlm/<device>/.
func (r topicRow) covers(name, topic string) bool {
	first, _, _ := strings.Cut(topic, "/")
	device := first == "request" || first == "response" // no camera may be called so
	return r.pattern.MatchString(topic) && !(device && strings.HasPrefix(name, "<camera>"))
}

func topicRows(t *testing.T) map[string]topicRow {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "mqtt", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "\n## Topics")
	text, _, _ = strings.Cut(text, "\n## ")
	rows := map[string]topicRow{}
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) < 6 || !strings.Contains(cells[1], "`") {
			continue
		}
		name := strings.Trim(cells[1], " `")
		r := topicRow{retained: strings.TrimSpace(cells[3]) == "yes", inbound: strings.Contains(cells[2], "to the device")}
		if strings.TrimSpace(cells[4]) == "1" {
			r.qos = 1
		}
		r.pattern = regexp.MustCompile("^" + regexp.MustCompile("<[a-z]+>").ReplaceAllString(name, "[a-z0-9_-]+") + "$")
		rows[name] = r
	}
	return rows
}

func TestReadmeTopicsAreWhatTheDaemonPublishes(t *testing.T) {
	rows := topicRows(t)
	b := startTestBroker(t)
	live := mqtttest.Collect(t, b.URL(), "edgevlm/gate/#")
	cfg := askConfig(t, b.URL())
	cfg.Cameras[0].Conditions = config.Conditions{{Name: "visitor", Line: "notify when person"}}
	startDaemon(t, cfg, &askModel{})
	send := sender(t, b.URL())
	mqtttest.Eventually(t, "events, stats and pictures arrive", func() bool {
		return live.Last("edgevlm/gate/yard/event") != "" && live.Last("edgevlm/gate/stats") != "" && live.Last("edgevlm/gate/yard/snapshot") != ""
	})
	for _, verb := range []string{"describe", "ask", "snapshot", "health"} {
		send("request/"+verb, `{"transaction":1`+map[bool]string{true: `,"question":"q?"`}[verb == "ask"]+`}`)
		response(t, live, verb, "1")
	}
	late := mqtttest.Collect(t, b.URL(), "edgevlm/gate/#") // sees what is retained
	retained := map[string]bool{}
	mqtttest.Eventually(t, "all that README calls retained arrives", func() bool {
		for _, m := range late.Messages() {
			retained[m.Topic] = retained[m.Topic] || m.Retained
		}
		for _, m := range live.Messages() {
			topic := strings.TrimPrefix(m.Topic, "edgevlm/gate/")
			for name, r := range rows {
				if r.covers(name, topic) && r.retained && !r.inbound && !retained[m.Topic] {
					return false
				}
			}
		}
		return true
	})
	published := map[string]bool{}
	for _, m := range live.Messages() {
		topic := strings.TrimPrefix(m.Topic, "edgevlm/gate/")
		found := false
		for name, r := range rows {
			if !r.covers(name, topic) {
				continue
			}
			found = true
			if r.inbound {
				continue // the sender's
			}
			published[name] = true
			if r.retained != retained[m.Topic] || r.qos != m.QoS {
				t.Errorf("%s: README says retained %v, QoS %d; it is %v, %d", topic, r.retained, r.qos, retained[m.Topic], m.QoS)
			}
		}
		if !found {
			t.Errorf("the daemon publishes %s, README does not have it", topic)
		}
	}
	for name, r := range rows {
		if !r.inbound && !published[name] {
			t.Errorf("README has %s, the daemon does not publish it", name)
		}
	}
}
