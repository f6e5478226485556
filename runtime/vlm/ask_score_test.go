package vlm

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/edgevlm/edgevlm/runtime/token"
)

// words is an engine of nothing but a vocabulary.
func words(t testing.TB, more ...string) *Engine {
	t.Helper()
	var c token.Config
	c.Pre = "qwen2"
	for _, r := range byteRunes() {
		c.Tokens = append(c.Tokens, string(r))
	}
	c.Tokens = append(c.Tokens, more...)
	tok, err := token.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return &Engine{tok: tok, answerTemperature: 1, numbers: func() *numbers { return newNumbers(tok) }}
}

// play runs a scorer against a model that continues texts with given probabilities; what is left goes to "~".
func play(t testing.TB, e *Engine, s scorer, model map[string]map[string]float64) Answer {
	t.Helper()
	needs := []need{{}}
	for rounds := 0; len(needs) > 0; rounds++ {
		if rounds > 40 {
			t.Fatal("it never ends")
		}
		var logits [][]float32
		for _, n := range needs {
			l := slices.Repeat([]float32{-1000}, e.tok.Size())
			rest := 1.0
			for next, p := range model[e.tok.Decode(n.tokens)] {
				id, ok := e.tok.ID(next)
				if !ok {
					t.Fatalf("no token %q", next)
				}
				l[id] = float32(math.Log(p))
				rest -= p
			}
			if rest > 1e-9 {
				id, _ := e.tok.ID("~")
				l[id] = float32(math.Log(rest))
			}
			logits = append(logits, l)
		}
		var err error
		if needs, err = s.step(logits); err != nil {
			t.Fatal(err)
		}
	}
	return s.answer()
}

func TestAChoiceHasTheProbabilityOfAllItsForms(t *testing.T) {
	e := words(t)
	type model = map[string]map[string]float64
	for _, c := range []struct {
		name    string
		choices []string
		m       model
		want    []float64 // before they are made to add up to 1
	}{
		{"one letter", []string{"a", "b"}, model{"": {"a": 0.5, "A": 0.1, "b": 0.2}}, []float64{0.6, 0.2}},
		{"the whole answer counts", []string{"ax", "ay", "b"}, model{"": {"a": 0.8, "b": 0.1}, "a": {"x": 0.1, "y": 0.3}}, []float64{0.08, 0.24, 0.1}},
		{"a choice that begins another", []string{"a", "ab"}, model{"": {"a": 1}, "a": {"b": 0.3}}, []float64{0.7, 0.3}},
		{"one form in another's way", []string{"a", "aa"}, model{"": {"A": 1}, "A": {"a": 0.2, "A": 0.1}}, []float64{0.7, 0.3}},
		{"a beginning too unlikely to follow", []string{"ax", "ay", "b"}, model{"": {"a": 0.0008, "b": 0.9}}, []float64{0.0004, 0.0004, 0.9}},
		{"spaces", []string{"a", "b"}, model{"": {" ": 0.9}, " ": {"a": 0.25, "b": 0.75}}, []float64{0.225, 0.675}},
	} {
		s, err := e.newChoices(c.choices)
		if err != nil {
			t.Fatal(err)
		}
		a := play(t, e, s, c.m)
		sum := 0.0
		best := 0
		for i, p := range c.want {
			sum += p
			if p > c.want[best] {
				best = i
			}
		}
		for i, p := range c.want {
			if math.Abs(a.Probabilities[i]-p/sum) > 1e-5 {
				t.Errorf("%s: %v, want %v / %v", c.name, a.Probabilities, c.want, sum)
				break
			}
		}
		if math.Abs(a.Allowed-sum) > 1e-5 || a.Value != c.choices[best] || a.Probability != a.Probabilities[best] {
			t.Errorf("%s: %+v", c.name, a)
		}
	}
}

func TestNumbersAreReadHoweverTheyAreWritten(t *testing.T) {
	e := words(t, "two", "Two", "ty")
	type model = map[string]map[string]float64
	for _, c := range []struct {
		m       model
		value   string
		p       float64
		allowed float64
	}{
		{model{"": {"3": 0.6, "4": 0.2}}, "3", 0.75, 0.8},
		{model{"": {"2": 0.3, "two": 0.2, "Two": 0.1, "3": 0.4}}, "2", 0.6, 1},
		{model{"": {"1": 1}, "1": {"2": 0.9}, "12": {"0": 0.1}}, "12", 0.81, 1},
		{model{"": {"3": 1}, "3": {".": 1}}, "3", 1, 1},
		{model{"": {"-": 1}, "-": {"2": 1}, "-2": {".": 1}, "-2.": {"5": 1}, "-2.5": {"0": 1}}, "-2.5", 1, 1},
		{model{"": {"N": 1}, "N": {"o": 1}, "No": {"n": 1}, "Non": {"e": 1}}, "0", 1, 1},
		{model{"": {"s": 1}, "s": {"i": 1}, "si": {"x": 1}, "six": {"ty": 0.4}, "sixty": {"-": 0.5}, "sixty-": {"o": 1}, "sixty-o": {"n": 1}, "sixty-on": {"e": 1}}, "6", 0.6, 1},
		{model{"": {" ": 1}, " ": {"0": 1}, " 0": {"0": 1}, " 00": {"7": 1}}, "7", 1, 1},
		{model{"": {"-": 1}, "-": {"0": 1}}, "0", 1, 1},
	} {
		s, err := e.newNumber()
		if err != nil {
			t.Fatal(err)
		}
		a := play(t, e, s, c.m)
		if a.Value != c.value || math.Abs(a.Probability-c.p) > 1e-3 || math.Abs(a.Allowed-c.allowed) > 1e-3 {
			t.Errorf("%v: %+v, want %s %v %v", c.m, a, c.value, c.p, c.allowed)
		}
	}
}

func TestANumberThatNeverEndsIsCutShort(t *testing.T) {
	e := words(t)
	m := map[string]map[string]float64{"": {"1": 1}}
	for text := "1"; len(text) < 40; text += "1" {
		m[text] = map[string]float64{"1": 1}
	}
	s, err := e.newNumber()
	if err != nil {
		t.Fatal(err)
	}
	if a := play(t, e, s, m); a.Value != "111111111" {
		t.Errorf("%+v", a)
	}
}

func TestATemperatureMovesProbabilitiesButNotTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.SliceOfN(rapid.Float64Range(0, 1), 2, 6).Draw(t, "weights")
		temperature := rapid.Float64Range(0.05, 100).Draw(t, "temperature")
		p, own := make([]float64, len(w)), make([]float64, len(w))
		calibrate(p, w, temperature)
		calibrate(own, w, 1)
		sum := 0.0
		for i := range p {
			sum += p[i]
			for j := range p {
				if w[i] > w[j] && p[i] < p[j] {
					t.Fatalf("%v became %v", w, p)
				}
			}
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Fatalf("they add up to %v", sum)
		}
		if temperature > 1 && slices.Max(p) > slices.Max(own)+1e-9 {
			t.Fatalf("temperature %v made %v surer: %v", temperature, own, p)
		}
	})
}
