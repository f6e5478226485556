package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// replay plays one recording through the daemon's pipeline. It is the pipeline's sink.
type replay struct {
	c   *replayCmd
	e   *vlm.Engine
	cam config.Camera
	out func(format string, args ...any)

	page  replayPage
	begin time.Time // of the first pair
	last  time.Time
	stop  context.CancelCauseFunc

	mu    sync.Mutex // of notes, which come from several goroutines
	notes []string
}

func (r *replay) run(ctx context.Context) error {
	s, err := r.cam.Schema.Parse()
	if err != nil {
		return err
	}
	info := r.e.Info()
	r.page = replayPage{Title: replayTitle(r.c.Recording), Model: info.Name, Backend: info.Backend, Mode: r.cam.Stream.Mode,
		Savings: r.cam.Stream.Savings.Drop || r.cam.Stream.Savings.Tower, WindowS: r.cam.Window.Std().Seconds(), FPS: r.cam.FPS,
		Speed: r.c.Speed, Prompt: r.cam.Prompt, Pairs: []replayPair{}, Events: []replayEvent{}, Questions: []string{}}
	for _, q := range r.cam.Questions {
		r.page.Questions, r.page.Texts = append(r.page.Questions, q.Name), append(r.page.Texts, q.Text)
	}
	src, err := capture.Open(ctx, capture.Spec{Source: "files:" + r.c.Recording, FPS: r.cam.FPS, Unpaced: true})
	if err != nil {
		return err
	}
	opened := false
	set := pipeline.Settings{FPS: r.cam.FPS, Frames: r.cam.Frames(), Prompt: r.cam.Prompt}
	cam := pipelineCamera(r.cam, set, s)
	cam.Ends, cam.Patient, cam.Stream.Least = true, r.c.Speed == 0, 1
	cam.Open = func(context.Context, func(bool, error)) (capture.Source, error) {
		if opened {
			return nil, fmt.Errorf("%s can't be read to its end", r.c.Recording)
		}
		opened = true
		return &player{Source: src, speed: r.c.Speed, note: r.note}, nil
	}
	ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	p, err := pipeline.New(pipeline.Engine{Engine: r.e}, []pipeline.Camera{cam}, r, pipeline.Options{Log: slog.New(noteHandler{note: r.note}), Moment: r.moment})
	if err != nil {
		return errors.Join(err, src.Close())
	}
	began := time.Now()
	err = p.Run(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if !opened {
		err = errors.Join(err, src.Close())
	}
	if err != nil {
		return err
	}
	st := p.Stats()[0]
	switch {
	case len(r.page.Pairs) == 0 && st.LastError != "":
		return errors.New(st.LastError)
	case len(r.page.Pairs) == 0:
		return fmt.Errorf("%s holds no frames", r.c.Recording)
	}
	r.page.Notes = append([]string{}, r.notes...)
	r.page.Kept, r.page.Dropped, r.page.Unseen, r.page.Skipped = st.Stream.Tokens, st.Stream.Counters.Dropped-st.Stream.Again, st.Stream.Skipped, st.Stream.Missed
	r.page.Left = st.Dropped - 2*st.Stream.Missed
	r.page.Repeated, r.page.WallS = st.Stream.Suppressed, time.Since(began).Seconds()
	r.page.PlayedS = r.last.Sub(r.begin).Seconds() + 2/r.cam.FPS
	return nil
}

// note keeps a line for the page, once.
func (r *replay) note(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.notes); n < maxNotes && (n == 0 || r.notes[n-1] != s) {
		r.notes = append(r.notes, s)
	}
}

// maxNotes is as many as anybody reads.
const maxNotes = 1000

// Description implements pipeline.Sink: moment has it all.
func (r *replay) Description(pipeline.Description) error { return nil }

// CameraState implements pipeline.Sink. A recording that breaks off is not opened again.
func (r *replay) CameraState(_ string, up bool, why error) {
	if !up && why != nil {
		r.stop(why)
	}
}

// moment is one pair.
func (r *replay) moment(m pipeline.Moment) {
	if r.begin.IsZero() {
		r.begin = m.Pair.At
	}
	r.last = m.Pair.At
	st := m.Step
	s := replayPair{T: m.Pair.At.Sub(r.begin).Seconds(), Thumb: thumbnail(m.Pair.Frames[1].RGB), Changed: st.Changed, Tokens: st.Tokens,
		Dropped: st.Dropped, Patches: st.Patches, Pairs: st.Pairs, Restart: st.Restart, Same: m.Repeated, Why: string(m.Why), Text: strings.TrimSpace(m.Result.Text),
		Ms: [5]float64{ms(st.Preprocess), ms(st.Vision), ms(st.Prefill), ms(m.Asked), ms(m.Described)}}
	for _, a := range m.Answers {
		x := replayAnswer{Value: a.Value, P: a.Probability, Yes: a.Probability}
		if a.Kind == vlm.KindYesNo && len(a.Probabilities) > 0 {
			x.Yes = a.Probabilities[0]
		}
		s.Answers = append(s.Answers, x)
	}
	for _, e := range m.Events {
		r.page.Events = append(r.page.Events, replayEvent{T: s.T, Name: e.Condition, Message: e.Message, Start: e.Start})
		r.out("%7.1f s  %s", s.T, conditionText(e.Condition, e.Message, e.Start))
	}
	if s.Text != "" && !s.Same {
		r.out("%7.1f s  %s", s.T, oneLine(s.Text))
	}
	r.page.Pairs = append(r.page.Pairs, s)
}

// conditionText is a condition's start or end for people.
func conditionText(name, message string, start bool) string {
	switch {
	case !start:
		return "[" + name + " ends]"
	case message == "":
		return "[" + name + "]"
	}
	return "[" + name + ": " + message + "]"
}

// player plays a recording at a speed, or as fast as it is read where that is 0. To the sampler it can wait: what there is no
// time for is the model's affair.
type player struct {
	capture.Source
	speed        float64
	note         func(string)
	first, start time.Time
}

// Unpaced implements capture.Unpaced.
func (p *player) Unpaced() bool { return true }

// Next implements capture.Source.
func (p *player) Next(ctx context.Context) (capture.Frame, error) {
	f, err := p.Source.Next(ctx)
	if errors.Is(err, capture.ErrBadFrame) {
		p.note(err.Error())
	}
	if err != nil || p.speed == 0 {
		return f, err
	}
	if p.first.IsZero() {
		p.first, p.start = f.At, time.Now()
	}
	if !sleepUntil(ctx, p.start.Add(time.Duration(float64(f.At.Sub(p.first))/p.speed))) {
		return f, ctx.Err()
	}
	return f, nil
}

// noteHandler makes notes of what the pipeline logs.
type noteHandler struct{ note func(string) }

func (h noteHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (h noteHandler) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h noteHandler) WithGroup(string) slog.Handler                { return h }
func (h noteHandler) Handle(_ context.Context, r slog.Record) error {
	s := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "err" {
			s += ": " + a.Value.String()
		}
		return true
	})
	h.note(s)
	return nil
}
