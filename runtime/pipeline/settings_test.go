package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// looker is a model that answers questions; scenes counts windows that it has
// seen and not yet forgotten.
type looker struct {
	model
	looks, scenes int
	asked         [][]string
	answer        func(look int) vlm.Answer
	document      string // to a question with a schema
}

func (m *looker) Info() vlm.Info { return vlm.Info{Backend: "fake"} }
func (m *looker) Look(ctx context.Context, _ *string, media []vlm.Media) (pipeline.Scene, vlm.Timings, error) {
	m.looks++
	m.scenes++
	return &scene{m, len(media[0].Frames)}, vlm.Timings{Vision: time.Second}, ctx.Err()
}

type scene struct {
	m      *looker
	frames int
}

func (s *scene) Close() error { s.m.scenes--; return nil }
func (s *scene) Ask(_ context.Context, qs []vlm.Question) (all []vlm.Answer, _ error) {
	var names []string
	for _, q := range qs {
		if q.Text == "bad" {
			return nil, errors.New("can't be asked")
		}
		names = append(names, q.Name)
		a := vlm.Answer{Name: q.Name, Kind: q.Kind, Value: fmt.Sprint(q.Text, " ", s.frames)}
		if s.m.answer != nil && q.Kind == vlm.KindYesNo {
			a = s.m.answer(s.m.looks - 1)
			a.Name, a.Kind = q.Name, q.Kind
		}
		if q.Schema != nil {
			a.Value = s.m.document
		}
		all = append(all, a)
	}
	s.m.asked = append(s.m.asked, names)
	return all, nil
}

func TestQuestionsShareTheDescriptionsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := &looker{}, &sink{}
		qs := []vlm.Question{{Name: "a", Text: "A?"}, {Name: "b", Text: "bad"}, {Name: "c", Text: "C?"}}
		p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{
			Name: "yard", Ends: true, FPS: 1, Frames: 4, Prompt: "What?", Questions: qs, Open: opener(newFeed(time.Second, 4)),
		})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		d := s.got[0]
		if len(s.got) != 1 || m.looks != 1 || m.scenes != 0 || m.calls != 0 {
			t.Fatalf("%d descriptions, %d looks, %d scenes open", len(s.got), m.looks, m.scenes)
		}
		if d.Result.Text != "What? 4" || d.Result.Timings.Vision != time.Second || d.Result.Backend != "fake" {
			t.Errorf("result %+v", d.Result)
		}
		var names []string
		for _, a := range d.Answers {
			names = append(names, a.Name)
		}
		if !slices.Equal(names, []string{"a", "c"}) {
			t.Errorf("answers to %q: the one that can't be asked must not silence the others", names)
		}
	})
}

func TestWithoutAPromptOnlyTheQuestionsAreAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := &looker{}, &sink{}
		p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{
			Name: "yard", Ends: true, FPS: 1, Frames: 4, Questions: []vlm.Question{{Name: "a", Text: "A?"}}, Open: opener(newFeed(time.Second, 4)),
		})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(s.got) != 1 || s.got[0].Result.Text != "" || len(s.got[0].Answers) != 1 {
			t.Errorf("got %+v", s.got)
		}
	})
}

func TestACameraIsSwitchedOffAndOnWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &sink{}
		var feeds []*feed
		open := func(context.Context, func(bool, error)) (capture.Source, error) {
			feeds = append(feeds, newFeed(time.Second, -1))
			return feeds[len(feeds)-1], nil
		}
		p := mustNew(t, &looker{}, s, pipeline.Options{}, pipeline.Camera{Name: "yard", FPS: 1, Frames: 4, Prompt: "?", Disabled: true, Open: open})
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		time.Sleep(time.Minute)
		if len(feeds) != 0 || len(s.got) != 0 {
			t.Fatalf("a disabled camera was opened %d times", len(feeds))
		}
		if _, err := p.Describe(ctx, "yard"); err == nil || !strings.Contains(err.Error(), "disabled") {
			t.Errorf("describe: %v", err)
		}
		on := pipeline.Settings{FPS: 1, Frames: 4, Prompt: "Now?"}
		if err := p.Set("yard", on); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if len(feeds) != 1 || len(s.got) == 0 || s.got[0].Result.Text == "" {
			t.Fatalf("switched on: %d feeds, %d descriptions", len(feeds), len(s.got))
		}
		n := len(s.got)
		off := on
		off.Disabled = true
		p.Set("yard", off)
		time.Sleep(time.Minute)
		select {
		case <-feeds[0].closed:
		default:
			t.Error("the source of a disabled camera is open")
		}
		if len(s.got) != n {
			t.Errorf("%d descriptions of a disabled camera", len(s.got)-n)
		}
		if _, err := p.Newest("yard"); err == nil {
			t.Error("a frame of a disabled camera")
		}
		// Another rate is another window.
		p.Set("yard", pipeline.Settings{FPS: 0.5, Frames: 2, Prompt: "Slow?"})
		time.Sleep(30 * time.Second)
		last := s.got[len(s.got)-1]
		if len(feeds) != 2 || len(last.Frames) != 2 || last.Frames[1].At.Sub(last.Frames[0].At) != 2*time.Second {
			t.Errorf("at half the rate: %d feeds, %+v", len(feeds), last.Frames)
		}
		if p.Set("door", on) == nil || p.Set("yard", pipeline.Settings{}) == nil {
			t.Error("settings that can't be")
		}
		cancel()
		<-done
		if _, err := p.Ask(context.Background(), "yard", "?", 0, nil); err == nil {
			t.Error("asked after the end")
		}
	})
}

func TestRequestsComeBeforeWhatIsDueAndAreNotDescriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m, s := &looker{}, &sink{}
		p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{
			Name: "yard", FPS: 1, Frames: 4, Prompt: "?", Every: time.Hour, Open: opener(newFeed(time.Second, -1)),
		})
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		time.Sleep(10 * time.Second)
		if len(s.got) != 1 {
			t.Fatalf("%d descriptions", len(s.got))
		}
		d, err := p.Ask(ctx, "yard", "", 0, []vlm.Question{{Name: "x", Text: "X?"}})
		if err != nil || len(d.Answers) != 1 || d.Answers[0].Value != "X? 4" || len(s.got) != 1 {
			t.Errorf("ask: %+v, %v; %d descriptions", d, err, len(s.got))
		}
		if d, err = p.Ask(ctx, "yard", "Colours?", 9, nil); err != nil || d.Result.Text == "" || len(s.got) != 1 {
			t.Errorf("ask with a prompt: %+v, %v", d, err)
		}
		if d, err = p.Describe(ctx, "yard"); err != nil || len(s.got) != 2 || d.Last() != s.got[1].Last() {
			t.Errorf("describe: %v, %d descriptions", err, len(s.got))
		}
		gone, stop := context.WithCancel(ctx)
		stop()
		if _, err := p.Describe(gone, "yard"); !errors.Is(err, context.Canceled) {
			t.Errorf("a request whose time is over: %v", err)
		}
		if _, err := p.Describe(ctx, "door"); err == nil {
			t.Error("no such camera, no error")
		}
		cancel()
		<-done
	})
}

func TestASinkThatHangsDoesNotHoldUpTheCameras(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		// A disk that takes five minutes for a sync holds up the model, never a camera.
		s := &sink{onGot: func(int) { time.Sleep(5 * time.Minute) }}
		p := mustNew(t, &model{}, s, pipeline.Options{}, pipeline.Camera{Name: "yard", FPS: 2, Frames: 4, Open: opener(newFeed(500*time.Millisecond, -1))})
		_ = p.Run(ctx)
		if st := p.Stats()[0]; st.Frames < 1199 || st.Frames > 1201 || st.Opens != 1 {
			t.Errorf("%d frames of 10 minutes at 2 a second", st.Frames)
		}
	})
}
