package npu

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// The self-check's bounds. Vision in f32 must be the CPU's numbers but for rounding; in 8 bits, close. Where the CPU
// itself computes in 8 bits, its own error is what counts: a cosine of 0.999, which is an NMSE of 2e-3.
const (
	maxNMSE        = 1e-9
	maxNMSEInt8    = 1e-4
	maxNMSECPUInt8 = 2e-3
	minCosine      = 0.999
)

// The self-check's input: one picture of 16x16 patches (224x224 pixels), a prompt that has it in it, and greedy steps.
const (
	checkGrid  = 16
	checkText  = 16 // tokens before the picture, and after it
	checkSteps = 8
	checkRuns  = 2 // the better time counts, so that a first run may compile shaders or read weights from disk
)

// golden is the input and the CPU's results and times.
type golden struct {
	hidden, vocab int
	vision        *VisionInput // nil without a vision encoder
	embeds        []float32    // CPU's, [64, hidden]; random if there is no vision encoder
	steps         []int32      // the tokens fed after the prompt
	logits        [][]float32  // after the prompt and after each step
	visionTime    time.Duration
	decoderTime   time.Duration
}

// check compares every stage of del with the CPU.
func (s *selection) check(gd *guard, del Delegate, dev Device, a *Attempt) error {
	if s.golden == nil {
		g, err := newGolden(s.ctx, s.model, s.cpu)
		if err != nil {
			return err
		}
		s.golden = g
	}
	g := s.golden
	can := del.Supports()
	if can&StageVision != 0 && g.vision != nil {
		limit := maxNMSE
		if dev.VisionInt8 {
			limit = maxNMSEInt8
		}
		if s.cpu.Device().VisionInt8 {
			limit = maxNMSECPUInt8
		}
		if err := s.guarded(gd, func(ctx context.Context) (StageCheck, error) { return g.checkVision(ctx, del, limit) }, &a.Vision); err != nil {
			return fmt.Errorf("self-check of vision: %w", err)
		}
	}
	if can&StageDecoder != 0 {
		if err := s.guarded(gd, func(ctx context.Context) (StageCheck, error) { return g.checkDecoder(ctx, del) }, &a.Decoder); err != nil {
			return fmt.Errorf("self-check of the decoder: %w", err)
		}
	}
	return nil
}

// guarded runs a check that may hang or panic.
func (s *selection) guarded(g *guard, f func(context.Context) (StageCheck, error), into *StageCheck) error {
	var c StageCheck
	err := g.call(s.ctx, checkLimit, DefaultLimits.Grace, func(ctx context.Context) (err error) { c, err = f(ctx); return err }, func() {})
	if err == nil {
		*into = c
	}
	return err
}

// checkLimit bounds one stage's self-check; a device that needs longer is of no use.
const checkLimit = 60 * time.Second

func newGolden(ctx context.Context, m Model, cpu Delegate) (*golden, error) {
	_, _, shape, ok := m.Tensor("token_embd.weight")
	if !ok || len(shape) != 2 || shape[0] < 1 || shape[1] < 1 {
		return nil, fmt.Errorf("npu: self-check: %w: the model has no token_embd.weight of two dimensions", ErrUnsupported)
	}
	g := &golden{hidden: shape[0], vocab: shape[1]}
	rng := rand.New(rand.NewPCG(1, 2))
	const rows = checkGrid * checkGrid / 4
	g.embeds = make([]float32, rows*g.hidden)
	_, _, patch, hasVision := m.Tensor("v.patch_embd.weight")
	if hasVision && len(patch) == 4 && cpu.Supports()&StageVision != 0 {
		g.vision = &VisionInput{Patches: make([]float32, checkGrid*checkGrid*2*patch[0]*patch[1]*patch[2]), GridTHW: [3]int{1, checkGrid, checkGrid}}
		for i := range g.vision.Patches {
			g.vision.Patches[i] = float32(rng.NormFloat64())
		}
		g.visionTime = math.MaxInt64
		for range checkRuns {
			start := time.Now()
			if err := cpu.EncodeVision(ctx, *g.vision, g.embeds); err != nil {
				return nil, fmt.Errorf("npu: self-check: CPU: %w", err)
			}
			g.visionTime = min(g.visionTime, time.Since(start))
		}
	} else {
		for i := range g.embeds {
			g.embeds[i] = float32(rng.NormFloat64()) * 0.02
		}
	}
	for range checkSteps {
		g.steps = append(g.steps, int32(rng.IntN(g.vocab)))
	}
	g.decoderTime = math.MaxInt64
	for range checkRuns {
		logits, took, err := g.decode(ctx, cpu)
		if err != nil {
			return nil, fmt.Errorf("npu: self-check: CPU: %w", err)
		}
		g.logits, g.decoderTime = logits, min(g.decoderTime, took)
	}
	return g, nil
}

// checkVision compares every run, so that a device which is right only sometimes fails.
func (g *golden) checkVision(ctx context.Context, del Delegate, limit float64) (c StageCheck, err error) {
	best := time.Duration(math.MaxInt64)
	c.Checked = true
	for range checkRuns {
		out := scratch(nil, len(g.embeds))
		start := time.Now()
		if err := del.EncodeVision(ctx, *g.vision, out); err != nil {
			return c, err
		}
		best = min(best, time.Since(start))
		c.NMSE = max(c.NMSE, nmse(out, g.embeds)) // NaN stays
	}
	c.Speed = ratio(g.visionTime, best)
	if !(c.NMSE <= limit) {
		c.Mismatch, c.Err = true, fmt.Sprintf("vision: NMSE %.1e, at most %.0e is allowed", c.NMSE, limit)
	}
	return c, nil
}

// checkDecoder compares every run too.
func (g *golden) checkDecoder(ctx context.Context, del Delegate) (c StageCheck, err error) {
	best := time.Duration(math.MaxInt64)
	c = StageCheck{Checked: true, Cosine: 1}
	for range checkRuns {
		logits, took, err := g.decode(ctx, del)
		if err != nil {
			return c, err
		}
		best = min(best, took)
		for i, l := range logits {
			c.Cosine = min(c.Cosine, cosine(l, g.logits[i]))
			c.Mismatch = c.Mismatch || argmax(l) != argmax(g.logits[i])
		}
	}
	c.Speed = ratio(g.decoderTime, best)
	switch {
	case !(c.Cosine >= minCosine):
		c.Mismatch, c.Err = true, fmt.Sprintf("decoder: cosine of the logits %.5f, at least %.3f is wanted", c.Cosine, minCosine)
	case c.Mismatch:
		c.Err = "decoder: another token is the likeliest"
	}
	return c, nil
}

// decode runs the golden prompt (text, picture, text) and the steps, and times them.
func (g *golden) decode(ctx context.Context, d Delegate) (logits [][]float32, took time.Duration, err error) {
	s, err := d.NewSession(ctx, 2*checkText+checkGrid*checkGrid/4+checkSteps)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = s.Close() }()
	start := time.Now()
	p := int32(0)
	text := func(n int) Chunk {
		var c Chunk
		for range n {
			c.Tokens = append(c.Tokens, int32(uint32(p)*2654435761%uint32(g.vocab)))
			c.Pos = append(c.Pos, [3]int32{p, p, p})
			p++
		}
		return c
	}
	picture := func() Chunk {
		c := Chunk{Embeds: g.embeds}
		const side = checkGrid / 2
		for y := range int32(side) {
			for x := range int32(side) {
				c.Pos = append(c.Pos, [3]int32{p, p + y, p + x})
			}
		}
		p += side
		return c
	}
	out := func() []float32 {
		l := scratch(nil, g.vocab)
		logits = append(logits, l)
		return l
	}
	if err := s.Append(ctx, text(checkText), nil); err != nil {
		return nil, 0, err
	}
	if err := s.Append(ctx, picture(), nil); err != nil {
		return nil, 0, err
	}
	if err := s.Append(ctx, text(checkText), out()); err != nil {
		return nil, 0, err
	}
	for _, id := range g.steps {
		if err := s.Append(ctx, Chunk{Tokens: []int32{id}, Pos: [][3]int32{{p, p, p}}}, out()); err != nil {
			return nil, 0, err
		}
		p++
	}
	return logits, time.Since(start), nil
}

func ratio(cpu, device time.Duration) float64 { return float64(cpu) / float64(max(device, 1)) }

// nmse is the square error of x over the square sum of want.
func nmse(x, want []float32) float64 {
	var e, n float64
	for i, w := range want {
		d := float64(x[i]) - float64(w)
		e += d * d
		n += float64(w) * float64(w)
	}
	return e / n
}

func cosine(x, y []float32) float64 {
	var xy, xx, yy float64
	for i := range y {
		a, b := float64(x[i]), float64(y[i])
		xy += a * b
		xx += a * a
		yy += b * b
	}
	return xy / math.Sqrt(xx*yy)
}

func argmax(x []float32) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}
