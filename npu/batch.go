package npu

import (
	"context"
	"fmt"
)

// Batcher is a Delegate that can append to several sessions at once, which costs less than one after another: the
// weights are read once for all of them.
type Batcher interface {
	// AppendBatch is Append of one chunk each to different sessions of this delegate; logits[i] is nil or [vocab]. After
	// an error nothing is known about which sessions have their rows: truncate or close them.
	AppendBatch(ctx context.Context, sessions []Session, chunks []Chunk, logits [][]float32) error
}

// AppendBatch appends one chunk each to different sessions of d: at once if d is a Batcher, else one after another. See
// Batcher for what an error means.
func AppendBatch(ctx context.Context, d Delegate, sessions []Session, chunks []Chunk, logits [][]float32) error {
	if len(chunks) != len(sessions) || len(logits) != len(sessions) {
		return fmt.Errorf("npu: %d sessions for %d chunks and %d logits", len(sessions), len(chunks), len(logits))
	}
	if b, ok := d.(Batcher); ok && len(sessions) > 1 {
		return b.AppendBatch(ctx, sessions, chunks, logits)
	}
	return appendEach(ctx, sessions, chunks, logits)
}

func appendEach(ctx context.Context, sessions []Session, chunks []Chunk, logits [][]float32) error {
	for i, s := range sessions {
		if err := s.Append(ctx, chunks[i], logits[i]); err != nil {
			return err
		}
	}
	return nil
}

var (
	_ Batcher = (*resilient)(nil)
	_ Batcher = (*partial)(nil)
)

// AppendBatch is the driver's own delegate's, or one append after another.
func (p *partial) AppendBatch(ctx context.Context, sessions []Session, chunks []Chunk, logits [][]float32) error {
	return AppendBatch(ctx, p.Delegate, sessions, chunks, logits)
}

// AppendBatch is one call where all sessions are on the same side and that side can do it. Where primary fails in it,
// the sessions are replayed on the CPU and the batch is done there.
func (r *resilient) AppendBatch(ctx context.Context, sessions []Session, chunks []Chunk, logits [][]float32) error {
	var own []*session
	onCPU := make([]Session, len(sessions)) // complete if every session is there
	side := 0                               // how many are on the CPU
	for i, s := range sessions {
		onCPU[i] = s
		if s, ok := s.(*session); ok {
			if err := s.ready(ctx); err != nil {
				return err
			}
			if s.cpu == nil {
				own = append(own, s)
				continue
			}
			onCPU[i] = s.cpu
		}
		side++
	}
	_, batches := r.primary.(Batcher)
	switch {
	case side == len(sessions):
		return AppendBatch(ctx, r.cpu, onCPU, chunks, logits)
	case side > 0 || !batches:
		return appendEach(ctx, sessions, chunks, logits)
	}
	done, err := r.batchPrimary(ctx, own, chunks, logits)
	if done || err != nil {
		return err
	}
	return r.AppendBatch(ctx, sessions, chunks, logits) // primary is quarantined now, so this ends
}

// batchPrimary appends on primary. done is false without an error after a fault, and then no session has its rows.
func (r *resilient) batchPrimary(ctx context.Context, own []*session, chunks []Chunk, logits [][]float32) (done bool, err error) {
	rows := 0
	to, in, out := make([]Session, len(own)), make([]Chunk, len(own)), make([][]float32, len(own))
	for i, s := range own {
		if err := chunks[i].check(s.max - s.rows); err != nil {
			return false, err
		}
		to[i], in[i] = s.primary, chunks[i].clone()
		if logits[i] != nil {
			out[i] = scratch(nil, len(logits[i]))
		}
		rows += chunks[i].Rows()
	}
	o := r.try(ctx, fmt.Sprintf("append %d rows to %d sessions", rows, len(own)), rows, func(ctx context.Context) error {
		if err := r.primary.(Batcher).AppendBatch(ctx, to, in, out); err != nil {
			return err
		}
		for i, p := range to {
			if err := checkLen(p, own[i].rows+in[i].Rows()); err != nil {
				return err
			}
			if err := checkResult(out[i]); err != nil {
				return err
			}
		}
		return nil
	}, func() {
		for _, p := range to {
			_ = p.Close()
		}
	})
	switch {
	case o.ok:
		for i, s := range own {
			copy(logits[i], out[i])
			s.log, s.rows = append(s.log, in[i]), s.rows+in[i].Rows()
		}
		return true, nil
	case o.left:
		for _, s := range own {
			s.primary, s.buf = nil, nil // whoever is still in there owns them
		}
	case o.err != nil: // how far primary came is unknown
		for _, s := range own {
			s.try(context.WithoutCancel(ctx), "cancel a batch", 0, func(_ context.Context, p Session) error { return p.Truncate(s.rows) })
		}
	}
	return false, o.err
}
