package vlm

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/qwen2vl"
)

// What follows is for callers that keep a window of frames themselves: they prepare and encode pairs of frames one by one,
// leave tokens out and choose positions.

// Images says how pictures become patches for this model. It is the zero value for a model that can't see.
func (e *Engine) Images() imageproc.Config { return e.images }

// Hidden is the width of an embedding.
func (e *Engine) Hidden() int { return e.hidden }

// EncodePatches runs the vision encoder on what Images made of frames: [tokens, Hidden], row-major.
func (e *Engine) EncodePatches(ctx context.Context, p imageproc.Patches) ([]float32, error) {
	if err := e.acquire(ctx); err != nil {
		return nil, err
	}
	defer e.release()
	if !e.info.HasVision {
		return nil, fmt.Errorf("%w: %w", ErrRequest, errNoVision)
	}
	g, m := p.Grid, e.images.MergeSize
	dst := make([]float32, g[0]*g[1]*g[2]/(m*m)*e.hidden)
	return dst, e.run.EncodeVision(ctx, npu.VisionInput{Patches: p.Data, GridTHW: g}, dst)
}

// partialEncoder is a delegate that can compute a part of a pair's patches against what it keeps of the others.
type partialEncoder interface {
	EncodeChanged(ctx context.Context, m *qwen2vl.VisionMemory, patches []float32, grid [3]int, changed []bool, dst []float32) error
}

// VisionMemory is what EncodeChanged keeps of a pair.
type VisionMemory = qwen2vl.VisionMemory

// EncodeChanged is EncodePatches of one temporal patch that computes the merged cells of changed only, against what m
// keeps of the others, and writes only their rows of dst [tokens, Hidden]. changed nil, or an m that is empty or of
// another grid, computes all. Where the encoder runs on an accelerator that can't do so it is npu.ErrUnsupported.
func (e *Engine) EncodeChanged(ctx context.Context, m *VisionMemory, p imageproc.Patches, changed []bool, dst []float32) error {
	if err := e.acquire(ctx); err != nil {
		return err
	}
	defer e.release()
	r, ok := e.run.(partialEncoder)
	if !ok {
		return fmt.Errorf("vlm: encode the changed part of a picture: %w", npu.ErrUnsupported)
	}
	return r.EncodeChanged(ctx, m, p.Data, p.Grid, changed, dst)
}

func (c *cpu) EncodeChanged(ctx context.Context, m *qwen2vl.VisionMemory, patches []float32, grid [3]int, changed []bool, dst []float32) error {
	if c.vision == nil {
		return fmt.Errorf("vlm: encode vision: %w", npu.ErrUnsupported)
	}
	return c.vision.EncodeChanged(ctx, m, patches, grid, changed, dst)
}

// AroundClip returns the tokens of a prompt with one clip in it: those before the clip's embeddings, which end with
// <|vision_start|> and do not depend on the prompt, and those after them, from <|vision_end|> on. system is as in Request.
func (e *Engine) AroundClip(system *string, prompt string) (before, after []int32, err error) {
	if !e.info.HasVision {
		return nil, nil, fmt.Errorf("%w: %w", ErrRequest, errNoVision)
	}
	ids, err := e.encodePrompt(Request{System: system, Prompt: prompt}, visionStart+videoPad+visionEnd)
	if err != nil {
		return nil, nil, err
	}
	if bos, ok := e.tok.BOS(); ok && (len(ids) == 0 || ids[0] != bos) {
		ids = append([]int32{bos}, ids...)
	}
	at := slices.Index(ids, e.marks.video)
	if at < 0 {
		return nil, nil, fmt.Errorf("%w: the chat template has no place for a clip", ErrRequest)
	}
	return ids[:at:at], ids[at+1:], nil
}

// SkipTo makes next the position of the row to come without adding any: time passes in which nothing is shown.
func (s *Sequence) SkipTo(next int32) { s.next, s.logits = next, nil }

// Evict removes the rows [from, to). The rows after them keep their positions, and what they have seen of the evicted
// ones. Where the decoder's session can't do so it is npu.ErrUnsupported.
func (s *Sequence) Evict(ctx context.Context, from, to int) error {
	return s.locked(ctx, func() error {
		r, ok := s.run.(interface{ Evict(from, to int) error })
		if !ok {
			return fmt.Errorf("vlm: evict: %w", npu.ErrUnsupported)
		}
		return r.Evict(from, to)
	})
}

// Shift moves the positions of the rows [from, to) by delta, and makes next that of the row to come. Their keys are turned
// accordingly; what they have seen stays. Where the decoder's session can't do so it is npu.ErrUnsupported.
func (s *Sequence) Shift(ctx context.Context, from, to int, delta [3]int32, next int32) error {
	return s.locked(ctx, func() error {
		r, ok := s.run.(interface {
			Shift(from, to int, delta [3]int32) error
		})
		if !ok {
			return fmt.Errorf("vlm: shift: %w", npu.ErrUnsupported)
		}
		if err := r.Shift(from, to, delta); err != nil {
			return err
		}
		s.next, s.logits = next, nil
		return nil
	})
}

// Rows is what AppendAll adds to one sequence: a chunk, and the position of the row after it.
type Rows struct {
	Chunk npu.Chunk
	Next  int32
}

// AppendAll is AppendAt to several different sequences of this engine, computed together where that can be, so that the
// decoder's weights are read once. done says which of them have their rows: all unless there is an error. The others are as
// they were.
func (e *Engine) AppendAll(ctx context.Context, to []*Sequence, rows []Rows) (done []bool, err error) {
	if err := e.acquire(ctx); err != nil {
		return make([]bool, len(to)), err
	}
	defer e.release()
	sessions, chunks, before := make([]npu.Session, len(to)), make([]npu.Chunk, len(to)), make([]int, len(to))
	for i, s := range to {
		sessions[i], chunks[i], before[i] = s.run, rows[i].Chunk, s.run.Len()
	}
	err = npu.AppendBatch(ctx, e.run, sessions, chunks, make([][]float32, len(to)))
	done = make([]bool, len(to))
	for i, s := range to {
		n := s.run.Len()
		if done[i] = n == before[i]+chunks[i].Rows(); done[i] {
			s.appended(chunks[i], rows[i].Next)
		} else if n > before[i] {
			err = errors.Join(err, s.run.Truncate(before[i]))
		}
	}
	return done, err
}

func (s *Sequence) appended(c npu.Chunk, next int32) {
	s.next, s.logits = next, nil
	for _, id := range c.Tokens {
		s.inside = s.e.marks.inside(id, s.inside)
	}
}
