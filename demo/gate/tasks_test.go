package gate

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// tasks calls f with every task of n scenes.
func tasks(t *testing.T, split Split, n int, f func(s *Scene, k Task)) {
	t.Helper()
	r := New(split, 41)
	for i := range uint64(n) {
		s := r.Scene(i, Normal)
		if len(s.Tasks) < 3 || len(s.Tasks) > 6 { // three where one finds no more, once in thousands
			t.Errorf("scene %d has %d tasks", i, len(s.Tasks))
		}
		for _, k := range s.Tasks {
			f(s, k)
		}
	}
}

func TestYesAndNoAreEquallyOften(t *testing.T) {
	yes, of := map[string]int{}, map[string]int{}
	tasks(t, Train, 8000, func(_ *Scene, k Task) {
		if k.Kind != YesNo {
			return
		}
		for _, key := range []string{"all", strings.Join(strings.Fields(k.Q)[:2], " ")} {
			of[key]++
			yes[key] += b2i(k.A == "Yes.")
		}
	})
	for key, n := range of {
		if p := yes[key] * 1000 / n; p < 465 || p > 535 || key == "all" && (p < 490 || p > 510) {
			t.Errorf("%q: yes in %d of %d", key, yes[key], n)
		}
	}
	if len(of) != 5 {
		t.Errorf("kinds of question: %v", of)
	}
}

// The first of two events is neither the one that is named first nor one of a
// certain kind: who doesn't look at the clip can hardly do better than half.
func TestOrderCantBeGuessed(t *testing.T) {
	named, of := 0, 0
	pairs := map[[2]string]int{}
	kind := func(s string) string { return s[strings.LastIndex(s, " ")+1:] }
	tasks(t, Train, 12000, func(_ *Scene, k Task) {
		if k.Kind != Order {
			return
		}
		a, b, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(k.Q, "What came first: "), "?"), " or ")
		answer := strings.ToLower(k.A[:1]) + strings.TrimSuffix(k.A[1:], ".")
		if !ok || answer != a && answer != b {
			t.Fatalf("%s %s", k.Q, k.A)
		}
		of++
		named += b2i(answer == a)
		if answer == b {
			a, b = b, a
		}
		pairs[[2]string{kind(a), kind(b)}]++
	})
	guess := 0
	for p, n := range pairs {
		if back := pairs[[2]string{p[1], p[0]}]; p[0] == p[1] {
			guess += n / 2
		} else if n > back || n == back && p[0] < p[1] {
			guess += n
		}
	}
	if of < 1500 || named*100 < 46*of || named*100 > 54*of || guess*100 > 60*of {
		t.Errorf("%d questions, the first named is the answer in %d, the usual order in %d", of, named, guess)
	}
}

func TestOrderIsThatOfTheFrames(t *testing.T) {
	moving := func(s *Scene, name string) span {
		from, to := -1, -1
		change := func(t int) {
			if from < 0 {
				from = t - 1
			}
			to = t
		}
		if strings.HasPrefix(name, "the door") || strings.HasPrefix(name, "the gate") {
			for t := 1; t < s.Frames; t++ {
				if s.opened[t] != s.opened[t-1] {
					change(t)
				}
			}
			return span{from, to}
		}
		for i := range s.Objects {
			o := &s.Objects[i]
			if !strings.HasPrefix(name, "the "+o.Class.String()+" ") {
				continue
			}
			for t := 1; t < s.Frames; t++ {
				p, q := o.path[t-1], o.path[t]
				switch {
				case o.Motion == Puts || o.Motion == Takes:
					if p.carries != q.carries {
						change(t)
					}
				case o.Motion == Enters || o.Motion == Exits:
					if p.inDoor != q.inDoor {
						change(t)
					}
				case p.seen() != q.seen():
					change(t)
				}
			}
		}
		return span{from, to}
	}
	seen := 0
	tasks(t, Test, 3000, func(s *Scene, k Task) {
		if k.Kind != Order {
			return
		}
		seen++
		a, b, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(k.Q, "What came first: "), "?"), " or ")
		if a != strings.ToLower(k.A[:1])+strings.TrimSuffix(k.A[1:], ".") {
			a, b = b, a
		}
		x, y := moving(s, a), moving(s, b)
		if x.from+gap > y.from || x.to+gap > y.to {
			t.Errorf("%s %s: %v and %v", k.Q, k.A, x, y)
		}
	})
	if seen < 300 {
		t.Errorf("only %d order questions", seen)
	}
}

func TestChoicesOfferTheirAnswer(t *testing.T) {
	at := map[string]int{}
	tasks(t, Train, 4000, func(_ *Scene, k Task) {
		if k.Kind != Choice {
			return
		}
		i := strings.Index(k.Q, strings.ToLower(strings.TrimSuffix(k.A, ".")))
		if i < 0 {
			t.Fatalf("%s %s", k.Q, k.A)
		}
		if strings.HasPrefix(k.Q, "Is the") {
			rest := k.Q[i:]
			at[map[bool]string{true: "first", false: "last"}[strings.Contains(rest, " or ")]]++
		}
	})
	if a, b := at["first"], at["last"]; a*100 < 42*(a+b) || a*100 > 58*(a+b) {
		t.Errorf("of two options the first is true in %d, the last in %d", a, b)
	}
}

func TestBoxesAreInThePictureAndInTens(t *testing.T) {
	form := regexp.MustCompile(`^<\|object_ref_start\|>(\w+)<\|object_ref_end\|><\|box_start\|>\((\d+),(\d+)\),\((\d+),(\d+)\)<\|box_end\|>$`)
	tasks(t, Train, 3000, func(s *Scene, k Task) {
		if k.Kind != Boxes {
			return
		}
		m := form.FindStringSubmatch(k.A)
		if m == nil {
			t.Fatal(k.A)
		}
		var v [4]int
		for i := range v {
			v[i], _ = strconv.Atoi(m[2+i])
			if v[i]%10 != 0 || v[i] > 1000 {
				t.Errorf("%s", k.A)
			}
		}
		if v[0] >= v[2] || v[1] >= v[3] || k.Q != "Where is the "+m[1]+"?" {
			t.Errorf("%s %s", k.Q, k.A)
		}
		for i := range s.Objects {
			if o := &s.Objects[i]; o.Class.String() == m[1] {
				b := o.path[s.Frames-1].seen()
				if d := abs((b.x0+b.x1)*1000/edge - v[0] - v[2]); d > 40 {
					t.Errorf("%s %s, but it is at %v", k.Q, k.A, b)
				}
			}
		}
	})
}

func TestNumbersCountWhatIsThere(t *testing.T) {
	tasks(t, Train, 2000, func(s *Scene, k Task) {
		if k.Q == "How many objects are there?" && k.A != numbers[len(s.Objects)]+"." {
			t.Errorf("%s %s: %s", k.Q, k.A, s.Caption())
		}
	})
}

func TestTheCorpusHasEveryWord(t *testing.T) {
	words := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" .,:?()<>|", r) })
	}
	known := map[string]bool{}
	corpus := Corpus()
	for _, line := range corpus {
		for _, w := range words(line) {
			known[w] = true
		}
	}
	for _, split := range []Split{Train, Test, Held} {
		r := New(split, 77)
		for i := range uint64(3000) {
			s := r.Scene(i, Kind(i%5/4)*Frozen)
			text := s.Caption() + " " + s.Reversed().Caption() + " " + s.Prompt
			for _, k := range s.Tasks {
				if k.Kind != Boxes { // numbers are written digit by digit
					text += " " + k.Q + " " + k.A
				}
			}
			for _, w := range words(text) {
				if !known[w] {
					t.Fatalf("%q is not in the corpus", w)
				}
			}
		}
	}
	if len(corpus) > 600 {
		t.Errorf("%d lines", len(corpus))
	}
}
