package stream

import (
	"errors"
	"fmt"
	"time"
)

// Cost is what a model takes on a machine, in seconds, as `edgevlm bench --stream` measures it.
type Cost struct {
	Patch     float64 `json:"patch_s"`      // of the vision tower for a patch, attention left out
	PatchPair float64 `json:"patch_pair_s"` // of its attention for a pair of patches: it grows with the square of their number
	Token     float64 `json:"token_s"`      // of a prefilled token
	TokenPair float64 `json:"token_pair_s"` // of attention for a prefilled token and a token before it
	Decode    float64 `json:"decode_s"`     // of a decoded token
	// Spread is the 95th percentile of a step's time over its median; 0: 1.3.
	Spread float64 `json:"spread,omitempty"`
}

// Budget is what is asked of them.
type Budget struct {
	Latency   time.Duration // from a pair's arrival to the end of the answer, 95th percentile
	Length    time.Duration // of the window, at most
	Least     time.Duration // of the window, at least; 0: a quarter of Length
	FPS       float64
	Rolling   bool // one sequence instead of two
	Prompt    int  // tokens of the question
	Answer    int  // tokens of the answer
	MinPixels int  // of a frame after resizing; 0: 112x112
	MaxPixels int  // 0: 448x448
	// Unit is the side of a merged cell in pixels, which pictures are multiples of; 0: 28. Patches of a cell; 0: 4.
	Unit, Patches int
	Context       int // tokens that the model takes; 0: no limit
}

// Choice is a resolution and a window, and what is to be expected of them.
type Choice struct {
	Pixels  int // most pixels of a frame after resizing: vlm.Options.MaxPixels
	Cells   int // of a pair
	Length  time.Duration
	Latency time.Duration // expected 95th percentile
	Meets   bool          // it is within the budget; if not, this is the fastest there is
	// Busy is the share of time that the pairs alone take, decoding excluded; above 1 pairs are skipped.
	Busy float64
}

// Choose finds the largest picture for which the whole window can be kept, then the longest window for the smallest
// picture. It is a pure function: the same numbers give the same choice.
func Choose(b Budget, c Cost) (Choice, error) {
	if b.Latency <= 0 || b.Length <= 0 || !(b.FPS > 0) {
		return Choice{}, fmt.Errorf("stream: a budget needs a latency, a window and a frame rate, all positive: %v, %v, %v", b.Latency, b.Length, b.FPS)
	}
	if !(c.Patch > 0 && c.Token > 0 && c.Decode > 0) || c.PatchPair < 0 || c.TokenPair < 0 {
		return Choice{}, errors.New("stream: costs must be measured first, for example with `edgevlm bench --stream`")
	}
	b.defaults()
	if c.Spread == 0 {
		c.Spread = defaultSpread
	}
	period := 2 / b.FPS
	side := func(cells int) int { return cells * b.Unit * b.Unit }
	least, most := max(1, b.MinPixels/(b.Unit*b.Unit)), max(1, b.MaxPixels/(b.Unit*b.Unit))
	pairs := b.pairs
	var last Choice
	try := func(cells, n int) bool {
		if b.Context > 0 && n*cells+b.Prompt+b.Answer > b.Context {
			return false
		}
		step, total := c.latency(&b, cells, n)
		last = Choice{Pixels: side(cells), Cells: cells, Length: time.Duration(float64(n) * period * float64(time.Second)),
			Latency: time.Duration(total * float64(time.Second)), Busy: step / period}
		last.Meets = last.Latency <= b.Latency
		return last.Meets
	}
	for cells := most; cells >= least; cells-- {
		if try(cells, pairs(b.Length)) {
			return last, nil
		}
	}
	for n := pairs(b.Length) - 1; n >= pairs(b.Least); n-- {
		if try(least, n) {
			return last, nil
		}
	}
	if last.Cells == 0 {
		return Choice{}, fmt.Errorf("stream: a context of %d tokens holds no window of %v: shorten it", b.Context, b.Least)
	}
	return last, nil
}

// defaultSpread is Cost.Spread where it is not known.
const defaultSpread = 1.3

// pairs is how many a window of that length has.
func (b *Budget) pairs(d time.Duration) int { return max(1, int(d.Seconds()*b.FPS/2+0.5)) }

func (b *Budget) defaults() {
	if b.Least == 0 {
		b.Least = b.Length / 4
	}
	if b.MinPixels == 0 {
		b.MinPixels = 112 * 112
	}
	if b.MaxPixels == 0 {
		b.MaxPixels = 448 * 448
	}
	if b.Unit == 0 {
		b.Unit = 28
	}
	if b.Patches == 0 {
		b.Patches = 4
	}
}

// latency is what a pair takes, and a pair with question and answer from its arrival on, in seconds at the 95th percentile, when
// the window has n pairs of that many cells.
func (c *Cost) latency(b *Budget, cells, n int) (step, total float64) {
	patches := float64(cells * b.Patches)
	seen := float64(cells * n)
	step = patches*c.Patch + patches*patches*c.PatchPair
	add := func(tokens, before float64) float64 { return tokens*c.Token + tokens*(before+tokens/2)*c.TokenPair }
	step += add(float64(cells), seen-float64(cells))
	if !b.Rolling {
		step += add(float64(cells), max(0, seen/2-float64(cells)))
	}
	total = step + add(float64(b.Prompt), seen) + float64(b.Answer)*(c.Decode+seen*c.TokenPair)
	step, total = step*c.Spread, total*c.Spread
	if period := 2 / b.FPS; total > period {
		total += period // the newest pair comes while the model is busy with the one before
	}
	return step, total
}
