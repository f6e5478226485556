package qwen2vl

import (
	"context"
	"errors"
	"fmt"

	"github.com/edgevlm/edgevlm/runtime/kvcache"
)

// ErrContextFull is returned by Append when the rows would pass the session's bound. Nothing is appended then.
var ErrContextFull = errors.New("qwen2vl: context is full")

var errClosed = errors.New("qwen2vl: session is closed")

// Session is one sequence: the keys and values of the rows appended so far. It is not safe for concurrent use;
// different sessions, forks of one another too, may be used concurrently.
type Session struct {
	m  *Text
	kv *kvcache.Cache // nil once closed
}

// NewSession starts an empty sequence of at most maxTokens rows. The bound is the model's context length where
// maxTokens is less than 1 or more than that.
func (m *Text) NewSession(maxTokens int) (*Session, error) {
	if maxTokens < 1 || maxTokens > m.c.ContextLength {
		maxTokens = m.c.ContextLength
	}
	kv, err := kvcache.New(kvcache.Config{Layers: m.c.Layers, KVHeads: m.c.KVHeads, HeadDim: m.c.HeadDim, MaxRows: maxTokens})
	if err != nil {
		return nil, fmt.Errorf("qwen2vl: new session: %w", err)
	}
	return &Session{m: m, kv: kv}, nil
}

// Input is what one session appends: Tokens, or Embeds [n, Hidden]; their positions [n] as (t, h, w), of which text
// models use t; and where the logits of the last row go: nil or [VocabSize].
type Input struct {
	Tokens []int32
	Embeds []float32
	Pos    [][3]int32
	Logits []float32
}

// Append runs rows through the decoder and adds them to the sequence. Each row sees the rows before it, whatever their
// positions, which may skip and repeat. It stops between two layers when ctx ends. After an error the sequence is what
// it was before.
func (s *Session) Append(ctx context.Context, tokens []int32, embeds []float32, pos [][3]int32, logits []float32) error {
	return AppendBatch(ctx, []*Session{s}, []Input{{tokens, embeds, pos, logits}})
}

// AppendBatch is Append of one input each to several different sessions of one model, computed together: the weights
// are read once for all of them. After an error all sequences are what they were before.
func AppendBatch(ctx context.Context, sessions []*Session, in []Input) (err error) {
	if len(sessions) != len(in) {
		return fmt.Errorf("qwen2vl: %d sessions for %d inputs", len(sessions), len(in))
	}
	if len(in) == 0 {
		return nil
	}
	before := make([]int, len(in))
	for i, s := range sessions {
		if err := s.check(&in[i]); err != nil {
			return err
		}
		if s.m != sessions[0].m {
			return errors.New("qwen2vl: a batch of sessions of different models")
		}
		for _, o := range sessions[:i] {
			if o == s {
				return errors.New("qwen2vl: a session occurs twice in a batch")
			}
		}
		before[i] = s.kv.Len()
	}
	m := sessions[0].m
	sc := m.getScratch()
	defer m.putScratch(sc)
	defer func() {
		if err != nil {
			for i, s := range sessions {
				_ = s.kv.Truncate(before[i])
			}
		}
	}()
	for c := newChunker(sessions, in); c.next(); {
		if err := m.forward(ctx, sc, c.parts, c.rows); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) check(in *Input) error {
	if s.kv == nil {
		return errClosed
	}
	c, n := &s.m.c, len(in.Pos)
	switch {
	case in.Tokens != nil && in.Embeds != nil:
		return errors.New("qwen2vl: append: give tokens or embeddings, not both")
	case in.Tokens != nil && len(in.Tokens) != n:
		return fmt.Errorf("qwen2vl: append: %d tokens with %d positions", len(in.Tokens), n)
	case in.Embeds != nil && len(in.Embeds) != n*c.Hidden, in.Tokens == nil && in.Embeds == nil && n > 0:
		return fmt.Errorf("qwen2vl: append: %d embedding values with %d positions, want %d values each", len(in.Embeds), n, c.Hidden)
	case in.Logits != nil && len(in.Logits) != c.VocabSize:
		return fmt.Errorf("qwen2vl: append: room for %d logits, want %d", len(in.Logits), c.VocabSize)
	case in.Logits != nil && n == 0:
		return errors.New("qwen2vl: append: logits asked for, but no rows given")
	case n > s.kv.Max()-s.kv.Len():
		return fmt.Errorf("%w: %d of %d tokens in use, %d more asked for; shorten the prompt or use smaller or fewer images",
			ErrContextFull, s.kv.Len(), s.kv.Max(), n)
	}
	for _, t := range in.Tokens {
		if t < 0 || int(t) >= c.VocabSize {
			return fmt.Errorf("qwen2vl: append: token %d is outside the vocabulary of %d", t, c.VocabSize)
		}
	}
	for _, p := range in.Pos {
		if min(p[0], p[1], p[2]) < 0 {
			return fmt.Errorf("qwen2vl: append: position %v is negative", p)
		}
	}
	return nil
}

// Len returns the number of rows; 0 once closed.
func (s *Session) Len() int {
	if s.kv == nil {
		return 0
	}
	return s.kv.Len()
}

// Truncate drops all rows from n on.
func (s *Session) Truncate(n int) error {
	if s.kv == nil {
		return errClosed
	}
	if err := s.kv.Truncate(n); err != nil {
		return fmt.Errorf("qwen2vl: %w", err)
	}
	return nil
}

// Evict removes the rows [from, to). The rows after them keep their positions and have been computed with the evicted
// rows in sight, so that the result is not that of a run without them.
func (s *Session) Evict(from, to int) error {
	if s.kv == nil {
		return errClosed
	}
	if err := s.kv.Evict(from, to); err != nil {
		return fmt.Errorf("qwen2vl: %w", err)
	}
	return nil
}

// Fork returns a sequence with the same rows and bound. Memory is shared until the two differ.
func (s *Session) Fork() (*Session, error) {
	if s.kv == nil {
		return nil, errClosed
	}
	return &Session{m: s.m, kv: s.kv.Fork()}, nil
}

// Close gives the memory back. A closed session returns errors; closing again does nothing.
func (s *Session) Close() error {
	if s.kv != nil {
		s.kv.Close()
		s.kv = nil
	}
	return nil
}
