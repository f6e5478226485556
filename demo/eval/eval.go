// Package eval measures a model on clips that it has never seen: it renders
// them, asks the engine to describe each one forwards and backwards, asks one
// question more, and scores the words.
package eval

import (
	"context"
	"fmt"
	"time"

	"github.com/edgevlm/edgevlm/demo/world"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// Generator answers requests; *vlm.Engine does.
type Generator interface {
	Generate(ctx context.Context, r vlm.Request, emit func(piece string)) (vlm.Result, error)
}

// Options say how much to measure.
type Options struct {
	N    int    // clips of trained combinations on unseen backgrounds; 0 is 500
	Held int    // clips with a held-out combination; 0 is N/2, negative none
	Seed uint64 // any: no training scene has an evaluation seed

	// Progress, if set, is called after each clip.
	Progress func(done, total int)
	// Wrong, if set, is called for each wrong description.
	Wrong func(truth, got string)
}

// Run evaluates e. The report is complete or there is an error.
func Run(ctx context.Context, e Generator, o Options) (Report, error) {
	if o.N == 0 {
		o.N = 500
	}
	if o.Held == 0 {
		o.Held = o.N / 2
	}
	o.Held = max(o.Held, 0)
	if o.N < 0 {
		return Report{}, fmt.Errorf("eval: %d clips: use 1 or more", o.N)
	}
	r := Report{N: o.N, Held: o.Held, Seed: o.Seed}
	start := time.Now()
	var test, held score
	done := 0
	for _, part := range []struct {
		split world.Split
		n     int
		s     *score
	}{{world.Test, o.N, &test}, {world.Held, o.Held, &held}} {
		ren := world.New(part.split, o.Seed)
		for i := range part.n {
			a, err := ask(ctx, e, ren, ren.Scene(uint64(i), world.Normal), &r.Tokens)
			if err != nil {
				return Report{}, fmt.Errorf("eval: clip %d: %w", i, err)
			}
			part.s.add(a)
			if o.Wrong != nil && a.forward != a.scene.Caption() {
				o.Wrong(a.scene.Caption(), a.forward)
			}
			if done++; o.Progress != nil {
				o.Progress(done, o.N+o.Held)
			}
		}
	}
	r.Rows = append(test.rows(""), held.rows("held-out combinations: ")[:3]...)
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

// answers are what the model says about one clip.
type answers struct {
	scene             *world.Scene
	forward, backward string
	answer            string
}

func ask(ctx context.Context, e Generator, ren *world.Renderer, s *world.Scene, tokens *int) (answers, error) {
	pix := make([]byte, world.ClipBytes)
	ren.Render(s, pix)
	forward := make([]imageproc.RGB, world.Frames)
	backward := make([]imageproc.RGB, world.Frames)
	for t := range world.Frames {
		forward[t] = imageproc.RGB{W: world.Size, H: world.Size, Pix: pix[t*world.FrameBytes : (t+1)*world.FrameBytes]}
		backward[world.Frames-1-t] = forward[t]
	}
	a := answers{scene: s}
	for _, q := range []struct {
		frames []imageproc.RGB
		prompt string
		to     *string
	}{{forward, world.Prompts()[0], &a.forward}, {backward, world.Prompts()[0], &a.backward}, {forward, s.Question, &a.answer}} {
		res, err := e.Generate(ctx, vlm.Request{
			Media: []vlm.Media{{Frames: q.frames, Video: true}}, Prompt: q.prompt, MaxTokens: 40,
		}, nil)
		if err != nil {
			return answers{}, err
		}
		*q.to = res.Text
		*tokens += len(res.Tokens)
	}
	return a, nil
}
