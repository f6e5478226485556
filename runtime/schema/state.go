package schema

import (
	"slices"
	"strings"
)

// State is a document begun. The zero value accepts nothing; Schema.Start gives the first one.
type State struct{ threads []thread }

// thread is one way to read a document begun: the value that is being read and those around it.
type thread struct {
	n     *node // nil: the document is complete
	phase phase
	count int    // object: the next property, or the one being read; array: items; text: characters
	lit   *trie  // literal, and keys
	num   digits // number
	// Of a character of several bytes in a text: how many are to come, and what the next must be between.
	more   uint8
	lo, hi byte
	up     *frame
}

// frame is a value around another.
type frame struct {
	n     *node
	count int // as in thread, once the value within is read
	up    *frame
}

type phase uint8

const (
	begin      phase = iota
	inside           // text: between the quotes; literal and number: begun
	escape           // text: after a backslash
	opened           // object, array: nothing within yet
	key              // object: in a key
	colon            // object: before the colon
	value            // before a value, after a colon or comma: a space may come
	spaced           // before a value, after that space
	afterValue       // before a comma or the end
	keyNext          // object: before a key, after a comma: a space may come
	keySpaced        // object: before a key, after that space
)

// Start is the state before the first byte.
func (s *Schema) Start() State { return State{enter(nil, s.root, nil)} }

// enter appends the threads that begin to read n.
func enter(to []thread, n *node, up *frame) []thread {
	if n.kind != union {
		return append(to, thread{n: n, up: up, num: digits{part: -1}})
	}
	for _, a := range n.of {
		to = enter(to, a, up)
	}
	return to
}

// Next returns the state after a byte; ok is false if no document goes on so.
func (s State) Next(b byte) (State, bool) {
	var to []thread
	for i := range s.threads {
		to = s.threads[i].feed(to, b)
	}
	to = dedupe(to)
	return State{to}, len(to) > 0
}

// Advance is Next for several bytes.
func (s State) Advance(bytes []byte) (State, bool) {
	for _, b := range bytes {
		var ok bool
		if s, ok = s.Next(b); !ok {
			return s, false
		}
	}
	return s, len(s.threads) > 0
}

// Complete says whether the document may end here.
func (s State) Complete() bool {
	return slices.ContainsFunc(s.threads, func(t thread) bool { return t.complete() })
}

// Final says that it is complete and nothing may follow.
func (s State) Final() bool {
	return len(s.threads) > 0 && !slices.ContainsFunc(s.threads, func(t thread) bool { return t.n != nil })
}

// Completion is a short text that completes the document; "" if it may end here.
func (s State) Completion() string {
	best, ok := "", false
	for i := range s.threads {
		if c := s.threads[i].completion(); !ok || len(c) < len(best) {
			best, ok = c, true
		}
	}
	return best
}

// dedupe drops threads that are the same, which keeps ambiguous schemas from doubling them with every value.
func dedupe(t []thread) []thread {
	if len(t) < 2 {
		return t
	}
	kept := t[:0]
	for i := range t {
		if !slices.ContainsFunc(kept, func(x thread) bool { return x.same(&t[i]) }) {
			kept = append(kept, t[i])
		}
	}
	return kept
}

func (t *thread) same(o *thread) bool {
	a, b := *t, *o
	a.up, b.up = nil, nil
	return a == b && t.up.same(o.up)
}

func (f *frame) same(o *frame) bool {
	for f != o {
		if f == nil || o == nil || f.n != o.n || f.count != o.count {
			return false
		}
		f, o = f.up, o.up
	}
	return true
}

// pop is the thread of the value around one that has been read.
func pop(up *frame) thread {
	if up == nil {
		return thread{}
	}
	return thread{n: up.n, phase: afterValue, count: up.count, up: up.up}
}

func (t *thread) complete() bool {
	if t.n == nil {
		return true
	}
	return t.up == nil && t.mayEnd()
}

// mayEnd says whether a value that has no end of its own may be over: a number, or a literal that is one.
func (t *thread) mayEnd() bool {
	switch t.n.kind {
	case literal:
		return t.phase == inside && t.lit.end >= 0
	case number:
		return t.phase == inside && t.num.done(t.n)
	}
	return false
}

// feed appends what becomes of t after a byte: nothing if it does not fit.
func (t *thread) feed(to []thread, b byte) []thread {
	if t.n == nil {
		return to
	}
	switch t.n.kind {
	case literal:
		return t.feedLiteral(to, b)
	case number:
		if num, ok := t.num.feed(t.n, b); ok {
			next := *t
			next.num, next.phase = num, inside
			to = append(to, next)
		}
		return t.feedAround(to, b)
	case text:
		return t.feedText(to, b)
	case objects:
		return t.feedObject(to, b)
	}
	return t.feedArray(to, b)
}

// feedAround gives a byte that is not of this value to the one around it.
func (t *thread) feedAround(to []thread, b byte) []thread {
	if t.up == nil || !t.mayEnd() {
		return to
	}
	around := pop(t.up)
	return around.feed(to, b)
}

func (t *thread) feedLiteral(to []thread, b byte) []thread {
	at := t.lit
	if t.phase == begin {
		at = t.n.literals
	}
	if c := at.child(b); c != nil {
		if c.end >= 0 && len(c.next) == 0 {
			return append(to, pop(t.up))
		}
		next := *t
		next.lit, next.phase = c, inside
		to = append(to, next)
	}
	return t.feedAround(to, b)
}

func (t *thread) feedText(to []thread, b byte) []thread {
	next := *t
	switch {
	case t.phase == begin:
		if b != '"' {
			return to
		}
		next.phase = inside
	case t.phase == escape:
		if !strings.ContainsRune(`"\/bfnrt`, rune(b)) {
			return to
		}
		next.phase = inside
	case t.more > 0:
		if b < t.lo || b > t.hi {
			return to
		}
		next.more, next.lo, next.hi = t.more-1, 0x80, 0xbf
	case b == '"':
		if t.count < t.n.minLen {
			return to
		}
		return append(to, pop(t.up))
	case b < ' ' || t.n.maxLen >= 0 && t.count >= t.n.maxLen:
		return to
	default:
		next.count++
		if b == '\\' {
			next.phase = escape
		} else if b >= 0x80 {
			var ok bool
			if next.more, next.lo, next.hi, ok = lead(b); !ok {
				return to
			}
		}
	}
	return append(to, next)
}

// lead says what must follow the first byte of a character in UTF-8: no surrogates, nothing overlong.
func lead(b byte) (more uint8, lo, hi byte, ok bool) {
	lo, hi = 0x80, 0xbf
	switch {
	case b < 0xc2 || b > 0xf4:
		return 0, 0, 0, false
	case b < 0xe0:
		return 1, lo, hi, true
	case b == 0xe0:
		return 2, 0xa0, hi, true
	case b == 0xed:
		return 2, lo, 0x9f, true
	case b < 0xf0:
		return 2, lo, hi, true
	case b == 0xf0:
		return 3, 0x90, hi, true
	case b == 0xf4:
		return 3, lo, 0x8f, true
	}
	return 3, lo, hi, true
}

func (t *thread) feedObject(to []thread, b byte) []thread {
	next := *t
	switch t.phase {
	case begin:
		if b != '{' {
			return to
		}
		next.phase = opened
	case opened:
		if b == '}' {
			return t.shut(to)
		}
		return t.feedKey(to, b)
	case key:
		c := t.lit.child(b)
		if c == nil {
			return to
		}
		if next.lit = c; c.end >= 0 { // a key ends with its quote, and no other goes on from there
			next.lit, next.phase, next.count = nil, colon, c.end
		}
	case colon:
		if b != ':' {
			return to
		}
		next.phase = value
	case value, spaced:
		if b == ' ' {
			if t.phase == spaced {
				return to
			}
			next.phase = spaced
			break
		}
		return t.feedValue(to, b, t.n.props[t.count].value)
	case afterValue:
		switch {
		case b == '}':
			return t.shut(to)
		case b != ',' || t.count == len(t.n.props):
			return to
		}
		next.phase = keyNext
	case keyNext, keySpaced:
		if b == ' ' {
			if t.phase == keySpaced {
				return to
			}
			next.phase = keySpaced
			break
		}
		return t.feedKey(to, b)
	}
	return append(to, next)
}

// shut ends an object that lacks nothing.
func (t *thread) shut(to []thread) []thread {
	if t.n.mustFrom(t.count) < len(t.n.props) {
		return to
	}
	return append(to, pop(t.up))
}

func (t *thread) feedKey(to []thread, b byte) []thread {
	if t.count == len(t.n.props) {
		return to
	}
	c := t.n.keys[t.count].child(b)
	if c == nil {
		return to
	}
	next := *t
	next.phase, next.lit = key, c
	return append(to, next)
}

// feedValue begins a value within t.
func (t *thread) feedValue(to []thread, b byte, n *node) []thread {
	up := &frame{n: t.n, count: t.count + 1, up: t.up}
	var first [4]thread
	for _, v := range enter(first[:0], n, up) {
		to = v.feed(to, b)
	}
	return to
}

func (t *thread) feedArray(to []thread, b byte) []thread {
	next := *t
	switch t.phase {
	case begin:
		if b != '[' {
			return to
		}
		next.phase = opened
	case opened, afterValue:
		switch {
		case b == ']':
			if t.count < t.n.minLen {
				return to
			}
			return append(to, pop(t.up))
		case t.n.maxLen >= 0 && t.count >= t.n.maxLen:
			return to
		case t.phase == opened:
			return t.feedValue(to, b, t.n.of[0])
		case b != ',':
			return to
		}
		next.phase = value
	case value, spaced:
		if b == ' ' {
			if t.phase == spaced {
				return to
			}
			next.phase = spaced
			break
		}
		return t.feedValue(to, b, t.n.of[0])
	}
	return append(to, next)
}

// completion completes the value and those around it.
func (t *thread) completion() string {
	if t.n == nil {
		return ""
	}
	var b strings.Builder
	t.finish(&b)
	for f := t.up; f != nil; f = f.up {
		if f.n.kind == array {
			if f.count < f.n.minLen {
				b.WriteByte(',')
			}
			f.n.items(&b, f.count)
			continue
		}
		f.n.rest(&b, f.count, false)
	}
	return b.String()
}

// finish completes the value alone.
func (t *thread) finish(b *strings.Builder) {
	n := t.n
	if t.phase == begin {
		b.WriteString(n.min)
		return
	}
	switch n.kind {
	case literal:
		b.WriteString(t.lit.short)
	case number:
		s, _ := t.num.shortest(n)
		b.WriteString(s)
	case text:
		if t.phase == escape {
			b.WriteByte('n')
		}
		if t.more > 0 {
			b.WriteByte(t.lo)
			b.WriteString(strings.Repeat("\x80", int(t.more)-1))
		}
		b.WriteString(strings.Repeat(filler, max(0, n.minLen-t.count)) + `"`)
	case array:
		count := t.count
		switch {
		case t.phase == value || t.phase == spaced: // a comma promised one more
			b.WriteString(n.of[0].min)
			if count++; count < n.minLen {
				b.WriteByte(',')
			}
		case t.phase == afterValue && count < n.minLen:
			b.WriteByte(',')
		}
		n.items(b, count)
	case objects:
		t.finishObject(b)
	}
}

func (t *thread) finishObject(b *strings.Builder) {
	n := t.n
	switch t.phase {
	case opened:
		n.rest(b, t.count, true)
		return
	case afterValue:
		n.rest(b, t.count, false)
		return
	}
	at := t.count
	switch t.phase {
	case keyNext, keySpaced:
		if at = n.mustFrom(at); at == len(n.props) { // a comma promised one more
			at = n.cheapest(t.count)
		}
		b.WriteString(n.props[at].key + ":")
	case key:
		b.WriteString(t.lit.short + ":")
		at = t.lit.which
	case colon:
		b.WriteByte(':')
	}
	b.WriteString(n.props[at].value.min)
	n.rest(b, at+1, false)
}
