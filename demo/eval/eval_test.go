package eval

import (
	"context"
	"encoding/json"
	"flag"
	"strings"
	"testing"

	"github.com/edgevlm/edgevlm/demo"
	"github.com/edgevlm/edgevlm/demo/world"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

var (
	clips = flag.Int("clips", 40, "held-out clips to evaluate the embedded model on")
	seed  = flag.Uint64("seed", 1, "their seed")
)

// With few clips the bars are held loosely; the real measurement is
//
//	go test ./demo/eval -run EmbeddedModel -v -args -clips 500
func TestEmbeddedModelDescribesHeldOutClips(t *testing.T) {
	ctx := context.Background()
	e, err := vlm.OpenBytes(ctx, demo.Text(), demo.MMProj(), vlm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	r, err := Run(ctx, e, Options{N: *clips, Seed: *seed, Wrong: func(truth, got string) {
		t.Logf("truth %s\n      got   %s", truth, got)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + r.Table())
	slack := 0.10
	if *clips >= 500 {
		slack = 0
	}
	for _, x := range r.Rows {
		if x.Rate() < x.Bar-slack {
			t.Errorf("%s: %.1f %%, bar %.0f %%", x.Name, 100*x.Rate(), 100*x.Bar)
		}
	}
}

func TestEmbeddedModelTellsTheSampleClips(t *testing.T) {
	ctx := context.Background()
	e, err := vlm.OpenBytes(ctx, demo.Text(), demo.MMProj(), vlm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, c := range demo.Clips() {
		res, err := e.Generate(ctx, vlm.Request{Media: []vlm.Media{media(c)}, Prompt: world.Prompts()[0], MaxTokens: 40}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.Text != c.Truth {
			t.Errorf("%s: said %q, true is %q", c.Name, res.Text, c.Truth)
		}
	}
}

func media(c demo.Clip) vlm.Media {
	m := vlm.Media{Video: true}
	for _, f := range c.Frames {
		m.Frames = append(m.Frames, imageproc.FromImage(f))
	}
	return m
}

// fake says fixed things in turn.
type fake struct {
	says []string
	n    int
}

func (f *fake) Generate(_ context.Context, r vlm.Request, _ func(string)) (vlm.Result, error) {
	s := f.says[f.n%len(f.says)]
	f.n++
	return vlm.Result{Text: s, Tokens: []int32{1, 2}}, nil
}

func TestParseReadsEverySentenceForm(t *testing.T) {
	got := parse("A person in red stands still. A blue car comes closer. The gate is open. Nothing is there.")
	want := map[string]said{"person": {"red", "stands still"}, "car": {"blue", "comes closer"}, "gate": {"", "is open"}}
	if len(got) != len(want) {
		t.Errorf("parsed %v", got)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: %v, want %v", k, got[k], v)
		}
	}
}

func TestScoreCountsWhatIsRight(t *testing.T) {
	ren := world.New(world.Test, 1)
	s := ren.Compose(world.Spec{
		Objects: []world.Object{{Class: world.Car, Colour: world.Red, Motion: world.Left}, {Class: world.Dog, Colour: world.Blue}},
		Door:    world.HouseDoor, State: world.Opens,
	}, 1)
	var perfect, forwardOnly, wrong score
	perfect.add(answers{s, s.Caption(), s.Reversed().Caption(), s.Answer})
	forwardOnly.add(answers{s, s.Caption(), s.Caption(), s.Answer})
	wrong.add(answers{s, "A green car moves right. The gate opens.", "", ""})
	for _, c := range []struct {
		name string
		got  tally
		want tally
	}{
		{"perfect exact", perfect.exact, tally{1, 1}},
		{"perfect flips", perfect.flip, tally{2, 2}},
		{"perfect direction", perfect.direction, tally{1, 1}},
		{"perfect motion", perfect.motion, tally{2, 2}},
		{"the same words backwards are no flip", forwardOnly.flip, tally{0, 2}},
		{"forward only is exact", forwardOnly.exact, tally{1, 1}},
		{"wrong exact", wrong.exact, tally{0, 1}},
		{"wrong object", wrong.object, tally{1, 2}},
		{"wrong colour", wrong.colour, tally{0, 2}},
		{"wrong direction", wrong.direction, tally{0, 1}},
		{"wrong door", wrong.door, tally{0, 1}},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestReportShowsMissedBars(t *testing.T) {
	last := 0
	r, err := Run(context.Background(), &fake{says: []string{"Nothing is there."}}, Options{N: 3, Held: 2, Seed: 9, Progress: func(done, total int) {
		if done != last+1 || total != 5 {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Passed() || !strings.Contains(r.Table(), "missed") || r.Tokens != 30 || last != 5 {
		t.Errorf("passed %v, %d tokens, %d clips:\n%s", r.Passed(), r.Tokens, last, r.Table())
	}
	js, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(js, &back); err != nil || len(back.Rows) != len(r.Rows) {
		t.Errorf("JSON: %v, %d rows of %d", err, len(back.Rows), len(r.Rows))
	}
}
