package mqtttest

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/mqtt"
)

// Sub is a mosquitto_sub with a persistent session of QoS 1: what is published while it is away waits for it in the broker.
// It is another implementation of MQTT than the one under test.
type Sub struct{ out lockedBuffer }

// Subscribe starts a Sub for one topic with text payloads, until the test ends.
func Subscribe(t testing.TB, m *Mosquitto, topic string) *Sub {
	t.Helper()
	if _, err := exec.LookPath("mosquitto_sub"); err != nil {
		t.Skip("mosquitto_sub is not installed (apt-get install mosquitto-clients): this test needs a subscriber of mosquitto's own")
	}
	s := &Sub{}
	_, port, _ := strings.Cut(m.Addr, ":")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	subscribed := make(chan struct{})
	go func() {
		defer close(done)
		for first := true; ctx.Err() == nil; first = false {
			// -d says when the subscription is granted.
			cmd := exec.CommandContext(ctx, "stdbuf", "-oL", "mosquitto_sub", "-d", "-h", "127.0.0.1", "-p", port, "-t", topic, "-q", "1",
				"-c", "-i", "durable", "-F", "%p")
			w := &watch{out: &s.out, word: "Subscribed", seen: subscribed, once: !first}
			cmd.Stdout, cmd.Stderr = w, w
			cmd.WaitDelay = time.Second
			cmd.Run()
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond): // the broker may be away
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	select {
	case <-subscribed:
	case <-time.After(60 * time.Second):
		t.Fatalf("mosquitto_sub does not subscribe:\n%s", s.out.String())
	}
	return s
}

// Events are the JSON events received so far.
func (s *Sub) Events(t testing.TB) []mqtt.Event {
	t.Helper()
	var out []mqtt.Event
	text := s.out.String()
	text = text[:strings.LastIndexByte(text, '\n')+1]
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "{") {
			continue
		}
		e, err := mqtt.DecodeEvent("", []byte(line))
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		out = append(out, e)
	}
	return out
}

// watch closes seen when word is written.
type watch struct {
	out  *lockedBuffer
	word string
	seen chan struct{}
	once bool
}

func (w *watch) Write(p []byte) (int, error) {
	n, err := w.out.Write(p)
	if !w.once && strings.Contains(string(p), w.word) {
		w.once = true
		close(w.seen)
	}
	return n, err
}
