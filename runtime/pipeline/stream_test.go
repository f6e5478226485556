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
	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/schema"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
	"github.com/edgevlm/edgevlm/runtime/watch"
)

// streamer is a model that keeps windows. What it sees is by the number of the pair, from 0, of all its windows.
type streamer struct {
	looker
	adds, says time.Duration // what a pair and a description take
	perPixel   time.Duration // of a pair, more with a larger picture
	still      func(pair int) bool
	text       func(pair int) string
	answer     func(pair int) vlm.Answer
	refuses    func(c stream.Config) error // of New
	fails      func(pair int) error        // of Add

	configs []stream.Config
	open    int
	pairs   int
	asks    int
	schemas int
}

func (m *streamer) Sizes() (least, most, unit int) { return 28 * 28, 448 * 448, 28 }

func (m *streamer) Stream(_ context.Context, c stream.Config) (pipeline.Window, error) {
	m.configs = append(m.configs, c)
	if m.refuses != nil {
		if err := m.refuses(c); err != nil {
			return nil, err
		}
	}
	m.open++
	return &window{m: m, c: c}, nil
}

type window struct {
	m      *streamer
	c      stream.Config
	frames []stream.FrameRef
	pair   int
	total  stream.Counters
}

func (w *window) Close() error              { w.m.open--; return nil }
func (w *window) Frames() []stream.FrameRef { return w.frames }
func (w *window) Embeddings() []float32     { return []float32{1, 0} }

func (w *window) Counters() stream.Counters { return w.total }

func (w *window) Add(ctx context.Context, p stream.Pair) (stream.Step, error) {
	w.pair = w.m.pairs
	w.m.pairs++
	if w.m.fails != nil {
		if err := w.m.fails(w.pair); err != nil {
			return stream.Step{}, err
		}
	}
	st := stream.Step{Cells: 2, Patches: 8, Tokens: 4, Changed: 1, Compared: len(w.frames) > 0, Vision: w.m.adds, Prefill: time.Millisecond}
	if w.m.perPixel > 0 {
		cells := w.c.MaxPixels / (28 * 28)
		st.Cells, st.Patches, st.Tokens, st.Vision = cells, 4*cells, 2*cells, time.Duration(w.c.MaxPixels)*w.m.perPixel
	}
	if w.m.still != nil && w.m.still(w.pair) {
		st.Patches, st.Tokens, st.Changed, st.Skipped, st.Dropped = 0, 0, 0, true, 4
	}
	if w.frames = append(w.frames, stream.FrameRef{Seq: p.Frames[0].Seq, At: p.Frames[0].At}, stream.FrameRef{Seq: p.Frames[1].Seq, At: p.Frames[1].At}); len(w.frames) > 2*w.most() {
		w.frames = w.frames[2:]
	}
	st.Pairs, st.Most = len(w.frames)/2, w.most()
	w.total.Pairs++
	w.total.Tokens += uint64(st.Tokens)
	w.total.Dropped += uint64(st.Dropped)
	if st.Skipped {
		w.total.Skipped++
	}
	return st, sleep(ctx, st.Vision)
}

func (w *window) most() int { return max(1, int(w.c.Length.Seconds()*w.c.FPS/2+0.5)) }

func (w *window) Describe(ctx context.Context, prompt string, _ int, _ vlm.Sampling, _ func(string)) (vlm.Result, error) {
	r := vlm.Result{Text: prompt, Tokens: make([]int32, 10), PromptTokens: make([]int32, 5), Timings: vlm.Timings{Decode: w.m.says}}
	if w.m.text != nil {
		r.Text = w.m.text(w.pair)
	}
	return r, sleep(ctx, w.m.says)
}

func (w *window) Ask(_ context.Context, qs []vlm.Question) (all []vlm.Answer, _ error) {
	w.m.asks++
	for _, q := range qs {
		a := vlm.Answer{Name: q.Name, Kind: q.Kind, Value: "yes"}
		if q.Schema != nil {
			w.m.schemas++
			a.Value = w.m.text(w.pair)
		} else if w.m.answer != nil {
			a = w.m.answer(w.pair)
			a.Name, a.Kind = q.Name, q.Kind
		}
		all = append(all, a)
	}
	return all, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pass lets time pass in a bubble, and what is due be done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func yes(p float64) vlm.Answer {
	a := vlm.Answer{Value: "no", Probability: 1 - p, Probabilities: []float64{p, 1 - p}}
	if p >= 0.5 {
		a.Value, a.Probability = "yes", p
	}
	return a
}

var isThere = []vlm.Question{{Name: "person", Text: "Is there a person?", Kind: vlm.KindYesNo}}

func texts(got []pipeline.Description) (all []string) {
	for _, d := range got {
		all = append(all, d.Result.Text)
	}
	return all
}

func TestEveryPairGoesIntoOneWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := &streamer{}, &sink{}
		p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{
			Name: "yard", Ends: true, FPS: 1, Frames: 4, Prompt: "What?", Questions: isThere, Open: opener(newFeed(time.Second, 9)), Stream: &pipeline.Stream{},
		})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got [][]uint64
		for _, d := range s.got {
			got = append(got, seqs(d))
		}
		// The ninth frame stands for both of its pair; one pair alone is no window yet.
		want := [][]uint64{{0, 1, 2, 3}, {2, 3, 4, 5}, {4, 5, 6, 7}, {6, 7, 8}}
		if !slices.EqualFunc(got, want, slices.Equal) || m.pairs != 5 || m.open != 0 || m.looks+m.calls != 0 {
			t.Errorf("got %v, want %v; %d pairs, %d windows open, %d fresh runs", got, want, m.pairs, m.open, m.looks+m.calls)
		}
		c := m.configs[0]
		if len(m.configs) != 1 || c.Length != 4*time.Second || c.FPS != 1 || c.MaxPixels != 0 {
			t.Errorf("windows %+v", m.configs)
		}
		d := s.got[1]
		if d.Result.Text != "What?" || len(d.Answers) != 1 || d.Answers[0].Value != "yes" || d.Prefilled != 4+5 || s.got[0].Prefilled != 8+5 || d.Newest.Seq != 5 || d.Result.Backend != "fake" {
			t.Errorf("description %+v", d)
		}
		st := p.Stats()[0]
		if st.Frames != 9 || st.Descriptions != 4 || st.Dropped != 0 || st.Stream.Tokens != 20 || st.Stream.Pairs != 5 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestAShortClipInAWindowIsDescribedOnce(t *testing.T) {
	for n := 1; n <= 3; n++ {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			p := mustNew(t, &streamer{}, s, pipeline.Options{}, pipeline.Camera{
				Name: "yard", Ends: true, FPS: 1, Frames: 8, Prompt: "?", Open: opener(newFeed(time.Second, n)), Stream: &pipeline.Stream{},
			})
			if err := p.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(s.got) != 1 || len(s.got[0].Frames) != n {
				t.Errorf("%d frames: got %v", n, s.got)
			}
		})
	}
}

func TestOnlyWhatChangesIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Nothing moves but in pairs 10, 20 and 30; at 20 the sentence stays what it was. From 40 on somebody is there.
		m := &streamer{
			still:  func(i int) bool { return i%10 != 0 || i > 30 },
			text:   func(i int) string { return fmt.Sprint("Scene ", min((i+10)/20, 1), ".") },
			answer: func(i int) vlm.Answer { return yes(map[bool]float64{true: 0.9, false: 0.1}[i == 40]) },
		}
		s := &sink{}
		p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{
			Name: "yard", Ends: true, FPS: 2, Frames: 4, Prompt: "?", Questions: isThere, Changes: true, Heartbeat: 40 * time.Second,
			Open: opener(newFeed(500*time.Millisecond, 200)), Stream: &pipeline.Stream{Savings: stream.DefaultSavings()},
		})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var why []string
		for _, d := range s.got {
			why = append(why, fmt.Sprint(d.Frames[len(d.Frames)-1].Seq/2, " ", d.Why))
		}
		// The pair after 0 is the first window. Answers are asked for again only where something changed.
		want := []string{"1 first", "10 scene", "50 heartbeat", "90 heartbeat"}
		if !slices.Equal(why, want) {
			t.Errorf("said %q, want %q", why, want)
		}
		st := p.Stats()[0].Stream
		if st.Suppressed != 2 || st.Skipped != 96 || st.Dropped != 96*4 || st.Reused < 80 || m.asks+int(st.Reused) != 99 {
			t.Errorf("%+v, asked %d times", st, m.asks)
		}
	})
}

func TestAnswersThatChangeAreAReasonToSpeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &streamer{text: func(int) string { return "A yard." }, answer: func(i int) vlm.Answer { return yes(map[bool]float64{true: 0.9, false: 0.1}[i >= 5]) },
			still: func(i int) bool { return i != 5 }}
		s := &sink{}
		cam := pipeline.Camera{Name: "yard", Ends: true, FPS: 2, Frames: 4, Prompt: "?", Questions: isThere, Changes: true, Stream: &pipeline.Stream{}}
		cam.Open = opener(newFeed(500*time.Millisecond, 40))
		if err := mustNew(t, m, s, pipeline.Options{}, cam).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(s.got) != 2 || s.got[1].Why != stream.WhyAnswers || s.got[1].Answers[0].Value != "yes" {
			t.Errorf("got %+v", s.got) // the same sentence, but other answers
		}
		// Without a prompt there is nothing but answers.
		m.pairs, s.got, cam.Prompt = 0, nil, ""
		cam.Open = opener(newFeed(500*time.Millisecond, 40))
		if err := mustNew(t, m, s, pipeline.Options{}, cam).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(s.got) != 2 || s.got[0].Result.Text != "" || s.got[1].Answers[0].Value != "yes" {
			t.Errorf("got %+v", s.got)
		}
	})
}

func TestConditionsMakeEventsBeforeTheModelDescribes(t *testing.T) {
	cond, err := watch.Parse("visitor", `notify "Somebody is at the door" when person is yes with probability > 0.8 for 3 s`)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []*pipeline.Stream{{}, nil} {
		synctest.Test(t, func(t *testing.T) {
			m := &streamer{answer: func(i int) vlm.Answer { return yes(map[bool]float64{true: 0.9, false: 0.1}[i >= 4 && i < 20]) }}
			m.looker.answer = m.answer
			s := &sink{}
			p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{
				Name: "yard", Ends: true, FPS: 2, Frames: 2, Prompt: "?", Questions: isThere, Changes: true, Conditions: []*watch.Condition{cond},
				Open: opener(newFeed(500*time.Millisecond, 80)), Stream: mode,
			})
			if err := p.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			var got []pipeline.Description
			for i, d := range s.got {
				if d.Condition == nil {
					continue
				}
				got = append(got, d)
				if d.Result.Text != "" || len(d.Frames) == 0 || len(d.Answers) != 1 || d.Newest.Data == nil || d.Ready.IsZero() {
					t.Errorf("event %d: %+v", i, d)
				}
			}
			if len(got) != 2 || !got[0].Condition.Start || got[1].Condition.Start || got[0].Condition.Message != "Somebody is at the door" {
				t.Fatalf("%d events: %+v", len(got), got)
			}
			if a, b := got[0].Last().Sub(s.got[0].Last()), got[1].Condition.Held; a < 6*time.Second || a > 8*time.Second || b < 15*time.Second || b > 17*time.Second {
				t.Errorf("started %v after the first pair, held %v", a, b)
			}
			if st := p.Stats()[0]; st.Conditions != 2 || st.Descriptions != uint64(len(s.got)-2) {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestASlowModelWithAWindowStaysAtTheNewestMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		m, s := &streamer{adds: 20 * time.Second, says: 5 * time.Second}, &sink{}
		p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{
			Name: "yard", FPS: 2, Frames: 32, Prompt: "?", Open: opener(newFeed(500*time.Millisecond, -1)), Stream: &pipeline.Stream{},
		})
		if err := p.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		for i, d := range s.got {
			if age := d.Ready.Sub(d.Last()) - 25*time.Second; age > 2*time.Second {
				t.Errorf("description %d is of a moment %v old", i, age)
			}
			if i > 0 && (d.Dropped < 46 || d.Dropped > 50) {
				t.Errorf("description %d: %d frames dropped, want about 48", i, d.Dropped)
			}
		}
		st := p.Stats()[0]
		if len(s.got) < 20 || st.Stream.Missed < 500 || st.Dropped < 2*st.Stream.Missed || st.Frames-st.Dropped > uint64(2*m.pairs+2+50) {
			t.Errorf("%d descriptions of %d pairs, %+v", len(s.got), m.pairs, st)
		}
		if m.open != 0 {
			t.Errorf("%d windows open", m.open)
		}
	})
}

// patient is a source that waits for whoever reads it.
type patient struct{ *feed }

func (patient) Unpaced() bool { return true }

func TestOfASourceThatCanWaitNothingIsSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := &streamer{adds: 20 * time.Second}, &sink{}
		p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{
			Name: "yard", Ends: true, Patient: true, FPS: 2, Frames: 8, Prompt: "?", Open: opener(patient{newFeed(500*time.Millisecond, 41)}), Stream: &pipeline.Stream{},
		})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if st := p.Stats()[0]; m.pairs != 21 || len(s.got) != 20 || st.Dropped != 0 || st.Stream.Missed != 0 {
			t.Errorf("%d pairs, %d descriptions, %+v", m.pairs, len(s.got), st)
		}
	})
}

func TestAWindowOfOnePairIsDescribedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := &streamer{}, &sink{}
		p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{
			Name: "yard", Ends: true, FPS: 1, Frames: 2, Prompt: "?", Open: opener(newFeed(time.Second, 8)), Stream: &pipeline.Stream{},
		})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(s.got) != 4 {
			t.Errorf("%d descriptions", len(s.got))
		}
	})
}

func TestATriggerBringsWhatThePipelineHadNoTimeFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m, s := &streamer{adds: 20 * time.Second}, &sink{}
		p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{
			Name: "yard", FPS: 2, Frames: 64, Prompt: "?", Open: opener(newFeed(500*time.Millisecond, -1)), Stream: &pipeline.Stream{Before: 3},
		})
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		pass(15 * time.Second) // the first pair is being added, some 13 wait or are gone
		p.Trigger("yard")
		p.Trigger("door") // there is none
		time.Sleep(2 * time.Minute)
		cancel()
		<-done
		// The first pair, then the three before that of the moment, which are described together, and that of the moment.
		var last []uint64
		for _, d := range s.got {
			last = append(last, d.Frames[len(d.Frames)-1].Seq)
		}
		q, st := seqs(s.got[0]), p.Stats()[0].Stream
		if len(q) != 8 || q[1] != 1 || q[7]-q[2] != 5 || q[2] < 20 || last[1] < last[0]+2 || last[2] < last[1]+30 || st.Late != 3 {
			t.Errorf("first window %v, newest frames %v, %+v", q, last, st)
		}
	})
}

func TestADisabledCameraFreesItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m, s := &streamer{}, &sink{}
		open := func(context.Context, func(bool, error)) (capture.Source, error) {
			return newFeed(500*time.Millisecond, -1), nil
		}
		set := pipeline.Settings{FPS: 2, Frames: 8, Prompt: "Now?"}
		p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{
			Name: "yard", FPS: 2, Frames: 8, Prompt: "?", Changes: true, Open: open, Stream: &pipeline.Stream{Mode: stream.Rolling},
		})
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		pass(20 * time.Second)
		if m.open != 1 || len(s.got) == 0 {
			t.Fatalf("%d windows, %d descriptions", m.open, len(s.got))
		}
		off := set
		off.Disabled = true
		p.Set("yard", off)
		synctest.Wait()
		n := len(s.got)
		if m.open != 0 {
			t.Errorf("%d windows of a disabled camera", m.open)
		}
		pass(time.Minute)
		if _, err := p.Describe(ctx, "yard"); err == nil || !strings.Contains(err.Error(), "disabled") || m.open != 0 {
			t.Errorf("%v, %d windows", err, m.open)
		}
		p.Set("yard", set)
		pass(10 * time.Second)
		if m.open != 1 || len(s.got) != n+1 || s.got[n].Result.Text != "Now?" { // the same sentence again and again
			t.Errorf("%d windows, %q", m.open, texts(s.got[n:]))
		}
		// Another prompt is another question, but not another window; another rate or length is.
		n = len(m.configs)
		set.Prompt = "And now?"
		p.Set("yard", set)
		pass(10 * time.Second)
		if len(m.configs) != n || s.got[len(s.got)-1].Result.Text != "And now?" {
			t.Errorf("%d windows opened, %q", len(m.configs)-n, texts(s.got))
		}
		set.FPS, set.Frames = 1, 16
		p.Set("yard", set)
		pass(10 * time.Second)
		if c := m.configs[len(m.configs)-1]; len(m.configs) != n+1 || m.open != 1 || c.FPS != 1 || c.Length != 16*time.Second || c.Mode != stream.Rolling {
			t.Errorf("%d windows opened, %d open, %+v", len(m.configs)-n, m.open, c)
		}
		cancel()
		<-done
		if m.open != 0 {
			t.Errorf("%d windows open after the end", m.open)
		}
	})
}

func TestRequestsAreAnsweredFromTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m, s := &streamer{}, &sink{}
		p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{
			Name: "yard", FPS: 1, Frames: 4, Prompt: "?", Changes: true, Every: time.Hour, Open: opener(newFeed(time.Second, -1)), Stream: &pipeline.Stream{},
		})
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		pass(500 * time.Millisecond)
		if _, err := p.Describe(ctx, "yard"); err == nil || !strings.Contains(err.Error(), "two frames") {
			t.Errorf("before there is a pair: %v", err)
		}
		if f, err := p.Newest("yard"); err != nil || f.Seq != 0 {
			t.Errorf("newest: %v, %v", f.Seq, err)
		}
		pass(10 * time.Second)
		d, err := p.Ask(ctx, "yard", "", 0, []vlm.Question{{Name: "x", Text: "X?"}})
		if err != nil || len(d.Answers) != 1 || d.Answers[0].Name != "x" || len(s.got) != 1 {
			t.Errorf("ask: %+v, %v; %d descriptions", d, err, len(s.got))
		}
		if d, err = p.Ask(ctx, "yard", "Colours?", 9, nil); err != nil || d.Result.Text != "Colours?" || len(s.got) != 1 {
			t.Errorf("ask with a prompt: %+v, %v", d, err)
		}
		if d, err = p.Describe(ctx, "yard"); err != nil || len(s.got) != 2 || d.Last() != s.got[1].Last() {
			t.Errorf("describe: %v, %d descriptions", err, len(s.got))
		}
		cancel()
		<-done
	})
}

func TestADescriptionBySchemaIsADocumentOrNone(t *testing.T) {
	sch, err := schema.Parse([]byte(`{"type":"object","properties":{"cars":{"type":"integer"}},"required":["cars"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []*pipeline.Stream{{}, nil} {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			m := &streamer{text: func(i int) string { return []string{`{"cars":1}`, `{"cars":2}`, `{"ca`, `{"cars":4}`}[i] }}
			m.looker.document = `{"cars":1}`
			p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{
				Name: "yard", Ends: true, FPS: 1, Frames: 2, Prompt: "?", Schema: sch, Questions: isThere, Open: opener(newFeed(time.Second, 8)), Stream: mode,
			})
			if err := p.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if mode == nil {
				if len(s.got) != 4 || s.got[0].Result.Text != `{"cars":1}` {
					t.Errorf("%q", texts(s.got))
				}
				return
			}
			if got := texts(s.got); !slices.Equal(got, []string{`{"cars":1}`, `{"cars":2}`, `{"cars":4}`}) || m.schemas != 4 {
				t.Errorf("%q", got)
			}
			if st := p.Stats()[0]; st.Failed != 1 || !strings.Contains(st.LastError, "max_tokens") {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestAnAcceleratorThatKeepsNoWindowIsUsedWithoutOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		m := &streamer{fails: func(int) error { return fmt.Errorf("stream: fork: %w", npu.ErrUnsupported) }}
		p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{
			Name: "yard", Ends: true, FPS: 1, Frames: 4, Prompt: "?", Open: opener(newFeed(time.Second, 12)), Stream: &pipeline.Stream{Mode: stream.Rolling},
		})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The first pair shows that the rolling mode can't be, the second that the exact one can't either.
		if len(m.configs) != 2 || m.configs[0].Mode != stream.Rolling || m.configs[1].Mode != stream.Exact || m.open != 0 {
			t.Errorf("windows %+v, %d open", m.configs, m.open)
		}
		if len(s.got) != 3 || s.got[0].Result.Text != "4 frames" || p.Stats()[0].Failed != 0 {
			t.Errorf("%q, %+v", texts(s.got), p.Stats()[0])
		}
	})
}

func TestWhatAWindowCannotTakeIsCountedAndTheNextPairTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		m := &streamer{fails: func(i int) error {
			switch i {
			case 1:
				return fmt.Errorf("%w: too long", stream.ErrPair)
			case 2:
				return errors.New("no memory")
			}
			return nil
		}}
		f := newFeed(time.Second, 12)
		f.edit = func(f *capture.Frame) {
			if f.Seq == 7 || f.Seq >= 10 {
				f.Data = nil
			}
		}
		p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{Name: "yard", Ends: true, FPS: 1, Frames: 2, Prompt: "?", Open: opener(f), Stream: &pipeline.Stream{}})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got [][]uint64
		for _, d := range s.got {
			got = append(got, seqs(d))
		}
		st := p.Stats()[0]
		if want := [][]uint64{{0, 1}, {6}, {8, 9}}; !slices.EqualFunc(got, want, slices.Equal) || st.Broken != 4 || st.Failed != 1 {
			t.Errorf("got %v, want %v; %+v", got, want, st)
		}
	})
}

func TestALatencyBudgetChoosesTheSizeOfPictures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		m, s := &streamer{perPixel: 25 * time.Microsecond, says: time.Second}, &sink{}
		p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{
			Name: "yard", FPS: 1, Frames: 16, MaxTokens: 64, Prompt: "?", Open: opener(newFeed(time.Second, -1)), Stream: &pipeline.Stream{Latency: 4 * time.Second},
		})
		if err := p.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		late := 0
		for _, d := range s.got {
			if d.Ready.Sub(d.Last()) > 4*time.Second {
				late++
			}
		}
		first, last := m.configs[0].MaxPixels, m.configs[len(m.configs)-1].MaxPixels
		// 25 us a pixel and a second for the answer, with what the 95th percentile may be above the median; and the wait for the pair before.
		if first != 112*112 || last < 20_000 || last > 60_000 || late > len(s.got)/20 || len(m.configs) > 8 {
			t.Errorf("%d of %d late; %d windows, from %d to %d pixels", late, len(s.got), len(m.configs), first, last)
		}
		if px := p.Stats()[0].Stream.Pixels; px != last {
			t.Errorf("stats say %d pixels", px)
		}
	})
}
