package mqtt_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/broker"
	"github.com/edgevlm/edgevlm/mqtt/mqtttest"
)

// fast is a configuration with short pauses; nothing in the tests depends on their length.
func fast(url string) mqtt.Config {
	return mqtt.Config{URL: url, ReconnectMin: 5 * time.Millisecond, ReconnectMax: 50 * time.Millisecond}
}

func event(camera, text string) mqtt.Event {
	at := time.Date(2026, 11, 24, 17, 0, 0, 0, time.UTC)
	return mqtt.Event{Camera: camera, Text: text, CapturedAt: mqtt.CapturedAt{First: at, Last: at.Add(time.Second)},
		Answers: []mqtt.Answer{{Name: "person", Kind: "yes_no", Value: "yes", Probability: 0.9}}}
}

// running starts a publisher for device gate; stop shuts it down and waits.
func running(t testing.TB, cfg mqtt.Config, spool mqtt.Spool, log *slog.Logger) (p *mqtt.Publisher, stop func()) {
	t.Helper()
	topics, err := mqtt.NewTopics("gate")
	if err != nil {
		t.Fatal(err)
	}
	p, err = mqtt.NewPublisher(cfg, topics, spool, log)
	if err != nil {
		t.Fatal(err)
	}
	return p, run(t, p)
}

func run(t testing.TB, p *mqtt.Publisher) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); <-done }) }
	t.Cleanup(stop)
	return stop
}

func startBroker(t testing.TB) *broker.Broker {
	t.Helper()
	b, err := broker.Start(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestEventArrivesInBothFormsAndAsDescription(t *testing.T) {
	b := startBroker(t)
	c := mqtttest.Collect(t, b.URL(), "edgevlm/#")
	spool := mqtt.NewMemorySpool(1 << 20)
	p, stop := running(t, fast(b.URL()), spool, nil)
	sent, err := p.Event(event("yard", "A cat sleeps."))
	if err != nil {
		t.Fatal(err)
	}
	mqtttest.Eventually(t, "the event leaves the spool", func() bool { return spool.Len() == 0 })
	stop()
	mqtttest.Eventually(t, "a clean shutdown says offline", func() bool { return c.Last("edgevlm/gate/availability") == "offline" })
	for _, topic := range []string{"edgevlm/gate/yard/event", "edgevlm/gate/yard/event/msgpack"} {
		got := c.Events(t, topic)
		if len(got) != 1 || got[0].ID != sent.ID || got[0].Seq != 1 || got[0].Device != "gate" {
			t.Errorf("%s carried %+v", topic, got)
		}
	}
	var d mqtt.Description
	if err := json.Unmarshal([]byte(c.Last("edgevlm/gate/yard/description")), &d); err != nil || d.State != "A cat sleeps." || d.ID != sent.ID {
		t.Errorf("description %+v (%v)", d, err)
	}
	var q mqtt.QuestionState
	if err := json.Unmarshal([]byte(c.Last("edgevlm/gate/yard/question/person")), &q); err != nil || q.Value != "yes" || q.Probability != 0.9 {
		t.Errorf("question %+v (%v)", q, err)
	}
	if m := c.Messages("edgevlm/gate/availability"); string(m[0].Payload) != "online" {
		t.Errorf("first it said %q", m[0].Payload)
	}
}

func TestFormatsAreConfigurable(t *testing.T) {
	b := startBroker(t)
	c := mqtttest.Collect(t, b.URL(), "edgevlm/#")
	cfg := fast(b.URL())
	cfg.Formats = []string{"msgpack"}
	p, stop := running(t, cfg, mqtt.NewMemorySpool(1<<20), nil)
	p.Event(event("yard", "x"))
	stop()
	mqtttest.Eventually(t, "offline arrives", func() bool { return c.Last("edgevlm/gate/availability") == "offline" })
	if n, m := len(c.Messages("edgevlm/gate/yard/event")), len(c.Messages("edgevlm/gate/yard/event/msgpack")); n != 0 || m != 1 {
		t.Errorf("%d JSON and %d msgpack events, want 0 and 1", n, m)
	}
}

func TestBrokerAwayAtStartIsWaitedForAndItsBacklogArrivesInOrder(t *testing.T) {
	addr := mqtttest.FreeAddr(t)
	spool := mqtt.NewMemorySpool(1 << 20)
	p, _ := running(t, fast("mqtt://"+addr), spool, nil)
	mqtttest.Eventually(t, "a failure is noted", func() bool { return p.Status().LastError != "" })
	for i := range 100 {
		if _, err := p.Event(event("yard", fmt.Sprint("number ", i))); err != nil {
			t.Fatal(err)
		}
	}
	b, err := broker.Start(context.Background(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	mqtttest.Eventually(t, "the backlog is delivered", func() bool { return spool.Len() == 0 })
	c := mqtttest.Collect(t, b.URL(), "edgevlm/gate/yard/description")
	mqtttest.Eventually(t, "the retained description is there", func() bool { return c.Last("edgevlm/gate/yard/description") != "" })
	var d mqtt.Description
	json.Unmarshal([]byte(c.Last("edgevlm/gate/yard/description")), &d)
	if d.Text != "number 99" || d.Seq != 100 {
		t.Errorf("the retained description is %+v, want the newest", d)
	}
}

func TestReplayedBacklogNeverOverwritesTheNewestDescription(t *testing.T) {
	b := startBroker(t)
	c := mqtttest.Collect(t, b.URL(), "edgevlm/gate/yard/#")
	topics, _ := mqtt.NewTopics("gate")
	spool := mqtt.NewMemorySpool(1 << 20)
	p, err := mqtt.NewPublisher(fast(b.URL()), topics, spool, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 { // before Run: a backlog
		p.Event(event("yard", fmt.Sprint("number ", i)))
	}
	stop := run(t, p)
	mqtttest.Eventually(t, "the backlog is delivered", func() bool { return spool.Len() == 0 })
	stop()
	mqtttest.Eventually(t, "the last event arrives", func() bool { return len(c.Messages("edgevlm/gate/yard/event")) == 50 })
	// It comes again after a reconnect, but never another.
	got := c.Messages("edgevlm/gate/yard/description")
	for _, m := range got {
		if !strings.Contains(string(m.Payload), "number 49") {
			t.Errorf("a description of an older event: %s", m.Payload)
		}
	}
	if len(got) == 0 {
		t.Error("no description of the newest event")
	}
	events := c.Events(t, "edgevlm/gate/yard/event")
	for i, e := range events {
		if e.Seq != uint64(i+1) {
			t.Fatalf("event %d has seq %d", i, e.Seq)
		}
	}
}

func TestShutdownDrainsWhatIsLeft(t *testing.T) {
	b := startBroker(t)
	c := mqtttest.Collect(t, b.URL(), "edgevlm/gate/yard/event")
	p, stop := running(t, fast(b.URL()), mqtt.NewMemorySpool(1<<20), nil)
	for i := range 200 {
		p.Event(event("yard", fmt.Sprint(i)))
	}
	stop()
	mqtttest.Eventually(t, "all events arrive", func() bool { return len(c.Messages()) == 200 })
}

func TestCommandsReachTheirHandlerAndAnswersGoOut(t *testing.T) {
	b := startBroker(t)
	c := mqtttest.Collect(t, b.URL(), "edgevlm/gate/response/#")
	topics, _ := mqtt.NewTopics("gate")
	p, err := mqtt.NewPublisher(fast(b.URL()), topics, mqtt.NewMemorySpool(1<<20), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Handle(topics.RequestFilter(), func(m mqtt.Message) {
		p.Send(topics.Response("health"), append([]byte("echo "), m.Payload...))
	})
	run(t, p)
	mqtttest.Eventually(t, "it is connected", func() bool { return p.Status().Connected })
	// Another publisher plays the client; its Send is a plain publish. A 10 MB payload comes first.
	cfg := fast(b.URL())
	cfg.ClientID = "client"
	q, _ := running(t, cfg, mqtt.NewMemorySpool(1<<20), nil)
	mqtttest.Eventually(t, "the client is connected", func() bool { return q.Status().Connected })
	q.Send(topics.Request("health"), bytes.Repeat([]byte("x"), 10<<20))
	q.Send(topics.Request("health"), []byte("ping"))
	mqtttest.Eventually(t, "the answer comes", func() bool { return c.Last("edgevlm/gate/response/health") == "echo ping" })
	if p.Status().Unreadable != 1 {
		t.Errorf("%d messages refused, want the 10 MB one", p.Status().Unreadable)
	}
}

func TestRetainedTopicIsRemovedAtTheBroker(t *testing.T) {
	b := startBroker(t)
	p, _ := running(t, fast(b.URL()), mqtt.NewMemorySpool(1<<20), nil)
	p.SetRetained("homeassistant/device/gate/config", []byte("{}"))
	p.SetRetained("homeassistant/device/old/config", []byte("{}"))
	p.SetRetained("homeassistant/device/old/config", nil)
	c := mqtttest.Collect(t, b.URL(), "homeassistant/#")
	mqtttest.Eventually(t, "the kept one is there", func() bool { return c.Last("homeassistant/device/gate/config") == "{}" })
	late := mqtttest.Collect(t, b.URL(), "homeassistant/#")
	mqtttest.Eventually(t, "it is retained", func() bool { return len(late.Messages()) > 0 })
	for _, m := range late.Messages() {
		if m.Topic != "homeassistant/device/gate/config" {
			t.Errorf("%s is still retained", m.Topic)
		}
	}
}

func TestCameraNamesAreChecked(t *testing.T) {
	topics, _ := mqtt.NewTopics("gate")
	p, err := mqtt.NewPublisher(fast("mqtt://127.0.0.1:1"), topics, mqtt.NewMemorySpool(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "a/b", "#", "stats", strings.Repeat("a", 300)} {
		if _, err := p.Event(event(name, "x")); err == nil {
			t.Errorf("an event of camera %q is accepted", name)
		}
		if p.SetCamera(name, mqtt.Online) == nil {
			t.Errorf("camera %q is accepted", name)
		}
	}
}
