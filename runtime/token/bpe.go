package token

// merger applies merges to one word. The pair with the lowest rank merges first,
// the leftmost of equals. A heap of candidate pairs over a linked list of
// symbols makes this O(n log n), whatever the text.
type merger struct {
	symbols []symbol
	heap    []candidate
}

type symbol struct {
	id         int32 // -1: merged away, or a byte without a token
	prev, next int32 // indexes, -1 at the ends
}

// candidate is a possible merge of the symbols at and at.next. It is stale if
// they are no longer left and right.
type candidate struct {
	rank, at    int32
	left, right int32
	id          int32
}

func (c candidate) before(d candidate) bool {
	return c.rank < d.rank || c.rank == d.rank && c.at < d.at
}

// chunk bounds the length of a word that is merged in one go, so that indexes
// fit in an int32. Longer words, which no real text has, are cut there.
const chunk = 1 << 28

func (m *merger) run(t *Tokenizer, out []int32, word string) []int32 {
	for len(word) > chunk {
		out = m.run(t, out, word[:chunk])
		word = word[chunk:]
	}
	m.symbols, m.heap = m.symbols[:0], m.heap[:0]
	for i := range len(word) {
		m.symbols = append(m.symbols, symbol{t.bytes[word[i]], int32(i) - 1, int32(i) + 1})
	}
	m.symbols[len(word)-1].next = -1
	for i := range int32(len(word) - 1) {
		m.offer(t, i)
	}
	for len(m.heap) > 0 {
		c := m.pop()
		s := &m.symbols[c.at]
		if s.id != c.left || s.next < 0 || m.symbols[s.next].id != c.right {
			continue
		}
		gone := &m.symbols[s.next]
		s.id, s.next = c.id, gone.next
		gone.id = -1
		if s.next >= 0 {
			m.symbols[s.next].prev = c.at
			m.offer(t, c.at)
		}
		if s.prev >= 0 {
			m.offer(t, s.prev)
		}
	}
	for i := int32(0); i >= 0; i = m.symbols[i].next {
		if id := m.symbols[i].id; id >= 0 {
			out = append(out, id)
		}
	}
	return out
}

func (m *merger) offer(t *Tokenizer, at int32) {
	left, right := m.symbols[at].id, m.symbols[m.symbols[at].next].id
	g, ok := t.merges[pair{left, right}]
	if !ok {
		return
	}
	m.heap = append(m.heap, candidate{g.rank, at, left, right, g.id})
	h := m.heap
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h[i].before(h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

func (m *merger) pop() candidate {
	h := m.heap
	top, n := h[0], len(h)-1
	h[0] = h[n]
	m.heap = h[:n]
	for i := 0; ; {
		least := 2*i + 1
		if least >= n {
			return top
		}
		if r := least + 1; r < n && h[r].before(h[least]) {
			least = r
		}
		if !h[least].before(h[i]) {
			return top
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
