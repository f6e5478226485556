package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// live is a camera's window in the model. Run's goroutine alone uses it.
type live struct {
	c       *camera
	gen     int // of the settings that it was opened with
	set     Settings
	w       Window
	counted stream.Counters // of w, as far as they are in the camera's

	step   stream.Step // of the newest pair
	at     time.Time
	newest capture.Frame
	spoken bool // the newest pair has been thought about
	tokens int  // prefilled since the latest description

	moment  Moment
	answers []vlm.Answer
	took    time.Duration // to answer, for the newest pair
	still   int           // pairs since anything changed
	quiet   bool          // answers are of a window in which nothing changes
}

// window is the camera's, opened where it isn't yet.
func (p *Pipeline) window(ctx context.Context, c *camera) (*live, error) {
	c.mu.Lock()
	set, gen := c.set, c.gen
	c.mu.Unlock()
	if c.live != nil && c.live.gen == gen {
		c.live.set.Prompt = set.Prompt
		return c.live, nil
	}
	c.shut()
	length := time.Duration(set.Frames) * set.period()
	cfg := stream.Config{Mode: c.mode, Length: length, FPS: set.FPS, System: c.System, Savings: c.Stream.Savings,
		Reserve: max(512, c.MaxTokens+256), Log: p.o.Log.With("camera", c.Name)}
	if c.Stream.Latency > 0 {
		if c.tuner == nil || c.tuned != gen {
			c.tuner, c.tuned = p.newTuner(c, set, length), gen
		}
		choice := c.tuner.Choice()
		cfg.Length, cfg.MaxPixels = choice.Length, choice.Pixels
		c.count(func(s *Stats) { s.Stream.Pixels = choice.Pixels })
	}
	w, err := p.streamer.Stream(ctx, cfg)
	if err != nil {
		return nil, err
	}
	c.live = &live{c: c, gen: gen, set: set, w: w, spoken: true}
	return c.live, nil
}

func (p *Pipeline) newTuner(c *camera, set Settings, length time.Duration) *stream.Tuner {
	_, most, side := p.streamer.Sizes()
	return stream.NewTuner(stream.Budget{
		Latency: c.Stream.Latency, Length: length, FPS: set.FPS, Rolling: c.mode == stream.Rolling, Prompt: 32, Answer: c.MaxTokens,
		MinPixels: min(112*112, most), MaxPixels: most, Unit: side, Context: p.streamer.Info().ContextLength,
	})
}

// shut frees the camera's window.
func (c *camera) shut() {
	if c.live == nil {
		return
	}
	if err := c.live.w.Close(); err != nil {
		c.p.o.Log.Warn("window not closed", "camera", c.Name, "err", err)
	}
	c.live = nil
}

// sweep frees the windows of cameras that are disabled or have other settings now.
func (p *Pipeline) sweep() {
	for _, c := range p.cams {
		if c.live == nil {
			continue
		}
		c.mu.Lock()
		gone := c.gen != c.live.gen || c.set.Disabled || c.intake == nil
		c.mu.Unlock()
		if gone {
			c.shut()
		}
	}
}

// stale says that what is being made of the window is of no use any more.
func (l *live) stale() bool {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	return l.c.gen != l.gen || l.c.set.Disabled
}

// frames is one turn of a camera with a window: its newest pair goes in, its questions are asked, and what is new is said.
func (p *Pipeline) frames(ctx context.Context, c *camera) {
	l, err := p.window(ctx, c)
	if err == nil {
		if pair, ok := c.fetch(); ok {
			err = p.addPair(ctx, l, pair)
		}
	} else {
		c.fetch() // or this would be tried without a pause
	}
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		p.trouble(c, err)
		return
	}
	if l.spoken || l.stale() || len(l.w.Frames()) == 0 {
		return
	}
	if c.enough(l.step) {
		l.spoken = true
		if err := p.speak(ctx, l); err != nil && ctx.Err() == nil && !errors.Is(err, errStale) {
			p.failed(c, err)
		}
	}
	p.tell(l)
	p.tune(c, l)
}

// tell tells of the newest pair, once.
func (p *Pipeline) tell(l *live) {
	if p.o.Moment != nil && l.moment.Camera != "" {
		p.o.Moment(l.moment)
	}
	l.moment = Moment{}
}

var errStale = errors.New("the camera was disabled or set anew meanwhile")

// enough says that the window has as many pairs as it takes to describe it. Of pairs that a trigger brought the last one stands
// for all: they are in the window together, and the newest moment is not to wait for sentences about each.
func (c *camera) enough(st stream.Step) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.intake != nil && c.intake.Queued() > 0 {
		return false
	}
	return st.Pairs >= c.Stream.least(st.Most) || c.ended && c.intake != nil && c.intake.Waiting() == 0
}

// trouble says what went wrong with a pair. Where the accelerator can't do what the mode needs, a simpler one takes its place.
func (p *Pipeline) trouble(c *camera, err error) {
	log := p.o.Log.With("camera", c.Name)
	switch {
	case errors.Is(err, stream.ErrPair):
		c.count(func(s *Stats) { s.Broken++; s.LastError = err.Error() })
		log.Warn("pair left out", "err", err)
	case errors.Is(err, npu.ErrUnsupported) && c.mode == stream.Rolling:
		log.Warn("no rolling window on this accelerator: the exact mode takes its place", "err", err)
		c.mode = stream.Exact
		c.shut()
	case errors.Is(err, npu.ErrUnsupported):
		log.Warn("no window on this accelerator: every description runs over the whole window", "err", err)
		c.mu.Lock()
		c.giveUp()
		c.intake = nil
		c.mu.Unlock()
		c.shut()
	default:
		p.failed(c, err)
	}
}

func (p *Pipeline) failed(c *camera, err error) {
	c.count(func(s *Stats) { s.Failed++; s.LastError = err.Error() })
	p.o.Log.Warn("no description", "camera", c.Name, "err", err)
}

// addPair puts a pair into the window.
func (p *Pipeline) addPair(ctx context.Context, l *live, pair stream.Pair) error {
	damaged, err := pair.Decode()
	for _, d := range damaged {
		l.c.count(func(s *Stats) { s.Broken++; s.LastError = d.Error() })
		p.o.Log.Warn("damaged frame left out", "camera", l.c.Name, "err", d)
	}
	if err != nil {
		return nil // every frame is counted already
	}
	st, err := l.w.Add(ctx, pair)
	now := l.w.Counters()
	more := now.Since(l.counted)
	l.counted = now
	l.tokens += int(more.Tokens)
	l.c.count(func(s *Stats) { s.Stream.Counters = s.Stream.Counters.Plus(more) })
	if err != nil {
		return err
	}
	if st.Restart != "" {
		p.o.Log.Info(st.Restart, "camera", l.c.Name)
	}
	l.step, l.at, l.spoken = st, pair.At, false
	l.newest, _ = pair.Frames[1].Origin.(capture.Frame)
	l.moment = Moment{Camera: l.c.Name, Pair: pair, Step: st}
	if l.still++; !st.Skipped {
		l.still, l.quiet = 0, false
	}
	if l.c.tuner != nil {
		l.c.tuner.Step(st)
	}
	return nil
}

// speak asks the questions about the newest window, and says what they and the scene give reason to say.
func (p *Pipeline) speak(ctx context.Context, l *live) error {
	c := l.c
	v := c.voiceFor(l.set, l.gen)
	if err := p.askLive(ctx, l); err != nil {
		return err
	}
	if l.stale() {
		return errStale
	}
	m := &l.moment
	m.Answers, m.Asked, m.Events = l.answers, l.took, v.events(l.at, l.answers)
	for _, e := range m.Events {
		d := l.description()
		d.Condition, d.Answers, d.Ready = &e, l.answers, time.Now()
		if err := p.condition(c, d); err != nil {
			return err
		}
	}
	embeddings := l.w.Embeddings()
	why := v.due(l.step, l.at, l.answers, embeddings, len(embeddings)/max(1, l.step.Cells))
	if why == stream.NotDue {
		return nil
	}
	start := time.Now()
	d, err := l.describe(ctx, inquiry{Prompt: l.set.Prompt, MaxTokens: c.MaxTokens, Schema: c.Schema})
	if err != nil {
		v.policy = nil // the next pair tries again
		return err
	}
	d.Why = why
	m.Why, m.Result, m.Described = why, d.Result, time.Since(start)
	switch {
	case l.stale():
		return errStale
	case !v.news(why, d.Result.Text, l.answers):
		if m.Repeated = true; d.Result.Text != "" {
			c.count(func(s *Stats) { s.Stream.Suppressed++ })
			p.o.Log.Debug("description repeats the one before", "camera", c.Name, "text", d.Result.Text, "why", why)
		}
		return nil
	}
	return p.publish(c, l, d)
}

// publish hands a description to the sink.
func (p *Pipeline) publish(c *camera, l *live, d Description) error {
	d.Dropped, d.Prefilled = c.takeDropped(), l.tokens+len(d.Result.PromptTokens)
	l.tokens = 0
	if err := p.sink.Description(d); err != nil {
		return err
	}
	c.count(func(s *Stats) { s.Descriptions++ })
	return nil
}

// condition hands a condition's event to the sink.
func (p *Pipeline) condition(c *camera, d Description) error {
	d.Answers = about(d.Answers, d.Condition.Answers)
	if err := p.sink.Description(d); err != nil {
		return err
	}
	c.count(func(s *Stats) { s.Conditions++ })
	return nil
}

// askLive answers the camera's questions. While nothing at all changes in the whole window, answers stay what they were.
func (p *Pipeline) askLive(ctx context.Context, l *live) (err error) {
	c := l.c
	l.took = 0
	switch {
	case len(c.Questions) == 0:
		return nil
	case l.quiet:
		c.count(func(s *Stats) { s.Stream.Reused++ })
		return nil
	}
	start := time.Now()
	l.answers, err = p.askAllOf(ctx, l.w, c.Name, c.Questions)
	l.took = time.Since(start)
	if err != nil && ctx.Err() == nil {
		p.o.Log.Warn("questions not answered", "camera", c.Name, "err", err)
		l.answers = nil
		if l.set.Prompt != "" {
			return nil // the description stands
		}
	}
	l.quiet = err == nil && l.still >= l.step.Pairs
	return err
}

// description is one of the window without anything said yet.
func (l *live) description() Description {
	d := Description{Camera: l.c.Name, Newest: l.newest}
	for _, f := range l.w.Frames() {
		if n := len(d.Frames); n == 0 || d.Frames[n-1].Seq != f.Seq || !d.Frames[n-1].At.Equal(f.At) { // one may stand for two
			d.Frames = append(d.Frames, FrameRef(f))
		}
	}
	return d
}

// describe makes a description of the window, and answers q's questions.
func (l *live) describe(ctx context.Context, q inquiry) (Description, error) {
	d := l.description()
	d.Answers, d.Asked = l.answers, l.took
	var err error
	if len(q.Questions) > 0 {
		start := time.Now()
		d.Answers, err = l.w.Ask(ctx, q.Questions)
		d.Asked = time.Since(start)
	}
	if err == nil && q.Prompt != "" {
		d.Result, err = l.text(ctx, q)
	}
	if err != nil {
		return d, err
	}
	t := &d.Result.Timings
	t.Preprocess, t.Vision, t.Prefill = l.step.Preprocess, l.step.Vision, l.step.Prefill+t.Prefill
	if d.Result.Backend == "" {
		d.Result.Backend = l.c.p.streamer.Info().Backend
	}
	d.Ready = time.Now()
	if l.c.tuner != nil {
		l.c.tuner.Answer(len(d.Result.PromptTokens), max(1, len(d.Result.Tokens)), d.Asked+t.Decode)
	}
	return d, nil
}

func (l *live) text(ctx context.Context, q inquiry) (vlm.Result, error) {
	if q.Schema == nil {
		return l.w.Describe(ctx, q.Prompt, q.MaxTokens, vlm.Sampling{}, nil)
	}
	start := time.Now()
	a, err := l.w.Ask(ctx, []vlm.Question{{Name: description, Text: q.Prompt, Kind: vlm.KindText, MaxTokens: q.MaxTokens, Schema: q.Schema}})
	if err != nil {
		return vlm.Result{}, err
	}
	r := vlm.Result{Text: a[0].Value, Tokens: a[0].Tokens, FinishReason: a[0].FinishReason, PromptTokens: make([]int32, a[0].PromptTokens)}
	r.Timings.Decode = time.Since(start)
	return r, q.check(r.Text)
}

// check says whether a text is what the schema asked for.
func (q inquiry) check(text string) error {
	if q.Schema != nil && !json.Valid([]byte(text)) {
		return fmt.Errorf("the answer is no JSON document after %d tokens: give a larger max_tokens", q.MaxTokens)
	}
	return nil
}

// tune follows the latency budget: another size or length begins a new window.
func (p *Pipeline) tune(c *camera, l *live) {
	if c.tuner == nil || c.live != l {
		return
	}
	share := 0
	for _, other := range p.cams {
		if !other.disabled() {
			share++
		}
	}
	if choice, changed := c.tuner.Next(share); changed {
		p.o.Log.Info("pictures and window follow the latency budget", "camera", c.Name, "budget", c.Stream.Latency, "cameras", share,
			"pixels", choice.Pixels, "window", choice.Length, "expected", choice.Latency.Round(time.Millisecond), "meets", choice.Meets)
		c.shut()
	}
}

// serveLive answers a request about a camera with a window.
func (p *Pipeline) serveLive(ctx context.Context, a *ask) error {
	c := a.c
	l, err := p.window(ctx, c)
	if err != nil {
		return err
	}
	for { // the newest moment counts; those that wait are few
		pair, ok := c.fetch()
		if !ok {
			break
		}
		if err := p.addPair(ctx, l, pair); err != nil {
			if errors.Is(err, stream.ErrPair) {
				p.trouble(c, err)
				continue
			}
			return err
		}
	}
	if len(l.w.Frames()) == 0 {
		return fmt.Errorf("camera %s has not given two frames yet", c.Name)
	}
	if a.q != nil {
		a.d, err = l.describe(ctx, *a.q)
		if len(a.q.Questions) == 0 {
			a.d.Answers = nil
		}
		return err
	}
	v := c.voiceFor(l.set, l.gen)
	if err := p.askLive(ctx, l); err != nil {
		return err
	}
	if a.d, err = l.describe(ctx, inquiry{Prompt: l.set.Prompt, MaxTokens: c.MaxTokens, Schema: c.Schema}); err != nil {
		return err
	}
	if l.stale() {
		return errStale
	}
	v.asked(l.at, a.d.Result.Text, l.answers, l.w.Embeddings())
	return p.publish(c, l, a.d)
}
