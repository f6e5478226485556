package vlm

import (
	"context"
	"fmt"
	"math"
	"math/bits"

	"github.com/edgevlm/edgevlm/runtime/schema"
	"github.com/edgevlm/edgevlm/runtime/token"
)

// constraint keeps a generation to a schema: only tokens with which the document can still be completed, and completed
// within the tokens that are left.
type constraint struct {
	tok    *token.Tokenizer
	v      *schema.Vocabulary
	walker *schema.Walker
	set    schema.Set
	state  schema.State
	plan   []int32   // completes the document from state; nil: what the vocabulary makes of state's completion does
	ends   []int32   // end tokens, once they are needed
	logits []float32 // the model's, those of tokens that can't come at -Inf
}

func newSchemaVocabulary(t *token.Tokenizer) *schema.Vocabulary {
	pieces := make([][]byte, t.Size())
	for id := range pieces {
		if !t.IsSpecial(int32(id)) {
			pieces[id] = t.Piece(int32(id))
		}
	}
	return schema.NewVocabulary(pieces)
}

// newConstraint refuses a schema that can't be met with that many tokens.
func (e *Engine) newConstraint(s *schema.Schema, budget int) (*constraint, error) {
	v := e.schemaVocabulary()
	c := &constraint{tok: e.tok, v: v, walker: v.NewWalker(), set: v.NewSet(), state: s.Start()}
	plan, ok := v.Tokens(s.Shortest())
	if !ok {
		return nil, fmt.Errorf("the model's vocabulary can't write what the schema wants, such as %.60q", s.Shortest())
	}
	if len(plan) > budget {
		return nil, fmt.Errorf("the shortest answer to the schema has %d tokens, but at most %d are allowed: allow more, or ask for less", len(plan), budget)
	}
	return c, nil
}

// maxDraws is how many tokens are tried that would leave too little room to complete the document.
const maxDraws = 32

// next chooses a token of at most left that are still to come; done says that the document is complete and no token comes.
func (c *constraint) next(logits []float32, draw *sampler, left int) (id int32, done bool, err error) {
	if best := argmax(logits); best < 0 || math.IsInf(float64(logits[best]), 0) {
		return 0, false, errNotNumbers
	}
	c.mask(logits)
	for range maxDraws {
		id, err := draw.next(c.logits)
		if err != nil {
			break // nothing is left to draw from
		}
		if !c.set.Has(id) { // an end token
			return id, false, nil
		}
		state, ok := c.state.Advance(c.tok.Piece(id))
		if ok && c.v.Fits(state.Completion(), left-1) {
			c.state, c.plan = state, nil
			return id, false, nil
		}
		c.logits[id] = float32(math.Inf(-1))
	}
	// The way to the end that is known to fit.
	if c.plan == nil {
		c.plan, _ = c.v.Tokens(c.state.Completion())
	}
	if len(c.plan) == 0 {
		return 0, true, nil
	}
	id, c.plan = c.plan[0], c.plan[1:]
	c.state, _ = c.state.Advance(c.tok.Piece(id))
	return id, false, nil
}

// mask copies logits, without those of tokens that can't come.
func (c *constraint) mask(logits []float32) {
	c.walker.Allowed(c.state, c.set)
	if len(c.logits) != len(logits) {
		c.logits = make([]float32, len(logits))
	}
	none := float32(math.Inf(-1))
	for i := range c.logits {
		c.logits[i] = none
	}
	for i, word := range c.set {
		for ; word != 0; word &= word - 1 {
			id := i<<6 + bits.TrailingZeros64(word)
			c.logits[id] = logits[id]
		}
	}
	if !c.state.Complete() {
		return
	}
	if c.ends == nil {
		for id := range int32(c.tok.Size()) {
			if c.tok.IsEOG(id) {
				c.ends = append(c.ends, id)
			}
		}
	}
	for _, id := range c.ends {
		c.logits[id] = logits[id]
	}
}

// GenerateSchema is Generate of a JSON document that the schema allows. A schema that can't be met within maxTokens or
// what is left of the context gives an error that is ErrRequest; else the document is complete, and FinishReason "stop".
func (s *Sequence) GenerateSchema(ctx context.Context, sc *schema.Schema, maxTokens int, how Sampling, emit func(piece string)) (r Result, err error) {
	err = s.locked(ctx, func() error {
		c, err := s.constraint(sc, maxTokens, 0)
		if err != nil {
			return err
		}
		return s.generate(ctx, maxTokens, how, c, emit, &r)
	})
	return r, err
}

// constraint returns nil for no schema; prompt is how many rows are still to be appended before the answer.
func (s *Sequence) constraint(sc *schema.Schema, maxTokens, prompt int) (*constraint, error) {
	if sc == nil {
		return nil, nil
	}
	if maxTokens == 0 {
		maxTokens = DefaultMaxTokens
	}
	c, err := s.e.newConstraint(sc, min(maxTokens, s.e.info.ContextLength-s.run.Len()-prompt+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return c, nil
}
