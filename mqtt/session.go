package mqtt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// session publishes over one connection until it is lost (an error) or everything is said after ctx is done (nil).
// After hard is done it gives up.
func (p *Publisher) session(ctx, hard context.Context, l link) error {
	p.mu.Lock()
	p.linked = true // handlers may answer what arrives while we subscribe
	p.mu.Unlock()
	filters := []string{p.topics.Availability()}
	for _, h := range p.handlers {
		filters = append(filters, h.filter)
	}
	for _, f := range filters {
		if err := l.subscribe(hard, f, 0); err != nil {
			select {
			case err := <-l.lost():
				return err
			default:
				p.log.Warn("mqtt: commands on this topic will not arrive", "error", err)
			}
		}
	}
	p.setUp(l)
	s := &session{p: p, link: l, last: time.Now()}
	p.retained.all(p.topics.Availability())
	check := time.NewTicker(max(p.config.AckTimeout/4, 10*time.Millisecond))
	defer check.Stop()
	done := ctx.Done()
	for {
		if err := s.fill(); err != nil {
			return err
		}
		if ctx.Err() != nil && s.idle() {
			return s.farewell(hard)
		}
		select {
		case <-p.wake:
		case err := <-l.acked():
			if err := s.ack(err); err != nil {
				return err
			}
		case err := <-l.lost():
			if err == nil {
				err = errors.New("connection closed by the broker")
			}
			return err
		case <-check.C:
			if len(s.flight) > 0 && time.Since(s.last) > p.config.AckTimeout {
				return fmt.Errorf("no acknowledgement for %v", p.config.AckTimeout)
			}
		case <-done:
			done = nil // looks at idle; from here hard ends the wait
		case <-hard.Done():
			return s.farewell(hard)
		}
	}
}

func (p *Publisher) setUp(l link) {
	p.mu.Lock()
	p.status.Connected, p.status.Broker, p.status.LastError = true, l.broker(), ""
	p.status.Connects++
	before := p.dropped
	stats := p.spoolDropped()
	p.dropped = stats
	p.mu.Unlock()
	p.log.Info("mqtt: connected", "broker", l.broker(), "waiting", p.spool.Len())
	if n := stats - before; n > 0 {
		p.log.Warn("mqtt: the spool was full while the broker was away: the oldest events were dropped", "events", n)
	}
}

func (p *Publisher) spoolDropped() uint64 {
	if s, ok := p.spool.(spoolStater); ok {
		return s.Stats().Dropped
	}
	return 0
}

// session is what one connection has in flight.
type session struct {
	p       *Publisher
	link    link
	flight  []message // sent, not acknowledged, oldest first
	waiting []message // messages of events taken from the spool, to be sent next
	taken   uint64    // seq of the newest event taken from the spool
	last    time.Time // something was acknowledged, or sent into an empty flight
}

// idle says that nothing is left to publish.
func (s *session) idle() bool {
	return len(s.flight) == 0 && len(s.waiting) == 0 && !s.p.retained.pending() && s.p.spool.Len() == 0
}

// fill sends as much as the window takes: answers first, then states, then events.
func (s *session) fill() error {
	for len(s.flight) < s.p.config.MaxInFlight {
		m, ok := s.p.nextMessage()
		if !ok {
			m, ok = s.p.retained.next()
		}
		if !ok {
			var err error
			if m, ok, err = s.nextOfEvent(); err != nil {
				return err
			}
		}
		if !ok {
			break
		}
		if len(s.flight) == 0 {
			s.last = time.Now()
		}
		s.flight = append(s.flight, m)
		s.link.send(m)
	}
	s.p.setInFlight(len(s.flight))
	return nil
}

func (s *session) nextOfEvent() (message, bool, error) {
	if len(s.waiting) == 0 {
		// Those in flight are still in the spool, so twice the window reaches a window past them.
		events, err := s.p.spool.Peek(2 * s.p.config.MaxInFlight)
		if err != nil {
			return message{}, false, fmt.Errorf("spool: %w", err)
		}
		for _, e := range events {
			if e.Seq > s.taken {
				s.taken = e.Seq
				s.waiting = append(s.waiting, s.p.messagesOf(e)...)
			}
		}
	}
	if len(s.waiting) == 0 {
		return message{}, false, nil
	}
	m := s.waiting[0]
	s.waiting = s.waiting[1:]
	return m, true, nil
}

// messagesOf is e on each of its topics; the last carries the seq that leaves the spool with its PUBACK.
func (p *Publisher) messagesOf(e Event) []message {
	var out []message
	if p.config.publishes(FormatJSON) {
		if b, err := json.Marshal(e); err == nil {
			out = append(out, message{topic: p.topics.Event(e.Camera), payload: b, qos: 1})
		}
	}
	if p.config.publishes(FormatMsgpack) {
		if b, err := e.AppendMsgpack(nil); err == nil {
			out = append(out, message{topic: p.topics.EventMsgpack(e.Camera), payload: b, qos: 1})
		}
	}
	if len(out) == 0 {
		// Append has encoded it once; nothing here can fail. Were it so, one event must not hold up all others.
		p.log.Error("mqtt: event can't be encoded, left out", "id", e.ID)
		return nil
	}
	out[len(out)-1].seq = e.Seq
	return out
}

// ack takes the broker's answer for the oldest message in flight.
func (s *session) ack(err error) error {
	if err != nil {
		return err
	}
	if len(s.flight) == 0 {
		return errors.New("an acknowledgement for nothing")
	}
	m := s.flight[0]
	s.flight = s.flight[1:]
	s.last = time.Now()
	if m.state != 0 {
		s.p.retained.sent(m)
	}
	if m.seq != 0 {
		if err := s.p.spool.Ack(m.seq); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		s.p.countPublished()
	}
	return nil
}

// farewell says offline and waits for what is in flight, as long as hard allows and a little longer.
func (s *session) farewell(hard context.Context) error {
	s.flight = append(s.flight, message{})
	s.link.send(s.p.will())
	grace := time.NewTimer(500 * time.Millisecond)
	defer grace.Stop()
	hardDone := hard.Done()
	for len(s.flight) > 0 {
		select {
		case err := <-s.link.acked():
			if err := s.ack(err); err != nil {
				return err
			}
		case err := <-s.link.lost():
			return err
		case <-hardDone:
			hardDone = nil
			grace.Reset(500 * time.Millisecond)
		case <-grace.C:
			if hardDone == nil {
				return nil
			}
		}
	}
	return nil
}

func (p *Publisher) nextMessage() (message, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.messages) == 0 {
		return message{}, false
	}
	m := p.messages[0]
	p.messages = p.messages[1:]
	return m, true
}

func (p *Publisher) setInFlight(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status.InFlight = n
}

func (p *Publisher) countPublished() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status.Published++
}
