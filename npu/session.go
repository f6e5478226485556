package npu

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// session is a Resilient delegate's: a session of primary with a log of its rows or, after a fault, one of the CPU.
type session struct {
	r       *resilient
	max     int
	primary Session // nil after a fault
	cpu     Session // nil until the log has been replayed
	log     []Chunk // all rows; chunks are never changed, so forks share them; nil once replayed
	rows    int     // in the log
	buf     []float32
	closed  bool
}

var (
	_ Session = (*session)(nil)
	_ Forker  = (*session)(nil)
)

var errClosed = errors.New("npu: session is closed")

func (s *session) Len() int {
	if s.cpu != nil {
		return s.cpu.Len()
	}
	return s.rows
}

func (s *session) Append(ctx context.Context, c Chunk, logits []float32) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if s.cpu != nil {
		return s.cpu.Append(ctx, c, logits)
	}
	if err := c.check(s.max - s.rows); err != nil {
		return err
	}
	c = c.clone()
	if o := s.appendPrimary(ctx, c, logits); o.ok || o.err != nil {
		return o.err
	}
	if err := s.replay(ctx); err != nil {
		return err
	}
	return s.cpu.Append(ctx, c, logits)
}

// appendPrimary appends a chunk that nobody changes any more.
func (s *session) appendPrimary(ctx context.Context, c Chunk, logits []float32) outcome {
	var out []float32
	if logits != nil {
		s.buf = scratch(s.buf, len(logits))
		out = s.buf
	}
	want := s.rows + c.Rows()
	o := s.try(ctx, fmt.Sprintf("append %d rows at %d", c.Rows(), s.rows), c.Rows(), func(ctx context.Context, p Session) error {
		if err := p.Append(ctx, c, out); err != nil {
			return err
		}
		if err := checkLen(p, want); err != nil {
			return err
		}
		return checkResult(out)
	})
	if o.ok {
		copy(logits, out)
		s.log, s.rows = append(s.log, c), want
	}
	if o.err != nil && !o.left {
		s.try(context.WithoutCancel(ctx), "cancel an append", 0, func(_ context.Context, p Session) error { return checkLen(p, s.rows) })
	}
	return o
}

func checkLen(p Session, want int) error {
	if n := p.Len(); n != want {
		return fmt.Errorf("npu: session has %d rows, want %d", n, want)
	}
	return nil
}

func (s *session) Truncate(n int) error {
	ctx := context.Background()
	if err := s.ready(ctx); err != nil {
		return err
	}
	if s.cpu != nil {
		return s.cpu.Truncate(n)
	}
	if n < 0 || n > s.rows {
		return fmt.Errorf("npu: truncate to %d of %d rows", n, s.rows)
	}
	s.cut(n)
	o := s.try(ctx, fmt.Sprintf("truncate to %d rows", n), 0, func(_ context.Context, p Session) error {
		if err := p.Truncate(n); err != nil {
			return err
		}
		return checkLen(p, n)
	})
	if o.ok || o.err != nil {
		return o.err
	}
	return s.replay(ctx)
}

// cut drops the log's rows from n on.
func (s *session) cut(n int) {
	for s.rows > n {
		last := &s.log[len(s.log)-1]
		k := min(last.Rows(), s.rows-n)
		s.rows -= k
		if k == last.Rows() {
			s.log = slices.Clip(s.log[:len(s.log)-1]) // forks share what lies behind
			continue
		}
		c := last.head(last.Rows() - k)
		s.log = append(slices.Clip(s.log[:len(s.log)-1]), c)
	}
}

// Fork copies the session on primary if that can, else by replaying the log there.
func (s *session) Fork(ctx context.Context) (Session, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if _, ok := s.primary.(Forker); ok {
		var p Session
		o := s.try(ctx, "fork", 0, func(ctx context.Context, old Session) (err error) {
			if p, err = old.(Forker).Fork(ctx); err == nil && p == nil {
				err = errors.New("npu: delegate returned no session")
			}
			return err
		})
		if o.ok {
			s.log = slices.Clip(s.log)
			return &session{r: s.r, max: s.max, primary: p, log: s.log, rows: s.rows}, nil
		}
		if o.err != nil {
			return nil, o.err
		}
		if err := s.replay(ctx); err != nil {
			return nil, err
		}
	}
	if s.cpu != nil {
		f, ok := s.cpu.(Forker)
		if !ok {
			return nil, fmt.Errorf("npu: fork: %w", ErrUnsupported)
		}
		return f.Fork(ctx)
	}
	n, err := s.r.NewSession(ctx, s.max)
	if err != nil {
		return nil, err
	}
	for _, c := range s.log {
		if err := n.Append(ctx, c, nil); err != nil {
			_ = n.Close()
			return nil, err
		}
	}
	return n, nil
}

func (s *session) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	s.dropPrimary()
	s.log = nil
	if s.cpu != nil {
		return s.cpu.Close()
	}
	return nil
}

// try runs f on the primary session. After a fault that session is gone.
func (s *session) try(ctx context.Context, what string, rows int, f func(context.Context, Session) error) outcome {
	p := s.primary
	o := s.r.try(ctx, what, rows, func(ctx context.Context) error { return f(ctx, p) }, func() { _ = p.Close() })
	switch {
	case o.left:
		s.primary, s.buf = nil, nil // whoever is still in there owns them
	case !o.ok && o.err == nil:
		s.dropPrimary()
	}
	return o
}

func (s *session) dropPrimary() {
	if p := s.primary; p != nil {
		s.primary = nil
		s.r.release(p.Close)
	}
}

// ready makes one of the two sessions usable.
func (s *session) ready(ctx context.Context) error {
	if s.closed {
		return errClosed
	}
	if s.cpu != nil || s.primary != nil && !s.r.quarantined() {
		return nil
	}
	s.dropPrimary()
	return s.replay(ctx)
}

// replay puts the log into a CPU session. If that fails, the log stays for another try.
func (s *session) replay(ctx context.Context) error {
	c, err := s.r.cpu.NewSession(ctx, s.max)
	if err != nil {
		return err
	}
	for _, chunk := range s.log {
		if err := c.Append(ctx, chunk, nil); err != nil {
			_ = c.Close()
			return fmt.Errorf("npu: replay on the CPU: %w", err)
		}
	}
	s.cpu, s.log, s.rows = c, nil, 0
	return nil
}
