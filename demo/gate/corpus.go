package gate

import "strings"

// Corpus is a list of sentences in which every word of the world occurs, with
// and without a capital where both are used: what every object can be said to
// do, and the questions and answers of enough scenes to meet them all.
func Corpus() []string {
	out := append(Prompts(), Nothing)
	for c := range Class(NumClasses) {
		for col := range Colour(NumColours) {
			o := Object{Class: c, Colour: col}
			out = append(out, capital(o.a())+" "+Motion(int(col)).String()+".", "Is there "+o.a()+"?", capital(col.String())+".")
		}
	}
	seen := map[string]bool{}
	add := func(line string) {
		news := false
		for _, w := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" .,:?()<>|", r) }) {
			if !seen[w] {
				seen[w], news = true, true
			}
		}
		if news {
			out = append(out, line)
		}
	}
	r := New(Train, 0)
	for i := range uint64(6000) {
		s := r.Scene(i, Kind(i%8/7*uint64(Frozen)))
		add(s.Caption())
		for _, t := range s.Tasks {
			add(t.Q + " " + t.A)
		}
	}
	return out
}
