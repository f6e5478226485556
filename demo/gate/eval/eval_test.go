package eval

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// oracle knows the truth about every clip of an evaluation, and tells it or a
// twisted version of it.
type oracle struct {
	truths map[[32]byte]map[string]string
	twist  func(question, truth string, v View) string
}

func key(frames []imageproc.RGB) [32]byte {
	h := sha256.New()
	for _, f := range frames {
		h.Write(f.Pix)
	}
	return [32]byte(h.Sum(nil))
}

func newOracle(o Options) *oracle {
	a := &oracle{truths: map[[32]byte]map[string]string{}}
	for k, p := range parts {
		r := gate.New(p.split, o.Seed)
		for i := range max(0, []int{o.N, o.Held, o.Stills}[k]) {
			s := r.SceneOf(uint64(i), p.kind, o.Frames)
			frames := draw(r, s)
			truth := map[string]string{gate.Prompts()[0]: s.Caption()}
			for _, t := range s.Tasks {
				truth[t.Q] = t.A
			}
			a.truths[key(frames)] = truth
			slices.Reverse(frames)
			if p.kind != gate.Frozen { // else it is the same backwards
				a.truths[key(frames)] = map[string]string{gate.Prompts()[0]: s.Reversed().Caption()}
			}
		}
	}
	return a
}

func (a *oracle) Ask(_ context.Context, frames []imageproc.RGB, rounds []Round) ([][]Answer, error) {
	truth, ok := a.truths[key(frames)]
	if !ok {
		return nil, errors.New("an unknown clip")
	}
	out := make([][]Answer, len(rounds))
	for i, r := range rounds {
		for _, q := range r.Questions {
			t, ok := truth[q]
			if !ok {
				return nil, fmt.Errorf("an unknown question: %s", q)
			}
			if a.twist != nil {
				t = a.twist(q, t, r.View)
			}
			out[i] = append(out[i], Answer{t, vlm.ParseBoxes(t), 1})
		}
	}
	return out, nil
}

// small is an evaluation in which every row has something to count.
var small = Options{N: 90, Held: 16, Stills: 8, Seed: 5}

// truths are those of small: rendering takes longer than all else.
var truths = sync.OnceValue(func() map[[32]byte]map[string]string { return newOracle(small).truths })

func run(t *testing.T, twist func(question, truth string, v View) string) Report {
	t.Helper()
	a := &oracle{truths(), twist}
	r, err := Run(context.Background(), small, a, a)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func rate(t *testing.T, r Report, name string) float64 {
	t.Helper()
	x, ok := r.Row(name)
	if !ok {
		t.Fatalf("no row %q", name)
	}
	return x.Rate()
}

func TestWhoKnowsTheTruthIsRightEverywhere(t *testing.T) {
	r := run(t, nil)
	for _, x := range r.Rows {
		if x.Right != x.Of || x.Of == 0 {
			t.Errorf("%s: %d of %d", x.Name, x.Right, x.Of)
		}
	}
	if len(r.Rows) != len(table())+4 || !r.Passed() {
		t.Errorf("%d rows, want %d; passed: %v", len(r.Rows), len(table())+4, r.Passed())
	}
	if r.Dropped < .1 || r.Sparse <= r.Dropped || r.Sparse > .99 {
		t.Errorf("%.2f and %.2f of the tokens dropped", r.Dropped, r.Sparse)
	}
}

func TestEachMistakeCountsWhereItBelongs(t *testing.T) {
	swap := strings.NewReplacer("moves left", "moves right", "moves right", "moves left")
	r := run(t, func(_, truth string, v View) string {
		if v.Keep != nil || v.Times != True {
			return truth
		}
		return swap.Replace(truth)
	})
	if got := rate(t, r, RowFlipSides); got != 0 {
		t.Errorf("who mixes up left and right has %.2f of these flips", got)
	}
	for _, name := range []string{RowFlipDepth, RowFlipVisit, RowFlipParcel, RowColour, RowOrderEqual, RowBoxes, RowYesNo} {
		if got := rate(t, r, name); got != 1 {
			t.Errorf("left and right mixed up: %s is %.2f", name, got)
		}
	}
	if rate(t, r, RowExact) > .9 || rate(t, r, RowDirection) > .9 || r.Passed() {
		t.Error("left and right mixed up, and descriptions still pass")
	}
}

func TestWhoAlwaysSaysYesIsRightHalfOfTheTime(t *testing.T) {
	r := run(t, func(_, truth string, _ View) string {
		if truth == "No." {
			return "Yes."
		}
		return truth
	})
	if got := rate(t, r, RowYesNo); got < .4 || got > .6 || rate(t, r, RowNo) != 0 {
		t.Errorf("yes to everything is right %.2f of the time", got)
	}
}

func TestOrderWithoutTemporalPositionsHasRowsOfItsOwn(t *testing.T) {
	r := run(t, func(q, truth string, v View) string {
		if v.Times == Reversed && strings.HasPrefix(q, "What came first") {
			return "The car."
		}
		return truth
	})
	if rate(t, r, RowOrder) != 1 || rate(t, r, RowOrderEqual) != 1 || rate(t, r, RowOrderReversed) != 0 {
		t.Error("the rows of order are mixed up")
	}
}

func TestBoxesNeedTheRightNameAndPlace(t *testing.T) {
	box := func(name string, at string) string {
		return "<|object_ref_start|>" + name + "<|object_ref_end|><|box_start|>" + at + "<|box_end|>"
	}
	truth := box("car", "(100,100),(300,300)")
	for _, x := range []struct {
		got  string
		want float64
	}{
		{truth, 1},
		{box("dog", "(100,100),(300,300)"), 0},
		{box("car", "(100,200),(300,300)"), .5},
		{box("car", "(400,400),(500,500)"), 0},
		{"The car.", 0},
		{truth + truth, 0},
	} {
		if got := boxIoU(truth, vlm.ParseBoxes(x.got)); got < x.want-1e-6 || got > x.want+1e-6 {
			t.Errorf("%s: %v, want %v", x.got, got, x.want)
		}
	}
}

func TestOnlyUnchangedTokensAreDropped(t *testing.T) {
	frames := make([]imageproc.RGB, 8)
	for i := range frames {
		pix := make([]byte, gate.FrameBytes)
		for k := range pix {
			pix[k] = byte(100 + (k*7+i*13)%5) // noise
		}
		if i >= 4 { // something comes into the upper left cell, and stays
			for y := range 20 {
				for x := range 20 {
					pix[(y*gate.Size+x)*3] = 220
				}
			}
		}
		frames[i] = imageproc.RGB{W: gate.Size, H: gate.Size, Pix: pix}
	}
	keep := drop(changed(frames), 1, nil)
	for i, k := range keep {
		if want := i < cells || i == 2*cells; k != want {
			t.Errorf("pair %d, cell %d: kept %v, want %v", i/cells, i%cells, k, want)
		}
	}
}

func TestAReferenceStandsBesideTheFigures(t *testing.T) {
	ref, err := ParseReference([]byte(`{"note": "PyTorch", "n": 500, "seed": 1, "rows": {"exact description": [490, 500]}}`))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{N: 20, Held: -1, Stills: -1, Reference: ref}
	a := newOracle(Options{N: 20})
	r, err := Run(context.Background(), o, a)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Table(); !strings.Contains(got, "98.0 %") || !strings.Contains(got, "F32: PyTorch, 500 clips, seed 1") {
		t.Error(got)
	}
	js, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(js), `"reference":0.98`) {
		t.Errorf("%s %v", js, err)
	}
	if r.WithinReference() != true || strings.Contains(r.Table(), "below F32") {
		t.Error("figures of other clips are held against these")
	}
	r.Reference.N, r.Reference.Seed, r.Rows[0].Right = r.N, r.Seed, r.Rows[0].Of*9/10
	if r.WithinReference() || !strings.Contains(r.Table(), "below F32") {
		t.Error("eight points below the reference and nobody says so")
	}
	if _, err := ParseReference([]byte("[]")); err == nil {
		t.Error("a list is no reference")
	}
}

func TestMissesAreReported(t *testing.T) {
	o := Options{N: 6, Held: -1, Stills: -1, Seed: 3}
	a := newOracle(o)
	a.twist = func(q, truth string, _ View) string {
		if q == gate.Prompts()[0] {
			return "Nothing."
		}
		return truth
	}
	misses := 0
	o.Wrong = func(m Miss) {
		if m.Part != "test" || m.Got != "Nothing." {
			t.Errorf("%+v", m)
		}
		misses++
	}
	if _, err := Run(context.Background(), o, a); err != nil {
		t.Fatal(err)
	}
	if misses != 4*o.N {
		t.Errorf("%d misses", misses)
	}
}

func TestAnErrorOrACancelEndsTheRun(t *testing.T) {
	if _, err := Run(context.Background(), Options{N: 5}, &oracle{}); err == nil || !strings.Contains(err.Error(), "unknown clip") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, Options{N: 5}, &oracle{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := Run(context.Background(), Options{N: -1}, &oracle{}); err == nil {
		t.Error("-1 clips")
	}
}
