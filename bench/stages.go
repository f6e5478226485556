package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/edgevlm/edgevlm/runtime/qwen2vl"
)

// Prompt tokens around a description's picture.
const promptBefore, promptAfter = 15, 19

// sequence is a session and what it takes to feed it random tokens.
type sequence struct {
	*qwen2vl.Session
	vocab  int
	rng    *rand.Rand
	logits []float32
	next   int32 // position
}

func (m *model) newSequence(rows int) (*sequence, error) {
	c := m.text.Config()
	if rows > c.ContextLength {
		return nil, fmt.Errorf("%d tokens: the model's context is %d", rows, c.ContextLength)
	}
	s, err := m.text.NewSession(rows)
	if err != nil {
		return nil, err
	}
	return &sequence{Session: s, vocab: c.VocabSize, rng: rand.New(rand.NewPCG(1, 2)), logits: make([]float32, c.VocabSize)}, nil
}

// run appends n random tokens and computes the last one's logits.
func (s *sequence) run(ctx context.Context, n int) error {
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = s.rng.Int32N(int32(s.vocab))
	}
	var pos [][3]int32
	pos, s.next = qwen2vl.MRoPEPositions([]qwen2vl.Span{{Tokens: n}}, s.next)
	return s.Append(ctx, tokens, nil, pos, s.logits)
}

// best is the token a greedy reader of the logits takes; finding it is part of decoding.
func (s *sequence) best() (at int) {
	for i, v := range s.logits {
		if v > s.logits[at] {
			at = i
		}
	}
	return at
}

func (m *model) timeStages(ctx context.Context, o Options, r *Report) error {
	if o.Prefill+o.Decode > 0 {
		if err := m.timeText(ctx, o, r); err != nil {
			return err
		}
	}
	if m.vision == nil {
		return nil
	}
	sizes := o.Sizes
	if o.Describe > 0 && len(sizes) > 0 {
		o.Progress("description")
		if err := m.timeDescription(ctx, sizes[0], o.Describe, r); err != nil {
			return err
		}
		sizes = sizes[1:]
	}
	for _, size := range sizes {
		o.Progress(fmt.Sprintf("vision %dx%d", size[0], size[1]))
		if _, err := m.timeVision(ctx, size, r); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) timeText(ctx context.Context, o Options, r *Report) error {
	s, err := m.newSequence(max(8, o.Prefill) + o.Decode)
	if err != nil {
		return err
	}
	defer s.Close()
	o.Progress("prefill")
	if err := s.run(ctx, min(8, max(1, o.Prefill))); err != nil { // touches every page first
		return err
	}
	if err := s.Truncate(0); err != nil {
		return err
	}
	row := m.kvRow()
	if o.Prefill > 0 {
		s.next = 0
		start := time.Now()
		if err := s.run(ctx, o.Prefill); err != nil {
			return err
		}
		took := time.Since(start).Seconds()
		r.PrefillTPS = float64(o.Prefill) / took
		r.PrefillBytes = m.tokenBytes + row*int64(o.Prefill)
		r.PrefillGOPS = 2 * float64(int64(o.Prefill)*m.macs+m.headMACs) / took / 1e9
	}
	if o.Decode > 0 {
		o.Progress("decode")
		start := time.Now()
		for range o.Decode {
			if err := s.run(ctx, 1); err != nil {
				return err
			}
			s.best()
		}
		r.DecodeTPS = float64(o.Decode) / time.Since(start).Seconds()
		r.DecodeBytes = m.tokenBytes + row*int64(o.Prefill+o.Decode/2)
	}
	r.KVBytes = row * int64(s.Len())
	return nil
}

// kvRow is the bytes of a token's keys and values, in F16.
func (m *model) kvRow() int64 {
	c := m.text.Config()
	return int64(c.Layers * c.KVHeads * c.HeadDim * 2 * 2)
}

// timeDescription encodes a picture, runs a prompt with it and decodes tokens.
func (m *model) timeDescription(ctx context.Context, size [2]int, tokens int, r *Report) error {
	grid := m.grid(size)
	merge := m.vision.Config().MergeSize
	merged := qwen2vl.GridTHW{1, grid[1] / merge, grid[2] / merge}
	rows := promptBefore + merged[1]*merged[2] + promptAfter
	s, err := m.newSequence(rows + tokens)
	if err != nil {
		return err
	}
	defer s.Close()
	start := time.Now()
	if err := s.run(ctx, promptBefore); err != nil {
		return err
	}
	embeds, err := m.timeVision(ctx, size, r)
	if err != nil {
		return err
	}
	var pos [][3]int32
	pos, s.next = qwen2vl.MRoPEPositions([]qwen2vl.Span{{Grid: merged}}, s.next)
	if err := s.Append(ctx, nil, embeds, pos, nil); err != nil {
		return err
	}
	if err := s.run(ctx, promptAfter); err != nil {
		return err
	}
	s.best()
	for range tokens - 1 { // the prompt's logits gave the first
		if err := s.run(ctx, 1); err != nil {
			return err
		}
		s.best()
	}
	r.Description = &Description{Size: sizeText(size), Prompt: rows, Tokens: tokens, Seconds: time.Since(start).Seconds()}
	r.KVBytes = max(r.KVBytes, m.kvRow()*int64(s.Len()))
	return nil
}

// grid is a picture's patches.
func (m *model) grid(size [2]int) qwen2vl.GridTHW {
	p := m.vision.Config().PatchSize
	return qwen2vl.GridTHW{1, size[1] / p, size[0] / p}
}

func sizeText(size [2]int) string { return fmt.Sprintf("%dx%d", size[0], size[1]) }

// timeVision encodes a picture, adds the time to the report and returns the embeddings.
func (m *model) timeVision(ctx context.Context, size [2]int, r *Report) ([]float32, error) {
	c := m.vision.Config()
	unit := c.PatchSize * c.MergeSize
	if size[0] < unit || size[1] < unit || size[0]%unit != 0 || size[1]%unit != 0 {
		return nil, fmt.Errorf("a picture of %s: both must be multiples of %d", sizeText(size), unit)
	}
	grid := m.grid(size)
	n := grid[1] * grid[2]
	patches := make([]float32, n*c.PatchLen())
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range patches {
		patches[i] = 2*rng.Float32() - 1
	}
	attention := int64(c.Depth) * 2 * int64(n) * int64(n) * int64(c.Embed)
	v := Vision{Size: sizeText(size), Tokens: n / (c.MergeSize * c.MergeSize), Bytes: m.visionBytes, MACs: int64(n)*m.patchMACs + attention}
	dst := make([]float32, v.Tokens*c.OutDim)
	start := time.Now()
	if err := m.vision.Encode(ctx, patches, grid, dst); err != nil {
		return nil, err
	}
	v.Seconds = time.Since(start).Seconds()
	v.GOPS = 2 * float64(v.MACs) / v.Seconds / 1e9
	r.Vision = append(r.Vision, v)
	return dst, nil
}
