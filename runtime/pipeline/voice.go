package pipeline

import (
	"slices"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
	"github.com/edgevlm/edgevlm/runtime/watch"
)

// voice decides what of a camera is worth saying. Run's goroutine alone uses it.
type voice struct {
	gen    int // of the settings that it was made for
	prompt string
	all    bool // changes or not
	policy *stream.Policy
	watch  *watch.Set // nil without conditions

	questions []vlm.Question
}

// maxGap is how long answers count when no newer ones come: a slow board with several cameras takes minutes.
const maxGap = 5 * time.Minute

// voice is the camera's for the settings; another prompt, or a camera that was off, begins anew.
func (c *camera) voiceFor(set Settings, gen int) *voice {
	v := c.voice
	if v == nil || v.gen != gen {
		v = &voice{gen: gen, questions: c.Questions}
		if len(c.Conditions) > 0 {
			v.watch = watch.New(c.Conditions, watch.Options{MaxGap: maxGap})
		}
	}
	if v.policy == nil || v.prompt != set.Prompt {
		// Frames come a little early or late; half an interval makes up for it.
		every := max(0, c.Every-set.period()/2)
		p := stream.Publish{Every: every, Heartbeat: c.Heartbeat}
		if c.Stream != nil {
			p.Changed = c.Stream.Changed
		}
		v.policy = stream.NewPolicy(p)
		v.prompt, v.all = set.Prompt, !c.Changes
	}
	c.voice = v
	return v
}

// due says why a description is due, NotDue if it isn't.
func (v *voice) due(st stream.Step, at time.Time, answers []vlm.Answer, embeddings []float32, hidden int) stream.Why {
	if v.all {
		st.Compared, st.Changed, embeddings = true, 1, nil
	}
	v.policy.Observe(st)
	return v.policy.Due(at, values(answers), embeddings, hidden)
}

// news says whether what was due says anything new. A text that repeats the one before does if the answers are others.
func (v *voice) news(why stream.Why, text string, answers []vlm.Answer) bool {
	if v.all {
		return true
	}
	if text == "" && (why == stream.WhyScene || why == stream.WhyEmbeddings) {
		return false // only questions were asked, and their answers are the same
	}
	return v.policy.Said(text + "\n" + values(answers))
}

// asked notes that a description was published because somebody asked for it.
func (v *voice) asked(at time.Time, text string, answers []vlm.Answer, embeddings []float32) {
	v.policy.Published(at, values(answers), embeddings, text+"\n"+values(answers))
}

// events are the conditions that answers start and end.
func (v *voice) events(at time.Time, answers []vlm.Answer) []watch.Event {
	if v.watch == nil || len(answers) == 0 {
		return nil
	}
	all := make([]watch.Answer, len(answers))
	for i, a := range answers {
		all[i] = watch.Answer{Name: a.Name, Value: a.Value, Probability: a.Probability}
		names := v.choices(a)
		if len(names) == 0 || len(names) != len(a.Probabilities) {
			continue
		}
		all[i].Of = map[string]float64{}
		for j, n := range names {
			all[i].Of[n] = a.Probabilities[j]
		}
	}
	return v.watch.Update(at, all)
}

// choices are what an answer's probabilities are of.
func (v *voice) choices(a vlm.Answer) []string {
	if a.Kind == vlm.KindYesNo {
		return []string{"yes", "no"}
	}
	for _, q := range v.questions {
		if q.Name == a.Name {
			return q.Choices
		}
	}
	return nil
}

// about are those of the answers that a condition depends on.
func about(answers []vlm.Answer, of []watch.Answer) []vlm.Answer {
	var some []vlm.Answer
	for _, a := range answers {
		if slices.ContainsFunc(of, func(w watch.Answer) bool { return w.Name == a.Name }) {
			some = append(some, a)
		}
	}
	return some
}

// values are what answers say, without their probabilities: these always differ a little.
func values(answers []vlm.Answer) string {
	var b strings.Builder
	for _, a := range answers {
		b.WriteString(a.Name + "=" + a.Value + "\n")
	}
	return b.String()
}
