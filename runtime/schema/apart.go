package schema

import "slices"

// apartFrom says whether no document can match both, as far as types, literals and required properties tell.
func apartFrom(a, b *node, depth int) bool {
	if depth > maxDepth || a == b {
		return false
	}
	switch {
	case a.kind == union:
		return !slices.ContainsFunc(a.of, func(x *node) bool { return !apartFrom(x, b, depth+1) })
	case b.kind == union:
		return apartFrom(b, a, depth+1)
	case a.kind == literal && b.kind == literal:
		return apartLiterals(a.literals, b.literals)
	case a.kind == objects && b.kind == objects:
		// A required property whose values differ.
		for _, p := range a.props {
			for _, q := range b.props {
				if p.key == q.key && p.required && q.required && apartFrom(p.value, q.value, depth+1) {
					return true
				}
			}
		}
		return false
	}
	return !overlap(firsts(a), firsts(b))
}

// firsts are the bytes that a node's documents may begin with.
func firsts(n *node) string {
	switch n.kind {
	case literal:
		return string(n.literals.by)
	case text:
		return `"`
	case number:
		return "-0123456789"
	case objects:
		return "{"
	}
	return "["
}

func overlap(a, b string) bool {
	for i := range len(a) {
		for j := range len(b) {
			if a[i] == b[j] {
				return true
			}
		}
	}
	return false
}

// apartLiterals compares what is written. 1 and 1.0 are the same number, so numbers are never taken to be apart.
func apartLiterals(a, b *trie) bool {
	if overlap(string(a.by), "-0123456789") && overlap(string(b.by), "-0123456789") {
		return false
	}
	return apartStrings(a, b)
}

func apartStrings(a, b *trie) bool {
	if a.end >= 0 && b.end >= 0 {
		return false
	}
	for i, x := range a.by {
		if c := b.child(x); c != nil && !apartStrings(a.next[i], c) {
			return false
		}
	}
	return true
}
