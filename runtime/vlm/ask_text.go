package vlm

import "math"

// textScorer writes the model's likeliest tokens down.
type textScorer struct {
	e       *Engine
	most    int // tokens
	draw    *sampler
	limits  *constraint // nil: none
	text    *answer
	tokens  []int32
	sumLogP float64
	reason  string
}

func (t *textScorer) step(logits [][]float32) ([]need, error) {
	if logits[0] == nil { // the context is full
		t.reason = FinishLength
		return nil, nil
	}
	id, err := t.next(logits[0])
	if err != nil || t.reason != "" {
		return nil, err
	}
	t.tokens = append(t.tokens, id)
	t.text.push(id)
	switch {
	case t.e.tok.IsEOG(id), t.limits != nil && t.limits.state.Final():
		t.reason = FinishStop
	case len(t.tokens) >= t.most:
		if t.reason = FinishLength; t.limits != nil && t.limits.state.Complete() {
			t.reason = FinishStop
		}
	default:
		return []need{{tokens: t.tokens[len(t.tokens)-1:], keep: true}}, nil
	}
	return nil, nil
}

// next chooses a token and counts its probability, or sets the reason why none comes.
func (t *textScorer) next(logits []float32) (id int32, err error) {
	done := false
	if t.limits == nil {
		id, err = t.draw.next(logits)
	} else {
		id, done, err = t.limits.next(logits, t.draw, t.most-len(t.tokens))
	}
	if done {
		t.reason = FinishStop
	}
	if err != nil || done {
		return id, err
	}
	p, err := newDistribution(logits)
	t.sumLogP += math.Log(p.of(id))
	return id, err
}

func (t *textScorer) answer() Answer {
	return Answer{
		Value: t.text.finish(), Probability: math.Exp(t.sumLogP / max(float64(len(t.tokens)), 1)), Allowed: 1,
		Tokens: t.tokens, Boxes: ParseBoxes(t.e.tok.Decode(t.tokens)), FinishReason: t.reason,
	}
}

// distribution is logits with what makes them probabilities.
type distribution struct {
	logits []float32
	top    float64 // the largest logit
	sum    float64 // of the weights relative to it
}

func newDistribution(logits []float32) (distribution, error) {
	best := argmax(logits)
	if best < 0 || math.IsInf(float64(logits[best]), 0) {
		return distribution{}, errNotNumbers
	}
	d := distribution{logits: logits, top: float64(logits[best])}
	for _, l := range logits {
		if l == l {
			d.sum += math.Exp(float64(l) - d.top)
		}
	}
	return d, nil
}

// of is a token's probability.
func (d distribution) of(id int32) float64 {
	l := d.logits[id]
	if l != l {
		return 0
	}
	return math.Exp(float64(l)-d.top) / d.sum
}
