package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// replay plays one recording through a window.
type replay struct {
	c         *replayCmd
	e         *vlm.Engine
	questions []vlm.Question
	log       *slog.Logger
	out       func(format string, args ...any)

	page   replayPage
	window *stream.Window
	policy *stream.Policy
	begin  time.Time // of the first pair
	last   time.Time
}

// replayRing is how many skipped pairs are kept for a change that shows when the model has time again.
const replayRing = 4

func (r *replay) run(ctx context.Context) error {
	mode, err := stream.ParseMode(r.c.Mode)
	if err != nil {
		return err
	}
	c := stream.Config{Mode: mode, Length: r.c.Window, FPS: r.c.FPS, Log: r.log}
	if r.c.Savings {
		c.Savings = stream.DefaultSavings()
	}
	if r.window, err = stream.New(ctx, r.e, c); err != nil {
		return err
	}
	defer r.window.Close()
	r.policy = stream.NewPolicy(stream.Publish{Every: r.c.Every})
	info := r.e.Info()
	r.page = replayPage{Title: replayTitle(r.c.Recording), Model: info.Name, Backend: info.Backend, Mode: mode.String(), Savings: r.c.Savings,
		WindowS: r.c.Window.Seconds(), FPS: r.c.FPS, Speed: r.c.Speed, Prompt: r.c.Prompt, Pairs: []replayPair{}, Notes: []string{}, Questions: []string{}}
	for _, q := range r.questions {
		r.page.Questions, r.page.Texts = append(r.page.Questions, q.Name), append(r.page.Texts, q.Text)
	}
	pairs, err := stream.NewPairs(r.c.FPS, r.c.Window)
	if err != nil {
		return err
	}
	began := time.Now()
	if r.c.Speed > 0 {
		err = r.paced(ctx, pairs)
	} else {
		err = r.unpaced(ctx, pairs)
	}
	if err != nil {
		return err
	}
	if len(r.page.Pairs) == 0 {
		return fmt.Errorf("%s holds no frames", r.c.Recording)
	}
	t := r.window.Counters()
	r.page.Kept, r.page.Dropped, r.page.Unseen = t.Tokens, t.Dropped, t.Skipped
	r.page.Repeated, r.page.WallS = r.policy.Suppressed(), time.Since(began).Seconds()
	r.page.PlayedS = r.last.Sub(r.begin).Seconds() + 2/r.c.FPS
	return nil
}

// frames calls f with the recording's frames, thinned out, as fast as f takes them.
func (r *replay) frames(ctx context.Context, f func(stream.Frame) error) (err error) {
	src, err := capture.Open(ctx, capture.Spec{Source: "files:" + r.c.Recording, FPS: r.c.FPS, Unpaced: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	s := capture.NewSampler(src, r.c.FPS)
	defer s.Close()
	for {
		fr, err := s.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, capture.ErrBadFrame):
			r.note(err.Error())
			continue
		case err != nil:
			return err
		}
		pix, w, h, err := fr.RGB()
		if err != nil {
			r.note(fmt.Sprintf("frame %d is damaged and left out: %v", fr.Seq, err))
			continue
		}
		if err := f(stream.Frame{Seq: fr.Seq, At: fr.At, RGB: imageproc.RGB{W: w, H: h, Pix: pix}}); err != nil {
			return err
		}
	}
}

// unpaced gives the model every pair.
func (r *replay) unpaced(ctx context.Context, pairs *stream.Pairs) error {
	err := r.frames(ctx, func(f stream.Frame) error {
		p, ok, note := pairs.Add(f)
		r.note(note)
		if !ok {
			return nil
		}
		return r.pair(ctx, p)
	})
	if p, ok := pairs.Flush(); ok && err == nil {
		err = r.pair(ctx, p)
	}
	r.page.Left = pairs.Left()
	return err
}

// paced plays at a speed, as a camera would: a model that is slower gets the newest pair.
func (r *replay) paced(ctx context.Context, pairs *stream.Pairs) error {
	ctx, cancel := context.WithCancel(ctx)
	in := stream.NewIntake(pairs, replayRing)
	fed := make(chan error, 1)
	notes := make(chan string, 64)
	defer func() { cancel(); <-fed }()
	go func() {
		var first, start time.Time
		err := r.frames(ctx, func(f stream.Frame) error {
			if first.IsZero() {
				first, start = f.At, time.Now()
			}
			if !sleepUntil(ctx, start.Add(time.Duration(float64(f.At.Sub(first))/r.c.Speed))) {
				return ctx.Err()
			}
			if note := in.Add(f); note != "" {
				select {
				case notes <- note:
				default:
				}
			}
			return nil
		})
		in.End()
		fed <- err
	}()
	for {
		p, ok, err := in.Next(ctx)
		if err != nil {
			return err
		}
		for range len(notes) {
			r.note(<-notes)
		}
		if !ok {
			break
		}
		if err := r.pair(ctx, p); err != nil {
			return err
		}
	}
	r.page.Skipped, _, r.page.Left = in.Skipped()
	err := <-fed
	fed <- nil
	return err
}

func (r *replay) note(s string) {
	if s != "" {
		r.page.Notes = append(r.page.Notes, s)
		r.log.Warn(s, "recording", r.c.Recording)
	}
}

// pair is one step: into the window, the questions, and a description where something changed.
func (r *replay) pair(ctx context.Context, p stream.Pair) error {
	st, err := r.window.Add(ctx, p)
	if errors.Is(err, stream.ErrPair) {
		r.note(err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	if r.begin.IsZero() {
		r.begin = p.At
	}
	r.last = p.At
	s := replayPair{T: p.At.Sub(r.begin).Seconds(), Thumb: thumbnail(p.Frames[1].RGB), Changed: st.Changed, Tokens: st.Tokens, Dropped: st.Dropped,
		Patches: st.Patches, Pairs: st.Pairs, Restart: st.Restart, Ms: [5]float64{ms(st.Preprocess), ms(st.Vision), ms(st.Prefill)}}
	r.note(st.Restart)
	said := ""
	if len(r.questions) > 0 {
		began := time.Now()
		answers, err := r.window.Ask(ctx, r.questions)
		if err != nil {
			return err
		}
		s.Ms[3] = ms(time.Since(began))
		for _, a := range answers {
			x := replayAnswer{Value: a.Value, P: a.Probability, Yes: a.Probability}
			if a.Kind == vlm.KindYesNo && len(a.Probabilities) > 0 {
				x.Yes = a.Probabilities[0]
			}
			s.Answers = append(s.Answers, x)
			said += a.Value + "\n"
		}
	}
	r.policy.Observe(st)
	if why := r.policy.Due(p.At, said, r.window.Embeddings(), r.e.Hidden()); why != stream.NotDue {
		began := time.Now()
		d, err := r.window.Describe(ctx, r.c.Prompt, r.c.MaxTokens, vlm.Sampling{}, nil)
		if err != nil {
			return err
		}
		s.Ms[4], s.Text, s.Why = ms(time.Since(began)), strings.TrimSpace(d.Text), string(why)
		s.Same = !r.policy.Said(d.Text)
		if !s.Same {
			r.out("%7.1f s  %s", s.T, oneLine(s.Text))
		}
	}
	r.page.Pairs = append(r.page.Pairs, s)
	return nil
}
