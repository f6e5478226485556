package vlm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/edgevlm/edgevlm/npu"
)

// DefaultMaxTokens is how long an answer may be where the request does not say.
const DefaultMaxTokens = 256

// The reasons in Result.FinishReason.
const (
	FinishStop   = "stop"
	FinishLength = "length"
)

func (r *Request) check() error {
	switch {
	case r.Prompt == "" && len(r.Media) == 0:
		return fmt.Errorf("%w: nothing to answer: give a prompt, a picture or both", ErrRequest)
	case r.MaxTokens < 0:
		return fmt.Errorf("%w: at most %d tokens can't be: give 0 or more", ErrRequest, r.MaxTokens)
	}
	return r.Sampling.check()
}

// Generate answers a request. emit, if not nil, gets the text as it is made, in valid UTF-8 pieces. When ctx ends, so
// does Generate, with ctx's error. A request that can't be answered gives an error that is ErrRequest.
func (e *Engine) Generate(ctx context.Context, r Request, emit func(piece string)) (Result, error) {
	if err := r.check(); err != nil {
		return Result{}, err
	}
	if err := e.acquire(ctx); err != nil {
		return Result{}, err
	}
	defer e.release()
	res := Result{Timings: Timings{Load: e.info.LoadTime}}
	clock := stopwatch{time.Now()}
	media := make([]*prepared, len(r.Media))
	for i, m := range r.Media {
		var err error
		if media[i], err = e.prepare(m, i); err != nil {
			return Result{}, err
		}
		res.GridTHW = append(res.GridTHW, media[i].patches.Grid)
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
	}
	parts, err := e.assemble(r, media)
	if err != nil {
		return Result{}, err
	}
	for _, p := range parts {
		res.PromptTokens = append(res.PromptTokens, p.tokens...)
	}
	if n := len(res.PromptTokens); n > e.info.ContextLength {
		return Result{}, fmt.Errorf("%w: the prompt has %d tokens, the context only %d: shorten it, give fewer frames, or lower the maximum of pixels",
			ErrRequest, n, e.info.ContextLength)
	}
	clock.lap(&res.Timings.Preprocess)

	s, err := e.newSequence(ctx)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = s.run.Close() }()
	limits, err := s.constraint(r.Schema, r.MaxTokens, len(res.PromptTokens)) // before the work, which would be for nothing
	if err != nil {
		return Result{}, err
	}
	if err := s.prefill(ctx, parts, &clock, &res.Timings); err != nil {
		return Result{}, err
	}
	if err := s.generate(ctx, r.MaxTokens, r.Sampling, limits, emit, &res); err != nil {
		return Result{}, err
	}
	clock.lap(&res.Timings.Decode)
	res.Backend = e.backend()
	return res, nil
}

// prefill encodes the media and appends all parts.
func (s *Sequence) prefill(ctx context.Context, parts []part, clock *stopwatch, t *Timings) error {
	total, done, media, seen := 0, 0, 0, 0
	for _, p := range parts {
		total += len(p.tokens)
		if p.medium != nil {
			media++
		}
	}
	for i, p := range parts {
		var rows []float32
		if p.medium != nil {
			s.e.progress("vision", seen, media)
			var err error
			if rows, err = s.e.encode(ctx, p.medium); err != nil {
				return err
			}
			seen++
			s.e.progress("vision", seen, media)
			clock.lap(&t.Vision)
		}
		s.e.progress("prefill", done, total)
		if err := s.append(ctx, p, rows, i == len(parts)-1); err != nil {
			if errors.Is(err, npu.ErrFull) {
				return fmt.Errorf("%w: %w", ErrRequest, err)
			}
			return err
		}
		done += len(p.tokens)
		clock.lap(&t.Prefill)
	}
	s.e.progress("prefill", done, total)
	return nil
}

// stopwatch adds up what passed since the last lap.
type stopwatch struct{ last time.Time }

func (s *stopwatch) lap(into *time.Duration) {
	now := time.Now()
	*into += now.Sub(s.last)
	s.last = now
}
