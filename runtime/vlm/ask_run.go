package vlm

import (
	"context"
	"errors"

	"github.com/edgevlm/edgevlm/npu"
)

// job is a question on its way.
type job struct {
	scorer scorer
	run    npu.Session // nil until the first need
	next   int32       // position of the next row
	room   int         // rows that the context still has
	asked  int         // rows of the question
	needs  []need
	logits [][]float32 // one for each need
}

// chunk is a need's rows at the job's present end.
func (j *job) chunk(n need) npu.Chunk {
	c := npu.Chunk{Tokens: n.tokens, Pos: make([][3]int32, len(n.tokens))}
	for i := range c.Pos {
		at := j.next + int32(i)
		c.Pos[i] = [3]int32{at, at, at}
	}
	return c
}

// kept notes that a need's rows stay.
func (j *job) kept(n need) {
	j.next += int32(len(n.tokens))
	j.room -= len(n.tokens)
	if j.asked == 0 {
		j.asked = len(n.tokens)
	}
}

// step hands the logits to the scorer. Needs for which the context has no room get nil for logits.
func (j *job) step(b *buffers) error {
	needs, err := j.scorer.step(j.logits)
	b.put(j.logits)
	j.needs, j.logits = needs, make([][]float32, len(needs))
	return err
}

// buffers are logits to be used again.
type buffers struct {
	size int
	free [][]float32
}

func (b *buffers) get() []float32 {
	if n := len(b.free); n > 0 {
		l := b.free[n-1]
		b.free = b.free[:n-1]
		return l
	}
	return make([]float32, b.size)
}

func (b *buffers) put(all [][]float32) {
	for _, l := range all {
		if l != nil {
			b.free = append(b.free, l)
		}
	}
}

// together answers on forks of s. Each round is one batch of what all jobs need.
func (s *Sequence) together(ctx context.Context, jobs []*job) (err error) {
	b := buffers{size: s.e.vocab}
	var open []npu.Session
	shut := func(all []npu.Session) {
		for _, r := range all {
			if e := r.Close(); err == nil {
				err = e
			}
		}
	}
	defer func() { shut(open) }()
	fork := func(of npu.Session) (npu.Session, error) {
		return of.(npu.Forker).Fork(ctx) // what Forks return can be forked as well as what they were made from
	}
	for {
		var sessions, extra []npu.Session
		var chunks []npu.Chunk
		var logits [][]float32
		add := func(j *job, i int) error {
			n := j.needs[i]
			if len(n.tokens) > j.room {
				return nil
			}
			to := j.run
			switch {
			case j.run == nil:
				r, err := fork(s.run)
				if err != nil {
					return err
				}
				open = append(open, r)
				j.run, to = r, r
			case !n.keep:
				r, err := fork(j.run)
				if err != nil {
					return err
				}
				extra = append(extra, r)
				to = r
			}
			j.logits[i] = b.get()
			sessions, chunks, logits = append(sessions, to), append(chunks, j.chunk(n)), append(logits, j.logits[i])
			return nil
		}
		for _, j := range jobs {
			if j.logits == nil {
				j.logits = make([][]float32, len(j.needs))
			}
			for i := range j.needs {
				if err := add(j, i); err != nil {
					shut(extra)
					return err
				}
			}
		}
		err := ctx.Err()
		if err == nil && len(sessions) > 0 {
			err = npu.AppendBatch(ctx, s.e.run, sessions, chunks, logits)
		}
		shut(extra)
		if err != nil {
			return err
		}
		waiting := false
		for _, j := range jobs {
			if len(j.needs) == 0 {
				continue
			}
			for i, n := range j.needs {
				if n.keep && j.logits[i] != nil {
					j.kept(n)
				}
			}
			if err := j.step(&b); err != nil {
				return err
			}
			waiting = waiting || len(j.needs) > 0
		}
		if !waiting {
			return nil
		}
	}
}

// oneByOne answers on s itself, for sessions that can't be forked: what a question added is dropped before the next.
func (s *Sequence) oneByOne(ctx context.Context, jobs []*job) (err error) {
	b := buffers{size: s.e.vocab}
	rows := s.run.Len()
	s.logits = nil // they won't be the last row's
	for _, j := range jobs {
		err := s.alone(ctx, j, &b)
		if err := errors.Join(err, s.run.Truncate(rows)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sequence) alone(ctx context.Context, j *job, b *buffers) error {
	j.run, j.logits = s.run, make([][]float32, len(j.needs))
	for len(j.needs) > 0 {
		for i, n := range j.needs {
			if err := ctx.Err(); err != nil {
				return err
			}
			if len(n.tokens) > j.room {
				continue
			}
			j.logits[i] = b.get()
			at := s.run.Len()
			if err := s.run.Append(ctx, j.chunk(n), j.logits[i]); err != nil {
				return err
			}
			if n.keep {
				j.kept(n)
			} else if err := s.run.Truncate(at); err != nil {
				return err
			}
		}
		if err := j.step(b); err != nil {
			return err
		}
	}
	return nil
}
