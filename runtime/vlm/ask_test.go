package vlm

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/npu/nputest"
	"github.com/edgevlm/edgevlm/runtime/gguf"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
)

var someClip = Media{Video: true, Frames: []imageproc.RGB{picture(60, 60, 0), picture(60, 60, 1), picture(60, 60, 2), picture(60, 60, 3)}}

var someQuestions = []Question{
	{Name: "person", Text: "Is there a person?", Kind: KindYesNo},
	{Name: "door", Text: "Is the door open or closed?", Kind: KindChoice, Choices: []string{"open", "closed", "open wide"}},
	{Name: "count", Text: "How many?", Kind: KindNumber},
	{Name: "what", Text: "What is happening?", MaxTokens: 5},
}

// look is a sequence with the clip in it; open leaves its vision block open.
func look(t testing.TB, e *Engine, open bool) *Sequence {
	t.Helper()
	s, _, err := e.Look(t.Context(), nil, []Media{someClip})
	if err == nil && open {
		err = s.Rewind(t.Context(), Mark{rows: s.Len() - 1, next: s.Next() - 1, inside: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestATextQuestionEqualsTheSameRequest(t *testing.T) {
	e := chat(t, Options{})
	for _, open := range []bool{false, true} {
		s := look(t, e, open)
		rows, next := s.Len(), s.Next()
		got, err := s.Ask(t.Context(), someQuestions)
		if err != nil {
			t.Fatal(err)
		}
		want, err := e.Generate(t.Context(), Request{Media: []Media{someClip}, Prompt: "What is happening?", MaxTokens: 5}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := got[3]; a.Value != want.Text || !slices.Equal(a.Tokens, want.Tokens) || a.FinishReason != want.FinishReason {
			t.Errorf("open %v: %+v, want %+v", open, a, want)
		}
		if a := got[3]; rows+a.PromptTokens != len(want.PromptTokens) {
			t.Errorf("open %v: %d rows and %d of the question, want %d", open, rows, a.PromptTokens, len(want.PromptTokens))
		}
		if s.Len() != rows || s.Next() != next {
			t.Errorf("open %v: the sequence has %d rows and goes on at %d, before %d and %d", open, s.Len(), s.Next(), rows, next)
		}
	}
}

// A yes_no answer's probabilities are those that the model itself gives to the words.
func TestYesAndNoHaveTheModelsOwnProbabilities(t *testing.T) {
	e := chat(t, Options{})
	s := look(t, e, false)
	got, err := s.Ask(t.Context(), someQuestions[:1])
	if err != nil {
		t.Fatal(err)
	}
	// By hand: the vocabulary has a token for each byte, so every word is several.
	probability := func(word string) float64 {
		f, err := s.Fork(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Prefill(t.Context(), ids(e, "Is there a person?<|im_end|>\n<|im_start|>assistant\n")); err != nil {
			t.Fatal(err)
		}
		p := 1.0
		for _, id := range ids(e, word) {
			d, err := newDistribution(f.Logits())
			if err != nil {
				t.Fatal(err)
			}
			p *= d.of(id)
			if err := f.Prefill(t.Context(), []int32{id}); err != nil {
				t.Fatal(err)
			}
		}
		return p
	}
	var yes, no float64
	for _, f := range []string{"%s", " %s"} {
		for _, w := range []string{"yes", "Yes", "YES"} {
			yes += probability(fmt.Sprintf(f, w))
		}
		for _, w := range []string{"no", "No", "NO"} {
			no += probability(fmt.Sprintf(f, w))
		}
	}
	if want := yes / (yes + no); math.Abs(got[0].Probabilities[0]-want) > 1e-3 {
		t.Errorf("yes has %v, want %v", got[0].Probabilities[0], want)
	}
	if want := yes + no; math.Abs(got[0].Allowed-want) > 1e-3*want {
		t.Errorf("allowed answers have %v, want %v", got[0].Allowed, want)
	}
}

// aboutEqual compares answers whose logits were computed in batches of other sizes.
var aboutEqual = cmp.Options{cmpopts.EquateApprox(1e-3, 1e-9), cmpopts.EquateEmpty()}

func TestOneBatchGivesWhatQuestionsOneByOneDo(t *testing.T) {
	e := chat(t, Options{})
	s := look(t, e, true)
	together, err := s.Ask(t.Context(), someQuestions)
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range someQuestions {
		one, err := s.Ask(t.Context(), []Question{q})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(one[0], together[i], aboutEqual); diff != "" {
			t.Errorf("%s (-alone +together):\n%s", q.Name, diff)
		}
	}
	rows := s.Len()
	s.run = struct{ npu.Session }{s.run} // hides Fork
	alone, err := s.Ask(t.Context(), someQuestions)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(alone, together, aboutEqual); diff != "" {
		t.Errorf("(-without forks +with):\n%s", diff)
	}
	if s.Len() != rows {
		t.Errorf("without forks the sequence has %d rows, before %d", s.Len(), rows)
	}
}

func TestTenQuestionsAreOneBatchForThePrefixPaidOnce(t *testing.T) {
	a := &accelerator{stages: npu.StageVision | npu.StageDecoder}
	e := chat(t, Options{Backend: "fake", Drivers: []npu.Driver{a}})
	s := look(t, e, true)
	var qs []Question
	for i := range 10 {
		qs = append(qs, Question{Name: fmt.Sprint(i), Text: fmt.Sprintf("Is there a %d?", i), Kind: KindYesNo})
	}
	appends, batches := a.device.Calls(nputest.OpAppend), a.device.Calls(nputest.OpBatch)
	if _, err := s.Ask(t.Context(), qs); err != nil {
		t.Fatal(err)
	}
	appends, batches = a.device.Calls(nputest.OpAppend)-appends, a.device.Calls(nputest.OpBatch)-batches
	if appends != 0 || batches > 3 { // the questions; then the later letters of the answers, which this vocabulary spells
		t.Errorf("%d appends and %d batches, want none and 3 at most", appends, batches)
	}
}

func TestAnAcceleratorsFaultLeavesTheAnswersAsTheyAre(t *testing.T) {
	e := chat(t, Options{})
	want, err := look(t, e, true).Ask(t.Context(), someQuestions)
	if err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir() // holds the self-check's verdict after the first run
	run := func(a *accelerator) ([]Answer, error) {
		a.stages = npu.StageVision | npu.StageDecoder
		e := chat(t, Options{Backend: "fake", Drivers: []npu.Driver{a}, CacheDir: cache})
		return look(t, e, true).Ask(t.Context(), someQuestions)
	}
	for range 2 {
		if _, err := run(&accelerator{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, op := range []nputest.Op{nputest.OpBatch, nputest.OpFork, nputest.OpLen, nputest.OpClose} {
		for _, kind := range []nputest.Kind{nputest.Error, nputest.NaN, nputest.Panic, nputest.Half} {
			for _, n := range []int{1, 2, 3} {
				a := &accelerator{faults: []nputest.Fault{{Op: op, N: n, Kind: kind}}}
				got, err := run(a)
				if err != nil {
					t.Errorf("%v: %v", a.faults, err)
				} else if diff := cmp.Diff(want, got, aboutEqual); diff != "" {
					t.Errorf("%v (-want +got):\n%s", a.faults, diff)
				}
				if a.device.Hits() == 0 {
					t.Errorf("%v: it never came to that", a.faults)
				}
			}
		}
	}
}

func TestQuestionsThatCannotBeAskedAreNamed(t *testing.T) {
	e := chat(t, Options{})
	s := look(t, e, true)
	long := strings.Repeat("is it so ", e.info.ContextLength)
	for _, c := range []struct {
		want string
		qs   []Question
	}{
		{"question 2 has no name", []Question{{Name: "a", Text: "?"}, {Text: "?"}}},
		{`two questions are named "a"`, []Question{{Name: "a", Text: "?"}, {Name: "a", Text: "?"}}},
		{`question "a": it has no text`, []Question{{Name: "a", Text: " "}}},
		{`question "a": its text is not UTF-8`, []Question{{Name: "a", Text: "\xff"}}},
		{`question "a": kind "maybe"`, []Question{{Name: "a", Text: "?", Kind: "maybe"}}},
		{`question "a": 0 choices`, []Question{{Name: "a", Text: "?", Kind: KindChoice}}},
		{`question "a": choice " b": give words`, []Question{{Name: "a", Text: "?", Kind: KindChoice, Choices: []string{"a", " b"}}}},
		{`question "a": choice "Open" is there twice`, []Question{{Name: "a", Text: "?", Kind: KindChoice, Choices: []string{"open", "Open"}}}},
		{`question "a": choices are for kind choice`, []Question{{Name: "a", Text: "?", Kind: KindYesNo, Choices: []string{"open", "shut"}}}},
		{"at most 16", []Question{{Name: "a", Text: "?", Kind: KindChoice, Choices: []string{"open", "neither open nor closed"}}}},
		{`question "b" has `, []Question{{Name: "a", Text: "?"}, {Name: "b", Text: long}}},
	} {
		_, err := s.Ask(t.Context(), c.qs)
		if !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	if _, err := s.Ask(t.Context(), someQuestions); err != nil {
		t.Errorf("a good question after bad ones: %v", err)
	}
	if a, err := s.Ask(t.Context(), nil); err != nil || len(a) != 0 {
		t.Errorf("no questions: %v, %v", a, err)
	}
}

func TestAnAnswerEndsWithTheContext(t *testing.T) {
	e := chat(t, Options{MaxContext: 130})
	s := look(t, e, false)
	a, err := s.Ask(t.Context(), []Question{{Name: "a", Text: "What?", MaxTokens: 1000}, {Name: "n", Text: "How many?", Kind: KindNumber}})
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Len() + a[0].PromptTokens + len(a[0].Tokens); a[0].FinishReason != FinishLength || n > 131 {
		t.Errorf("%d rows, ended by %s", n, a[0].FinishReason)
	}
}

func TestAnswersAreCalibratedByTheOptionOrTheFile(t *testing.T) {
	text := tiny(t, "qwen2vl.gguf", bytewise, gguf.KV{Key: AnswerTemperatureKey, Value: float32(50)})
	open := func(o Options) (*Engine, error) { return OpenBytes(t.Context(), text, nil, o) }
	yes := func(o Options) float64 {
		t.Helper()
		e, err := open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		s, _, err := e.Look(t.Context(), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		a, err := s.Ask(t.Context(), someQuestions[:1])
		if err != nil {
			t.Fatal(err)
		}
		return a[0].Probability
	}
	if file, own := yes(Options{}), yes(Options{AnswerTemperature: 1}); !(file < own && file > 0.5) {
		t.Errorf("with the file's temperature of 50: %v, with 1: %v", file, own)
	}
	for _, bad := range []float64{-1, math.NaN(), math.Inf(1), 101} {
		if _, err := open(Options{AnswerTemperature: bad}); err == nil || !strings.Contains(err.Error(), "answer temperature") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
