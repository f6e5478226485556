package vlm

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

var errNotNumbers = errors.New("vlm: the model's output is not a number: the file is damaged, or its type of weights overflows")

func (s Sampling) check() error {
	switch {
	case !(s.Temperature >= 0) || math.IsInf(float64(s.Temperature), 0):
		return fmt.Errorf("%w: temperature %v must be 0 or more", ErrRequest, s.Temperature)
	case !(s.TopP >= 0 && s.TopP <= 1):
		return fmt.Errorf("%w: top-p %v must be between 0 and 1", ErrRequest, s.TopP)
	case s.TopK < 0:
		return fmt.Errorf("%w: top-k %d must be 0 or more", ErrRequest, s.TopK)
	}
	return nil
}

// sampler draws tokens, in the order of transformers' warpers: temperature, top-k, top-p.
type sampler struct {
	how  Sampling
	rng  *rand.Rand
	heap []choice
	kept []choice
}

// choice is a token with its logit or, later, its weight.
type choice struct {
	id int32
	p  float64
}

func (a choice) before(b choice) bool { return a.p > b.p || a.p == b.p && a.id < b.id }

func newSampler(how Sampling) *sampler {
	return &sampler{how: how, rng: rand.New(rand.NewPCG(how.Seed, 0x6564676576_6c6d))}
}

// next draws from logits, which it does not change. NaN is never drawn.
func (s *sampler) next(logits []float32) (int32, error) {
	best := argmax(logits)
	if best < 0 || math.IsInf(float64(logits[best]), 0) {
		return 0, errNotNumbers
	}
	if s.how.Temperature == 0 {
		return best, nil
	}
	// Weights relative to the best token's can't overflow.
	top, scale := float64(logits[best]), 1/float64(s.how.Temperature)
	s.heap = s.heap[:0]
	for i, l := range logits {
		if l == l {
			s.heap = append(s.heap, choice{int32(i), math.Exp((float64(l) - top) * scale)})
		}
	}
	kept := s.heap
	if s.how.TopK > 0 || s.how.TopP > 0 && s.how.TopP < 1 {
		kept = s.likeliest()
	}
	sum := 0.0
	for _, c := range kept {
		sum += c.p
	}
	at := s.rng.Float64() * sum
	for _, c := range kept {
		if at -= c.p; at < 0 {
			return c.id, nil
		}
	}
	return best, nil // rounding
}

// likeliest takes tokens off a heap until top-k or top-p is reached, which is far less work than sorting.
func (s *sampler) likeliest() []choice {
	h := s.heap
	down := func(i int) {
		for {
			c := 2*i + 1
			if c >= len(h) {
				return
			}
			if c+1 < len(h) && h[c+1].before(h[c]) {
				c++
			}
			if !h[c].before(h[i]) {
				return
			}
			h[i], h[c] = h[c], h[i]
			i = c
		}
	}
	for i := len(h)/2 - 1; i >= 0; i-- {
		down(i)
	}
	pop := func() choice {
		c := h[0]
		h[0] = h[len(h)-1]
		h = h[:len(h)-1]
		down(0)
		return c
	}
	// Top-p is of the mass that top-k leaves.
	k, mass := len(h), 0.0
	for _, c := range h {
		mass += c.p
	}
	s.kept = s.kept[:0]
	if s.how.TopK > 0 && s.how.TopK < k {
		k, mass = s.how.TopK, 0
		for range k {
			c := pop()
			mass += c.p
			s.kept = append(s.kept, c)
		}
	}
	switch {
	case s.how.TopP > 0 && s.how.TopP < 1:
	case len(s.kept) == 0: // top-k left all
		return h
	default:
		return s.kept
	}
	want := float64(s.how.TopP) * mass
	for i := range k {
		if i == len(s.kept) {
			s.kept = append(s.kept, pop())
		}
		if want -= s.kept[i].p; want <= 0 {
			return s.kept[:i+1]
		}
	}
	return s.kept[:k]
}

// argmax returns the lowest id among the largest, -1 if all are NaN.
func argmax(logits []float32) int32 {
	best := int32(-1)
	for i, l := range logits {
		if l == l && (best < 0 || l > logits[best]) {
			best = int32(i)
		}
	}
	return best
}
