package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/edgevlm/edgevlm/mqtt"
)

// Handler does what requests ask for. Describe and Ask, which need the model, run one at a time, and so do Snapshot and Health
// beside them, on goroutines of the Server; they should heed ctx. What they return becomes the response's data, their error
// the response's error.
type Handler interface {
	Describe(ctx context.Context, r Request) (any, error)
	Ask(ctx context.Context, r Request) (any, error)
	Snapshot(ctx context.Context, r Request) (any, error)
	Health(ctx context.Context) (any, error)
	// Apply makes a camera's settings count: those given, the configured values elsewhere. It returns the values in force, or
	// an error and changes nothing. It is called from the publisher's goroutine and must return soon.
	Apply(camera string, s Settings) (State, error)
}

// State is what a camera's retained state topic holds: the values in force.
type State struct {
	Enabled bool    `json:"enabled"`
	FPS     float64 `json:"fps"`
	Prompt  string  `json:"prompt"`
	Mode    string  `json:"mode"`
}

// Publisher is what the Server needs of mqtt.Publisher.
type Publisher interface {
	Handle(filter string, h func(mqtt.Message))
	Send(topic string, payload []byte)
	SetRetained(topic string, payload []byte)
}

// Config of a Server.
type Config struct {
	Cameras []string
	// Allow lists the verbs and set/KEY that are answered; nil: all. What is not allowed gets an error.
	Allow []string
	// Rate is how many requests a second are answered in the long run, Burst how many at once; 1 and 5 unless set.
	Rate  float64
	Burst int
	// Timeout of one request, from its arrival; 2 minutes unless set.
	Timeout time.Duration
	// StateFile keeps settings across restarts; "": they end with the process.
	StateFile string
	Log       *slog.Logger

	now func() time.Time
}

// maxQueue bounds the requests that wait for the model.
const maxQueue = 4

// Server answers requests. New registers its handlers at the publisher; Run works until its context is done.
type Server struct {
	config   Config
	topics   mqtt.Topics
	pub      Publisher
	handler  Handler
	queue    chan job // for the model
	quick    chan job // for the others
	requests bucket
	sets     bucket

	mu       sync.Mutex
	settings map[string]Settings
}

type job struct {
	verb     string
	request  Request
	deadline time.Time
}

// New makes a Server. Call it before the publisher's Run. Settings from StateFile are applied at once; a file that can't be
// read is reported and left out.
func New(cfg Config, topics mqtt.Topics, pub Publisher, h Handler) (*Server, error) {
	for _, a := range cfg.Allow {
		if !slices.Contains(Names(), a) {
			return nil, fmt.Errorf("commands: allow: %q is not known: use %s", a, strings.Join(Names(), ", "))
		}
	}
	if cfg.Rate <= 0 {
		cfg.Rate = 1
	}
	if cfg.Burst <= 0 {
		cfg.Burst = 5
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 2 * time.Minute
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.now == nil {
		cfg.now = time.Now
	}
	s := &Server{config: cfg, topics: topics, pub: pub, handler: h, queue: make(chan job, maxQueue), quick: make(chan job, maxQueue),
		requests: bucket{rate: cfg.Rate, burst: float64(cfg.Burst)}, sets: bucket{rate: cfg.Rate, burst: float64(4 * cfg.Burst)},
		settings: map[string]Settings{}}
	if cfg.StateFile != "" {
		saved, err := loadSettings(cfg.StateFile)
		if err != nil {
			cfg.Log.Warn("commands: settings made over MQTT are not restored", "error", err)
		}
		s.settings = saved
	}
	for _, camera := range cfg.Cameras {
		if err := s.apply(camera, s.settings[camera]); err != nil {
			cfg.Log.Warn("commands: settings made over MQTT do not fit the configuration any more, left out", "camera", camera, "error", err)
			if err := s.apply(camera, Settings{}); err != nil {
				return nil, fmt.Errorf("commands: camera %s: %w", camera, err)
			}
			delete(s.settings, camera)
		}
	}
	pub.Handle(topics.RequestFilter(), s.onRequest)
	pub.Handle(topics.SetFilter(), s.onSet)
	return s, nil
}

// apply makes settings count and publishes the values in force.
func (s *Server) apply(camera string, v Settings) error {
	state, err := s.handler.Apply(camera, v)
	if err != nil {
		return err
	}
	b, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	s.pub.SetRetained(s.topics.State(camera), b)
	return nil
}

func (s *Server) allowed(what string) bool {
	return s.config.Allow == nil || slices.Contains(s.config.Allow, what)
}

// onRequest checks a request and queues it; it never waits.
func (s *Server) onRequest(m mqtt.Message) {
	verb, ok := verbOf(s.topics, m.Topic)
	if !ok {
		return // no topic to answer on
	}
	now := s.config.now()
	answer := func(t json.RawMessage, err error) {
		s.respond(verb, Response{Status: "error", Error: oneLine(err), Transaction: t})
	}
	// Before anything is parsed: an answer to every message of a flood would be a flood.
	switch s.requests.take(now) {
	case limited:
		answer(nil, fmt.Errorf("too many requests: at most %v a second", s.config.Rate))
		return
	case silent:
		return
	}
	if !slices.Contains([]string{Describe, Ask, Snapshot, Health}, verb) {
		answer(nil, errors.New("no such request: use describe, ask, snapshot or health"))
		return
	}
	if !s.allowed(verb) {
		answer(nil, fmt.Errorf("%s is not allowed by the configuration", verb))
		return
	}
	if m.Retained {
		// The broker would repeat it at every reconnect.
		answer(nil, errors.New("a retained request is not answered: publish it without retain"))
		return
	}
	r, err := ParseRequest(verb, m.Payload, s.config.Cameras)
	if m.TooLong > 0 {
		err = fmt.Errorf("the request has %d bytes: at most %d", m.TooLong, MaxPayload)
	}
	if err != nil {
		answer(r.Transaction, err)
		return
	}
	queue := s.queue
	if verb == Health || verb == Snapshot {
		queue = s.quick
	}
	select {
	case queue <- job{verb, r, now.Add(s.config.Timeout)}:
	default:
		answer(r.Transaction, fmt.Errorf("busy: %d requests wait already", maxQueue))
	}
}

// onSet applies a setting.
func (s *Server) onSet(m mqtt.Message) {
	camera, key, ok := keyOf(s.topics, m.Topic)
	if !ok {
		return
	}
	err := func() error {
		switch s.sets.take(s.config.now()) {
		case limited:
			return fmt.Errorf("too many settings: at most %v a second", s.config.Rate)
		case silent:
			return nil
		}
		if m.Retained {
			return errors.New("a retained setting is not applied: publish it without retain")
		}
		if err := checkCamera(camera, s.config.Cameras); err != nil {
			return err
		}
		if !s.allowed("set/" + key) {
			return errors.New("not allowed by the configuration")
		}
		if m.TooLong > 0 {
			return fmt.Errorf("the value has %d bytes: at most %d", m.TooLong, MaxPayload)
		}
		v, err := ParseSetting(key, m.Payload)
		if err != nil {
			return err
		}
		return s.change(camera, v)
	}()
	if err != nil {
		s.respond(Set, Response{Status: "error", Error: fmt.Sprintf("%s/set/%s: %s", camera, key, oneLine(err))})
	}
}

// change applies and keeps a setting.
func (s *Server) change(camera string, v Settings) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	merged := s.settings[camera].merge(v)
	if err := s.apply(camera, merged); err != nil {
		return err
	}
	s.settings[camera] = merged
	if s.config.StateFile == "" {
		return nil
	}
	if err := saveSettings(s.config.StateFile, s.settings); err != nil {
		s.config.Log.Error("commands: a setting will not outlast a restart", "error", err)
		return fmt.Errorf("applied, but it will not outlast a restart: %w", err)
	}
	return nil
}

// Run answers queued requests until ctx is done.
func (s *Server) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, queue := range []chan job{s.queue, s.quick} {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case j := <-queue:
					s.answer(ctx, j)
				}
			}
		})
	}
	wg.Wait()
	return nil
}

func (s *Server) answer(ctx context.Context, j job) {
	ctx, cancel := context.WithDeadline(ctx, j.deadline)
	defer cancel()
	data, err := func() (any, error) {
		switch j.verb {
		case Describe:
			return s.handler.Describe(ctx, j.request)
		case Ask:
			return s.handler.Ask(ctx, j.request)
		case Snapshot:
			return s.handler.Snapshot(ctx, j.request)
		}
		return s.handler.Health(ctx)
	}()
	r := Response{Status: "ok", Data: data, Transaction: j.request.Transaction}
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("not done within %v", s.config.Timeout)
		}
		r = Response{Status: "error", Error: oneLine(err), Transaction: j.request.Transaction}
	}
	s.respond(j.verb, r)
}

func (s *Server) respond(verb string, r Response) {
	b, err := json.Marshal(r)
	if err != nil {
		b, _ = json.Marshal(Response{Status: "error", Error: "the answer can't be written as JSON", Transaction: r.Transaction})
	}
	s.pub.Send(s.topics.Response(verb), b)
}
