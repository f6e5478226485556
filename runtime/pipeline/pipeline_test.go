package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// These tests run in synctest bubbles: their clock is not real, and a goroutine
// that Run leaves behind fails them.

// feed is a source of n one-pixel frames, one each period from its making; n < 0
// is without end. At its end it returns after.
type feed struct {
	period time.Duration
	n      int
	after  error
	edit   func(*capture.Frame)

	start  time.Time
	i      int
	closed chan struct{}
	once   sync.Once
}

func newFeed(period time.Duration, n int) *feed {
	return &feed{period: period, n: n, after: io.EOF, start: time.Now(), closed: make(chan struct{})}
}

func (f *feed) Next(ctx context.Context) (capture.Frame, error) {
	if f.i == f.n {
		return capture.Frame{}, f.after
	}
	at := f.start.Add(time.Duration(f.i) * f.period)
	select {
	case <-time.After(time.Until(at)):
	case <-ctx.Done():
		return capture.Frame{}, ctx.Err()
	case <-f.closed:
		return capture.Frame{}, capture.ErrClosed
	}
	fr := capture.Frame{Seq: uint64(f.i), At: at, Format: capture.RGB24, Width: 1, Height: 1, Data: []byte{byte(f.i), 0, 0}}
	if f.edit != nil {
		f.edit(&fr)
	}
	f.i++
	return fr, nil
}

func (f *feed) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

func opener(src capture.Source) func(context.Context, func(bool, error)) (capture.Source, error) {
	return func(context.Context, func(bool, error)) (capture.Source, error) { return src, nil }
}

// model takes its time, and says how many frames it saw.
type model struct {
	takes time.Duration
	err   error
	calls int
	seen  []vlm.Media
}

func (m *model) Generate(ctx context.Context, r vlm.Request, _ func(string)) (vlm.Result, error) {
	m.calls++
	m.seen = append(m.seen, r.Media...)
	select {
	case <-time.After(m.takes):
	case <-ctx.Done():
		return vlm.Result{}, ctx.Err()
	}
	return vlm.Result{Text: fmt.Sprint(len(r.Media[0].Frames), " frames")}, m.err
}

// sink keeps what it gets.
type sink struct {
	mu     sync.Mutex
	got    []pipeline.Description
	states []string
	onGot  func(n int)
}

func (s *sink) Description(d pipeline.Description) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, d)
	if s.onGot != nil {
		s.onGot(len(s.got))
	}
	return nil
}

func (s *sink) CameraState(camera string, up bool, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states = append(s.states, fmt.Sprint(camera, " ", up, " ", why))
}

func seqs(d pipeline.Description) []uint64 {
	var all []uint64
	for _, f := range d.Frames {
		all = append(all, f.Seq)
	}
	return all
}

func mustNew(t *testing.T, m pipeline.Describer, s pipeline.Sink, o pipeline.Options, cams ...pipeline.Camera) *pipeline.Pipeline {
	t.Helper()
	p, err := pipeline.New(m, cams, s, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAClipIsDescribedWindowByWindowToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := &model{}, &sink{}
		p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{
			Name: "yard", Ends: true, FPS: 1, Frames: 4, Prompt: "?", Open: opener(newFeed(time.Second, 9)),
		})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got [][]uint64
		for _, d := range s.got {
			got = append(got, seqs(d))
		}
		// Every pair moves the window by two; the ninth frame has no partner.
		want := [][]uint64{{0, 1, 2, 3}, {2, 3, 4, 5}, {4, 5, 6, 7}, {6, 7, 8}}
		if !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("got %v, want %v", got, want)
		}
		if times := m.seen[0].Times; !slices.Equal(times, []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}) || !m.seen[0].Video {
			t.Errorf("times %v", times)
		}
		st := p.Stats()[0]
		if st.Frames != 9 || st.Descriptions != 4 || st.Dropped != 0 || st.Failed != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestAShortClipIsDescribedOnce(t *testing.T) {
	for n := 1; n <= 3; n++ {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			p := mustNew(t, &model{}, s, pipeline.Options{}, pipeline.Camera{
				Name: "yard", Ends: true, FPS: 1, Frames: 8, Open: opener(newFeed(time.Second, n)),
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

func TestASlowModelStaysAtTheNewestMomentAndCountsWhatItSkips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &sink{onGot: func(n int) {
			if n == 5 {
				cancel()
			}
		}}
		p := mustNew(t, &model{takes: 60 * time.Second}, s, pipeline.Options{}, pipeline.Camera{
			Name: "yard", FPS: 1, Frames: 4, Open: opener(newFeed(time.Second, -1)),
		})
		if err := p.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		for i, d := range s.got {
			// Begun as soon as the model was free, on a window at most a pair old.
			if age := d.Ready.Sub(d.Last()) - 60*time.Second; age > 2*time.Second {
				t.Errorf("description %d is of a window %v old", i, age)
			}
			if i > 0 && (d.Dropped < 50 || d.Dropped > 60) {
				t.Errorf("description %d: %d frames dropped, want about 56", i, d.Dropped)
			}
		}
		st := p.Stats()[0]
		if held := st.Frames - st.Dropped; held > 5*4+4+1 {
			t.Errorf("%d frames unaccounted for: %+v", held, st)
		}
	})
}

func TestPublishEveryIsTheLeastTimeBetweenDescriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		p := mustNew(t, &model{}, s, pipeline.Options{}, pipeline.Camera{
			Name: "yard", Ends: true, FPS: 1, Frames: 2, Every: 10 * time.Second, Open: opener(newFeed(time.Second, 60)),
		})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(s.got) != 6 {
			t.Fatalf("%d descriptions of a minute, want 6", len(s.got))
		}
		for i := 1; i < len(s.got); i++ {
			if d := s.got[i].Last().Sub(s.got[i-1].Last()); d < 10*time.Second {
				t.Errorf("%v between two descriptions", d)
			}
		}
	})
}

func TestTwoCamerasShareTheModelFairly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		s := &sink{}
		// One camera is ten times faster than the other; the model is the bottleneck.
		p := mustNew(t, &model{takes: 7 * time.Second}, s, pipeline.Options{},
			pipeline.Camera{Name: "fast", FPS: 10, Frames: 4, Open: opener(newFeed(100*time.Millisecond, -1))},
			pipeline.Camera{Name: "slow", FPS: 1, Frames: 4, Open: opener(newFeed(time.Second, -1))},
		)
		if err := p.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		st := p.Stats()
		if a, b := st[0].Descriptions, st[1].Descriptions; a < 40 || b < 40 || a-b+1 > 2 {
			t.Errorf("%d and %d descriptions", a, b)
		}
	})
}

func TestAFailingCameraIsOpenedAgainAndNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		opens := 0
		missing := fmt.Errorf("open /dev/video0: %w", capture.ErrNoDevice)
		open := func(context.Context, func(bool, error)) (capture.Source, error) {
			opens++
			switch opens {
			case 1, 2:
				return nil, missing
			case 3:
				f := newFeed(time.Second, 4)
				f.after = errors.New("unplugged")
				return f, nil
			}
			return newFeed(time.Second, 4), nil
		}
		start := time.Now()
		p := mustNew(t, &model{}, s, pipeline.Options{}, pipeline.Camera{Name: "yard", Ends: true, FPS: 1, Frames: 4, Open: open})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		// 1 s and 2 s after the failures to open, 3 s of frames, 1 s after the
		// loss, 3 s of frames.
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("took %v", d)
		}
		want := []string{"yard false open /dev/video0: no such device", "yard true <nil>", "yard false unplugged", "yard true <nil>"}
		if !slices.Equal(s.states, want) {
			t.Errorf("states %q", s.states)
		}
		// The second life goes on where the first ended, a second later: one
		// window of the first, two with frames of the second.
		if n := p.Stats()[0].Descriptions; n != 3 {
			t.Errorf("%d descriptions, want 3", n)
		}
	})
}

func TestALiveSourceThatEndsIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s := &sink{}
		open := func(context.Context, func(bool, error)) (capture.Source, error) { return newFeed(time.Second, 2), nil }
		p := mustNew(t, &model{}, s, pipeline.Options{}, pipeline.Camera{Name: "yard", FPS: 1, Frames: 2, Open: open})
		if err := p.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if st := p.Stats()[0]; st.Opens < 10 || s.states[1] != "yard false the source of camera yard has ended" {
			t.Errorf("%+v, %q", st, s.states)
		}
	})
}

func TestAWindowNeverSpansAJump(t *testing.T) {
	for name, edit := range map[string]func(*capture.Frame){
		"the clock jumps back": func(f *capture.Frame) {
			if f.Seq >= 5 {
				f.At = f.At.Add(-time.Hour)
			}
		},
		"a day's gap": func(f *capture.Frame) {
			if f.Seq >= 5 {
				f.At = f.At.Add(24 * time.Hour)
			}
		},
		"another size": func(f *capture.Frame) {
			if f.Seq >= 5 {
				f.Width, f.Data = 2, make([]byte, 6)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sink{}
				f := newFeed(time.Second, 12)
				f.edit = edit
				p := mustNew(t, &model{}, s, pipeline.Options{}, pipeline.Camera{
					Name: "yard", Ends: true, FPS: 1, Frames: 4, Open: opener(f),
				})
				if err := p.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				after := 0
				for _, d := range s.got {
					q := seqs(d)
					if q[0] < 5 && q[len(q)-1] >= 5 {
						t.Errorf("one window holds %v", q)
					}
					if q[0] >= 5 {
						after++
					}
				}
				if after == 0 {
					t.Error("nothing described after the jump")
				}
			})
		})
	}
}

func TestAPairNeverSpansAHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		f := newFeed(time.Second, 9)
		f.edit = func(f *capture.Frame) {
			if f.Seq >= 5 {
				f.At = f.At.Add(3 * time.Second)
			}
		}
		p := mustNew(t, &model{}, s, pipeline.Options{}, pipeline.Camera{Name: "yard", Ends: true, FPS: 1, Frames: 6, Open: opener(f)})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(s.got) != 2 || !slices.Equal(seqs(s.got[1]), []uint64{2, 3, 5, 6, 7, 8}) || s.got[0].Dropped != 1 {
			t.Errorf("got %+v", s.got)
		}
	})
}

func TestADamagedFrameIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		f := newFeed(time.Second, 4)
		f.edit = func(f *capture.Frame) {
			if f.Seq == 1 {
				f.Data = nil
			}
		}
		p := mustNew(t, &model{}, s, pipeline.Options{}, pipeline.Camera{Name: "yard", Ends: true, FPS: 1, Frames: 4, Open: opener(f)})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(s.got) != 1 || !slices.Equal(seqs(s.got[0]), []uint64{0, 2, 3}) || p.Stats()[0].Broken != 1 {
			t.Errorf("got %v, %+v", s.got, p.Stats())
		}
	})
}

func TestAFailingModelIsCountedAndTriedOnTheNextWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := &sink{}, &model{err: errors.New("too long")}
		p := mustNew(t, m, s, pipeline.Options{}, pipeline.Camera{Name: "yard", Ends: true, FPS: 1, Frames: 4, Open: opener(newFeed(time.Second, 8))})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if st := p.Stats()[0]; st.Failed != 3 || m.calls != 3 || st.LastError != "too long" {
			t.Errorf("%d calls, %+v", m.calls, st)
		}
	})
}

func TestNewRefusesCamerasThatCannotWork(t *testing.T) {
	good := pipeline.Camera{Name: "a", FPS: 1, Open: opener(nil)}
	for name, cams := range map[string][]pipeline.Camera{
		"none":      nil,
		"no name":   {{FPS: 1, Open: opener(nil)}},
		"twice":     {good, good},
		"no source": {{Name: "a", FPS: 1}},
		"no rate":   {{Name: "a", Open: opener(nil)}},
	} {
		if _, err := pipeline.New(&model{}, cams, &sink{}, pipeline.Options{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
