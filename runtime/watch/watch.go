package watch

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Answer is what was said to a question.
type Answer struct {
	Name        string
	Value       string
	Probability float64            // of Value
	Of          map[string]float64 // of every possible value; nil: only Value's is known
}

// probability is that of a value.
func (a *Answer) probability(value string) float64 {
	for v, p := range a.Of {
		if strings.EqualFold(v, value) {
			return p
		}
	}
	if strings.EqualFold(a.Value, value) {
		return a.Probability
	}
	if a.Of == nil && opposites(a.Value, value) {
		return 1 - a.Probability
	}
	return 0
}

func opposites(a, b string) bool {
	return strings.EqualFold(a, "yes") && strings.EqualFold(b, "no") || strings.EqualFold(a, "no") && strings.EqualFold(b, "yes")
}

// Event is a condition that has begun to hold, or has ended.
type Event struct {
	Condition string
	Message   string // the condition's
	Start     bool   // false: it has ended
	At        time.Time
	Held      time.Duration // from when it first held until At
	Answers   []Answer      // the latest, of the questions that it depends on
}

// Options are for New. The zero value is fine.
type Options struct {
	// MaxGap is how long answers stay true when no newer ones come; after a longer gap, what held before it counts no
	// more. 0: a minute.
	MaxGap time.Duration
}

// Set holds conditions and what has been seen of them. It has no clock of its own: time is what Update is told. It is
// used by one goroutine at a time.
type Set struct {
	maxGap time.Duration
	conds  []*state
	latest map[string]known
	last   time.Time
	now    time.Duration // since the first Update; never goes back
	begun  bool
}

// known is an answer and when it came.
type known struct {
	Answer
	at time.Duration
}

// state is a condition's.
type state struct {
	*Condition
	met    []bool // of each test, for hysteresis
	active bool
	since  time.Duration // when it began to hold; -1: it does not
	off    time.Duration // active: when it ceased to hold; -1: it holds
	ready  time.Duration // when the cooldown is over
}

// New returns a Set in which nothing holds yet.
func New(conditions []*Condition, o Options) *Set {
	s := &Set{maxGap: o.MaxGap, latest: map[string]known{}}
	if s.maxGap <= 0 {
		s.maxGap = time.Minute
	}
	for _, c := range conditions {
		s.conds = append(s.conds, &state{Condition: c, met: make([]bool, len(c.tests)), since: -1, off: -1})
	}
	return s
}

// Update takes the answers of a moment and returns what they start and end, in the conditions' order. Answers that are
// missing stay what they were, for a while (Options.MaxGap). A clock that goes back counts as one that stood still.
func (s *Set) Update(at time.Time, answers []Answer) []Event {
	gap := at.Sub(s.last)
	if !s.begun {
		gap, s.begun = 0, true
	}
	s.last = at
	s.now += max(gap, 0)
	for _, a := range answers {
		s.latest[a.Name] = known{a, s.now}
	}
	var out []Event
	for _, c := range s.conds {
		if gap > s.maxGap && !c.active {
			c.since = -1
		}
		holds := c.when.eval(func(t *test) truth { return s.test(c, t) }) == yes
		if start, end := c.step(holds, s.now); start || end {
			out = append(out, s.event(c, start, at))
		}
	}
	return out
}

// test compares the latest answer.
func (s *Set) test(c *state, t *test) truth {
	a, ok := s.latest[t.name]
	if !ok || s.now-a.at > s.maxGap {
		c.met[t.index] = false
		return unknown
	}
	var x float64
	switch {
	case t.value == "":
		var err error
		if x, err = strconv.ParseFloat(a.Value, 64); err != nil {
			c.met[t.index] = false
			return unknown
		}
	case t.enter.sign == "":
		return toTruth(strings.EqualFold(a.Value, t.value) != t.not)
	case t.not:
		x = 1 - a.probability(t.value)
	default:
		x = a.probability(t.value)
	}
	met := t.enter.met(x) || c.met[t.index] && t.leave.sign != "" && !t.leave.met(x)
	c.met[t.index] = met
	return toTruth(met)
}

func toTruth(b bool) truth {
	if b {
		return yes
	}
	return no
}

// step moves the state on and says whether the condition starts or ends.
func (c *state) step(holds bool, now time.Duration) (start, end bool) {
	switch {
	case holds && c.since < 0:
		c.since = now
	case !holds && !c.active:
		c.since = -1
	}
	if !c.active {
		if holds && now-c.since >= c.For && now >= c.ready {
			c.active, c.off, c.ready = true, -1, now+c.Cooldown
			return true, false
		}
		return false, false
	}
	if holds {
		c.off = -1
		return false, false
	}
	if c.off < 0 {
		c.off = now
	}
	if now-c.off >= c.Clear {
		c.active = false
		return false, true
	}
	return false, false
}

func (s *Set) event(c *state, start bool, at time.Time) Event {
	e := Event{Condition: c.Name, Message: c.Message, Start: start, At: at, Held: s.now - c.since}
	if !start {
		e.Held = c.off - c.since
		c.since, c.off = -1, -1
	}
	for _, q := range c.Questions() {
		if a, ok := s.latest[q]; ok {
			e.Answers = append(e.Answers, a.Answer)
		}
	}
	return e
}

// Active are the names of the conditions that have started and not ended.
func (s *Set) Active() []string {
	var names []string
	for _, c := range s.conds {
		if c.active {
			names = append(names, c.Name)
		}
	}
	return slices.Clip(names)
}
