package schema

import (
	"bytes"
	"math/bits"
	"slices"
	"sort"
	"unicode/utf8"
)

// Vocabulary is the tokens that documents are written with. It is immutable.
type Vocabulary struct {
	pieces  [][]byte
	sorted  []int32 // the tokens in use, by their bytes
	all     tokenTrie
	odd     tokenTrie // tokens that may do more in a string than go on with it
	plain   []plain   // the others, by length
	bytes   bool      // every byte is a token
	longest int       // bytes of a token: no token has more characters
}

// plain is the tokens of whole characters that mean nothing in JSON, up to a length.
type plain struct {
	chars int
	set   Set
}

// tokenTrie is a tree of tokens' bytes in preorder.
type tokenTrie []tokenNode

type tokenNode struct {
	b     byte
	depth uint16
	token int32 // that ends here, -1: none
	skip  int32 // the next node that is not below this one
}

// Set is a set of tokens.
type Set []uint64

// Has says whether a token is in it.
func (s Set) Has(id int32) bool { return s[id>>6]>>(id&63)&1 != 0 }

// Add puts a token into it.
func (s Set) Add(id int32) { s[id>>6] |= 1 << (id & 63) }

// Remove takes a token out of it.
func (s Set) Remove(id int32) { s[id>>6] &^= 1 << (id & 63) }

// Len counts its tokens.
func (s Set) Len() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

func (s Set) or(o Set) {
	for i, w := range o {
		s[i] |= w
	}
}

// maxTokenBytes bounds the tokens that are used.
const maxTokenBytes = 1024

// NewVocabulary builds one from the tokens' bytes, by id. A token with none, or longer than 1024, is never allowed: so
// are tokens left out that are not text. The pieces must not change. Of tokens with the same bytes only the first is used.
func NewVocabulary(pieces [][]byte) *Vocabulary {
	v := &Vocabulary{pieces: pieces}
	var all, odd []int32
	byLength := map[int][]int32{}
	seen := make(map[string]bool, len(pieces))
	for id, p := range pieces {
		if len(p) == 0 || len(p) > maxTokenBytes || seen[string(p)] {
			continue
		}
		seen[string(p)] = true
		v.longest = max(v.longest, len(p))
		all = append(all, int32(id))
		if isPlain(p) {
			n := utf8.RuneCount(p)
			byLength[n] = append(byLength[n], int32(id))
		} else {
			odd = append(odd, int32(id))
		}
	}
	v.sorted = all
	v.bytes = true
	for b := range 256 {
		v.bytes = v.bytes && seen[string([]byte{byte(b)})]
	}
	for _, ids := range [][]int32{all, odd} {
		slices.SortFunc(ids, func(a, b int32) int { return bytes.Compare(pieces[a], pieces[b]) })
	}
	v.all, v.odd = newTokenTrie(pieces, all), newTokenTrie(pieces, odd)
	var lengths []int
	for n := range byLength {
		lengths = append(lengths, n)
	}
	slices.Sort(lengths)
	sum := v.NewSet()
	for _, n := range lengths {
		for _, id := range byLength[n] {
			sum.Add(id)
		}
		v.plain = append(v.plain, plain{n, slices.Clone(sum)})
	}
	return v
}

func isPlain(p []byte) bool {
	return utf8.Valid(p) && !slices.ContainsFunc(p, func(b byte) bool { return b < ' ' || b == '"' || b == '\\' })
}

// NewSet returns an empty set for the vocabulary.
func (v *Vocabulary) NewSet() Set { return make(Set, (len(v.pieces)+63)/64) }

// newTokenTrie takes ids in the order of their bytes.
func newTokenTrie(pieces [][]byte, ids []int32) tokenTrie {
	var t tokenTrie
	var open []int32 // nodes from the root to the last one
	var last []byte
	for _, id := range ids {
		p := pieces[id]
		same := 0
		for same < len(p) && same < len(last) && p[same] == last[same] {
			same++
		}
		for _, n := range open[same:] {
			t[n].skip = int32(len(t))
		}
		open = open[:same]
		for d := same; d < len(p); d++ {
			open = append(open, int32(len(t)))
			t = append(t, tokenNode{b: p[d], depth: uint16(d), token: -1})
		}
		t[len(t)-1].token = id
		last = p
	}
	for _, n := range open {
		t[n].skip = int32(len(t))
	}
	return t
}

// A Walker finds which tokens may come next. It keeps working memory, so it is used by one goroutine at a time.
type Walker struct {
	v     *Vocabulary
	stack [][]thread // by depth in the tree
	// The set of the last string: as long as its length does not matter it stays the same, and a string's steps are many.
	last    thread
	lastSet Set
}

// NewWalker returns one for the vocabulary.
func (v *Vocabulary) NewWalker() *Walker { return &Walker{v: v} }

// Allowed makes set, from NewSet, the tokens after which a document can still go on from s.
func (w *Walker) Allowed(s State, set Set) {
	at, lasting := w.v.lasting(s)
	if lasting && w.lastSet != nil && at == w.last {
		copy(set, w.lastSet)
		return
	}
	w.find(s, set)
	if lasting {
		w.last, w.lastSet = at, append(w.lastSet[:0], set...)
	}
}

// lasting says whether s is within a string that any token leaves within its bounds, and what is the same all along it.
func (v *Vocabulary) lasting(s State) (at thread, ok bool) {
	if len(s.threads) != 1 {
		return at, false
	}
	at = s.threads[0]
	ok = at.inText() && at.count >= at.n.minLen && (at.n.maxLen < 0 || at.n.maxLen-at.count >= v.longest)
	at.count = 0
	return at, ok
}

// inText says whether t is between two characters of a string.
func (t *thread) inText() bool {
	return t.n != nil && t.n.kind == text && t.phase == inside && t.more == 0
}

func (w *Walker) find(s State, set Set) {
	clear(set)
	// Within a string most tokens are allowed and lead to the same place; only the others need a walk.
	var strings, others []thread
	for _, t := range s.threads {
		if t.inText() {
			strings = append(strings, t)
		} else {
			others = append(others, t)
		}
	}
	for _, t := range strings {
		if p := w.v.plainUpTo(t.n, t.count); p != nil {
			set.or(p)
		}
	}
	if len(strings) > 0 {
		w.walk(w.v.odd, strings, set)
	}
	if len(others) > 0 {
		w.walk(w.v.all, others, set)
	}
}

// plainUpTo are the plain tokens that a string of count characters has room for.
func (v *Vocabulary) plainUpTo(n *node, count int) Set {
	room := v.longest
	if n.maxLen >= 0 {
		room = min(room, n.maxLen-count)
	}
	var set Set
	for i := range v.plain {
		if v.plain[i].chars > room {
			break
		}
		set = v.plain[i].set
	}
	return set
}

func (w *Walker) walk(trie tokenTrie, from []thread, set Set) {
	if len(w.stack) == 0 {
		w.stack = make([][]thread, 1, 16)
	}
	w.stack[0] = append(w.stack[0][:0], from...)
	for i := 0; i < len(trie); {
		n := &trie[i]
		d := int(n.depth)
		if d+1 == len(w.stack) {
			w.stack = append(w.stack, nil)
		}
		to := w.stack[d+1][:0]
		for j := range w.stack[d] {
			to = w.stack[d][j].feed(to, n.b)
		}
		to = dedupe(to)
		w.stack[d+1] = to
		if len(to) == 0 {
			i = int(n.skip)
			continue
		}
		if n.token >= 0 {
			set.Add(n.token)
		}
		i++
	}
}

// Fits says whether Tokens writes text with at most n tokens.
func (v *Vocabulary) Fits(text string, n int) bool {
	if v.bytes && len(text) <= n {
		return true // a token a byte would do, and Tokens needs no more
	}
	ids, ok := v.Tokens(text)
	return ok && len(ids) <= n
}

// Tokens writes text with as few tokens as taking the longest first gives; ok is false if the vocabulary can't.
func (v *Vocabulary) Tokens(text string) (ids []int32, ok bool) {
	for text != "" {
		// The tokens that begin as text does are a range of the sorted ones, which each byte narrows.
		best, size := int32(-1), 0
		for lo, hi, d := 0, len(v.sorted), 0; d < len(text); d++ {
			b := text[d]
			in := v.sorted[lo:hi]
			from := sort.Search(len(in), func(i int) bool { p := v.pieces[in[i]]; return len(p) > d && p[d] >= b })
			to := sort.Search(len(in), func(i int) bool { p := v.pieces[in[i]]; return len(p) > d && p[d] > b })
			if lo, hi = lo+from, lo+to; lo == hi {
				break
			}
			if first := v.sorted[lo]; len(v.pieces[first]) == d+1 {
				best, size = first, d+1
			}
		}
		if best < 0 {
			return nil, false
		}
		ids, text = append(ids, best), text[size:]
	}
	return ids, true
}
