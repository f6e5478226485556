package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// streamFlags are those of `bench --stream`.
type streamFlags struct {
	Stream bool          `help:"Time a sliding window over a live camera instead: of the first --size, default 448x448."`
	Window time.Duration `default:"16s" placeholder:"T" help:"Its length."`
	FPS    float64       `name:"fps" default:"2" placeholder:"F" help:"Its frames a second."`
	Part   string        `default:"all" enum:"all,prefill,vision" help:"What to time: prefill is all that the decoder does, vision all that needs the tower; all is both."`
}

// streamReport is what `bench --stream` prints. Times are seconds. A figure that the part timed does not give is 0.
type streamReport struct {
	Size   string  `json:"size"`
	Window float64 `json:"window_s"`
	FPS    float64 `json:"fps"`
	ISA    string  `json:"backend"`

	Anew     float64 `json:"anew_s"`  // encoding and prefilling a whole window
	Pair     float64 `json:"pair_s"`  // a new pair in the exact mode: one encode, one append to each of two sequences
	Still    float64 `json:"still_s"` // a new pair in which nothing changed, default savings, in the long run
	Tenth    float64 `json:"tenth_s"` // a new pair in which a tenth of the picture changed, default savings, in the long run
	One      float64 `json:"one_question_s"`
	Ten      float64 `json:"ten_questions_s"`
	MaxRatio float64 `json:"step_max_over_median"`
	Cosine   float64 `json:"tenth_cosine"` // of the changed cells' embeddings to those of a whole encode, mean

	Tokens struct {
		Anew  int `json:"anew"`
		Pair  int `json:"pair"`
		Still int `json:"still"`
		Tenth int `json:"tenth"`
	} `json:"tokens"`

	Encode      float64   `json:"encode_s"`          // a whole pair
	EncodeTenth float64   `json:"encode_tenth_s"`    // the part of it that changed, and around it
	Recomputed  float64   `json:"tenth_recomputed"`  // share of the patches
	Prefill     float64   `json:"prefill_window_s"`  // a whole window
	Places      []float64 `json:"prefill_places_s"`  // of it, each pair at its place
	AskOne      float64   `json:"ask_one_s"`         // the question alone
	AskTen      float64   `json:"ask_ten_s"`         // ten questions alone
	Preprocess  float64   `json:"preprocess_pair_s"` // resizing, patches and comparing
	// Cost is what stream.Choose takes; the tower's is that of this size, its attention not told apart.
	Cost stream.Cost `json:"cost"`

	Begin float64 `json:"begin_s"` // what the beginning of a sequence costs, for each of half a window's pairs; in still_s and tenth_s where all parts are timed
}

// runStream times the parts that a window's steps consist of, and adds them up: all sixteen pairs of a window would take
// minutes on a large model, and one is like another. What pairs cost in the decoder does depend on what stands before them:
// that is timed at every place of the window.
func (c *benchCmd) runStream(e *env) error {
	sizes, err := parseSizes(c.Size)
	if err != nil {
		return err
	}
	if c.MMProj == "" {
		return usagef("--stream needs a model that sees: give --mmproj too")
	}
	if c.Window <= 0 || !(c.FPS > 0) || c.Window.Seconds()*c.FPS < 2 {
		return usagef("--window %v and --fps %v: give a window of two frames at least", c.Window, c.FPS)
	}
	o := e.options(nil)
	o.NoWeightsCache, o.CacheDir, o.MinPixels, o.MaxPixels = c.NoCache, c.CacheDir, sizes[0][0]*sizes[0][1], sizes[0][0]*sizes[0][1]
	if c.Float {
		o.Vision = "float"
	}
	p := newProgress(e.stderr)
	defer p.clear()
	p.update("load", 0, 0)
	m, err := vlm.Open(e.ctx, c.Model, c.MMProj, o)
	if err != nil {
		return err
	}
	defer m.Close()
	b := streamBench{e: m, w: sizes[0][0], h: sizes[0][1], flags: &c.streamFlags, step: func(s string) { p.update(s, 0, 0) }}
	b.r.Size, b.r.Window, b.r.FPS, b.r.ISA = fmt.Sprintf("%dx%d", b.w, b.h), c.Window.Seconds(), c.FPS, m.Info().Backend
	if err := b.run(e.ctx); err != nil {
		return err
	}
	p.clear()
	if c.JSON {
		return printJSON(e.stdout, b.r)
	}
	b.print(e)
	return nil
}

type streamBench struct {
	e     *vlm.Engine
	w, h  int
	flags *streamFlags
	step  func(string)
	r     streamReport
	cells int
	pairs int
}

func (b *streamBench) run(ctx context.Context) error {
	grid, err := b.e.Images().Video([]imageproc.RGB{{W: b.w, H: b.h, Pix: make([]byte, 3*b.w*b.h)}})
	if err != nil {
		return err
	}
	m := b.e.Images().MergeSize
	b.cells = grid.Grid[1] * grid.Grid[2] / (m * m)
	b.pairs = max(1, int(b.flags.Window.Seconds()*b.flags.FPS/2+0.5))
	b.r.Tokens.Anew, b.r.Tokens.Pair = b.pairs*b.cells, 2*b.cells
	var places []float64
	if b.flags.Part != "vision" {
		if places, err = b.prefill(ctx); err != nil {
			return err
		}
	}
	if b.flags.Part != "prefill" {
		if err := b.vision(ctx); err != nil {
			return err
		}
	}
	if b.flags.Part != "all" {
		return nil
	}
	// In the long run both sequences take what changed, and every half window one of them begins with a whole pair.
	half := max(1, len(places)/2)
	token := places[0] / float64(b.cells)
	begins := (b.cells + half - 1) / half
	b.r.Begin = places[0] / float64(half)
	b.r.Still += b.r.Begin
	b.r.Tenth += b.r.Begin + token*float64(b.r.Tokens.Tenth)
	b.r.Tokens.Still, b.r.Tokens.Tenth = b.r.Tokens.Still+begins, 2*b.r.Tokens.Tenth+begins
	// The two sequences are half a window apart: of a pair's two places one is in each half.
	steps := []float64{b.r.Encode + b.r.Preprocess + places[0]}
	if len(places) > 1 {
		steps = steps[:0]
		for i := range half {
			steps = append(steps, b.r.Encode+b.r.Preprocess+places[i]+places[half+i])
		}
	}
	for _, s := range steps {
		b.r.Pair += s / float64(len(steps))
	}
	b.r.MaxRatio = slices.Max(steps) / middle(steps)
	b.r.Anew = float64(b.pairs)*(b.r.Encode+b.r.Preprocess) + b.r.Prefill
	b.r.One, b.r.Ten = b.r.Pair+b.r.AskOne, b.r.Pair+b.r.AskTen
	return nil
}

// prefill fills a sequence pair by pair and returns what each one took, and asks it questions.
func (b *streamBench) prefill(ctx context.Context) (places []float64, err error) {
	before, _, err := b.e.AroundClip(nil, "?")
	if err != nil {
		return nil, err
	}
	s, err := b.e.NewSequence(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := s.Append(ctx, before); err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rows := make([]float32, b.cells*b.e.Hidden())
	for i := range rows {
		rows[i] = float32(rng.NormFloat64()) / 20
	}
	cols := max(1, b.w/(b.e.Images().PatchSize*b.e.Images().MergeSize))
	start := s.Next()
	for pair := range b.pairs {
		b.step(fmt.Sprintf("prefill pair %d of %d", pair+1, b.pairs))
		pos := make([][3]int32, b.cells)
		for i := range pos {
			pos[i] = [3]int32{start + int32(pair), start + int32(i/cols), start + int32(i%cols)}
		}
		next := start + int32(max(pair, b.cells/cols-1, cols-1)) + 1
		began := time.Now()
		if _, err := b.e.AppendAll(ctx, []*vlm.Sequence{s}, []vlm.Rows{{Chunk: npu.Chunk{Embeds: rows, Pos: pos}, Next: next}}); err != nil {
			return nil, err
		}
		places = append(places, time.Since(began).Seconds())
		b.r.Prefill += places[pair]
		b.r.Places = places
	}
	var qs []vlm.Question
	for i := range 10 {
		qs = append(qs, vlm.Question{Name: fmt.Sprint("q", i), Kind: vlm.KindYesNo, Text: fmt.Sprintf("Is there a person or a car number %d in the picture now?", i)})
	}
	b.step("questions")
	for _, n := range []int{1, 10} {
		runs := 3
		if b.r.Prefill > 15 { // a slow machine is measured well enough at once
			runs = 1
		}
		took, err := times(runs, func() error { _, err := s.Ask(ctx, qs[:n]); return err })
		if err != nil {
			return nil, err
		}
		if n == 1 {
			b.r.AskOne = took
		} else {
			b.r.AskTen = took
		}
	}
	b.r.Cost.Token, b.r.Cost.TokenPair = tokenCost(places, b.cells)
	return places, b.decode(ctx, s)
}

// tokenCost fits a line to what pairs take at their places: a token's own work, and its attention to each token before it.
func tokenCost(places []float64, cells int) (token, pair float64) {
	var n, x, y, xx, xy float64
	for i, p := range places {
		before := (float64(i) + 0.5) * float64(cells)
		n, x, y, xx, xy = n+1, x+before, y+p, xx+before*before, xy+before*p
	}
	if len(places) > 1 {
		pair = max(0, (n*xy-x*y)/(n*xx-x*x))
	}
	return (y - pair*x) / n / float64(cells), pair / float64(cells)
}

// decode times tokens of an answer after the window.
func (b *streamBench) decode(ctx context.Context, s *vlm.Sequence) error {
	b.step("decode")
	_, after, err := b.e.AroundClip(nil, "What is happening?")
	if err != nil {
		return err
	}
	if err := s.Prefill(ctx, after); err != nil {
		return err
	}
	began := time.Now()
	r, err := s.Generate(ctx, 9, vlm.Sampling{}, nil)
	if n := len(r.Tokens) - 1; n > 0 { // the first one needs no step
		b.r.Cost.Decode = time.Since(began).Seconds() / float64(n)
	}
	return err
}

// vision runs a window with the default savings over a picture that stands still, and then changes in a tenth of it.
func (b *streamBench) vision(ctx context.Context) error {
	w, err := stream.New(ctx, b.e, stream.Config{Length: time.Hour, FPS: b.flags.FPS, Savings: stream.DefaultSavings()})
	if err != nil {
		return err
	}
	defer w.Close()
	rng := rand.New(rand.NewPCG(3, 4))
	pic := imageproc.RGB{W: b.w, H: b.h, Pix: make([]byte, 3*b.w*b.h)}
	for i := range pic.Pix {
		pic.Pix[i] = byte(rng.Uint32())
	}
	n := 0
	add := func() (stream.Step, float64, error) {
		at := time.Unix(1000, 0).Add(time.Duration(float64(n) * 2 / b.flags.FPS * float64(time.Second)))
		p := stream.Pair{At: at}
		for i := range p.Frames {
			p.Frames[i] = stream.Frame{Seq: uint64(2*n + i), At: at, RGB: pic}
		}
		n++
		began := time.Now()
		st, err := w.Add(ctx, p)
		return st, time.Since(began).Seconds(), err
	}
	b.step("the first pair")
	if _, _, err := add(); err != nil {
		return err
	}
	b.step("a still picture")
	var still, pre []float64
	for range 3 {
		st, s, err := add()
		if err != nil {
			return err
		}
		still, pre, b.r.Tokens.Still = append(still, s), append(pre, st.Preprocess.Seconds()), st.Tokens
	}
	b.r.Still, b.r.Preprocess = middle(still), middle(pre)
	cell := b.e.Images().PatchSize * b.e.Images().MergeSize
	cw, ch := b.w/cell, b.h/cell
	side := max(1, int(math.Sqrt(float64(cw*ch)/10)))
	var tenth, enc []float64
	for i := range 3 {
		b.step(fmt.Sprintf("a tenth that moves, %d of 3", i+1))
		for y := ch / 3 * cell; y < (ch/3+min(side, ch))*cell && y < b.h; y++ {
			line := pic.Pix[3*(y*b.w+cw/3*cell):]
			for x := range line[:3*min(side, cw-cw/3)*cell] {
				line[x] = byte(rng.Uint32())
			}
		}
		st, s, err := add()
		if err != nil {
			return err
		}
		tenth, enc, b.r.Tokens.Tenth = append(tenth, s), append(enc, st.Vision.Seconds()), st.Tokens
		b.r.Recomputed = float64(st.Patches) / float64(b.cells*b.e.Images().MergeSize*b.e.Images().MergeSize)
	}
	b.r.Tenth, b.r.EncodeTenth = middle(tenth), middle(enc)
	b.step("a whole picture")
	patches, err := b.e.Images().Video([]imageproc.RGB{pic, pic})
	if err != nil {
		return err
	}
	var whole []float32
	if b.r.Encode, err = times(2, func() (err error) { whole, err = b.e.EncodePatches(ctx, patches); return err }); err != nil {
		return err
	}
	b.r.Cost.Patch = b.r.Encode / float64(patches.Grid[1]*patches.Grid[2])
	b.r.Cosine = cosineOf(whole, w.Embeddings(), b.e.Hidden(), func(i int) bool {
		y, x := i/cw-ch/3, i%cw-cw/3
		return y >= 0 && y < side && x >= 0 && x < side
	})
	return nil
}

// cosineOf is the mean cosine of the rows that are wanted.
func cosineOf(a, b []float32, width int, want func(int) bool) float64 {
	sum, n := 0.0, 0
	for i := range len(a) / width {
		if !want(i) {
			continue
		}
		var ab, aa, bb float64
		for j := i * width; j < (i+1)*width; j++ {
			ab += float64(a[j]) * float64(b[j])
			aa += float64(a[j]) * float64(a[j])
			bb += float64(b[j]) * float64(b[j])
		}
		sum += ab / math.Sqrt(aa*bb)
		n++
	}
	return sum / float64(max(1, n))
}

// times is the median of n runs, in seconds.
func times(n int, f func() error) (float64, error) {
	var took []float64
	for range n {
		began := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began).Seconds())
	}
	return middle(took), nil
}

func middle(x []float64) float64 {
	x = slices.Clone(x)
	slices.SortFunc(x, cmp.Compare[float64])
	return x[len(x)/2]
}

func (b *streamBench) print(e *env) {
	row := func(what string, seconds float64, format string, args ...any) {
		if seconds > 0 {
			fmt.Fprintf(e.stdout, "%-22s%9.4f s  "+format+"\n", append([]any{what, seconds}, args...)...)
		}
	}
	r := &b.r
	fmt.Fprintf(e.stdout, "%s, a window of %v s at %v fps: %d pairs of %d tokens, %s\n", r.Size, r.Window, r.FPS, b.pairs, b.cells, r.ISA)
	row("window anew", r.Anew, "%d tokens", r.Tokens.Anew)
	row("new pair", r.Pair, "%d tokens, %.1f times cheaper, the dearest step %.2f of the median", r.Tokens.Pair, r.Anew/r.Pair, r.MaxRatio)
	row("new pair, still", r.Still, "%d tokens, %.0f times cheaper than one that moves", r.Tokens.Still, cmp.Or(r.Pair, r.Encode)/r.Still)
	row("new pair, a tenth", r.Tenth, "%d tokens, cosine %.4f where it moves", r.Tokens.Tenth, r.Cosine)
	row("and one question", r.One, "")
	row("and ten questions", r.Ten, "%.2f of one", r.Ten/max(r.One, 1e-9))
	row("vision, a whole pair", r.Encode, "")
	row("vision, a tenth", r.EncodeTenth, "%.1f %% of a whole pair, %.1f %% of the patches", 100*r.EncodeTenth/max(r.Encode, 1e-9), 100*r.Recomputed)
	row("prefill, a window", r.Prefill, "")
	row("one question alone", r.AskOne, "")
	row("ten questions alone", r.AskTen, "")
}
