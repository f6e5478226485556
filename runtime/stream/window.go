package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

var (
	// ErrPair says that one pair can't be used, and why. It was left out; go on with the next one.
	ErrPair = errors.New("stream: pair left out")
	// ErrEmpty says that the window has no pair yet.
	ErrEmpty = errors.New("stream: the window is empty")
)

// FrameRef names a frame.
type FrameRef struct {
	Seq uint64
	At  time.Time // by the camera's clock
}

// Window is what a model has seen of the newest seconds. One goroutine uses it at a time. Close it before the engine.
type Window struct {
	e      *vlm.Engine
	c      Config
	images imageproc.Config
	base   *vlm.Sequence // the prompt up to the frames

	grid       [2]int // merged: rows and columns
	most       int    // pairs that fit
	length     time.Duration
	old, young *run      // young may be nil, and before the first pair both are
	at         time.Time // of the newest pair
	turn       int       // pairs since the window began

	scene  *scene    // nil without savings
	rows   []float32 // the newest embedding of every cell
	memory vlm.VisionMemory
	parts  int  // pairs encoded in part since a whole one
	whole  bool // the encoder can only do whole pairs
	fixed  bool // the decoder can't move positions
	total  Counters
}

// New begins an empty window. Its sequences share the prompt up to the frames.
func New(ctx context.Context, e *vlm.Engine, c Config) (*Window, error) {
	if err := c.defaults(); err != nil {
		return nil, err
	}
	before, _, err := e.AroundClip(c.System, "?")
	if err != nil {
		return nil, fmt.Errorf("stream: %w", err)
	}
	base, err := e.NewSequence(ctx)
	if err != nil {
		return nil, fmt.Errorf("stream: %w", err)
	}
	if err := base.Append(ctx, before); err != nil {
		_ = base.Close()
		return nil, fmt.Errorf("stream: prompt: %w", err)
	}
	w := &Window{e: e, c: c, images: e.Images(), base: base}
	if most := c.MaxPixels; most > 0 {
		w.images.VideoMaxPixels = min(w.images.VideoMaxPixels, most)
		w.images.VideoMinPixels = min(w.images.VideoMinPixels, w.images.VideoMaxPixels)
	}
	return w, nil
}

// Close gives the memory back.
func (w *Window) Close() error {
	w.reset()
	return w.base.Close()
}

// reset drops all pairs.
func (w *Window) reset() {
	w.end(&w.old)
	w.end(&w.young)
	w.turn, w.parts = 0, 0
	w.scene = nil
	w.memory.Reset()
}

func (w *Window) end(r **run) {
	if *r != nil {
		_ = (*r).s.Close()
		*r = nil
	}
}

// Add encodes a pair and appends it. An error that is ErrPair concerns this pair only; after any other one, ctx's too, the
// window goes on with the next pair: what is encoded is appended then.
func (w *Window) Add(ctx context.Context, p Pair) (Step, error) {
	clock := stopwatch{time.Now()}
	var st Step
	patches, err := w.images.Video([]imageproc.RGB{p.Frames[0].RGB, p.Frames[1].RGB})
	if err != nil {
		w.total.Refused++
		return st, fmt.Errorf("%w: frames %d and %d: %w", ErrPair, p.Frames[0].Seq, p.Frames[1].Seq, err)
	}
	grid := [2]int{patches.Grid[1] / w.images.MergeSize, patches.Grid[2] / w.images.MergeSize}
	if st.Restart = w.restarts(p, grid); st.Restart != "" {
		w.reset()
		w.total.Restarts++
	}
	if err := w.fit(grid); err != nil {
		w.total.Refused++
		return st, err
	}
	st.Cells, st.Compared = grid[0]*grid[1], w.scene != nil && w.scene.have
	marks, share := w.compare(patches)
	st.Changed = share
	clock.lap(&st.Preprocess)
	kept, err := w.encode(ctx, patches, marks, &st)
	if err != nil {
		return st, fmt.Errorf("stream: encode frames %d and %d: %w", p.Frames[0].Seq, p.Frames[1].Seq, err)
	}
	clock.lap(&st.Vision)
	if err := w.slide(ctx, p.At); err != nil {
		if w.scene != nil {
			w.scene.have = false // the model never got what was compared
		}
		return st, err
	}
	w.place(p, kept, &st)
	err = w.push(ctx, &st)
	clock.lap(&st.Prefill)
	st.Frames, st.Pairs = [2]FrameRef{{p.Frames[0].Seq, p.Frames[0].At}, {p.Frames[1].Seq, p.Frames[1].At}}, len(w.old.pairs)
	st.Most, st.Rows = w.most, w.old.s.Len()
	st.Index, st.Next = w.old.index, w.old.start+w.old.top+1
	w.total.add(&st)
	if err != nil {
		return st, fmt.Errorf("stream: append frames %d and %d: %w", p.Frames[0].Seq, p.Frames[1].Seq, err)
	}
	return st, nil
}

// restarts says why a pair begins a new window, "" if it doesn't.
func (w *Window) restarts(p Pair, grid [2]int) string {
	switch {
	case w.old == nil:
		return ""
	case p.Restart != "":
		return p.Restart
	case grid != w.grid:
		return fmt.Sprintf("the picture has %dx%d cells now, not %dx%d: a new window begins", grid[1], grid[0], w.grid[1], w.grid[0])
	case p.At.Sub(w.at) >= w.length+w.c.period():
		return fmt.Sprintf("%v without frames: a new window begins", p.At.Sub(w.at).Round(time.Millisecond))
	}
	return ""
}

// fit decides how many pairs of a grid the context takes.
func (w *Window) fit(grid [2]int) error {
	if grid == w.grid && w.most > 0 {
		return nil
	}
	context := w.e.Info().ContextLength
	cells, reserve := grid[0]*grid[1], min(w.c.Reserve, context/2)
	room := (context - w.base.Len() - reserve) / cells
	if room < 1 {
		return fmt.Errorf("%w: a pair has %d tokens, but the context of %d has no room for them beside %d for the prompt, questions and answers: lower the maximum of pixels",
			ErrPair, cells, context, w.base.Len()+reserve)
	}
	want := w.c.pairs()
	w.grid, w.most, w.length = grid, min(want, room), w.c.Length
	if room < want {
		w.length = time.Duration(room) * w.c.period()
		w.c.Log.Warn("window shortened to what the context holds", "asked", w.c.Length, "is", w.length, "pairs", w.most, "tokens_a_pair", cells, "context", context)
	}
	return nil
}

// slide ends what is too old and begins what has to begin with the pair of that time.
func (w *Window) slide(ctx context.Context, at time.Time) error {
	if w.c.Mode == Rolling {
		return w.roll(ctx, at)
	}
	for w.old != nil && w.over(w.old, at) {
		w.end(&w.old)
		w.old, w.young = w.young, nil
	}
	switch {
	case w.old == nil:
		return w.begin(ctx, &w.old)
	case w.young == nil && 2*w.old.age(at, w.c.period()) >= w.length:
		return w.begin(ctx, &w.young)
	}
	return nil
}

// over says whether a pair of that time is outside of a window that begins as r does.
func (w *Window) over(r *run, at time.Time) bool {
	return len(r.pairs) >= w.most || r.age(at, w.c.period()) >= w.length
}

func (w *Window) begin(ctx context.Context, r **run) error {
	s, err := w.base.Fork(ctx)
	if err != nil {
		return fmt.Errorf("stream: begin a sequence: %w", err)
	}
	*r = &run{s: s, start: s.Next(), oldest: s.Len()}
	return nil
}

// roll evicts pairs that are out of the window, and moves positions back to where a fresh run would have them before they
// reach their limit. Where the decoder can't do that, a second sequence begins some time before, as in the exact mode, and
// takes over when it is a window long.
func (w *Window) roll(ctx context.Context, at time.Time) error {
	if w.old == nil {
		return w.begin(ctx, &w.old)
	}
	context := w.e.Info().ContextLength
	limit := context - int(w.old.start) - min(w.c.Reserve, context/2)
	if w.c.Anchor > 0 {
		limit = min(limit, w.c.Anchor)
	}
	switch {
	case !w.fixed:
	case w.young == nil && int(w.old.index) >= limit-2*w.most:
		if err := w.begin(ctx, &w.young); err != nil {
			return err
		}
	case w.young != nil && (w.over(w.young, at) || int(w.old.index) >= limit):
		w.end(&w.old)
		w.old, w.young = w.young, nil
		w.total.Anchored++
	}
	if err := w.flush(ctx, w.old, nil); err != nil {
		return err
	}
	for len(w.old.pairs) > 0 && (len(w.old.pairs) >= w.most || at.Sub(w.old.pairs[0].at) >= w.length) {
		if err := w.old.evict(ctx); err != nil {
			return fmt.Errorf("stream: rolling mode: %w", err)
		}
		w.total.Evicted++
	}
	if w.fixed || int(w.old.index) < limit-1 || len(w.old.pairs) == 0 {
		return nil
	}
	switch moved, err := w.old.anchor(ctx, w.c.period()); {
	case errors.Is(err, npu.ErrUnsupported):
		w.fixed = true
	case err != nil:
		return fmt.Errorf("stream: rolling mode: %w", err)
	case moved:
		w.total.Anchored++
	}
	return nil
}

// place queues a pair for the sequences: whole for one that begins with it, of later pairs the cells in kept, nil meaning
// all.
func (w *Window) place(p Pair, kept []bool, st *Step) {
	hidden, cells := w.e.Hidden(), w.grid[0]*w.grid[1]
	for _, r := range []*run{w.old, w.young} {
		if r == nil {
			continue
		}
		marks := kept
		switch {
		case len(r.pairs) == 0:
			marks = nil
		case marks != nil && w.c.Mode == Rolling:
			marks = w.refreshed(marks)
		}
		st.Dropped += cells - r.plan(p, w.c.period(), w.grid, marks, !st.Skipped, w.rows, hidden)
	}
	w.at = p.At
	w.turn++
}

// refreshed marks cells that have not been kept for long in the rolling mode, so that evicting never takes a cell's last rows:
// every pair another part of the picture, as video codecs do.
func (w *Window) refreshed(marks []bool) []bool {
	out := slices.Clone(marks)
	every := max(1, w.most-1)
	for i := range out {
		if (i+w.turn)%every == 0 {
			out[i] = true
		}
	}
	return out
}

// push appends what is queued: for the sequence that answers everything; for the one that is to follow it at most what one
// pair has, or a quarter of a whole pair, so that its beginning is spread over several steps where most of a pair is dropped.
func (w *Window) push(ctx context.Context, st *Step) error {
	runs, most := []*run{w.old}, []int{w.old.waiting()}
	if w.young != nil {
		runs = append(runs, w.young)
		most = append(most, max(most[0], (w.grid[0]*w.grid[1]+3)/4))
	}
	n, err := push(ctx, w.e, runs, most)
	st.Tokens += n
	return err
}

// ready appends all that the sequence which answers has queued, and what it has to have when it is asked.
func (w *Window) ready(ctx context.Context) error {
	r := w.old
	if r == nil {
		return ErrEmpty
	}
	if w.c.Savings.Drop && w.c.Savings.Present {
		w.total.Again += uint64(r.present(w.grid, w.rows, w.e.Hidden()))
	}
	if err := w.flush(ctx, r, nil); err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	return nil
}

// flush appends all that a sequence has queued.
func (w *Window) flush(ctx context.Context, r *run, st *Step) error {
	if len(r.queue) == 0 {
		return nil
	}
	n, err := push(ctx, w.e, []*run{r}, []int{r.waiting()})
	if st != nil {
		st.Tokens += n
	} else {
		w.total.Tokens += uint64(n)
	}
	return err
}

// Fork returns a sequence of the window's present frames, the vision block still open, that <|vision_end|>, a question and its
// answer can follow; Sequence.Ask does that. Close it.
func (w *Window) Fork(ctx context.Context) (*vlm.Sequence, error) {
	if err := w.ready(ctx); err != nil {
		return nil, err
	}
	s, err := w.old.s.Fork(ctx)
	if err != nil {
		return nil, fmt.Errorf("stream: %w", err)
	}
	return s, nil
}

// Describe answers a prompt about the window's frames. Of the Result PromptTokens are the prompt's own, from the end of the frames
// on. A prompt longer than the context has room for is vlm.ErrRequest.
func (w *Window) Describe(ctx context.Context, prompt string, maxTokens int, how vlm.Sampling, emit func(piece string)) (r vlm.Result, err error) {
	clock := stopwatch{time.Now()}
	_, after, err := w.e.AroundClip(w.c.System, prompt)
	if err != nil {
		return r, err
	}
	s, err := w.Fork(ctx)
	if err != nil {
		return r, err
	}
	defer func() { _ = s.Close() }()
	var t vlm.Timings
	if err := s.Prefill(ctx, after); err != nil {
		if errors.Is(err, npu.ErrFull) {
			err = fmt.Errorf("%w: the question has %d tokens, more than the context has room for beside the window's %d: shorten it: %w", vlm.ErrRequest, len(after), w.old.s.Len(), err)
		}
		return r, err
	}
	clock.lap(&t.Prefill)
	r, err = s.Generate(ctx, maxTokens, how, emit)
	clock.lap(&t.Decode)
	r.PromptTokens, r.Timings, r.Backend = after, t, w.e.Info().Backend
	return r, err
}

// Ask answers questions about the window's frames, as Sequence.Ask does.
func (w *Window) Ask(ctx context.Context, qs []vlm.Question) ([]vlm.Answer, error) {
	if err := w.ready(ctx); err != nil {
		return nil, err
	}
	return w.old.s.Ask(ctx, qs)
}

// Frames are those that an answer is about, in order of time.
func (w *Window) Frames() []FrameRef {
	if w.old == nil {
		return nil
	}
	var f []FrameRef
	for _, p := range w.old.pairs {
		f = append(f, p.frames[:]...)
	}
	return f
}

// Nominal is how long the window can be: Config.Length, or less where the context is too short for that. It is 0 before the
// first pair.
func (w *Window) Nominal() time.Duration { return w.length }

// Embeddings are the newest ones of all cells, [rows*columns, hidden], row-major, nil before the first pair. They change with
// the next Add.
func (w *Window) Embeddings() []float32 { return w.rows }

// Counters are the sums of all steps.
func (w *Window) Counters() Counters { return w.total }
