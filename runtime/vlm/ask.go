package vlm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/runtime/schema"
)

// Kind is what sort of answer a question has.
type Kind string

// The kinds.
const (
	KindYesNo  Kind = "yes_no" // "yes" or "no"
	KindChoice Kind = "choice" // one of Question.Choices
	KindNumber Kind = "number" // a decimal number, "3" or "-2.5", however the model writes it
	KindText   Kind = "text"   // the model's own words
)

// DefaultAnswerTokens is how long an answer of kind text may be where the question does not say.
const DefaultAnswerTokens = 64

// Question is asked about what a sequence has seen. The model gets Text as it is: choices that it should know of must
// stand in it.
type Question struct {
	Name      string   // tells a call's answers apart
	Text      string   // the words
	Kind      Kind     // "": text
	Choices   []string // of KindChoice, at least two
	MaxTokens int      // of KindText; 0: 64
	// Schema, of KindText, makes the answer a JSON document that it allows, complete within MaxTokens.
	Schema *schema.Schema
}

// Answer is what the model says to a Question.
type Answer struct {
	Name  string
	Kind  Kind
	Value string // as the kind says
	// Probability is that of Value among the allowed answers, calibrated (Options.AnswerTemperature) for yes_no and
	// choice. Of a text it is the geometric mean of its tokens' probabilities.
	Probability float64
	// Probabilities are all choices', in their order, of yes_no those of yes and no. They add up to 1.
	Probabilities []float64
	// Allowed is how much of the model's own probability lay on allowed answers: little says that it would have answered
	// something else. 1 for text.
	Allowed      float64
	Tokens       []int32 // of a text, an end token included
	Boxes        []Box   // of a text
	FinishReason string  // of a text, as in Result
	PromptTokens int     // what the question added to the sequence
}

// CheckQuestions refuses questions that can't be asked, whatever the sequence.
func CheckQuestions(qs []Question) error {
	seen := map[string]bool{}
	for i, q := range qs {
		if q.Name == "" {
			return fmt.Errorf("%w: question %d has no name", ErrRequest, i+1)
		}
		if seen[q.Name] {
			return fmt.Errorf("%w: two questions are named %q", ErrRequest, q.Name)
		}
		seen[q.Name] = true
		if err := q.check(); err != nil {
			return fmt.Errorf("%w: question %q: %w", ErrRequest, q.Name, err)
		}
	}
	return nil
}

func (q *Question) check() error {
	switch {
	case strings.TrimSpace(q.Text) == "":
		return errors.New("it has no text")
	case !utf8.ValidString(q.Text):
		return errors.New("its text is not UTF-8")
	case q.MaxTokens < 0:
		return fmt.Errorf("at most %d tokens can't be: give 0 or more", q.MaxTokens)
	case q.kind() != KindText && q.Schema != nil:
		return fmt.Errorf("a schema is for kind text, not %.20q", q.Kind)
	case q.Kind != KindChoice && len(q.Choices) > 0:
		return fmt.Errorf("choices are for kind choice, not %.20q", q.kind())
	}
	switch q.kind() {
	case KindYesNo, KindNumber, KindText:
		return nil
	case KindChoice:
		return checkChoices(q.Choices)
	}
	return fmt.Errorf("kind %.20q: use yes_no, choice, number or text", q.Kind)
}

func checkChoices(choices []string) error {
	if len(choices) < 2 {
		return fmt.Errorf("%d choices: give at least two", len(choices))
	}
	seen := map[string]bool{}
	for _, c := range choices {
		switch folded := strings.ToLower(c); {
		case c == "" || strings.TrimSpace(c) != c:
			return fmt.Errorf("choice %q: give words, without spaces around them", c)
		case !utf8.ValidString(c):
			return fmt.Errorf("choice %q is not UTF-8", c)
		case seen[folded]:
			return fmt.Errorf("choice %q is there twice (case does not count)", c)
		default:
			seen[folded] = true
		}
	}
	return nil
}

func (q *Question) kind() Kind {
	if q.Kind == "" {
		return KindText
	}
	return q.Kind
}

// scorer makes an answer out of logits. step takes those that it asked for last, at first the question's, and says what
// it needs next; nothing ends it.
type scorer interface {
	step(logits [][]float32) ([]need, error)
	answer() Answer
}

// need is tokens after which logits are wanted. With keep they become part of the answer's sequence, so that the next
// step goes on from there; such a need comes alone.
type need struct {
	tokens []int32
	keep   bool
}

func (e *Engine) scorer(q *Question, room int) (scorer, error) {
	switch q.kind() {
	case KindYesNo:
		return e.newChoices([]string{"yes", "no"})
	case KindChoice:
		return e.newChoices(q.Choices)
	case KindNumber:
		return e.newNumber()
	}
	most := q.MaxTokens
	if most == 0 {
		most = DefaultAnswerTokens
	}
	t := &textScorer{e: e, most: min(most, room), text: newAnswer(e.tok, nil), draw: newSampler(Sampling{})}
	if q.Schema != nil {
		var err error
		if t.limits, err = e.newConstraint(q.Schema, t.most); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Look starts a sequence with pictures and clips in it, ready for Ask, and says how long that took. system is as in
// Request. Close the sequence.
func (e *Engine) Look(ctx context.Context, system *string, media []Media) (_ *Sequence, t Timings, err error) {
	clock := stopwatch{time.Now()}
	head, err := e.Opening(system)
	if err != nil {
		return nil, t, err
	}
	if err := e.acquire(ctx); err != nil {
		return nil, t, err
	}
	defer e.release()
	parts := []part{{tokens: head}}
	rows := len(head)
	for i, m := range media {
		p, err := e.prepare(m, i)
		if err != nil {
			return nil, t, err
		}
		parts = append(parts, part{tokens: []int32{e.marks.start}}, part{tokens: make([]int32, p.tokens()), medium: p}, part{tokens: []int32{e.marks.end}})
		rows += p.tokens() + 2
	}
	if rows >= e.info.ContextLength {
		return nil, t, fmt.Errorf("%w: the pictures have %d tokens, the context only %d: give fewer frames, or lower the maximum of pixels",
			ErrRequest, rows, e.info.ContextLength)
	}
	clock.lap(&t.Preprocess)
	s, err := e.newSequence(ctx)
	if err != nil {
		return nil, t, err
	}
	if err := s.prefill(ctx, parts, &clock, &t); err != nil {
		_ = s.run.Close()
		return nil, t, err
	}
	return s, t, nil
}

// Ask answers questions about what s has seen: its rows are the beginning of the user's turn, up to the end of the
// frames (<|vision_end|> may still be to come), as Opening and AppendMedia, or Look, make them. The questions go through
// the decoder as one batch, each on a fork, and s keeps its rows. The answers come in the questions' order. A question that
// can't be answered gives an error that is ErrRequest and names it, and no answers.
func (s *Sequence) Ask(ctx context.Context, qs []Question) (answers []Answer, err error) {
	if err := CheckQuestions(qs); err != nil {
		return nil, err
	}
	err = s.locked(ctx, func() error { answers, err = s.ask(ctx, qs); return err })
	return answers, err
}

func (s *Sequence) ask(ctx context.Context, qs []Question) ([]Answer, error) {
	jobs := make([]*job, len(qs))
	for i := range qs {
		q := &qs[i]
		words, err := s.e.closing(q.Text, s.inside)
		if err != nil {
			return nil, err
		}
		room := s.e.info.ContextLength - s.run.Len() - len(words)
		if room < 1 {
			return nil, fmt.Errorf("%w: question %q has %d tokens, but of the context's %d only %d are left: shorten it, or give fewer frames",
				ErrRequest, q.Name, len(words), s.e.info.ContextLength, s.e.info.ContextLength-s.run.Len())
		}
		sc, err := s.e.scorer(q, room)
		if err != nil {
			return nil, fmt.Errorf("%w: question %q: %w", ErrRequest, q.Name, err)
		}
		jobs[i] = &job{scorer: sc, needs: []need{{tokens: words, keep: true}}, next: s.next, room: room + len(words)}
	}
	run := s.together
	if _, ok := s.run.(npu.Forker); !ok {
		run = s.oneByOne
	}
	if err := run(ctx, jobs); err != nil {
		return nil, err
	}
	out := make([]Answer, len(qs))
	for i, q := range qs {
		out[i] = jobs[i].scorer.answer()
		out[i].Name, out[i].Kind, out[i].PromptTokens = q.Name, q.kind(), jobs[i].asked
	}
	return out, nil
}
