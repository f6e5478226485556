package world

import "strings"

// Prompts are the ways in which a description is asked for; the first is the
// usual one.
func Prompts() []string {
	return []string{"What is happening?", "Describe the clip.", "Describe what you see."}
}

// Nothing describes an empty scene.
const Nothing = "Nothing is there."

// Phrase names the object: "A red car", "A person in red".
func (o *Object) Phrase() string {
	if o.Class == Person {
		return "A person in " + o.Colour.String()
	}
	return "A " + o.Colour.String() + " " + o.Class.String()
}

// Sentences describe the scene, one sentence a thing, the door last.
func (s *Scene) Sentences() []string {
	var out []string
	for i := range s.Objects {
		o := &s.Objects[i]
		out = append(out, o.Phrase()+" "+o.Motion.String()+".")
	}
	if s.Door != NoDoor {
		out = append(out, "The "+s.Door.String()+" "+s.DoorState.String()+".")
	}
	if out == nil {
		out = []string{Nothing}
	}
	return out
}

// Caption is the scene's description: its sentences joined by spaces.
func (s *Scene) Caption() string { return strings.Join(s.Sentences(), " ") }

// ask picks how the description is asked for and one more question.
func (s *Scene) ask(g *rng) {
	s.Prompt = Prompts()[0]
	if z := g.intn(100); z < 25 {
		s.Prompt = Prompts()[1+z%2]
	}
	z := g.intn(100)
	n := len(s.Objects)
	switch {
	case z < 50 && n > 0:
		o := &s.Objects[g.intn(n)]
		s.Question, s.Answer = "What does the "+o.Class.String()+" do?", "It "+o.Motion.String()+"."
	case z < 65 && s.Door != NoDoor:
		s.Question, s.Answer = "What does the "+s.Door.String()+" do?", "It "+s.DoorState.String()+"."
	case z < 80 && n > 0:
		o := &s.Objects[g.intn(n)]
		s.Question, s.Answer = "What colour is the "+o.Class.String()+"?", capital(o.Colour.String())+"."
	case z < 90:
		c := Class(g.intn(NumClasses))
		s.Question, s.Answer = "Is there a "+c.String()+"?", "No."
		for i := range s.Objects {
			if s.Objects[i].Class == c {
				s.Answer = "Yes."
			}
		}
	case z < 95:
		s.Question, s.Answer = "How many objects are there?", [3]string{"None.", "One.", "Two."}[min(n, 2)]
	default:
		s.Question, s.Answer = "Is it day or night?", "Day."
		if s.Night {
			s.Answer = "Night."
		}
	}
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
