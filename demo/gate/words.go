package gate

import "strings"

func (c Class) String() string {
	return [NumClasses]string{"person", "car", "dog", "cat", "bicycle", "parcel"}[c]
}

func (c Colour) String() string {
	return [NumColours]string{"red", "blue", "green", "yellow", "orange", "purple", "white", "black"}[c]
}

// String is the verb phrase, as in "A red car moves left." That of Puts and
// Takes lacks its parcel.
func (m Motion) String() string {
	return [NumMotions]string{"stands still", "moves left", "moves right", "comes closer", "goes away", "arrives", "leaves", "crosses",
		"leaves", "takes", "goes in at the door", "comes out of the door", "is left", "is taken"}[m]
}

// infinitive is the verb phrase, as in "Does the car move left?"
func (m Motion) infinitive() string {
	return [NumMotions]string{"stand still", "move left", "move right", "come closer", "go away", "arrive", "leave", "cross",
		"leave a parcel", "take a parcel", "go in at the door", "come out of the door", "", ""}[m]
}

// gerund is the verb phrase, as in "the car moving left".
func (m Motion) gerund() string {
	return [NumMotions]string{"", "moving left", "moving right", "coming closer", "going away", "arriving", "leaving", "crossing",
		"leaving a parcel", "taking a parcel", "going in", "coming out", "", ""}[m]
}

func (k DoorKind) String() string { return [3]string{"", "door", "gate"}[k] }

// String is the verb phrase, as in "The gate opens."
func (d DoorState) String() string {
	return [NumDoorStates]string{"is closed", "is open", "opens", "closes"}[d]
}

func (l Light) String() string   { return [3]string{"day", "dusk", "night"}[l] }
func (w Weather) String() string { return [3]string{"clear", "raining", "foggy"}[w] }

// Prompts are the ways in which a description is asked for; the first is the
// usual one.
func Prompts() []string {
	return []string{"What is happening?", "Describe the clip.", "Describe what you see."}
}

// Nothing describes an empty scene.
const Nothing = "Nothing is there."

// phrase names the object: "red car", "person in red".
func (o *Object) phrase() string {
	if o.Class == Person {
		return "person in " + o.Colour.String()
	}
	return o.Colour.String() + " " + o.Class.String()
}

// a is the object with its article: "a red car", "an orange dog".
func (o *Object) a() string {
	if o.Class != Person && o.Colour == Orange {
		return "an " + o.phrase()
	}
	return "a " + o.phrase()
}

// does is what an object does, as a verb phrase.
func (s *Scene) does(o *Object) string {
	if o.Motion == Puts || o.Motion == Takes {
		for i := range s.Objects {
			if p := &s.Objects[i]; p.Motion >= IsPut {
				return o.Motion.String() + " " + p.a()
			}
		}
	}
	return o.Motion.String()
}

// Sentences describe the scene, one sentence a thing, the door last. A parcel
// that is left or taken is in the person's sentence.
func (s *Scene) Sentences() []string {
	var out []string
	for i := range s.Objects {
		if o := &s.Objects[i]; o.Motion < IsPut {
			out = append(out, capital(o.a())+" "+s.does(o)+".")
		}
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

// numbers are the words for counts.
var numbers = [...]string{"None", "One", "Two", "Three"}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
