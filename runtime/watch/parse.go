package watch

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// reserved are the words that a name must be quoted to be.
var reserved = map[string]bool{"notify": true, "when": true, "and": true, "or": true, "not": true, "is": true, "with": true,
	"probability": true, "for": true, "clear": true, "after": true, "cooldown": true, "until": true}

// maxDepth bounds nested parentheses and nots.
const maxDepth = 20

// MaxTime is the longest time that a line may give.
const MaxTime = 7 * 24 * time.Hour

// Parse reads a line; see the package's comment for what it may say. A line that is wrong gives a *SyntaxError, or an
// error that says that it is too long.
func Parse(name, line string) (*Condition, error) {
	words, err := lex(line)
	if err != nil {
		return nil, err
	}
	p := parser{words: words, c: &Condition{Name: name}}
	if err := p.line(); err != nil {
		return nil, err
	}
	return p.c, nil
}

type parser struct {
	words []lexeme
	c     *Condition
	depth int
}

func (p *parser) next() lexeme {
	l := p.words[0]
	if l.kind != end {
		p.words = p.words[1:]
	}
	return l
}

// accept takes a word of the grammar if it is next.
func (p *parser) accept(text string) bool {
	if p.words[0].is(text) {
		p.next()
		return true
	}
	return false
}

func (p *parser) fail(want string) error {
	l := p.words[0]
	return &SyntaxError{Column: l.column, Found: l.text, Want: want}
}

func (p *parser) line() error {
	if p.accept("notify") && p.words[0].kind == quoted && (p.words[1].is("when") || p.words[1].kind == quoted) {
		p.c.Message = p.next().text
	}
	p.accept("when")
	var err error
	if p.c.when, err = p.any(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for p.words[0].kind != end {
		p.accept(",")
		at := p.words[0]
		var to *time.Duration
		switch {
		case p.accept("for"):
			to = &p.c.For
		case p.accept("cooldown"):
			to = &p.c.Cooldown
		case p.accept("clear"):
			to = &p.c.Clear
			if !p.accept("after") {
				return p.fail(`"after" and a time`)
			}
		default:
			return p.fail(`"and", "or", "for", "clear after", "cooldown" or the end`)
		}
		if seen[strings.ToLower(at.text)] {
			return &SyntaxError{Column: at.column, Found: at.text, Want: "it only once"}
		}
		seen[strings.ToLower(at.text)] = true
		if *to, err = p.time(); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) any() (node, error) { return p.joined("or", p.all) }
func (p *parser) all() (node, error) { return p.joined("and", p.one) }

func (p *parser) joined(op string, part func() (node, error)) (node, error) {
	n, err := part()
	if err != nil || !p.words[0].is(op) {
		return n, err
	}
	n = node{op: op, of: []node{n}}
	for p.accept(op) {
		m, err := part()
		if err != nil {
			return n, err
		}
		n.of = append(n.of, m)
	}
	return n, nil
}

func (p *parser) one() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return node{}, p.fail("fewer parentheses")
	}
	defer func() { p.depth-- }()
	switch {
	case p.accept("not"):
		n, err := p.one()
		return node{op: "not", of: []node{n}}, err
	case p.accept("("):
		n, err := p.any()
		if err == nil && !p.accept(")") {
			err = p.fail(`"and", "or" or a closing parenthesis`)
		}
		return n, err
	}
	return p.test()
}

func (p *parser) test() (node, error) {
	t := &test{index: len(p.c.tests)}
	var err error
	if t.name, err = p.text("the name of a question"); err != nil {
		return node{}, err
	}
	p.c.tests = append(p.c.tests, t)
	n := node{op: "test", test: t}
	if p.words[0].kind == sign && strings.Contains("<=>=!=", p.words[0].text) {
		return n, p.bounds(t, math.Inf(1))
	}
	t.value = "yes"
	if p.accept("is") {
		t.not = p.accept("not")
		if t.value, err = p.text("an answer"); err != nil {
			return n, err
		}
	}
	if p.accept("with") && !p.words[0].is("probability") {
		return n, p.fail(`"probability"`)
	}
	if p.accept("probability") {
		return n, p.bounds(t, 1)
	}
	return n, nil
}

// text takes a name or a value.
func (p *parser) text(want string) (string, error) {
	l := p.words[0]
	if l.kind == end || l.kind == sign || l.text == "" || l.kind == word && reserved[strings.ToLower(l.text)] {
		if l.kind == word {
			want += " (in quotes if it is this word)"
		}
		return "", p.fail(want)
	}
	p.next()
	return l.text, nil
}

// bounds takes a comparison and its hysteresis; most is the largest number allowed, infinite for any.
func (p *parser) bounds(t *test, most float64) (err error) {
	if t.enter, err = p.bound(most); err != nil || !p.accept("until") {
		return err
	}
	at := p.words[0]
	if t.leave, err = p.bound(most); err != nil {
		return err
	}
	above := func(b bound) bool { return b.sign == ">" || b.sign == ">=" }
	below := func(b bound) bool { return b.sign == "<" || b.sign == "<=" }
	want := ""
	switch {
	case above(t.enter) && !(below(t.leave) && t.leave.x <= t.enter.x):
		want = "< or <= and no more than before, as in > 0.8 until < 0.6"
	case below(t.enter) && !(above(t.leave) && t.leave.x >= t.enter.x):
		want = "> or >= and no less than before, as in < 2 until > 3"
	case !above(t.enter) && !below(t.enter):
		want = `no "until" after = or !=`
	case t.leave.x == t.enter.x && t.leave.met(t.enter.x) && t.enter.met(t.enter.x):
		want = "a bound that does not meet the first one"
	default:
		return nil
	}
	return &SyntaxError{Column: at.column, Found: at.text, Want: want}
}

func (p *parser) bound(most float64) (bound, error) {
	l := p.words[0]
	if l.kind != sign || strings.ContainsAny(l.text, "(),") {
		return bound{}, p.fail("a comparison: > >= < <= = or !=")
	}
	p.next()
	x, err := strconv.ParseFloat(p.words[0].text, 64)
	if p.words[0].kind != word || err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
		return bound{}, p.fail("a number")
	}
	if !math.IsInf(most, 1) && (x < 0 || x > most) {
		return bound{}, p.fail("a number from 0 to 1")
	}
	p.next()
	return bound{l.text, x}, nil
}

// The units of time, as people write them.
var units = map[string]time.Duration{"ms": time.Millisecond,
	"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hour": time.Hour, "hours": time.Hour}

// time takes one or more of 3s, 3 s and 1m30s, which add up.
func (p *parser) time() (time.Duration, error) {
	const want = "a time like 3s, 500ms or 2 min"
	at := p.words[0]
	var sum time.Duration
	for first := true; ; first = false {
		l := p.words[0]
		if l.kind != word || l.text[0] < '0' || l.text[0] > '9' {
			if first {
				return 0, p.fail(want)
			}
			break
		}
		p.next()
		text := l.text
		if strings.Trim(text, "0123456789.") == "" { // the unit is a word of its own
			if p.words[0].kind != word {
				return 0, p.fail("a unit: ms, s, min or h")
			}
			text += p.next().text
		}
		for text != "" {
			n := len(text) - len(strings.TrimLeft(text, "0123456789."))
			x, err := strconv.ParseFloat(text[:n], 64)
			text = text[n:]
			m := strings.IndexAny(text, "0123456789.")
			if m < 0 {
				m = len(text)
			}
			unit, ok := units[strings.ToLower(text[:m])]
			if err != nil || !ok {
				return 0, &SyntaxError{Column: l.column, Found: l.text, Want: want}
			}
			text = text[m:]
			if x*float64(unit) > float64(MaxTime) {
				return 0, &SyntaxError{Column: l.column, Found: l.text, Want: "at most a week"}
			}
			sum += time.Duration(math.Round(x * float64(unit)))
		}
	}
	if sum > MaxTime || sum <= 0 {
		return 0, &SyntaxError{Column: at.column, Found: at.text, Want: "a time of more than 0 and at most a week"}
	}
	return sum, nil
}
