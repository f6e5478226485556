package vlm

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/edgevlm/edgevlm/runtime/token"
)

// numbers is what there is to know about writing numbers in a vocabulary.
type numbers struct {
	words    map[string]int  // "twenty-one": 21
	prefixes map[string]bool // of words
	tokens   []int32         // that can be a part of a number
}

func newNumbers(t *token.Tokenizer) *numbers {
	small := strings.Fields(`zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
		seventeen eighteen nineteen`)
	n := &numbers{words: map[string]int{"no": 0, "none": 0, "hundred": 100, "one hundred": 100}, prefixes: map[string]bool{}}
	for i, w := range small {
		n.words[w] = i
	}
	for i, w := range strings.Fields("twenty thirty forty fifty sixty seventy eighty ninety") {
		n.words[w] = 20 + 10*i
		for j, s := range small[1:10] {
			n.words[w+"-"+s], n.words[w+" "+s] = 21+10*i+j, 21+10*i+j
		}
	}
	var all []string
	for w := range n.words {
		all = append(all, w)
		for i := range len(w) + 1 {
			n.prefixes[w[:i]] = true
		}
	}
	text := strings.Join(all, "\n")
	for id := range int32(t.Size()) {
		piece := string(t.Piece(id))
		switch {
		case piece == "" || t.IsSpecial(id):
		case strings.Trim(piece, "0123456789.-") == "", n.viable(piece), strings.Contains(text, strings.ToLower(piece)):
			n.tokens = append(n.tokens, id)
		}
	}
	return n
}

// Digits beyond these make no number that a camera could count.
const (
	maxWholeDigits    = 9
	maxFractionDigits = 6
)

// decimal splits -12.5 into its digits. ok is false if s can't begin a number.
func decimal(s string) (whole, fraction string, ok bool) {
	s = strings.TrimPrefix(s, "-")
	whole, fraction, point := strings.Cut(s, ".")
	if strings.Trim(whole+fraction, "0123456789") != "" || point && whole == "" {
		return "", "", false
	}
	return whole, fraction, len(whole) <= maxWholeDigits && len(fraction) <= maxFractionDigits
}

// viable says whether s can begin a number.
func (n *numbers) viable(s string) bool {
	s = strings.TrimPrefix(s, " ")
	_, _, ok := decimal(s)
	return ok || n.prefixes[strings.ToLower(s)]
}

// value returns the number that s is, in plain decimal form; ok is false if it is none yet. "3." is 3.
func (n *numbers) value(s string) (v string, ok bool) {
	s = strings.TrimPrefix(s, " ")
	if w, ok := n.words[strings.ToLower(s)]; ok {
		return strconv.Itoa(w), true
	}
	if whole, _, ok := decimal(s); !ok || whole == "" {
		return "", false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return "", false
	}
	return strconv.FormatFloat(f+0, 'f', -1, 64), true // + 0 makes -0 a 0
}

const (
	maxBeams        = 8
	maxNumberTokens = 20
)

// numberScorer adds up the probabilities of the ways in which each number can be written, "3", "three" and "Three.",
// by a beam search: what ends a number is whatever can't go on with it.
type numberScorer struct {
	e     *Engine
	beams []beam
	found map[string]float64
	best  float64 // of found
}

type beam struct {
	tokens []int32
	text   string
	p      float64
}

func (e *Engine) newNumber() (scorer, error) {
	if len(e.numbers().tokens) == 0 {
		return nil, errors.New("the model's vocabulary can't write numbers")
	}
	return &numberScorer{e: e, beams: []beam{{p: 1}}, found: map[string]float64{}}, nil
}

func (s *numberScorer) step(logits [][]float32) ([]need, error) {
	n := s.e.numbers()
	var next []beam
	for i, b := range s.beams {
		rest := 1.0
		if logits[i] != nil && len(b.tokens) < maxNumberTokens {
			d, err := newDistribution(logits[i])
			if err != nil {
				return nil, err
			}
			for _, id := range n.tokens {
				text := b.text + string(s.e.tok.Piece(id))
				if p := d.of(id); p > 0 && n.viable(text) {
					rest -= p
					next = append(next, beam{append(slices.Clone(b.tokens), id), text, b.p * p})
				}
			}
		}
		s.end(b, b.p*max(rest, 0))
	}
	slices.SortStableFunc(next, func(a, b beam) int {
		switch {
		case a.p > b.p:
			return -1
		case a.p < b.p:
			return 1
		}
		return 0
	})
	s.beams = s.beams[:0]
	var needs []need
	for i, b := range next {
		if i < maxBeams && b.p >= unlikely*max(next[0].p, s.best) {
			s.beams = append(s.beams, b)
			needs = append(needs, need{tokens: b.tokens})
			continue
		}
		s.end(b, b.p) // what it would go on to is not looked at
	}
	return needs, nil
}

// end counts p for the number that a beam is, if it is one.
func (s *numberScorer) end(b beam, p float64) {
	if v, ok := s.e.numbers().value(b.text); ok {
		s.found[v] += p
		s.best = max(s.best, s.found[v])
	}
}

func (s *numberScorer) answer() (a Answer) {
	for v, p := range s.found {
		a.Allowed += p
		if p > a.Probability || p == a.Probability && v < a.Value {
			a.Value, a.Probability = v, p
		}
	}
	if a.Allowed > 0 {
		a.Probability /= a.Allowed
	}
	return a
}
