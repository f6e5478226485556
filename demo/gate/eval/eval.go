// Package eval measures a model on clips of the gate world that it has never
// seen: it renders them, has each described forwards and backwards, with vision
// tokens left out and with wrong temporal positions, asks the clip's questions,
// and scores the words.
package eval

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// View is how the vision tokens of a clip are given to the decoder.
type View struct {
	Times Times
	Keep  []bool // [pairs, grid, grid]: which tokens are given; nil: all
}

// Times are the temporal positions of a clip's frame pairs.
type Times uint8

const (
	True     Times = iota // 0, 1, 2 ..
	Equal                 // all 0
	Reversed              // the last pair is 0
)

// Answer is what the model says to one question.
type Answer struct {
	Text   string
	Boxes  []vlm.Box
	Tokens int // generated
}

// Round is some questions about one view of a clip.
type Round struct {
	View      View
	Questions []string
}

// Asker answers all rounds about one clip: for each round, an answer to each
// question, none of which knows of the others. See Engine.
type Asker interface {
	Ask(ctx context.Context, frames []imageproc.RGB, rounds []Round) ([][]Answer, error)
}

// Options say how much to measure.
type Options struct {
	N      int    // clips of trained combinations on unseen backgrounds; 0 is 1000
	Held   int    // clips with a held-out combination; 0 is N/4, negative none
	Stills int    // still pictures; 0 is N/10, negative none
	Frames int    // of all clips; 0 is the world's mixture
	Seed   uint64 // any: no training scene is in the splits that are measured

	Reference *Reference // figures to stand beside the model's

	// Progress, if set, is called after each clip.
	Progress func(done, total int)
	// Wrong, if set, is called for each wrong answer, with the clip's split, kind and index, the question (the prompt for
	// a description), the truth and what was said.
	Wrong func(Miss)
}

// Miss is a wrong answer.
type Miss struct {
	Part     string // "test", "held" or "still"
	Index    uint64
	Row      string // where it is counted
	Question string
	Truth    string
	Got      string
}

// Run evaluates a model; with several askers of the same model, each works on
// clips of its own. The report is complete or there is an error.
func Run(ctx context.Context, o Options, askers ...Asker) (Report, error) {
	o.N = defaulted(o.N, 1000)
	o.Held = defaulted(o.Held, (o.N+3)/4)
	o.Stills = defaulted(o.Stills, (o.N+9)/10)
	if o.N <= 0 {
		return Report{}, fmt.Errorf("eval: %d clips: use 1 or more", o.N)
	}
	if len(askers) == 0 {
		return Report{}, fmt.Errorf("eval: nobody to ask: give a model")
	}
	start := time.Now()
	e := &evaluation{o: o, total: o.N + o.Held + o.Stills}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, a := range askers {
		wg.Go(func() {
			if err := e.work(ctx, a); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return Report{}, err
	}
	return e.report(time.Since(start)), nil
}

func defaulted(v, d int) int {
	if v == 0 {
		return d
	}
	return max(v, 0)
}

// parts of an evaluation: what is drawn for each.
var parts = [...]struct {
	name  string
	split gate.Split
	kind  gate.Kind
}{{"test", gate.Test, gate.Normal}, {"held", gate.Held, gate.Normal}, {"still", gate.Test, gate.Frozen}}

// evaluation is one under way. Its mutex guards all that follows it.
type evaluation struct {
	o     Options
	total int

	mu     sync.Mutex
	next   int
	done   int
	scores [len(parts)]score
	tokens int
}

// job is the number of a clip.
type job struct {
	part  int
	index uint64
}

func (e *evaluation) take() (job, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.next
	e.next++
	for p, n := range []int{e.o.N, e.o.Held, e.o.Stills} {
		if i < n {
			return job{p, uint64(i)}, true
		}
		i -= n
	}
	return job{}, false
}

// work asks about clips until none is left.
func (e *evaluation) work(ctx context.Context, a Asker) error {
	var renderers [len(parts)]*gate.Renderer
	for {
		j, ok := e.take()
		if !ok || ctx.Err() != nil {
			return ctx.Err()
		}
		p := parts[j.part]
		if renderers[j.part] == nil {
			renderers[j.part] = gate.New(p.split, e.o.Seed)
		}
		r := renderers[j.part]
		s := r.SceneOf(j.index, p.kind, e.o.Frames)
		c, err := ask(ctx, a, r, s, rand.New(rand.NewPCG(e.o.Seed, j.index)))
		if err != nil {
			return fmt.Errorf("eval: %s clip %d: %w", p.name, j.index, err)
		}
		e.add(j, c)
	}
}

func (e *evaluation) add(j job, c clip) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.scores[j.part].add(c, func(row, question, truth, got string) {
		if e.o.Wrong != nil {
			e.o.Wrong(Miss{parts[j.part].name, j.index, row, question, truth, got})
		}
	})
	e.tokens += c.tokens
	if e.done++; e.o.Progress != nil {
		e.o.Progress(e.done, e.total)
	}
}

// clip is a scene and what the model says about it.
type clip struct {
	scene             *gate.Scene
	forward, backward string
	dropped, sparse   string      // with 60 % of the unchanged tokens left out, and with all of them
	answers           []Answer    // to the scene's tasks
	order             [2][]string // to its order tasks, with equal and with reversed times
	later, left, bare int         // vision tokens of the later pairs, and how many of them were left out in dropped and in sparse
	tokens            int         // generated
}

// dropShare is how many of the unchanged tokens are left out.
const dropShare = .6

// ask has one clip described and asks all about it.
func ask(ctx context.Context, a Asker, r *gate.Renderer, s *gate.Scene, rnd *rand.Rand) (clip, error) {
	frames := draw(r, s)
	c := clip{scene: s}
	prompt := gate.Prompts()[0]
	all := []string{prompt}
	var order []string
	for _, t := range s.Tasks {
		all = append(all, t.Q)
		if t.Kind == gate.Order {
			order = append(order, t.Q)
		}
	}
	rounds := []Round{{Questions: all}}
	changes := changed(frames)
	some, none := drop(changes, dropShare, rnd), drop(changes, 1, rnd)
	c.later, c.left, c.bare = len(some)-gate.Grid*gate.Grid, gone(some), gone(none)
	if len(frames) > 2 {
		rounds = append(rounds, Round{View{Keep: some}, all[:1]}, Round{View{Keep: none}, all[:1]})
	}
	if order != nil {
		rounds = append(rounds, Round{View{Times: Equal}, order}, Round{View{Times: Reversed}, order})
	}
	said, err := a.Ask(ctx, frames, rounds)
	if err != nil {
		return clip{}, err
	}
	slices.Reverse(frames)
	back, err := a.Ask(ctx, frames, []Round{{Questions: all[:1]}})
	if err != nil {
		return clip{}, err
	}
	for _, round := range append(said, back...) {
		for _, x := range round {
			c.tokens += x.Tokens
		}
	}
	c.forward, c.answers, c.backward = said[0][0].Text, said[0][1:], back[0][0].Text
	c.dropped, c.sparse = c.forward, c.forward
	said = said[1:]
	if len(frames) > 2 {
		c.dropped, c.sparse = said[0][0].Text, said[1][0].Text
		said = said[2:]
	}
	for i := range said {
		for _, x := range said[i] {
			c.order[i] = append(c.order[i], x.Text)
		}
	}
	return c, nil
}

// draw renders a scene.
func draw(r *gate.Renderer, s *gate.Scene) []imageproc.RGB {
	pix := make([]byte, s.Bytes())
	r.Render(s, pix)
	out := make([]imageproc.RGB, s.Frames)
	for t := range out {
		out[t] = imageproc.RGB{W: gate.Size, H: gate.Size, Pix: pix[t*gate.FrameBytes : (t+1)*gate.FrameBytes]}
	}
	return out
}
