package vlm

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBoxesAreParsedFromQwensMarkup(t *testing.T) {
	one := func(label string, x, y, w, h float64) Box { return Box{label, x, y, w, h} }
	box := func(s string) string { return boxStart + s + boxEnd }
	ref := func(s string) string { return refStart + s + refEnd }
	for _, c := range []struct {
		name, in string
		want     []Box
	}{
		{"none", "A car (10,20) is parked.", nil},
		{"one", ref("the car") + box("(100,200),(300,600)"), []Box{one("the car", 0.1, 0.2, 0.2, 0.4)}},
		{"text around", "There is " + ref(" a dog ") + box("(0,0),(500,500)") + " here.<|im_end|>", []Box{one("a dog", 0, 0, 0.5, 0.5)}},
		{"several boxes of a label", ref("cat") + box("(0,0),(100,100)") + box("(500,500),(1000,1000)"), []Box{one("cat", 0, 0, 0.1, 0.1), one("cat", 0.5, 0.5, 0.5, 0.5)}},
		{"several in one pair of marks", ref("cat") + box("(0,0),(100,100), (500,500),(1000,1000)"), []Box{one("cat", 0, 0, 0.1, 0.1), one("cat", 0.5, 0.5, 0.5, 0.5)}},
		{"two labels", ref("a") + box("(0,0),(100,100)") + ref("b") + box("(0,0),(100,100)"), []Box{one("a", 0, 0, 0.1, 0.1), one("b", 0, 0, 0.1, 0.1)}},
		{"no label", box("(0,0),(100,100)"), []Box{one("", 0, 0, 0.1, 0.1)}},
		{"corners exchanged", box("(300,600),(100,200)"), []Box{one("", 0.1, 0.2, 0.2, 0.4)}},
		{"outside", box("(-50,500),(2000,1e9)") + box("(-50,500),(2000,99999)"), []Box{one("", 0, 0.5, 1, 0.5)}},
		{"fractions and spaces", box(" ( 100.5 , 200 ) , ( 300.5 , 600 ) "), []Box{one("", 0.1005, 0.2, 0.2, 0.4)}},
		{"no area", box("(100,200),(100,600)"), nil},
		{"all outside", box("(1100,0),(1200,500)"), nil},
		{"one corner", box("(100,200)"), nil},
		{"words", box("(a,b),(c,d)") + box("somewhere"), nil},
		{"three numbers", box("(1,2,3),(4,5,6)"), nil},
		{"never closed", ref("car") + boxStart + "(1,2),(3,4)", nil},
		{"never closed, then good", boxStart + "(1,2" + box("(0,0),(500,500)"), []Box{one("", 0, 0, 0.5, 0.5)}},
		{"label never closed", refStart + "car" + box("(0,0),(500,500)"), []Box{one("", 0, 0, 0.5, 0.5)}},
		{"good before bad", box("(0,0),(500,500),(1,"), []Box{}},
	} {
		got := ParseBoxes(c.in)
		if c.name == "good before bad" {
			if len(got) != 0 {
				t.Errorf("%s: %v; half a list is no list", c.name, got)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got, cmp.Comparer(near)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func near(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }

func FuzzParseBoxes(f *testing.F) {
	for _, s := range []string{
		refStart + "car" + refEnd + boxStart + "(1,2),(3,4)" + boxEnd,
		boxStart + "(0,0),(1000,1000),(5,5),(6,6)" + boxEnd + "<|im_end|>",
		boxStart + boxStart + "(-1,.),(1.2.3,4)" + boxEnd, "<|<|", "(1,2)",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, b := range ParseBoxes(s) {
			if !(b.X >= 0 && b.Y >= 0 && b.W > 0 && b.H > 0 && b.X+b.W <= 1+1e-9 && b.Y+b.H <= 1+1e-9) {
				t.Errorf("%q gives %+v", s, b)
			}
			if strings.Contains(b.Label, "<|") {
				t.Errorf("%q gives label %q", s, b.Label)
			}
		}
	})
}

func TestTheTextKeepsLabelsAndDropsMarkup(t *testing.T) {
	e := chat(t, Options{})
	for in, want := range map[string]string{
		"plain":                  "plain",
		"end<|im_end|>":          "end",
		"<|im_start|>a" + "b":    "ab",
		"Das ist schön <3 (a,b)": "Das ist schön <3 (a,b)",
		"See " + refStart + "the car" + refEnd + boxStart + "(1,2),(3,4)" + boxEnd + " there.": "See the car there.",
		"cut " + boxStart + "(1,2": "cut ",
	} {
		a := newAnswer(e.tok, nil)
		for _, id := range ids(e, in) {
			a.push(id)
		}
		if got := a.finish(); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	// User-defined tokens are text.
	n := openTiny(t, "qwen2.gguf", "", numbered, Options{})
	a := newAnswer(n.tok, nil)
	a.push(7)
	if got := a.finish(); got != "<t7>" {
		t.Errorf("a user-defined token becomes %q", got)
	}
}
