package watch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Condition is a parsed line.
type Condition struct {
	Name     string        // of the events
	Message  string        // for people, "" for none
	For      time.Duration // held before it starts
	Clear    time.Duration // not held before it ends
	Cooldown time.Duration // between starts
	when     node
	tests    []*test // those of when, in order
}

// test compares one answer.
type test struct {
	name  string
	value string // "": the answer as a number
	not   bool   // is not the value
	enter bound  // of the probability, or of the number; no sign: whether the answer is the value
	leave bound  // hysteresis; no sign: none
	index int    // in Condition.tests
}

// bound is a comparison with a number.
type bound struct {
	sign string
	x    float64
}

func (b bound) met(x float64) bool {
	switch b.sign {
	case ">":
		return x > b.x
	case ">=":
		return x >= b.x
	case "<":
		return x < b.x
	case "<=":
		return x <= b.x
	case "=":
		return x == b.x
	}
	return x != b.x
}

// node is an expression: a test, or others joined.
type node struct {
	op   string // "test", "not", "and", "or"
	test *test
	of   []node
}

// truth is Kleene's: an answer that is not known yet makes neither an expression nor its opposite true.
type truth int8

const (
	no truth = iota
	unknown
	yes
)

func (n *node) eval(of func(*test) truth) truth {
	switch n.op {
	case "test":
		return of(n.test)
	case "not":
		return yes - n.of[0].eval(of)
	case "and":
		t := yes
		for i := range n.of {
			t = min(t, n.of[i].eval(of))
		}
		return t
	}
	t := no
	for i := range n.of {
		t = max(t, n.of[i].eval(of))
	}
	return t
}

// Questions are the names of the questions that it depends on, each once.
func (c *Condition) Questions() []string {
	var names []string
	for _, t := range c.tests {
		if !slices.Contains(names, t.name) {
			names = append(names, t.name)
		}
	}
	return names
}

// Question is what a condition can be about.
type Question struct {
	Name    string
	Values  []string // what its answer can be; nil: anything
	Numeric bool     // its answer is a number
}

// Check says which question or value of c does not exist, or can't be compared so.
func (c *Condition) Check(questions []Question) error {
	for _, t := range c.tests {
		i := slices.IndexFunc(questions, func(q Question) bool { return q.Name == t.name })
		if i < 0 {
			var names []string
			for _, q := range questions {
				names = append(names, q.Name)
			}
			return fmt.Errorf("watch: condition %q asks for %q, but the questions are: %s", c.Name, t.name, list(names))
		}
		q := questions[i]
		switch {
		case t.value == "" && !q.Numeric:
			return fmt.Errorf("watch: condition %q compares %q with a number, but its answer is none: use \"is\"", c.Name, t.name)
		case t.value != "" && q.Values != nil && !slices.ContainsFunc(q.Values, func(v string) bool { return strings.EqualFold(v, t.value) }):
			return fmt.Errorf("watch: condition %q wants %q to be %q, but its answers are: %s", c.Name, t.name, t.value, list(q.Values))
		}
	}
	return nil
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// String is a line that parses to the same condition but for its name.
func (c *Condition) String() string {
	var b strings.Builder
	b.WriteString("notify ")
	if c.Message != "" {
		b.WriteString(quote(c.Message) + " ")
	}
	b.WriteString("when " + c.when.string(0))
	for _, d := range []struct {
		word string
		d    time.Duration
	}{{"for", c.For}, {"clear after", c.Clear}, {"cooldown", c.Cooldown}} {
		if d.d > 0 {
			b.WriteString(" " + d.word + " " + d.d.String())
		}
	}
	return b.String()
}

var strength = map[string]int{"or": 1, "and": 2, "not": 3, "test": 4}

// string writes n in parentheses where it binds less than what is around it.
func (n *node) string(around int) string {
	var s string
	switch n.op {
	case "test":
		return n.test.string()
	case "not":
		s = "not " + n.of[0].string(strength["not"])
	default:
		var parts []string
		for i := range n.of {
			parts = append(parts, n.of[i].string(strength[n.op]+1))
		}
		s = strings.Join(parts, " "+n.op+" ")
	}
	if strength[n.op] < around {
		return "(" + s + ")"
	}
	return s
}

func (t *test) string() string {
	s := quoteWord(t.name)
	if t.value != "" {
		s += " is "
		if t.not {
			s += "not "
		}
		s += quoteWord(t.value)
		if t.enter.sign == "" {
			return s
		}
		s += " with probability"
	}
	s += " " + t.enter.string()
	if t.leave.sign != "" {
		s += " until " + t.leave.string()
	}
	return s
}

func (b bound) string() string { return b.sign + " " + strconv.FormatFloat(b.x, 'f', -1, 64) }

// quoteWord leaves quotes away where a word is none of the grammar's and no number.
func quoteWord(s string) string {
	_, err := strconv.ParseFloat(s, 64)
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !inWord(r) }) || reserved[strings.ToLower(s)] || err == nil {
		return quote(s)
	}
	return s
}

func quote(s string) string {
	if strings.Contains(s, `"`) {
		return "'" + s + "'"
	}
	return `"` + s + `"`
}
