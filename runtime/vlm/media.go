package vlm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/qwen2vl"
)

// prepared is a still or clip cut into patches.
type prepared struct {
	patches imageproc.Patches
	merged  qwen2vl.GridTHW // the grid of its embeddings
	t       []int32         // temporal index of each pair of frames, nil: 0, 1, 2, ...
	video   bool
}

func (p *prepared) tokens() int { return p.merged[0] * p.merged[1] * p.merged[2] }

var errNoVision = errors.New("the model was loaded without its mmproj file, so it can't see: give that file too")

// prepare checks and preprocesses media; i is its number, for errors.
func (e *Engine) prepare(m Media, i int) (*prepared, error) {
	fail := func(format string, a ...any) (*prepared, error) {
		return nil, fmt.Errorf("%w: medium %d: %w", ErrRequest, i+1, fmt.Errorf(format, a...))
	}
	switch {
	case !e.info.HasVision:
		return nil, fmt.Errorf("%w: %w", ErrRequest, errNoVision)
	case len(m.Frames) == 0:
		return fail("it has no frames")
	case !m.Video && len(m.Frames) != 1:
		return fail("a still has one frame, not %d: is it a clip (Video)?", len(m.Frames))
	case m.Times != nil && len(m.Times) != len(m.Frames):
		return fail("%d times for %d frames", len(m.Times), len(m.Frames))
	}
	p := &prepared{video: m.Video}
	var err error
	if m.Video {
		p.patches, err = e.images.Video(m.Frames)
		p.t = temporalIndex(m.Times, m.Period, e.images.TemporalPatchSize)
	} else {
		p.patches, err = e.images.Image(m.Frames[0])
	}
	if err != nil {
		return fail("%w", err)
	}
	g, ms := p.patches.Grid, e.images.MergeSize
	p.merged = qwen2vl.GridTHW{g[0], g[1] / ms, g[2] / ms}
	return p, nil
}

// encode runs the vision encoder, [tokens, hidden], and lets go of the patches, which are larger.
func (e *Engine) encode(ctx context.Context, p *prepared) ([]float32, error) {
	dst := make([]float32, p.tokens()*e.hidden)
	err := e.run.EncodeVision(ctx, npu.VisionInput{Patches: p.patches.Data, GridTHW: p.patches.Grid}, dst)
	p.patches.Data = nil
	return dst, err
}

// maxTemporalGap bounds the temporal index of one pair after the last, so that a wrong clock can't push positions out of
// what any model was trained on.
const maxTemporalGap = 1 << 10

// temporalIndex turns capture times into the pairs' temporal indices: round((time - first) / nominal pair period), where
// a pair's time is its first frame's and period is between frames (0: the pairs' median). While frames are regular that
// is 0, 1, 2, ... A clock that jumps back does not take the index back. nil times give nil.
func temporalIndex(times []time.Duration, period time.Duration, perPair int) []int32 {
	var pairs []time.Duration
	for i := 0; i < len(times); i += perPair {
		pairs = append(pairs, times[i])
	}
	if len(pairs) < 2 {
		return nil
	}
	nominal := period * time.Duration(perPair)
	if nominal <= 0 {
		var gaps []time.Duration
		for i, t := range pairs[1:] {
			if g := t - pairs[i]; g > 0 {
				gaps = append(gaps, g)
			}
		}
		if len(gaps) == 0 {
			return nil
		}
		slices.Sort(gaps)
		nominal = gaps[len(gaps)/2]
	}
	index := make([]int32, len(pairs))
	for i, t := range pairs[1:] {
		at := math.Round(float64(t-pairs[0]) / float64(nominal))
		last := float64(index[i])
		index[i+1] = int32(min(max(at, last), last+maxTemporalGap))
	}
	return index
}
