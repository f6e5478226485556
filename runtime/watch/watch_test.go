package watch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func parse(t testing.TB, line string) *Condition {
	t.Helper()
	c, err := Parse("x", line)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func at(second float64) time.Time { return time.Unix(1000, int64(second*1e9)) }

// story runs a line over moments, written as "second: answer answer" with answers as name=value@probability, and returns
// what happens as "+second" and "-second".
func story(t testing.TB, o Options, line string, moments ...string) string {
	t.Helper()
	s := New([]*Condition{parse(t, line)}, o)
	var out []string
	for _, m := range moments {
		when, what, _ := strings.Cut(m, ":")
		var second float64
		if _, err := fmt.Sscan(when, &second); err != nil {
			t.Fatal(err)
		}
		var answers []Answer
		for _, w := range strings.Fields(what) {
			a := Answer{Probability: 1}
			w, p, _ := strings.Cut(w, "@")
			a.Name, a.Value, _ = strings.Cut(w, "=")
			if p != "" {
				if _, err := fmt.Sscan(p, &a.Probability); err != nil {
					t.Fatal(err)
				}
			}
			answers = append(answers, a)
		}
		for _, e := range s.Update(at(second), answers) {
			sign := "-"
			if e.Start {
				sign = "+"
			}
			out = append(out, sign+when)
		}
	}
	return strings.Join(out, " ")
}

func TestConditionsStartAndEnd(t *testing.T) {
	for _, c := range []struct {
		name, line string
		o          Options
		moments    []string
		want       string
	}{
		{"at once", "p", Options{}, []string{"0: p=no", "1: p=yes", "2: p=yes", "3: p=no", "4: p=yes"}, "+1 -3 +4"},
		{"held", "p for 2s", Options{}, []string{"0: p=yes", "1: p=yes", "1.9: p=no", "2: p=yes", "3: p=yes", "4: p=yes", "5: p=no"}, "+4 -5"},
		{"clear after", "p clear after 2s", Options{}, []string{"0: p=yes", "1: p=no", "2: p=yes", "3: p=no", "4: p=no", "5: p=no", "6: p=no"}, "+0 -5"},
		{"cooldown", "p cooldown 5s", Options{}, []string{"0: p=yes", "1: p=no", "2: p=yes", "3: p=no", "4: p=yes", "5: p=yes", "6: p=no"}, "+0 -1 +5 -6"},
		{"what is over before the cooldown is never told", "p cooldown 5s", Options{}, []string{"0: p=yes", "1: p=no", "2: p=yes", "3: p=no", "6: p=no"}, "+0 -1"},
		{"probability", "p probability > 0.8", Options{}, []string{"0: p=yes@0.8", "1: p=yes@0.9", "2: p=no@0.6"}, "+1 -2"},
		{"the other answer's probability", "p is no probability > 0.8", Options{}, []string{"0: p=yes@0.3", "1: p=yes@0.1", "2: p=no@0.85"}, "+1"},
		{"hysteresis", "p probability > 0.8 until < 0.5", Options{}, []string{"0: p=yes@0.7", "1: p=yes@0.9", "2: p=yes@0.6", "3: p=no@0.6", "4: p=yes@0.7"}, "+1 -3"},
		{"numbers", "n >= 3 until < 2", Options{}, []string{"0: n=2", "1: n=3", "2: n=2", "3: n=1.5", "4: n=10"}, "+1 -3 +4"},
		{"not a number", "n >= 0", Options{}, []string{"0: n=many", "1: n=0"}, "+1"},
		{"and, answers at different times", "p and g is open", Options{}, []string{"0: p=yes", "1: g=open", "2: p=no", "3: p=yes"}, "+1 -2 +3"},
		{"or", "p or q", Options{}, []string{"0: p=yes q=no", "1: p=no q=yes", "2: p=no q=no"}, "+0 -2"},
		{"case does not count", "p", Options{}, []string{"0: p=YES"}, "+0"},
		{"nothing is known of an answer that never came", "not p", Options{}, []string{"0: q=yes", "1: p=no"}, "+1"},
		{"old answers are not true for ever", "p", Options{MaxGap: 5 * time.Second}, []string{"0: p=yes", "4:", "5:", "6:", "7: p=yes"}, "+0 -6 +7"},
		{"a gap is no holding", "p for 3s", Options{MaxGap: 5 * time.Second}, []string{"0: p=yes", "10: p=yes", "12: p=yes", "13: p=yes"}, "+13"},
		{"time passes without answers", "p for 3s", Options{}, []string{"0: p=yes", "3:"}, "+3"},
		{"the clock goes back", "p for 3s", Options{}, []string{"100: p=yes", "50: p=yes", "52: p=yes", "53: p=yes"}, "+53"},
		{"a day's leap", "p for 3s", Options{}, []string{"0: p=yes", "86400: p=yes", "86403: p=no"}, ""},
	} {
		if got := story(t, c.o, c.line, c.moments...); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAnEventSaysHowLongAndWhy(t *testing.T) {
	c := parse(t, `notify "Hello" when p for 2s clear after 1s`)
	s := New([]*Condition{c}, Options{})
	p := Answer{Name: "p", Value: "yes", Probability: 0.9}
	s.Update(at(0), []Answer{p, {Name: "other", Value: "no"}})
	start := s.Update(at(2), []Answer{p})
	if !slices.Equal(s.Active(), []string{"x"}) {
		t.Errorf("active: %q", s.Active())
	}
	p.Value = "no"
	s.Update(at(5), []Answer{p})
	stop := s.Update(at(6), []Answer{p})
	got := append(start, stop...)
	want := []Event{
		{Condition: "x", Message: "Hello", Start: true, At: at(2), Held: 2 * time.Second, Answers: []Answer{{Name: "p", Value: "yes", Probability: 0.9}}},
		{Condition: "x", Message: "Hello", At: at(6), Held: 5 * time.Second, Answers: []Answer{p}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(s.Active()) != 0 {
		t.Errorf("active: %q", s.Active())
	}
}

type moment struct {
	at      time.Time
	answers []Answer
}

func drawMoments(t *rapid.T) []moment {
	out := make([]moment, rapid.IntRange(1, 60).Draw(t, "moments"))
	now := at(0)
	for i := range out {
		now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "step")) * 100 * time.Millisecond)
		out[i].at = now
		for _, name := range []string{"a", "b"} {
			if rapid.IntRange(0, 3).Draw(t, "asked") > 0 {
				p := float64(rapid.IntRange(0, 10).Draw(t, "probability")) / 10
				a := Answer{Name: name, Value: "yes", Probability: p, Of: map[string]float64{"yes": p, "0.5": 1 - p}}
				if p < 0.5 {
					a.Value, a.Probability = "0.5", 1-p
				}
				out[i].answers = append(out[i].answers, a)
			}
		}
	}
	return out
}

// Whatever the condition: starts and ends take turns, starts keep the cooldown, what starts has held at every moment for
// long enough, and what ends has not held for long enough.
func TestEventsKeepWhatTheLinePromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCondition(t, []string{"a", "b"}, []string{"yes", "0.5"})
		moments := drawMoments(t)
		s := New([]*Condition{c}, Options{MaxGap: time.Hour})
		// The same expression without times says when it holds.
		bare := *c
		bare.For, bare.Clear, bare.Cooldown = 0, 0, 0
		plain := New([]*Condition{&bare}, Options{MaxGap: time.Hour})
		holds := make([]bool, len(moments))
		active := false
		lastStart := time.Time{}
		for i, m := range moments {
			plain.Update(m.at, m.answers)
			holds[i] = len(plain.Active()) > 0
			events := s.Update(m.at, m.answers)
			if len(events) > 1 {
				t.Fatalf("%d events at once", len(events))
			}
			for _, e := range events {
				if e.Start == active {
					t.Fatalf("start %v while active is %v", e.Start, active)
				}
				active = e.Start
				least := c.Clear
				if e.Start {
					least = c.For
					if !lastStart.IsZero() && m.at.Sub(lastStart) < c.Cooldown {
						t.Fatalf("two starts %v apart, cooldown %v", m.at.Sub(lastStart), c.Cooldown)
					}
					lastStart = m.at
				}
				j := i
				for j >= 0 && holds[j] == e.Start {
					j--
				}
				if j == i || m.at.Sub(moments[j+1].at) < least {
					t.Fatalf("%s at %d: not long enough", c, i)
				}
			}
			if (len(s.Active()) > 0) != active {
				t.Fatal("Active does not follow the events")
			}
		}
		// Nothing that held long enough, with no cooldown in the way, goes without a start.
		if c.Cooldown == 0 && !active && c.Clear == 0 {
			j := len(moments) - 1
			for j >= 0 && holds[j] {
				j--
			}
			if j < len(moments)-1 && moments[len(moments)-1].at.Sub(moments[j+1].at) >= c.For {
				t.Fatalf("%s holds, but has not started", c)
			}
		}
	})
}

func TestOnlyDifferencesOfTimeMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCondition(t, []string{"a", "b"}, []string{"yes", "0.5"})
		moments := drawMoments(t)
		shift := time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(t, "shift"))
		one, two := New([]*Condition{c}, Options{}), New([]*Condition{c}, Options{})
		for _, m := range moments {
			a, b := one.Update(m.at, m.answers), two.Update(m.at.Add(shift), m.answers)
			if diff := cmp.Diff(a, b, cmpopts.IgnoreFields(Event{}, "At")); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
