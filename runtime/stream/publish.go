package stream

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Publish says when a description is worth making and worth publishing. The zero value of a field is its default.
type Publish struct {
	Every     time.Duration // the least time from one description to the next; 0: none
	Heartbeat time.Duration // the longest time without one; 0: 10 minutes, negative: no heartbeat
	// Changed is the share of the picture's cells that have to change, those of several pairs added up, for the scene to be another
	// one; 0: 0.05. It counts where savings compare.
	Changed float64
	Turned  float64 // mean cosine distance of the cells' embeddings from which it is; 0: 0.1
}

// Why says why a description is due.
type Why string

// The reasons.
const (
	NotDue        Why = ""
	WhyFirst      Why = "first"
	WhyAnswers    Why = "answers"
	WhyScene      Why = "scene"
	WhyEmbeddings Why = "embeddings"
	WhyHeartbeat  Why = "heartbeat"
)

// Policy decides by change. Tell it about every pair with Observe, ask Due before a description is made, and Said whether
// it is worth publishing. One goroutine uses it at a time.
type Policy struct {
	c          Publish
	began      bool
	described  time.Time // of the newest description made
	published  time.Time
	moved      float64   // share of the cells that changed since the newest description
	answers    string    // at the newest description
	embeddings []float32 // at the newest description
	text       string    // of the newest one published
	why        Why
	suppressed uint64
}

// NewPolicy fills in the defaults.
func NewPolicy(c Publish) *Policy {
	if c.Heartbeat == 0 {
		c.Heartbeat = 10 * time.Minute
	}
	if c.Changed == 0 {
		c.Changed = 0.05
	}
	if c.Turned == 0 {
		c.Turned = 0.1
	}
	return &Policy{c: c}
}

// Observe takes what a step of the window found. A change counts until the next description, however short it was, and many
// small ones are a large one.
func (p *Policy) Observe(st Step) {
	switch {
	case st.Restart != "":
		p.moved = 1
	case st.Compared:
		p.moved = min(1, p.moved+st.Changed)
	}
}

// Due says why a description of the window is due at a time of the frames' clock, NotDue if it isn't. answers is what the
// questions' answers are, in any fixed form, "" if there are none; embeddings the window's, [cells, hidden], nil where they
// are not to count.
func (p *Policy) Due(at time.Time, answers string, embeddings []float32, hidden int) Why {
	p.why = NotDue
	gap := at.Sub(p.described)
	switch {
	case !p.began:
		p.why = WhyFirst
	case gap >= 0 && gap < p.c.Every:
	case answers != p.answers:
		p.why = WhyAnswers
	case p.moved >= p.c.Changed:
		p.why = WhyScene
	case embeddings != nil && distance(embeddings, p.embeddings, hidden) >= p.c.Turned:
		p.why = WhyEmbeddings
	case p.c.Heartbeat > 0 && (at.Sub(p.published) >= p.c.Heartbeat || gap < 0):
		p.why = WhyHeartbeat
	}
	if p.why != NotDue {
		p.made(at, answers, embeddings)
	}
	return p.why
}

func (p *Policy) made(at time.Time, answers string, embeddings []float32) {
	p.began, p.moved, p.described, p.answers = true, 0, at, answers
	p.embeddings = append(p.embeddings[:0], embeddings...)
}

// Published says that the window was described and published though nothing was due: somebody asked for it.
func (p *Policy) Published(at time.Time, answers string, embeddings []float32, text string) {
	p.made(at, answers, embeddings)
	p.text, p.published = normal(text), at
}

// normal is a text of which case and spaces don't count.
func normal(text string) string { return strings.ToLower(strings.Join(strings.Fields(text), " ")) }

// Said says whether the description that was due is worth publishing: not if it says what the last one published said, unless
// that is a heartbeat ago. Case and spaces don't count.
func (p *Policy) Said(text string) bool {
	same := normal(text)
	beat := p.why == WhyHeartbeat || p.c.Heartbeat > 0 && p.described.Sub(p.published) >= p.c.Heartbeat
	if same == p.text && !beat && !p.published.IsZero() {
		p.suppressed++
		return false
	}
	p.text, p.published = same, p.described
	return true
}

// Suppressed counts the repeated descriptions that were not published.
func (p *Policy) Suppressed() uint64 { return p.suppressed }

// distance is the mean over cells of 1 - cosine; 1 where the two can't be compared.
func distance(a, b []float32, hidden int) float64 {
	if len(a) != len(b) || hidden < 1 || len(a) < hidden {
		return 1
	}
	sum, cells := 0.0, 0
	for x := range slices.Chunk(a, hidden) {
		y := b[cells*hidden : cells*hidden+len(x)]
		var xy, xx, yy float64
		for i := range x {
			xy += float64(x[i]) * float64(y[i])
			xx += float64(x[i]) * float64(x[i])
			yy += float64(y[i]) * float64(y[i])
		}
		if xx > 0 && yy > 0 {
			sum += 1 - xy/math.Sqrt(xx*yy)
		}
		cells++
	}
	return sum / float64(cells)
}
