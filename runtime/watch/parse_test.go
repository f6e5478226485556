package watch

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestLinesMeanWhatTheySay(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"person", "notify when person is yes"},
		{"notify when person is yes for 3 s", "notify when person is yes for 3s"},
		{"NOTIFY WHEN person IS yes FOR 3S", "notify when person is yes for 3s"},
		{"notify when person is yes with probability > 0.8 for 3 s, cooldown 1 min", "notify when person is yes with probability > 0.8 for 3s cooldown 1m0s"},
		{"person probability>=.8 until<.6", "notify when person is yes with probability >= 0.8 until < 0.6"},
		{`notify "Somebody is there" when person and not gate is closed`, `notify "Somebody is there" when person is yes and not gate is closed`},
		{"gate is not closed", "notify when gate is not closed"},
		{`gate is "half open" or gate is open and count > 2`, `notify when gate is "half open" or gate is open and count > 2`},
		{"(gate is open or person) and count != -1.5", "notify when (gate is open or person is yes) and count != -1.5"},
		{"a or (b or c)", "notify when a is yes or (b is yes or c is yes)"},
		{"not (a and b)", "notify when not (a is yes and b is yes)"},
		{"not not a", "notify when not not a is yes"},
		{"count >= 3 until < 2, clear after 1m 30s, for 500ms", "notify when count >= 3 until < 2 for 500ms clear after 1m30s"},
		{`"and" is 'or'`, `notify when "and" is "or"`},
		{"größe is straße", "notify when größe is straße"},
		{`count is "3"`, `notify when count is "3"`},
		{"count is 3", `notify when count is "3"`},
		{"count==3", "notify when count = 3"},
	} {
		got, err := Parse("x", c.line)
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		if got.String() != c.want {
			t.Errorf("%s: %s, want %s", c.line, got, c.want)
		}
	}
}

func TestErrorsPointAtTheWord(t *testing.T) {
	for _, c := range []struct {
		line, want string
		column     int
	}{
		{"", "the name of a question", 1},
		{"notify when", "the name of a question", 12},
		{"person for", "a time like 3s", 11},
		{"person for 3", "a unit", 13},
		{"person for 3 cats", "a time like 3s", 12},
		{"person for 0s", "more than 0", 12},
		{"person for 8000h", "a week", 12},
		{"person for 3s for 4s", "only once", 15},
		{"person is", "an answer", 10},
		{"person is for", "in quotes if it is this word", 11},
		{"person is yes with", `"probability"`, 19},
		{"person probability > 1.5", "from 0 to 1", 22},
		{"person probability 0.5", "a comparison", 20},
		{"person probability > 0.5 until > 0.6", "no more than before", 32},
		{"person probability > 0.5 until < 0.6", "no more than before", 32},
		{"count < 2 until > 1", "no less than before", 17},
		{"count = 2 until > 1", `no "until"`, 17},
		{"count >= 2 until <= 2", "does not meet the first", 18},
		{"count >", "a number", 8},
		{"count > inf", "a number", 9},
		{"(person", "a closing parenthesis", 8},
		{"person)", `"and", "or"`, 7},
		{"größe ! x", "!=", 7},
		{`größe is "x`, "a closing quote", 10},
		{"person $", "a name, a value in quotes", 8},
		{"person and", "the name of a question", 11},
		{"person clear 3s", `"after"`, 14},
		{strings.Repeat("(", 30) + "a", "fewer parentheses", 21},
	} {
		_, err := Parse("x", c.line)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q: %v", c.line, err)
			continue
		}
		if syntax.Column != c.column || !strings.Contains(syntax.Want, c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want column %d and %q", c.line, err, c.column, c.want)
		}
	}
	for _, bad := range []string{strings.Repeat("a", MaxLine+1), "\xff"} {
		if _, err := Parse("x", bad); err == nil {
			t.Errorf("%.20q is accepted", bad)
		}
	}
}

func TestACheckNamesWhatDoesNotExist(t *testing.T) {
	questions := []Question{{Name: "person", Values: []string{"yes", "no"}}, {Name: "gate", Values: []string{"open", "closed"}}, {Name: "count", Numeric: true}}
	for _, c := range []struct{ line, want string }{
		{"person and gate is OPEN and count > 2", ""},
		{"count is 3", ""},
		{"person and cat", `asks for "cat", but the questions are: person, gate, count`},
		{"gate is ajar", `wants "gate" to be "ajar", but its answers are: open, closed`},
		{"gate", `wants "gate" to be "yes"`},
		{"person > 2", `compares "person" with a number`},
	} {
		x, err := Parse("x", c.line)
		if err != nil {
			t.Fatal(err)
		}
		switch err := x.Check(questions); {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.line, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", c.line, err, c.want)
		}
	}
}

// drawCondition draws any condition that a line can mean.
func drawCondition(t *rapid.T, names, values []string) *Condition {
	c := &Condition{Name: "x"}
	var expr func(depth int) node
	expr = func(depth int) node {
		op := "test"
		if depth > 0 {
			op = rapid.SampledFrom([]string{"test", "test", "not", "and", "or"}).Draw(t, "op")
		}
		n := node{op: op}
		switch op {
		case "not":
			n.of = []node{expr(depth - 1)}
		case "and", "or":
			for range rapid.IntRange(2, 3).Draw(t, "parts") {
				n.of = append(n.of, expr(depth-1))
			}
		default:
			x := &test{name: rapid.SampledFrom(names).Draw(t, "name"), index: len(c.tests)}
			if rapid.Bool().Draw(t, "by value") {
				x.value, x.not = rapid.SampledFrom(values).Draw(t, "value"), rapid.Bool().Draw(t, "not")
			}
			if x.value == "" || rapid.Bool().Draw(t, "with bounds") {
				at := float64(rapid.IntRange(1, 9).Draw(t, "bound")) / 10
				x.enter = bound{rapid.SampledFrom([]string{">", ">=", "<", "<=", "=", "!="}).Draw(t, "sign"), at}
				if rapid.Bool().Draw(t, "with hysteresis") {
					switch x.enter.sign {
					case ">", ">=":
						x.leave = bound{"<", at - 0.1}
					case "<", "<=":
						x.leave = bound{">", at + 0.1}
					}
				}
			}
			c.tests, n.test = append(c.tests, x), x
		}
		return n
	}
	c.when = expr(3)
	time := func(name string) time.Duration {
		return time.Duration(rapid.IntRange(0, 5).Draw(t, name)) * 700 * time.Millisecond
	}
	c.For, c.Clear, c.Cooldown = time("for"), time("clear"), time("cooldown")
	return c
}

var sameCondition = cmp.AllowUnexported(Condition{}, node{}, test{}, bound{})

func TestAConditionSurvivesItsOwnLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCondition(t, []string{"a", "and", "b c", `q"`, "3"}, []string{"yes", "is", "half open", "it's"})
		c.Message = rapid.SampledFrom([]string{"", "when", "Go!"}).Draw(t, "message")
		got, err := Parse("x", c.String())
		if err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		if diff := cmp.Diff(c, got, sameCondition); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", c, diff)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"notify when person is yes with probability > 0.8 until < 0.6 for 3 s, cooldown 1 min",
		`notify "x" when (a or not b) and count >= 3, clear after 1m30s`, "a is 'b", "((((", "a for 1.5.2h", "\x00", "a != ! 3",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := Parse("x", line)
		if err != nil {
			if strings.ContainsRune(err.Error(), '\n') {
				t.Errorf("%q is not one line", err)
			}
			return
		}
		again, err := Parse("x", c.String())
		if err != nil {
			t.Fatalf("%q means %q, and that: %v", line, c, err)
		}
		if diff := cmp.Diff(c, again, sameCondition); diff != "" {
			t.Fatalf("%q (-want +got):\n%s", line, diff)
		}
		New([]*Condition{c}, Options{}).Update(time.Time{}, nil)
	})
}

func ExampleParse() {
	c, err := Parse("visitor", "notify when person is yes with probability > 0.8 for 3 s, cooldown 1 min")
	if err != nil {
		fmt.Println(err)
		return
	}
	set := New([]*Condition{c}, Options{})
	for second := range 6 {
		for _, e := range set.Update(time.Unix(int64(second), 0), []Answer{{Name: "person", Value: "yes", Probability: 0.9}}) {
			fmt.Println(e.Condition, "starts at second", second)
		}
	}
	// Output: visitor starts at second 3
}
