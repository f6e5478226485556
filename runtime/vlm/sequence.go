package vlm

import (
	"context"
	"errors"
	"fmt"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/runtime/qwen2vl"
)

// Sequence is what a model has seen so far. Positions live here, never in the model. It is used by one goroutine at a
// time; several Sequences of one Engine wait for each other.
type Sequence struct {
	e      *Engine
	run    npu.Session
	next   int32     // position of the next row
	logits []float32 // of the last row; nil if they were not asked for
	inside bool      // a vision block has begun and not ended
}

// Embedded is a still or clip after the vision encoder.
type Embedded struct {
	GridTHW  [3]int    // in patches, before merging
	Rows     []float32 // [tokens, hidden], row-major
	prepared *prepared
}

// Tokens is the number of rows.
func (m *Embedded) Tokens() int { return m.prepared.tokens() }

// Embed preprocesses and encodes a still or clip.
func (e *Engine) Embed(ctx context.Context, m Media) (*Embedded, error) {
	if err := e.acquire(ctx); err != nil {
		return nil, err
	}
	defer e.release()
	p, err := e.prepare(m, 0)
	if err != nil {
		return nil, err
	}
	rows, err := e.encode(ctx, p)
	if err != nil {
		return nil, err
	}
	return &Embedded{GridTHW: p.patches.Grid, Rows: rows, prepared: p}, nil
}

// NewSequence starts an empty sequence. Close it before the Engine.
func (e *Engine) NewSequence(ctx context.Context) (*Sequence, error) {
	if err := e.acquire(ctx); err != nil {
		return nil, err
	}
	defer e.release()
	return e.newSequence(ctx)
}

func (e *Engine) newSequence(ctx context.Context) (*Sequence, error) {
	s, err := e.run.NewSession(ctx, e.info.ContextLength)
	if err != nil {
		return nil, err
	}
	return &Sequence{e: e, run: s}, nil
}

// Len is the number of rows, Next the position of the row to come.
func (s *Sequence) Len() int    { return s.run.Len() }
func (s *Sequence) Next() int32 { return s.next }

// Logits are those of the last row [vocab], or nil: only Prefill and Generate compute them. They are valid until the
// next call.
func (s *Sequence) Logits() []float32 { return s.logits }

// Append adds text.
func (s *Sequence) Append(ctx context.Context, ids []int32) error {
	return s.locked(ctx, func() error { return s.append(ctx, part{tokens: ids}, nil, false) })
}

// Prefill is Append that also computes the last row's logits, so that Generate can follow.
func (s *Sequence) Prefill(ctx context.Context, ids []int32) error {
	return s.locked(ctx, func() error { return s.append(ctx, part{tokens: ids}, nil, true) })
}

// AppendMedia adds a still or clip; <|vision_start|> must stand before it and <|vision_end|> after it.
func (s *Sequence) AppendMedia(ctx context.Context, m *Embedded) error {
	return s.locked(ctx, func() error { return s.append(ctx, part{medium: m.prepared}, m.Rows, false) })
}

// AppendAt adds rows at positions of the caller's choice; the row after them will be at position next.
func (s *Sequence) AppendAt(ctx context.Context, c npu.Chunk, next int32) error {
	return s.locked(ctx, func() error { return s.appendAt(ctx, c, next, false) })
}

// Fork returns an independent sequence of the same rows.
func (s *Sequence) Fork(ctx context.Context) (f *Sequence, err error) {
	err = s.locked(ctx, func() error {
		run, ok := s.run.(npu.Forker)
		if !ok {
			return fmt.Errorf("vlm: fork: %w", npu.ErrUnsupported)
		}
		n, err := run.Fork(ctx)
		if err == nil {
			f = &Sequence{e: s.e, run: n, next: s.next, logits: append([]float32(nil), s.logits...), inside: s.inside}
		}
		return err
	})
	return f, err
}

// Mark is a place in a sequence.
type Mark struct {
	rows   int
	next   int32
	inside bool
}

// Mark returns the present end.
func (s *Sequence) Mark() Mark { return Mark{s.run.Len(), s.next, s.inside} }

// Rewind drops everything after a mark of this sequence, or of the one it was forked from, that lies before its end.
func (s *Sequence) Rewind(ctx context.Context, m Mark) error {
	return s.locked(ctx, func() error {
		if err := s.run.Truncate(m.rows); err != nil {
			return err
		}
		s.next, s.logits, s.inside = m.next, nil, m.inside
		return nil
	})
}

// Generate continues the text after Prefill, or after an earlier Generate. See Request for the options, Result for
// what comes back; of that, Text, Tokens, Boxes and FinishReason are set. The last token is not appended.
func (s *Sequence) Generate(ctx context.Context, maxTokens int, how Sampling, emit func(piece string)) (r Result, err error) {
	err = s.locked(ctx, func() error { return s.generate(ctx, maxTokens, how, nil, emit, &r) })
	return r, err
}

// Close gives the memory back.
func (s *Sequence) Close() error {
	if err := s.e.acquire(context.Background()); err != nil {
		return nil // the engine is closed, and the memory with it
	}
	defer s.e.release()
	return s.run.Close()
}

func (s *Sequence) locked(ctx context.Context, f func() error) error {
	if err := s.e.acquire(ctx); err != nil {
		return err
	}
	defer s.e.release()
	return f()
}

// append adds text, or a medium as rows.
func (s *Sequence) append(ctx context.Context, p part, rows []float32, logits bool) error {
	if p.span().Len() == 0 {
		return nil
	}
	pos, next := qwen2vl.MRoPEPositions([]qwen2vl.Span{p.span()}, s.next)
	c := npu.Chunk{Pos: pos}
	if p.medium != nil {
		c.Embeds = rows
	} else {
		c.Tokens = p.tokens
	}
	return s.appendAt(ctx, c, next, logits)
}

func (s *Sequence) appendAt(ctx context.Context, c npu.Chunk, next int32, logits bool) error {
	var out []float32
	if logits {
		out = make([]float32, s.e.vocab)
		if s.logits != nil {
			out = s.logits
		}
	}
	s.logits = nil // whatever happens, they are the last row's no more
	if err := s.run.Append(ctx, c, out); err != nil {
		return err
	}
	s.next, s.logits = next, out
	for _, id := range c.Tokens {
		s.inside = s.e.marks.inside(id, s.inside)
	}
	return nil
}

var errNoLogits = errors.New("vlm: generate: the sequence has no logits: end it with Prefill")

// generate draws tokens into r; limits may be nil.
func (s *Sequence) generate(ctx context.Context, maxTokens int, how Sampling, limits *constraint, emit func(string), r *Result) error {
	if s.logits == nil {
		return errNoLogits
	}
	if maxTokens == 0 {
		maxTokens = DefaultMaxTokens
	}
	draw := newSampler(how)
	text := newAnswer(s.e.tok, emit)
	for r.FinishReason == "" {
		if err := ctx.Err(); err != nil {
			return err
		}
		id, done, err := s.draw(draw, limits, maxTokens-len(r.Tokens))
		if err != nil {
			return err
		}
		if done {
			r.FinishReason = FinishStop
			break
		}
		r.Tokens = append(r.Tokens, id)
		text.push(id)
		s.e.progress("decode", len(r.Tokens), maxTokens)
		switch {
		case s.e.tok.IsEOG(id), limits != nil && limits.state.Final():
			r.FinishReason = FinishStop
		case len(r.Tokens) >= maxTokens, s.run.Len() >= s.e.info.ContextLength:
			r.FinishReason = FinishLength
		default:
			c := npu.Chunk{Tokens: r.Tokens[len(r.Tokens)-1:], Pos: [][3]int32{{s.next, s.next, s.next}}}
			if err := s.appendAt(ctx, c, s.next+1, true); err != nil {
				return err
			}
		}
	}
	if limits != nil && limits.state.Complete() {
		r.FinishReason = FinishStop
	}
	r.Text = text.finish()
	r.Boxes = ParseBoxes(s.e.tok.Decode(r.Tokens))
	return nil
}

// draw chooses the next of at most left tokens; done says that there is none.
func (s *Sequence) draw(d *sampler, limits *constraint, left int) (id int32, done bool, err error) {
	if limits != nil {
		return limits.next(s.logits, d, min(left, s.e.info.ContextLength-s.run.Len()+1))
	}
	id, err = d.next(s.logits)
	return id, false, err
}
