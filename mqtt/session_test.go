package mqtt

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeLink is a connection whose acknowledgements the test gives.
type fakeLink struct {
	mu   sync.Mutex
	sent []message
	acks chan error
	gone chan error
}

func newFakeLink() *fakeLink {
	return &fakeLink{acks: make(chan error, 1000), gone: make(chan error, 1)}
}

func (l *fakeLink) send(m message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, m)
}
func (l *fakeLink) acked() <-chan error                           { return l.acks }
func (l *fakeLink) subscribe(context.Context, string, byte) error { return nil }
func (l *fakeLink) lost() <-chan error                            { return l.gone }
func (l *fakeLink) close()                                        {}
func (l *fakeLink) broker() string                                { return "mqtt://fake:1883" }

func (l *fakeLink) events() (seqs []uint64, all int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.sent {
		if m.seq != 0 {
			seqs = append(seqs, m.seq)
		}
	}
	return seqs, len(l.sent)
}

// withLinks makes a publisher whose connections are links, one after the other.
func withLinks(t *testing.T, cfg Config, spool Spool, links ...*fakeLink) (*Publisher, func()) {
	t.Helper()
	topics, _ := NewTopics("gate")
	cfg.URL, cfg.ReconnectMin, cfg.Formats = "mqtt://fake", time.Millisecond, []string{FormatJSON}
	p, err := NewPublisher(cfg, topics, spool, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.dial = func(context.Context, message, func(Message)) (link, error) {
		if len(links) == 0 {
			return nil, errors.New("no more links")
		}
		l := links[0]
		links = links[1:]
		return l, nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	stop := sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return p, stop
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never happened: %s", what)
}

func TestAtMostSixteenAreInFlightAndAnEventLeavesOnlyAfterItsAck(t *testing.T) {
	spool := NewMemorySpool(1 << 20)
	first, second := newFakeLink(), newFakeLink()
	p, stop := withLinks(t, Config{DrainTimeout: time.Millisecond}, spool, first, second)
	for range 40 {
		if _, err := p.Event(sampleEvent()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the window fills", func() bool { _, n := first.events(); return n == 16 })
	if spool.Len() != 40 {
		t.Fatalf("%d events left the spool without an acknowledgement", 40-spool.Len())
	}
	for range 10 {
		first.acks <- nil
	}
	eventually(t, "ten more are sent", func() bool { _, n := first.events(); return n == 26 })
	acked := uint64(0) // events among the first ten messages; the others are states
	first.mu.Lock()
	head := first.sent[:10]
	first.mu.Unlock()
	for _, m := range head {
		if m.seq != 0 {
			acked = m.seq
		}
	}
	eventually(t, "the acknowledged ones leave", func() bool { return spool.Len() == 40-int(acked) })
	first.gone <- errors.New("cut")
	eventually(t, "the rest goes over the next connection", func() bool { _, n := second.events(); return n == 16 })
	again, _ := second.events()
	if want := acked + 1; again[0] != want {
		t.Errorf("the next connection starts with event %d, want %d: the first without an acknowledgement", again[0], want)
	}
	for i := range again[1:] {
		if again[i+1] != again[i]+1 {
			t.Errorf("sent %v, out of order", again)
		}
	}
	stop()
	if p.Status().Connected {
		t.Error("connected after Run")
	}
}

func TestABrokerThatStopsAcknowledgingIsLeft(t *testing.T) {
	silent, next := newFakeLink(), newFakeLink()
	p, _ := withLinks(t, Config{AckTimeout: 20 * time.Millisecond, DrainTimeout: time.Millisecond}, NewMemorySpool(1<<20), silent, next)
	p.Event(sampleEvent())
	eventually(t, "it turns to the next connection", func() bool { _, n := next.events(); return n > 0 })
	eventually(t, "it says why", func() bool {
		return strings.Contains(p.Status().LastError, "no acknowledgement") || p.Status().Connects > 1
	})
}

func TestShutdownIsBoundedWhenTheBrokerIsSilent(t *testing.T) {
	l := newFakeLink()
	p, stop := withLinks(t, Config{DrainTimeout: 10 * time.Millisecond}, NewMemorySpool(1<<20), l)
	p.Event(sampleEvent())
	eventually(t, "the event is sent", func() bool { s, _ := l.events(); return len(s) == 1 })
	stop() // the test's own deadline is the claim
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.sent[len(l.sent)-1]
	if last.topic != "edgevlm/gate/availability" || string(last.payload) != "offline" || !last.retained {
		t.Errorf("the last word is %+v", last)
	}
}

func TestLateLastWillIsAnsweredWithOnline(t *testing.T) {
	l := newFakeLink()
	p, _ := withLinks(t, Config{DrainTimeout: time.Millisecond}, NewMemorySpool(1<<20), l)
	eventually(t, "online is sent", func() bool { _, n := l.events(); return n == 1 })
	done := make(chan struct{})
	inbox := make(chan Message, 1)
	inbox <- Message{Topic: "edgevlm/gate/availability", Payload: []byte("offline")}
	close(inbox)
	p.dispatch(inbox, done)
	eventually(t, "online is sent again", func() bool { _, n := l.events(); return n == 2 })
}

func TestFilterMatches(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/b", "a/b", true}, {"a/b", "a/c", false}, {"a/+", "a/b", true}, {"a/+", "a/b/c", false}, {"a/#", "a/b/c", true},
		{"a/#", "a", true}, {"+/set/+", "x/set/y", true}, {"#", "a/b", true}, {"a", "a/b", false}, {"a/b", "a", false}, {"a/+", "a", false},
	} {
		if got := filterMatches(c.filter, c.topic); got != c.want {
			t.Errorf("%q covers %q: %v", c.filter, c.topic, got)
		}
	}
}
