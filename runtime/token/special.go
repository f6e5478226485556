package token

// trie holds the special tokens by their bytes.
type trie struct {
	nodes []trieNode
	first [256]bool
}

type trieNode struct {
	next map[byte]int32
	id   int32 // -1: no token ends here
	kind Type
}

func (t *trie) add(s string, id int32, kind Type) {
	if s == "" {
		return
	}
	if len(t.nodes) == 0 {
		t.nodes = []trieNode{{id: -1}}
	}
	t.first[s[0]] = true
	at := int32(0)
	for i := range len(s) {
		to, ok := t.nodes[at].next[s[i]]
		if !ok {
			to = int32(len(t.nodes))
			t.nodes = append(t.nodes, trieNode{id: -1})
			if t.nodes[at].next == nil {
				t.nodes[at].next = map[byte]int32{}
			}
			t.nodes[at].next[s[i]] = to
		}
		at = to
	}
	t.nodes[at].id, t.nodes[at].kind = id, kind
}

// find returns where in text the first special token begins, its length and id;
// the length is 0, and at the text's end, if there is none. Only user-defined
// tokens are looked for unless control is set.
func (t *trie) find(text string, control bool) (at, n int, id int32) {
	for at = 0; at < len(text); at++ {
		if !t.first[text[at]] {
			continue
		}
		node := int32(0)
		for i := at; i < len(text); i++ {
			to, ok := t.nodes[node].next[text[i]]
			if !ok {
				break
			}
			node = to
			if e := &t.nodes[node]; e.id >= 0 && (control || e.kind == UserDefined) {
				n, id = i+1-at, e.id
			}
		}
		if n > 0 {
			return at, n, id
		}
	}
	return len(text), 0, 0
}
