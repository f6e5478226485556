package gate

import "strings"

// TaskKind is a sort of question.
type TaskKind string

const (
	YesNo  TaskKind = "yesno"
	Choice TaskKind = "choice"
	Number TaskKind = "number"
	Boxes  TaskKind = "boxes"
	Order  TaskKind = "order"
	Free   TaskKind = "free"
)

// Task is one question about a clip and its answer.
type Task struct {
	Kind TaskKind
	Q, A string
}

// ask picks how the description is asked for and four to six questions, rarely
// fewer.
func (s *Scene) ask(g *rng) {
	s.Prompt = Prompts()[0]
	if z := g.intn(100); z < 25 {
		s.Prompt = Prompts()[1+z%2]
	}
	n := 4 + g.intn(3)
	yes := g.chance(50) // of the next yes/no question, however many draws it takes to find one
	for try := 0; len(s.Tasks) < n && try < 60; try++ {
		var t Task
		var ok bool
		switch z := g.intn(100); {
		case try == 0:
			t, ok = s.order(g)
		case try == 1 && z < 70:
			t, ok = s.where(g)
		case z < 45:
			t, ok = s.yesNo(g, yes)
		case z < 65:
			t, ok = s.choice(g)
		case z < 75:
			t, ok = s.number(g)
		case z < 82:
			t, ok = s.where(g)
		case z < 87:
			t, ok = s.order(g)
		default:
			t, ok = s.freely(g)
		}
		if ok && s.add(t) && t.Kind == YesNo {
			yes = g.chance(50)
		}
	}
	for i := range s.Tasks {
		j := i + g.intn(len(s.Tasks)-i)
		s.Tasks[i], s.Tasks[j] = s.Tasks[j], s.Tasks[i]
	}
}

// AskMore adds up to n yes/no questions that differ from those asked so far.
// They are for training, which needs many answers a clip: what the scene asks
// on its own stays as it is.
func (s *Scene) AskMore(n int) {
	g := newRNG(s.look.state, 1)
	yes := g.chance(50)
	for try, end := 0, len(s.Tasks)+n; len(s.Tasks) < end && try < 8*n; try++ {
		if t, ok := s.yesNo(&g, yes); ok && s.add(t) {
			yes = g.chance(50)
		}
	}
}

// add adds a task unless its question was asked already.
func (s *Scene) add(t Task) bool {
	for _, o := range s.Tasks {
		if o.Q == t.Q {
			return false
		}
	}
	s.Tasks = append(s.Tasks, t)
	return true
}

// some picks an object at random, nil if there is none.
func (s *Scene) some(g *rng) *Object {
	if len(s.Objects) == 0 {
		return nil
	}
	return &s.Objects[g.intn(len(s.Objects))]
}

// has finds the object of a class.
func (s *Scene) has(c Class) *Object {
	for i := range s.Objects {
		if s.Objects[i].Class == c {
			return &s.Objects[i]
		}
	}
	return nil
}

// choice asks which of two or three things is true. The options come in any
// order; answers are words of the question.
func (s *Scene) choice(g *rng) (Task, bool) {
	o := s.some(g)
	one := func(before, truth string, options ...string) (Task, bool) {
		for i := range options {
			j := i + g.intn(len(options)-i)
			options[i], options[j] = options[j], options[i]
		}
		n := len(options) - 1
		list := strings.Join(options[:n], ", ") + " or " + options[n]
		return Task{Choice, before + " " + list + "?", capital(truth) + "."}, true
	}
	switch z := g.intn(100); {
	case z < 30:
		if o == nil {
			break
		}
		a := Colour((int(o.Colour) + 1 + g.intn(NumColours-1)) % NumColours)
		b := Colour(g.intn(NumColours))
		for b == a || b == o.Colour {
			b = Colour(g.intn(NumColours))
		}
		before := "What colour is the " + o.Class.String() + ":"
		if o.Class == Person {
			before = "What colour does the person wear:"
		}
		return one(before, o.Colour.String(), o.Colour.String(), a.String(), b.String())
	case z < 50:
		if o == nil {
			break
		}
		the := "Is the " + o.Class.String()
		switch m := o.Motion; m {
		case Left, Right:
			return one(the+" moving", [2]string{"left", "right"}[m-Left], "left", "right")
		case Closer, Away:
			return one(the, m.gerund(), Closer.gerund(), Away.gerund())
		case Arrives, Leaves:
			return one(the, m.gerund(), Arrives.gerund(), Leaves.gerund())
		case Puts, Takes:
			return one(the, [2]string{"leaving", "taking"}[m-Puts]+" a parcel", "leaving a parcel", "taking a parcel")
		case Enters, Exits:
			return one(the, m.gerund(), Enters.gerund(), Exits.gerund())
		}
	case z < 68:
		if s.Door == NoDoor {
			break
		}
		the := "Is the " + s.Door.String()
		if s.DoorState >= Opens {
			return one(the, [2]string{"opening", "closing"}[s.DoorState-Opens], "opening", "closing")
		}
		return one(the, [2]string{"closed", "open"}[s.DoorState], "open", "closed")
	case z < 80:
		return one("Is it", s.Light.String(), "day", "dusk", "night")
	case z < 90:
		return one("Is it", s.Weather.String(), "clear", "raining", "foggy")
	default:
		a := Class(g.intn(NumClasses))
		b := Class((int(a) + 1 + g.intn(NumClasses-1)) % NumClasses)
		if (s.has(a) == nil) == (s.has(b) == nil) {
			break
		}
		if s.has(a) == nil {
			a, b = b, a
		}
		return one("Is there", "a "+a.String(), "a "+a.String(), "a "+b.String())
	}
	return Task{}, false
}

// number asks how many.
func (s *Scene) number(g *rng) (Task, bool) {
	animals, moving, meets := 0, 0, false
	for i := range s.Objects {
		o := &s.Objects[i]
		animals += b2i(o.Class == Dog || o.Class == Cat)
		moving += b2i(o.Motion != Still)
		meets = meets || o.Motion >= IsPut
	}
	switch z := g.intn(100); {
	case z < 60:
		return Task{Number, "How many objects are there?", numbers[len(s.Objects)] + "."}, true
	case z < 80:
		return Task{Number, "How many animals are there?", numbers[animals] + "."}, true
	case !meets && !s.still: // does a parcel move that is carried?
		return Task{Number, "How many objects move?", numbers[moving] + "."}, true
	}
	return Task{}, false
}

// freely asks without options.
func (s *Scene) freely(g *rng) (Task, bool) {
	o := s.some(g)
	switch z := g.intn(100); {
	case z < 45:
		if o == nil || o.Motion >= IsPut {
			break
		}
		it := "It "
		if o.Class == Person {
			it = "The person "
		}
		return Task{Free, "What does the " + o.Class.String() + " do?", it + s.does(o) + "."}, true
	case z < 60:
		if s.Door == NoDoor {
			break
		}
		return Task{Free, "What does the " + s.Door.String() + " do?", "It " + s.DoorState.String() + "."}, true
	case z < 80:
		if o == nil {
			break
		}
		q := "What colour is the " + o.Class.String() + "?"
		if o.Class == Person {
			q = "What colour does the person wear?"
		}
		return Task{Free, q, capital(o.Colour.String()) + "."}, true
	default: // who does it? Only where one alone does
		if o == nil || o.Motion >= freeMotions {
			break
		}
		for i := range s.Objects {
			p := &s.Objects[i]
			if p != o && p.Motion == o.Motion || p.Motion >= IsPut {
				return Task{}, false
			}
		}
		return Task{Free, "What " + o.Motion.String() + "?", capital(o.a()) + "."}, true
	}
	return Task{}, false
}
