package schema

import (
	"strings"
)

// node is a compiled schema. Nodes may refer to one another in circles.
type node struct {
	kind kind
	min  string // a shortest document
	ok   bool   // min is known

	of []*node // union: the alternatives; array: the items, one

	literals *trie // literal

	minLen, maxLen int // string, in characters; array, in items; maxLen -1: no bound

	lo, hi  int64 // number, in units of 10^-fraction
	integer bool

	props []property
	keys  []*trie // object: from each property on, the keys that may come, up to the next that must
}

type kind uint8

const (
	literal kind = iota
	text
	number
	objects
	array
	union
)

type property struct {
	key      string // as JSON
	value    *node
	required bool
}

// filler is what a string gets that must be longer than there is time for.
const filler = "."

// trie is a set of byte strings.
type trie struct {
	next  []*trie
	by    []byte // of each of next
	end   int    // the string that ends here, -1: none
	short string // what is missing to the nearest end
	which int    // the string that short leads to
}

func newTrie(all []string) *trie {
	t := &trie{end: -1}
	for i, s := range all {
		at := t
		for j := range len(s) {
			c := at.child(s[j])
			if c == nil {
				c = &trie{end: -1}
				at.next, at.by = append(at.next, c), append(at.by, s[j])
			}
			at = c
		}
		if at.end < 0 {
			at.end = i
		}
	}
	t.shorten()
	return t
}

func (t *trie) child(b byte) *trie {
	for i, x := range t.by {
		if x == b {
			return t.next[i]
		}
	}
	return nil
}

func (t *trie) shorten() {
	for _, c := range t.next {
		c.shorten()
	}
	if t.end >= 0 {
		t.short, t.which = "", t.end
		return
	}
	for i, c := range t.next {
		if i == 0 || len(c.short)+1 < len(t.short) {
			t.short, t.which = string(t.by[i:i+1])+c.short, c.which
		}
	}
}

// mustFrom is the first property from i on that must come, len if none.
func (n *node) mustFrom(i int) int {
	for i < len(n.props) && !n.props[i].required {
		i++
	}
	return i
}

// rest writes what an object lacks when property next may be the next one; first says that none came yet.
func (n *node) rest(b *strings.Builder, next int, first bool) {
	for i := n.mustFrom(next); i < len(n.props); i = n.mustFrom(i + 1) {
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.WriteString(n.props[i].key + ":" + n.props[i].value.min)
	}
	b.WriteByte('}')
}

// items writes what an array lacks when it has none of its items, or a comma stands after the last of count items.
func (n *node) items(b *strings.Builder, count int) {
	for i := count; i < n.minLen; i++ {
		if i > count {
			b.WriteByte(',')
		}
		b.WriteString(n.of[0].min)
	}
	b.WriteByte(']')
}

// cheapest is the property from i on whose value is the shortest.
func (n *node) cheapest(i int) int {
	best := i
	for ; i < len(n.props); i++ {
		p, q := &n.props[i], &n.props[best]
		if p.value.ok && (!q.value.ok || len(p.key)+len(p.value.min) < len(q.key)+len(q.value.min)) {
			best = i
		}
	}
	return best
}

// maxShortest bounds the shortest document, in bytes.
const maxShortest = 64 << 10

// shortest computes min from that of the nodes within; ok is false while one is not known. tooLong says that it is
// beyond the bound.
func (n *node) shortest() (s string, ok, tooLong bool) {
	var b strings.Builder
	switch n.kind {
	case literal:
		return n.literals.short, true, false
	case text:
		if n.minLen > maxShortest {
			return "", false, true
		}
		return `"` + strings.Repeat(filler, n.minLen) + `"`, true, false
	case number:
		s, ok := n.start().shortest(n)
		return s, ok, false
	case objects:
		size := 0
		for _, p := range n.props {
			if p.required && !p.value.ok {
				return "", false, false
			}
			if p.required {
				size += len(p.key) + len(p.value.min) + 2
			}
		}
		if size > maxShortest {
			return "", false, true
		}
		b.WriteByte('{')
		n.rest(&b, 0, true)
	case array:
		if n.minLen > 0 && !n.of[0].ok {
			return "", false, false
		}
		if n.minLen > 0 && n.minLen*(len(n.of[0].min)+1) > maxShortest {
			return "", false, true
		}
		b.WriteByte('[')
		n.items(&b, 0)
	case union:
		for _, a := range n.of {
			if a.ok && (!ok || len(a.min) < len(s)) {
				s, ok = a.min, true
			}
		}
		return s, ok, false
	}
	return b.String(), true, false
}
