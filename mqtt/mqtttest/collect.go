package mqtttest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/mqtt"
)

// Collector keeps the messages that a subscriber receives.
type Collector struct {
	mu       sync.Mutex
	messages []mqtt.Message
}

// Collect subscribes to filters until the test ends, and returns once the broker has granted them.
func Collect(t testing.TB, url string, filters ...string) *Collector {
	t.Helper()
	return CollectConfig(t, mqtt.Config{URL: url}, filters...)
}

// CollectConfig is Collect with more than a URL.
func CollectConfig(t testing.TB, cfg mqtt.Config, filters ...string) *Collector {
	t.Helper()
	c := &Collector{}
	CollectFunc(t, cfg, func(m mqtt.Message) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.messages = append(c.messages, m)
	}, filters...)
	return c
}

// CollectFunc gives every message to f instead of keeping it.
func CollectFunc(t testing.TB, cfg mqtt.Config, f func(mqtt.Message), filters ...string) {
	t.Helper()
	cfg.ReconnectMin, cfg.ReconnectMax = 10*time.Millisecond, 50*time.Millisecond
	s, err := mqtt.NewSubscriber(cfg, filters, f, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	select {
	case <-s.Ready():
	case <-time.After(60 * time.Second):
		t.Fatalf("no subscription at %v", cfg)
	}
}

// Messages are those received so far; with topics, only theirs.
func (c *Collector) Messages(topics ...string) []mqtt.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []mqtt.Message
	for _, m := range c.messages {
		keep := len(topics) == 0
		for _, t := range topics {
			keep = keep || m.Topic == t
		}
		if keep {
			out = append(out, m)
		}
	}
	return out
}

// Last is the payload of the newest message on topic, "" if there is none.
func (c *Collector) Last(topic string) string {
	m := c.Messages(topic)
	if len(m) == 0 {
		return ""
	}
	return string(m[len(m)-1].Payload)
}

// Events decodes the messages on topic; what does not decode fails the test.
func (c *Collector) Events(t testing.TB, topic string) []mqtt.Event {
	t.Helper()
	var out []mqtt.Event
	for _, m := range c.Messages(topic) {
		e, err := mqtt.DecodeEvent(m.Topic, m.Payload)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}
