// Package pipeline turns frames into descriptions: cameras are sampled into
// windows of their newest frames, and one model, shared fairly, describes the
// windows. A camera with a Stream has its window in the model, where every frame
// is paid for once, and is described when something changes; any other one has
// every description run over its frames anew. Capture never waits for the model. A model slower than the cameras
// stays at the newest moment: what it had no time for is skipped and counted,
// never queued.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/runtime/schema"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
	"github.com/edgevlm/edgevlm/runtime/watch"
)

// Describer is the model; *vlm.Engine is one. It is called from one goroutine.
type Describer interface {
	Generate(ctx context.Context, r vlm.Request, emit func(piece string)) (vlm.Result, error)
}

// Sink takes what the pipeline finds. Its methods are called from several
// goroutines and must return soon: Description holds up the model,
// CameraState the camera.
type Sink interface {
	// Description takes one description. An error is logged and counted.
	Description(d Description) error
	// CameraState says that a camera began to deliver (up), or that it does
	// not, and why. It is called on changes only.
	CameraState(camera string, up bool, why error)
}

// Camera is one camera and what is asked about it.
type Camera struct {
	Name string
	// Open opens the source. state, for the source to report to, may be called
	// from any goroutine.
	Open func(ctx context.Context, state func(up bool, why error)) (capture.Source, error)
	// Ends says that the source has an end after which the camera is done, as
	// a clip has; otherwise a source that ends is opened again.
	Ends bool
	// Patient says that with a Stream the source is to wait until the model has taken what it gave, so that nothing is skipped: for
	// recordings that are Unpaced, never for a camera.
	Patient bool
	// FPS is how many frames a second enter the window.
	FPS float64
	// Frames is the window's length; rounded up to an even number, at least 2.
	Frames int
	// Every is the least time from one description to the next, by the
	// frames' clock.
	Every time.Duration

	// Disabled: it starts switched off, see Pipeline.Set.
	Disabled bool

	System    *string
	Prompt    string
	MaxTokens int
	// Schema, if set, makes a description a JSON document that it allows.
	Schema *schema.Schema
	// Questions are asked about every window: before its description with a Stream, of which they are a reason, after it without.
	Questions []vlm.Question
	// Conditions on the answers make events.
	Conditions []*watch.Condition
	// Changes publishes a description only when something has changed, and nothing twice, but for a heartbeat. Without it, every
	// window that is due is described and published.
	Changes   bool
	Heartbeat time.Duration // the longest time without a description; 0: 10 minutes, negative: no heartbeat
	Stream    *Stream       // nil: every description runs anew
}

// FrameRef names a frame that was described.
type FrameRef struct {
	Seq uint64
	At  time.Time
}

// Description is what the model said about one window.
type Description struct {
	Camera string
	// Why it was made, "" where somebody asked for it.
	Why stream.Why
	// Condition, if set, is one that this window starts or ends: there are Answers, but no Result.
	Condition *watch.Event
	Frames    []FrameRef // in order of time, at least one
	Result    vlm.Result
	// Answers are those to the camera's questions, in their order; a question
	// that failed is left out.
	Answers []vlm.Answer
	// Asked is how long they took. It is not in Result.Timings.
	Asked time.Duration
	// Newest is the newest frame of the window, as it came from the source.
	Newest capture.Frame
	// Dropped is how many frames since the description before were due for the
	// window or in it, and never described.
	Dropped uint64
	// Prefilled are the tokens of pictures and prompts that a Stream's window took in since the description before. Without a
	// Stream they are Result.PromptTokens.
	Prefilled int
	// Ready is when the model was done.
	Ready time.Time
}

// First and Last are the capture times of the window's ends.
func (d Description) First() time.Time { return d.Frames[0].At }
func (d Description) Last() time.Time  { return d.Frames[len(d.Frames)-1].At }

// Stats are a camera's counters since the start.
type Stats struct {
	Camera       string
	Up           bool
	Frames       uint64 // that entered the window
	Dropped      uint64 // due for the window or in it, never described
	Broken       uint64 // that could not be decoded
	Descriptions uint64
	Failed       uint64 // descriptions that the model or the sink refused
	Conditions   uint64 // events of conditions
	Opens        uint64 // times the source was opened
	LastError    string
	Stream       StreamStats
}

// Options are what a Pipeline may be told beyond its cameras.
type Options struct {
	Log *slog.Logger // nil: silent
	// Backoff is how long to wait before opening a camera for the nth time in
	// a row without a frame, n from 1. nil: 1 s, doubled up to 30 s.
	Backoff func(n int) time.Duration
	// Watch, if set, hears every frame as it enters a window. It is called on
	// the camera's goroutine and must return soon.
	Watch func(camera string, f capture.Frame)
	// Moment, if set, hears of every pair that went into a window, after what there was to say about it. It is called on Run's
	// goroutine.
	Moment func(m Moment)
}

// Pipeline runs cameras against a model.
type Pipeline struct {
	model    Describer
	streamer Streamer // model, if it is one
	sink     Sink
	o        Options
	cams     []*camera
	wake     chan struct{} // holds one token when something may have become due
	asks     chan *ask     // requests beside the regular descriptions
	ended    chan struct{} // closed when Run returns
	turn     uint64        // counts descriptions; the least recently served camera goes first
}

// New checks the cameras. Names must be unique.
func New(model Describer, cams []Camera, sink Sink, o Options) (*Pipeline, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Backoff == nil {
		o.Backoff = backoff
	}
	p := &Pipeline{model: model, sink: sink, o: o, wake: make(chan struct{}, 1), asks: make(chan *ask), ended: make(chan struct{})}
	p.streamer, _ = model.(Streamer)
	names := map[string]bool{}
	for _, c := range cams {
		switch {
		case c.Name == "" || names[c.Name]:
			return nil, fmt.Errorf("pipeline: camera name %q is empty or taken", c.Name)
		case c.Open == nil:
			return nil, fmt.Errorf("pipeline: camera %s has no source", c.Name)
		case !(c.FPS > 0):
			return nil, fmt.Errorf("pipeline: camera %s: %v frames a second; it must be more than 0", c.Name, c.FPS)
		}
		names[c.Name] = true
		p.cams = append(p.cams, newCamera(c, p))
	}
	if len(p.cams) == 0 {
		return nil, errors.New("pipeline: no cameras")
	}
	return p, nil
}

func backoff(n int) time.Duration { return min(time.Second<<min(n-1, 5), 30*time.Second) }

// Run describes until ctx ends, and then returns its error, or until every
// camera has come to its end and its last window is described, and then returns
// nil. All goroutines are gone when it returns. Run may be called once.
func (p *Pipeline) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	defer close(p.ended)
	for _, c := range p.cams {
		wg.Go(func() { c.run(ctx) })
		defer c.shut()
	}
	for {
		p.sweep()
		select {
		case a := <-p.asks: // somebody waits for it: before what is due
			p.serve(ctx, a)
			continue
		default:
		}
		c, more := p.next()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case c != nil && c.streams():
			p.frames(ctx, c)
		case c != nil:
			if j := c.take(); j != nil {
				_, _ = p.regular(ctx, j) // it has said what went wrong
			}
		case !more:
			return nil
		default:
			select {
			case a := <-p.asks:
				p.serve(ctx, a)
			case <-p.wake:
			case <-ctx.Done():
			}
		}
	}
}

// next chooses the camera whose window is due and that waits for its turn the
// longest. more says that some camera may still become due.
func (p *Pipeline) next() (chosen *camera, more bool) {
	for _, c := range p.cams {
		due, ended := c.due()
		more = more || !ended
		if due && (chosen == nil || c.served < chosen.served) {
			chosen = c
		}
	}
	if chosen == nil {
		return nil, more
	}
	p.turn++
	chosen.served = p.turn
	return chosen, true
}

// poke lets Run look again.
func (p *Pipeline) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// regular makes the description that is due of a camera without a Stream's window. A camera without a prompt is only asked its
// questions.
func (p *Pipeline) regular(ctx context.Context, j *job) (Description, error) {
	v := j.c.voiceFor(j.set, j.gen)
	return p.describe(ctx, j, func(d *Description) bool {
		// That it was time is known; without a Stream every window counts as changed.
		if d.Why = v.due(stream.Step{Compared: true, Changed: 1}, d.Last(), d.Answers, nil, 0); d.Why == stream.NotDue {
			d.Why = stream.WhyScene
		}
		return v.news(d.Why, d.Result.Text, d.Answers)
	})
}

// describe makes a description and hands it to the sink if it is news.
func (p *Pipeline) describe(ctx context.Context, j *job, news func(*Description) bool) (Description, error) {
	c := j.c
	d, err := p.look(ctx, j, inquiry{Prompt: j.set.Prompt, MaxTokens: c.MaxTokens, Schema: c.Schema, Questions: c.Questions})
	switch {
	case ctx.Err() != nil:
		return d, ctx.Err()
	case errors.Is(err, errEmpty):
		return d, err // every frame is counted already
	case c.disabled():
		return d, fmt.Errorf("camera %s is disabled", c.Name)
	}
	if err == nil {
		err = p.say(j, &d, news)
	}
	if err != nil {
		p.failed(c, err)
	}
	return d, err
}

// say publishes a description, if it is news, after the conditions that it starts and ends.
func (p *Pipeline) say(j *job, d *Description, news func(*Description) bool) error {
	c := j.c
	for _, e := range c.voiceFor(j.set, j.gen).events(d.Last(), d.Answers) {
		x := Description{Camera: c.Name, Frames: d.Frames, Newest: d.Newest, Condition: &e, Answers: d.Answers, Ready: d.Ready}
		if err := p.condition(c, x); err != nil {
			return err
		}
	}
	if !news(d) {
		if d.Result.Text != "" {
			c.count(func(s *Stats) { s.Stream.Suppressed++ })
		}
		return nil
	}
	d.Dropped, d.Prefilled = c.takeDropped(), len(d.Result.PromptTokens)
	if err := p.sink.Description(*d); err != nil {
		return err
	}
	c.count(func(s *Stats) { s.Descriptions++ })
	return nil
}

// Stats are the cameras' counters, in the order of New.
func (p *Pipeline) Stats() []Stats {
	all := make([]Stats, len(p.cams))
	for i, c := range p.cams {
		c.count(func(s *Stats) { all[i] = *s })
	}
	return all
}
