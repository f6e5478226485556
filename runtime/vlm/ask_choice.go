package vlm

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxChoiceTokens bounds one choice: each of its tokens costs a row, and those before it.
	maxChoiceTokens = 16
	// unlikely is the share of the likeliest answer below which a beginning is not looked into any further; what it has
	// is divided among the choices that begin so.
	unlikely = 1e-3
)

// choiceScorer sums the probabilities of all the ways in which each choice can be written: a tree of tokens, of which
// one batch, seldom two, gives the inner nodes' logits. Where a choice ends and a longer one goes on, the shorter one has all that
// the longer does not: "open" may be followed by a full stop, an end of turn, or anything else.
type choiceScorer struct {
	temperature float64
	root        *choiceNode
	nodes       []*choiceNode // whose logits were asked for
	choices     []string
	first       bool
	mass        []float64 // of each choice
}

type choiceNode struct {
	path   []int32
	kids   []*choiceNode
	ends   int       // the choice that ends here, -1: none
	p      []float64 // of each kid, given this node
	known  bool      // p is filled in
	closed bool      // it can't be
}

func (e *Engine) newChoices(choices []string) (*choiceScorer, error) {
	c := &choiceScorer{temperature: e.answerTemperature, root: &choiceNode{ends: -1}, choices: choices, first: true}
	for i, text := range choices {
		written := 0
		for _, form := range forms(text) {
			ids := e.tok.Encode(form, false)
			if e.tok.Decode(ids) != form { // the vocabulary lacks some of it
				continue
			}
			if written++; len(ids) > maxChoiceTokens {
				return nil, fmt.Errorf("choice %q has %d tokens: at most %d", text, len(ids), maxChoiceTokens)
			}
			if other := c.insert(ids, i); other != i {
				return nil, fmt.Errorf("choices %q and %q are the same tokens", choices[other], text)
			}
		}
		if written == 0 {
			return nil, fmt.Errorf("choice %q can't be written in the model's vocabulary", text)
		}
	}
	return c, nil
}

// forms are the ways in which a model may begin its answer with a text.
func forms(text string) []string {
	first, n := utf8.DecodeRuneInString(text)
	var all []string
	seen := map[string]bool{}
	for _, f := range []string{text, string(unicode.ToUpper(first)) + text[n:], strings.ToLower(text), strings.ToUpper(text)} {
		if !seen[f] {
			seen[f] = true
			all = append(all, f, " "+f)
		}
	}
	return all
}

// insert puts a choice's tokens into the tree and returns the choice that is there now.
func (c *choiceScorer) insert(ids []int32, choice int) int {
	at := c.root
next:
	for i, id := range ids {
		for _, k := range at.kids {
			if k.path[i] == id {
				at = k
				continue next
			}
		}
		k := &choiceNode{path: ids[:i+1], ends: -1}
		at.kids = append(at.kids, k)
		at = k
	}
	if at.ends < 0 {
		at.ends = choice
	}
	return at.ends
}

func (c *choiceScorer) step(logits [][]float32) ([]need, error) {
	asked := c.nodes
	if c.first {
		asked, c.first = []*choiceNode{c.root}, false
	}
	for i, n := range asked {
		if logits[i] == nil { // no room in the context: as if it were unlikely
			n.closed = true
			continue
		}
		if err := n.fill(logits[i]); err != nil {
			return nil, err
		}
	}
	c.mass = make([]float64, len(c.choices))
	c.spread(c.root, 1)
	least := slices.Max(c.mass)
	if asked[0] == c.root {
		least = slices.Max(c.root.p)
	}
	c.nodes = c.nodes[:0]
	c.gather(c.root, 1, unlikely*least)
	needs := make([]need, len(c.nodes))
	for i, n := range c.nodes {
		needs[i] = need{tokens: n.path}
	}
	return needs, nil
}

// gather notes the inner nodes from n on whose logits matter: p is the probability of reaching n, at most; what is below
// least does not.
func (c *choiceScorer) gather(n *choiceNode, p, least float64) {
	if len(n.kids) == 0 || n.closed || p < least {
		return
	}
	if !n.known {
		c.nodes = append(c.nodes, n)
	}
	for i, k := range n.kids {
		if n.known {
			c.gather(k, p*n.p[i], least)
		} else {
			c.gather(k, p, least)
		}
	}
}

func (n *choiceNode) fill(logits []float32) error {
	d, err := newDistribution(logits)
	if err != nil {
		return err
	}
	n.known, n.p = true, make([]float64, len(n.kids))
	for i, k := range n.kids {
		n.p[i] = d.of(k.path[len(n.path)])
	}
	return nil
}

// spread gives the probability p of reaching n to the choices from there on.
func (c *choiceScorer) spread(n *choiceNode, p float64) {
	if len(n.kids) > 0 && !n.known {
		all := n.choices(nil)
		for _, i := range all {
			c.mass[i] += p / float64(len(all))
		}
		return
	}
	rest := 1.0
	for i, k := range n.kids {
		rest -= n.p[i]
		c.spread(k, p*n.p[i])
	}
	if n.ends >= 0 {
		c.mass[n.ends] += p * max(rest, 0)
	}
}

func (n *choiceNode) choices(to []int) []int {
	if n.ends >= 0 {
		to = append(to, n.ends)
	}
	for _, k := range n.kids {
		to = k.choices(to)
	}
	return to
}

func (c *choiceScorer) answer() Answer {
	a := Answer{Probabilities: make([]float64, len(c.choices))}
	for _, m := range c.mass {
		a.Allowed += m
	}
	calibrate(a.Probabilities, c.mass, c.temperature)
	best := 0
	for i, p := range a.Probabilities {
		if p > a.Probabilities[best] {
			best = i
		}
	}
	a.Probability = a.Probabilities[best]
	a.Value = c.choices[best]
	return a
}

// calibrate makes weights probabilities: the softmax of their logarithms divided by a temperature. Weights that are all
// 0 give equal ones.
func calibrate(p, weights []float64, temperature float64) {
	top := 0.0
	for _, w := range weights {
		top = max(top, w)
	}
	sum := 0.0
	for i, w := range weights {
		p[i] = 1
		if top > 0 {
			p[i] = math.Pow(w/top, 1/temperature)
		}
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
}
