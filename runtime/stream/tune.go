package stream

import "time"

// Tuner holds a latency budget on a machine that nobody has measured: it takes the costs from the work itself, begins with the
// smallest picture, and says when another one, or another window, would keep the budget better. One goroutine uses it at a
// time.
type Tuner struct {
	b     Budget
	now   Choice
	most  int // cells that a measured step showed to be too many, 0: none
	until int // the step up to which that counts
	steps int // pairs seen
	since int // pairs since the latest change

	vision, decode rate
	prefill        slope
	prompt         int
	answers        recent
}

const (
	tuneAfter  = 3  // measured pairs before anything is changed
	tuneGrow   = 8  // pairs from one enlargement to the next
	tuneForget = 64 // pairs after which a size that was too slow may be tried again
)

// NewTuner begins with the smallest picture and the whole window. b is as in Choose; its Prompt and Answer are replaced by what
// is seen.
func NewTuner(b Budget) *Tuner {
	b.defaults()
	t := &Tuner{b: b, prompt: b.Prompt}
	unit := b.Unit * b.Unit
	cells := max(1, b.MinPixels/unit)
	t.now = Choice{Cells: cells, Pixels: cells * unit, Length: b.Length}
	return t
}

// Choice is what is in force.
func (t *Tuner) Choice() Choice { return t.now }

// Step takes what a pair took.
func (t *Tuner) Step(st Step) {
	t.steps++
	t.since++
	t.vision.add(st.Vision, st.Patches)
	t.prefill.add(st.Prefill, st.Tokens, st.Rows)
}

// Answer takes what an answer took, of that many tokens, to a prompt of that many.
func (t *Tuner) Answer(prompt, tokens int, decode time.Duration) {
	t.prompt = prompt
	t.decode.add(decode, tokens)
	t.answers.add(tokens)
}

// Next is what to go on with, and whether that is another choice than the one in force; it then is. share is how many cameras
// share the model: each has its part of the time.
func (t *Tuner) Next(share int) (Choice, bool) {
	patch, ok1 := t.vision.each()
	token, tokenPair, ok2 := t.prefill.fit()
	decode, ok3 := t.decode.each()
	if !ok1 || !ok2 || !ok3 || t.since < tuneAfter {
		return t.now, false
	}
	b := t.b
	b.Latency /= time.Duration(max(1, share))
	b.Prompt, b.Answer = t.prompt, t.answers.most()
	cost := Cost{Patch: patch, Token: token, TokenPair: tokenPair, Decode: decode, Spread: defaultSpread}
	_, total := cost.latency(&b, t.now.Cells, b.pairs(t.now.Length))
	slow := time.Duration(total*float64(time.Second)) > b.Latency
	if slow && (t.most == 0 || t.now.Cells < t.most) {
		t.most, t.until = t.now.Cells, t.steps+tuneForget
	}
	if t.steps > t.until {
		t.most = 0
	}
	if t.most > 0 {
		b.MaxPixels = min(b.MaxPixels, max(b.MinPixels, (t.most-1)*b.Unit*b.Unit))
	}
	c, err := Choose(b, cost)
	if err != nil {
		return t.now, false
	}
	if !c.Meets { // then a short window is of no use either
		c.Length = b.Length
	}
	switch larger := c.Cells > t.now.Cells || c.Cells == t.now.Cells && c.Length > t.now.Length; {
	case c.Cells == t.now.Cells && c.Length == t.now.Length:
		t.now.Latency, t.now.Meets, t.now.Busy = c.Latency, c.Meets, c.Busy
		return t.now, false
	case larger && (t.since < tuneGrow || 4*c.Cells < 5*t.now.Cells && c.Length == t.now.Length):
		return t.now, false // a window begins anew with every change: not for little
	case !larger && !slow:
		return t.now, false
	}
	t.now, t.since = c, 0
	return c, true
}

// rate is what one of something takes, by the latest measurements.
type rate struct {
	took [16]float64
	n    [16]int
	next int
}

func (r *rate) add(d time.Duration, n int) {
	if d <= 0 || n < 1 {
		return
	}
	r.took[r.next], r.n[r.next] = d.Seconds(), n
	r.next = (r.next + 1) % len(r.n)
}

func (r *rate) each() (seconds float64, known bool) {
	sum, n := 0.0, 0
	for i := range r.n {
		sum += r.took[i]
		n += r.n[i]
	}
	return sum / float64(max(1, n)), n > 0
}

// slope is what a token takes, and how much more for each row before it, by the latest measurements.
type slope struct {
	took [16]float64
	n, x [16]float64
	next int
}

func (s *slope) add(d time.Duration, tokens, before int) {
	if d <= 0 || tokens < 1 {
		return
	}
	s.took[s.next], s.n[s.next], s.x[s.next] = d.Seconds(), float64(tokens), float64(before)
	s.next = (s.next + 1) % len(s.n)
}

// fit solves took = n (token + pair x) by least squares. Where the rows before hardly differ, or more of them took no longer, pair
// is 0.
func (s *slope) fit() (token, pair float64, known bool) {
	var nn, nx, xx, ny, xy, sum, all, lo, hi float64
	for i, n := range s.n {
		if n == 0 {
			continue
		}
		if x := s.x[i]; all == 0 {
			lo, hi = x, x
		} else {
			lo, hi = min(lo, x), max(hi, x)
		}
		a, b, y := n, n*s.x[i], s.took[i]
		nn, nx, xx, ny, xy = nn+a*a, nx+a*b, xx+b*b, ny+a*y, xy+b*y
		sum, all = sum+y, all+n
	}
	if all == 0 {
		return 0, 0, false
	}
	if det := nn*xx - nx*nx; hi >= 1.5*lo+1 && det > 0 {
		token, pair = (ny*xx-xy*nx)/det, (xy*nn-ny*nx)/det
		if token > 0 && pair > 0 {
			return token, pair, true
		}
	}
	return sum / all, 0, true
}

// recent are the latest numbers of something.
type recent struct {
	n    [8]int
	next int
}

func (r *recent) add(n int) {
	r.n[r.next] = n
	r.next = (r.next + 1) % len(r.n)
}

func (r *recent) most() (m int) {
	for _, n := range r.n {
		m = max(m, n)
	}
	return m
}
