package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/edgevlm/edgevlm/mqtt"
)

// Question is asked about every window of a camera, after its description.
type Question struct {
	Name    string   `yaml:"name"` // a topic level
	Text    string   `yaml:"text"`
	Kind    string   `yaml:"kind"` // yes_no, choice or number
	Choices []string `yaml:"choices"`
	Unit    string   `yaml:"unit"` // of a number, for Home Assistant
}

// Bounds of a camera's questions.
const (
	maxQuestions     = 32
	maxQuestionBytes = 4 << 10
	maxChoices       = 32
	maxChoiceBytes   = 64
)

func validateQuestions(d *decoder, qs []Question, at string) {
	d.check(len(qs) <= maxQuestions, at+".questions", "has %d entries; at most %d", len(qs), maxQuestions)
	names := map[string]bool{}
	for i, q := range qs {
		p := fmt.Sprintf("%s.questions[%d]", at, i)
		q.validate(d, p)
		d.check(q.Name == "" || !names[q.Name], p+".name", "`%s` is taken by another question", q.Name)
		names[q.Name] = true
	}
}

func (q Question) validate(d *decoder, at string) {
	if q.Name == "" {
		d.check(false, at+".name", "is missing; it becomes a topic level, like person")
	} else {
		d.checkErr(mqtt.ValidateName(q.Name), at+".name")
	}
	d.check(strings.TrimSpace(q.Text) != "", at+".text", "is missing; give the question, like Is there a person?")
	d.check(len(q.Text) <= maxQuestionBytes, at+".text", "is longer than 4 KiB")
	switch q.Kind {
	case "yes_no", "number":
		d.check(len(q.Choices) == 0, at+".choices", "go with `kind: choice`")
	case "choice":
		q.validateChoices(d, at+".choices")
	case "":
		d.check(false, at+".kind", "is missing; give yes_no, choice or number")
	default:
		d.check(false, at+".kind", "is `%s`; give yes_no, choice or number", q.Kind)
	}
	d.check(q.Unit == "" || q.Kind == "number" && len(q.Unit) <= 32, at+".unit", "is for `kind: number`, and at most 32 bytes")
}

func (q Question) validateChoices(d *decoder, at string) {
	d.check(len(q.Choices) >= 2 && len(q.Choices) <= maxChoices, at, "has %d entries; give 2 to %d", len(q.Choices), maxChoices)
	for i, c := range q.Choices {
		again := slices.ContainsFunc(q.Choices[:i], func(b string) bool { return strings.EqualFold(b, c) })
		d.check(c != "" && strings.TrimSpace(c) == c && len(c) <= maxChoiceBytes && !again, at,
			"`%s` is empty, has spaces around it, is longer than %d bytes, or is there twice", c, maxChoiceBytes)
	}
}
