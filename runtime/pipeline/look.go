package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/runtime/schema"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// Looker is a Describer that can be asked several things about one window: what
// the window costs is paid once. An Engine is one. A Describer that is none
// answers no questions.
type Looker interface {
	Describer
	Look(ctx context.Context, system *string, media []vlm.Media) (Scene, vlm.Timings, error)
	Info() vlm.Info
}

// Scene is a window that the model has seen.
type Scene interface {
	// Ask answers every question, or none and an error.
	Ask(ctx context.Context, qs []vlm.Question) ([]vlm.Answer, error)
	Close() error
}

// Engine is a vlm.Engine as a Looker.
type Engine struct{ *vlm.Engine }

// Look implements Looker.
func (e Engine) Look(ctx context.Context, system *string, media []vlm.Media) (Scene, vlm.Timings, error) {
	s, t, err := e.Engine.Look(ctx, system, media)
	if err != nil {
		return nil, t, err // not s: a nil *Sequence is no nil Scene
	}
	return s, t, nil
}

// description is the name of a window's description among its questions; no
// topic level can be called so.
const description = "/description"

// errEmpty says that no frame of a window could be decoded; they are counted.
var errEmpty = errors.New("no frame of the window can be decoded")

// inquiry is what is asked about one window.
type inquiry struct {
	Prompt    string // "": no description
	MaxTokens int
	Schema    *schema.Schema // of the description; nil: the model's own words
	Questions []vlm.Question
}

// look asks the model about a window.
func (p *Pipeline) look(ctx context.Context, j *job, q inquiry) (Description, error) {
	media, refs := j.media()
	if len(refs) == 0 {
		return Description{}, errEmpty
	}
	d := Description{Camera: j.c.Name, Frames: refs, Newest: j.slots[len(j.slots)-1].frame}
	var err error
	if m, ok := p.model.(Looker); ok && (len(q.Questions) > 0 || q.Prompt == "") {
		err = p.askAll(ctx, m, j.c.System, media, q, &d)
	} else {
		d.Result, err = p.model.Generate(ctx, vlm.Request{
			System: j.c.System, Media: []vlm.Media{media}, Prompt: q.Prompt, MaxTokens: q.MaxTokens, Schema: q.Schema,
		}, nil)
	}
	if err == nil && q.Prompt != "" {
		err = q.check(d.Result.Text)
	}
	d.Ready = time.Now()
	return d, err
}

// askAll has the window described and then the questions answered, on one
// encoding of it.
func (p *Pipeline) askAll(ctx context.Context, m Looker, system *string, media vlm.Media, q inquiry, d *Description) (err error) {
	scene, t, err := m.Look(ctx, system, []vlm.Media{media})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, scene.Close()) }()
	start := time.Now()
	if q.Prompt != "" {
		a, err := scene.Ask(ctx, []vlm.Question{{Name: description, Text: q.Prompt, Kind: vlm.KindText, MaxTokens: q.MaxTokens, Schema: q.Schema}})
		if err != nil {
			return err
		}
		d.Result = vlm.Result{Text: a[0].Value, Tokens: a[0].Tokens, Boxes: a[0].Boxes, FinishReason: a[0].FinishReason}
		t.Decode = time.Since(start) // and the prompt's own prefill, which is small
		start = time.Now()
	}
	d.Result.Timings = t
	d.Answers, err = p.askAllOf(ctx, scene, d.Camera, q.Questions)
	d.Asked = time.Since(start)
	d.Result.Backend = m.Info().Backend
	if err != nil && d.Result.Text != "" && ctx.Err() == nil {
		p.o.Log.Warn("questions not answered", "camera", d.Camera, "err", err)
		return nil // the description stands
	}
	return err
}

// asker is a Scene or a Window.
type asker interface {
	Ask(ctx context.Context, qs []vlm.Question) ([]vlm.Answer, error)
}

// askAllOf asks all questions at once. One that can't be answered must not silence the others.
func (p *Pipeline) askAllOf(ctx context.Context, scene asker, camera string, qs []vlm.Question) (all []vlm.Answer, last error) {
	all, last = scene.Ask(ctx, qs)
	if last == nil || ctx.Err() != nil || len(qs) < 2 {
		return all, last
	}
	all = nil
	for _, q := range qs {
		a, err := scene.Ask(ctx, []vlm.Question{q})
		if err != nil {
			p.o.Log.Warn("question not answered", "camera", camera, "question", q.Name, "err", err)
			last = err
			continue
		}
		all = append(all, a...)
	}
	if len(all) > 0 {
		return all, nil
	}
	return nil, last
}

// ask is a request on its way to Run's goroutine.
type ask struct {
	ctx  context.Context
	c    *camera
	q    *inquiry // nil: a regular description, now
	done chan struct{}
	d    Description
	err  error
}

// Describe describes a camera's present window now, whether it is due or not,
// and gives the description to the sink too.
func (p *Pipeline) Describe(ctx context.Context, camera string) (Description, error) {
	return p.request(ctx, camera, nil)
}

// Ask asks about a camera's present window beside the regular descriptions:
// prompt, unless it is "", becomes a description, questions are answered. The sink
// does not hear of it.
func (p *Pipeline) Ask(ctx context.Context, camera, prompt string, maxTokens int, questions []vlm.Question) (Description, error) {
	return p.request(ctx, camera, &inquiry{Prompt: prompt, MaxTokens: maxTokens, Questions: questions})
}

// Document is Ask for a description that is a JSON document which the schema allows.
func (p *Pipeline) Document(ctx context.Context, camera, prompt string, maxTokens int, s *schema.Schema) (Description, error) {
	return p.request(ctx, camera, &inquiry{Prompt: prompt, MaxTokens: maxTokens, Schema: s})
}

func (p *Pipeline) request(ctx context.Context, camera string, q *inquiry) (Description, error) {
	a := &ask{ctx: ctx, c: p.camera(camera), q: q, done: make(chan struct{})}
	if a.c == nil {
		return Description{}, fmt.Errorf("pipeline: no camera %s", camera)
	}
	select {
	case p.asks <- a:
	case <-p.ended:
		return Description{}, errors.New("pipeline: not running any more")
	case <-ctx.Done():
		return Description{}, ctx.Err()
	}
	<-a.done // heeds ctx
	return a.d, a.err
}

// serve answers a request on Run's goroutine.
func (p *Pipeline) serve(ctx context.Context, a *ask) {
	defer close(a.done)
	// The request's own end counts, and the pipeline's.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.ctx, cancel)()
	if a.c.disabled() {
		a.err = fmt.Errorf("camera %s is disabled", a.c.Name)
		return
	}
	if a.c.streams() {
		if a.err = p.serveLive(ctx, a); a.ctx.Err() != nil {
			a.err = a.ctx.Err()
		}
		return
	}
	j := a.c.take()
	if j == nil {
		a.err = fmt.Errorf("camera %s has given no frame yet", a.c.Name)
		return
	}
	if a.q == nil {
		a.d, a.err = p.describe(ctx, j, func(d *Description) bool {
			a.c.voiceFor(j.set, j.gen).asked(d.Last(), d.Result.Text, d.Answers, nil)
			return true
		})
	} else {
		a.d, a.err = p.look(ctx, j, *a.q)
	}
	if a.ctx.Err() != nil {
		a.err = a.ctx.Err()
	}
}

// Newest is the newest frame of a camera, as its source gave it.
func (p *Pipeline) Newest(camera string) (capture.Frame, error) {
	c := p.camera(camera)
	if c == nil {
		return capture.Frame{}, fmt.Errorf("pipeline: no camera %s", camera)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s := c.newest(); {
	case c.set.Disabled:
		return capture.Frame{}, fmt.Errorf("camera %s is disabled", camera)
	case c.intake != nil && c.latest.Data != nil:
		return c.latest, nil
	case s == nil:
		return capture.Frame{}, fmt.Errorf("camera %s has given no frame yet", camera)
	default:
		return s.frame, nil
	}
}
