package mqtt

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Publisher brings events from a spool to a broker, in order, and keeps the retained topics current. Make one with
// NewPublisher, add handlers with Handle, and start Run; everything else may be called at any time and blocks on nothing
// but the spool.
type Publisher struct {
	config   Config
	topics   Topics
	spool    Spool
	log      *slog.Logger
	dial     dialer
	ids      *IDs
	retained retainedStates
	refused  atomic.Uint64

	wake chan struct{} // something to send

	appending sync.Mutex

	mu       sync.Mutex
	status   Status
	linked   bool      // a connection is there, perhaps not yet subscribed
	messages []message // answers and stats, not retained, for the present connection
	handlers []handler
	dropped  uint64 // of the spool, as last reported
}

type handler struct {
	filter string
	handle func(Message)
}

// maxMessages bounds what waits for a connection besides events; maxHandled what waits for handlers.
const (
	maxMessages = 256
	maxHandled  = 64
)

// NewPublisher checks cfg. The caller keeps the spool and closes it after Run has returned.
func NewPublisher(cfg Config, topics Topics, spool Spool, log *slog.Logger) (*Publisher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if topics.device == "" {
		return nil, fmt.Errorf("mqtt: the topics have no device: use NewTopics")
	}
	endpoints, err := cfg.endpoints()
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	cfg = cfg.withDefaults(topics.device)
	p := &Publisher{config: cfg, topics: topics, spool: spool, log: log, ids: NewIDs(),
		wake: make(chan struct{}, 1)}
	p.dial = (&pahoDialer{config: cfg, endpoints: endpoints, limit: maxInbound, refused: &p.refused}).dial
	p.retained.set(topics.Availability(), []byte(Online), 0)
	if l, ok := spool.(lastIDer); ok {
		p.ids.after(l.lastID())
	}
	if n, ok := spool.(newestSource); ok {
		for _, e := range n.Newest() {
			p.describe(e)
		}
	}
	return p, nil
}

// Event completes e (schema, id, device, seq), appends it to the spool and makes it the camera's retained description
// and answers. It returns the event as it will be published.
func (p *Publisher) Event(e Event) (Event, error) {
	e.Device = p.topics.device
	e.normalize()
	wait, err := p.append(&e)
	if err != nil {
		return e, err
	}
	wait()
	p.describe(e)
	p.notify()
	return e, nil
}

// append gives e its id and its place, under one lock, so that ids grow as seqs do.
func (p *Publisher) append(e *Event) (wait func(), err error) {
	p.appending.Lock()
	defer p.appending.Unlock()
	if e.ID == "" {
		if e.ID, err = p.ids.New(e.CapturedAt.Last); err != nil {
			return nil, fmt.Errorf("mqtt: event id: %w", err)
		}
	}
	if err := e.Validate(); err != nil {
		return nil, err
	}
	wait = func() {}
	if s, ok := p.spool.(beginner); ok {
		e.Seq, wait, err = s.begin(*e)
	} else {
		e.Seq, err = p.spool.Append(*e)
	}
	return wait, err
}

func (p *Publisher) describe(e Event) {
	if e.Text != "" { // only questions were asked
		p.retained.set(p.topics.Description(e.Camera), jsonPayload(NewDescription(e)), e.Seq)
	}
	for _, a := range e.Answers {
		if ValidateName(a.Name) == nil {
			q := QuestionState{Value: ShortState(a.Value), Probability: a.Probability, At: e.CapturedAt.Last}
			p.retained.set(p.topics.Question(e.Camera, a.Name), jsonPayload(q), e.Seq)
		}
	}
}

// SetCamera publishes a camera's availability, retained.
func (p *Publisher) SetCamera(camera string, a Availability) error {
	if err := ValidateCamera(camera); err != nil {
		return fmt.Errorf("mqtt: camera: %w", err)
	}
	p.SetRetained(p.topics.CameraAvailability(camera), []byte(a))
	return nil
}

// SetInfo publishes what the device is, retained.
func (p *Publisher) SetInfo(i Info) {
	i.Schema = SchemaVersion
	p.SetRetained(p.topics.Info(), jsonPayload(i))
}

// SetRetained keeps payload at the broker under topic, across reconnects; nil removes it there. It is for topics that
// have no method of their own: state, snapshot, discovery.
func (p *Publisher) SetRetained(topic string, payload []byte) {
	p.retained.set(topic, payload, 0)
	p.notify()
}

// Republish sends everything retained once more, as after a connect: Home Assistant asks for it when it starts.
func (p *Publisher) Republish() {
	p.retained.all(p.topics.Availability())
	p.notify()
}

// SendStats publishes s with the connection's and the spool's own figures.
func (p *Publisher) SendStats(s Stats) error {
	s.MQTT, s.Spool = p.Status(), p.SpoolStats()
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("mqtt: stats: %w", err)
	}
	p.Send(p.topics.Stats(), b)
	return nil
}

// Send publishes a message that is of no use later: QoS 0, not retained, dropped while there is no connection.
func (p *Publisher) Send(topic string, payload []byte) {
	p.mu.Lock()
	if p.linked && len(p.messages) < maxMessages {
		p.messages = append(p.messages, message{topic: topic, payload: payload})
	}
	p.mu.Unlock()
	p.notify()
}

// Handle subscribes to filter (QoS 0) whenever the connection comes up. Call it before Run. h runs on a goroutine that all
// handlers share; what arrives faster than they work is dropped and counted.
func (p *Publisher) Handle(filter string, h func(Message)) {
	p.handlers = append(p.handlers, handler{filter, h})
}

// Status of the connection now.
func (p *Publisher) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.status
	s.Unreadable = p.refused.Load()
	return s
}

// SpoolStats are the spool's counters, as far as it has any.
func (p *Publisher) SpoolStats() SpoolStats {
	if s, ok := p.spool.(spoolStater); ok {
		return s.Stats()
	}
	return SpoolStats{Events: p.spool.Len()}
}

func (p *Publisher) notify() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run connects, publishes and reconnects until ctx is done; then it publishes what is left within DrainTimeout, says
// offline and disconnects. A broker that is away, also at the start, is waited for. Run is called once.
func (p *Publisher) Run(ctx context.Context) error {
	// hard ends later than ctx, by the time to drain.
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if !p.Status().Connected && p.spool.Len() == 0 {
			cancel() // nothing to wait for
		}
		time.AfterFunc(p.config.DrainTimeout, cancel)
	})
	defer stop()

	inbox := make(chan Message, maxHandled)
	handled := make(chan struct{})
	go p.dispatch(inbox, handled)
	defer func() { close(inbox); <-handled }()
	var closed atomic.Bool // paho may call a handler while its client closes
	var guard sync.RWMutex
	defer func() { guard.Lock(); closed.Store(true); guard.Unlock() }()
	inbound := func(m Message) {
		guard.RLock()
		defer guard.RUnlock()
		if closed.Load() {
			return
		}
		select {
		case inbox <- m:
		default:
			p.refused.Add(1)
		}
	}

	backoff := p.config.ReconnectMin
	reported := ""
	for ctx.Err() == nil || (p.spool.Len() > 0 && hard.Err() == nil) {
		l, err := p.dial(hard, p.will(), inbound)
		if err == nil {
			reported = ""
			start, published := time.Now(), p.Status().Published
			err = p.session(ctx, hard, l)
			l.close()
			p.setDown(err)
			if err == nil {
				break
			}
			// A broker that hangs up at once is asked less and less often, like one that is away.
			if time.Since(start) > 10*time.Second || p.Status().Published > published {
				backoff = p.config.ReconnectMin
			}
			p.log.Warn("mqtt: connection lost, reconnecting", "broker", l.broker(), "error", err, "after", time.Since(start).Round(time.Millisecond), "kept", p.spool.Len())
		} else if hard.Err() == nil {
			p.setDown(err)
			// The same failure is said once, loudly.
			level := slog.LevelDebug
			if err.Error() != reported {
				level, reported = slog.LevelWarn, err.Error()
			}
			p.log.Log(ctx, level, "mqtt: no connection, will try again", "error", err, "kept", p.spool.Len())
		}
		// Jitter: after an outage the whole fleet should not return in one instant.
		pause := backoff/2 + rand.N(backoff/2+1)
		backoff = min(backoff*2, p.config.ReconnectMax)
		p.pause(ctx, hard, pause)
	}
	if n := p.spool.Len(); n > 0 {
		p.log.Warn("mqtt: shut down with events not delivered", "events", n)
	}
	return nil
}

// pause waits for d; shutdown cuts it short once.
func (p *Publisher) pause(ctx, hard context.Context, d time.Duration) {
	done := ctx.Done()
	if ctx.Err() != nil {
		done, d = hard.Done(), min(d, p.config.ReconnectMin)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-done:
	}
}

func (p *Publisher) will() message {
	return message{topic: p.topics.Availability(), payload: []byte(Offline), qos: 1, retained: true}
}

func (p *Publisher) setDown(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status.Connected, p.status.InFlight, p.status.Broker = false, 0, ""
	if err != nil {
		p.status.LastError = err.Error()
	}
	p.messages, p.linked = nil, false
}

// dispatch runs handlers until inbox is closed.
func (p *Publisher) dispatch(inbox <-chan Message, done chan<- struct{}) {
	defer close(done)
	for m := range inbox {
		if m.Topic == p.topics.Availability() {
			if string(m.Payload) != string(Online) {
				// The last will of a connection before this one arrived late: we are here.
				p.retained.again(m.Topic)
				p.notify()
			}
			continue
		}
		for _, h := range p.handlers {
			if filterMatches(h.filter, m.Topic) {
				h.handle(m)
			}
		}
	}
}

// filterMatches says whether a subscription filter covers topic.
func filterMatches(filter, topic string) bool {
	for {
		f, fRest, fMore := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		t, tRest, tMore := strings.Cut(topic, "/")
		if f != "+" && f != t {
			return false
		}
		if !fMore || !tMore {
			return fMore == tMore || fRest == "#"
		}
		filter, topic = fRest, tRest
	}
}
