package mqtt

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// maxReceived bounds what a Subscriber takes: events, descriptions and snapshots.
const maxReceived = 16 << 20

// Subscriber receives messages: for the demo, for tools, for tests.
type Subscriber struct {
	config  Config
	dial    dialer
	filters []string
	handle  func(Message)
	log     *slog.Logger
	ready   chan struct{}
}

// NewSubscriber checks cfg. handle is called for each message on filters, in the order of arrival, QoS 1; it may block. A
// message above 16 MiB comes without its payload, see Message.TooLong.
func NewSubscriber(cfg Config, filters []string, handle func(Message), log *slog.Logger) (*Subscriber, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	endpoints, err := cfg.endpoints()
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if cfg.ClientID == "" {
		id, err := NewIDs().New(time.Now())
		if err != nil {
			return nil, err
		}
		cfg.ClientID = "edgevlm-sub-" + id[len(id)-10:]
	}
	cfg = cfg.withDefaults("")
	d := &pahoDialer{config: cfg, endpoints: endpoints, limit: maxReceived, refused: new(atomic.Uint64)}
	return &Subscriber{config: cfg, dial: d.dial, filters: filters, handle: handle, log: log, ready: make(chan struct{})}, nil
}

// Ready is closed once all filters are subscribed for the first time.
func (s *Subscriber) Ready() <-chan struct{} { return s.ready }

// Run receives until ctx is done, over as many connections as it takes.
func (s *Subscriber) Run(ctx context.Context) error {
	backoff, ready := s.config.ReconnectMin, false
	for ctx.Err() == nil {
		l, err := s.dial(ctx, message{}, s.handle)
		for _, f := range s.filters {
			if err == nil {
				err = l.subscribe(ctx, f, 1)
			}
		}
		if err == nil {
			if !ready {
				close(s.ready)
				ready = true
			}
			backoff = s.config.ReconnectMin
			select {
			case <-ctx.Done():
			case err = <-l.lost():
			}
		}
		if l != nil {
			l.close()
		}
		if ctx.Err() != nil {
			break
		}
		s.log.Debug("mqtt: subscriber reconnects", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(backoff/2 + rand.N(backoff/2+1)):
		}
		backoff = min(backoff*2, s.config.ReconnectMax)
	}
	return nil
}

// Check connects once, says nothing and leaves: nil if the broker accepts us.
func Check(ctx context.Context, cfg Config) error {
	s, err := NewSubscriber(cfg, nil, nil, nil)
	if err != nil {
		return err
	}
	l, err := s.dial(ctx, message{}, func(Message) {})
	if err != nil {
		return err
	}
	l.close()
	return nil
}
