package stream_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// The evaluations take minutes and hold nothing: they print tables, for RESULTS.md.
//
//	EDGEVLM_EVAL=500 go test -run Eval -v -timeout 60m ./runtime/stream
//
// is about the embedded demo model and clips of 8 to 32 frames.

// evalClips is how many clips are asked for; without, the test is skipped.
func evalClips(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("EDGEVLM_EVAL"))
	if err != nil || n < 1 {
		t.Skip("an evaluation: set EDGEVLM_EVAL to a number of clips")
	}
	return n
}

// evalClip is a clip that the model has never seen.
type evalClip struct {
	frames []imageproc.RGB
	prompt string
	truth  string
	jitter string // "yes", "no" or "?"
}

// evalWorld is a model and its world.
type evalWorld struct {
	name string
	e    *vlm.Engine
	clip func() evalClip // of 8 to 32 frames
	long func() evalClip // of 32
}

func newEvalWorld(t *testing.T) evalWorld {
	r := gate.New(gate.Test, 77)
	next := uint64(0)
	show := func(s *gate.Scene) evalClip {
		pix := make([]byte, s.Bytes())
		r.Render(s, pix)
		c := evalClip{cut(pix, gate.Size), s.Prompt, s.Caption(), "no"}
		if s.Shaky {
			c.jitter = "yes"
		}
		return c
	}
	return evalWorld{"demo", openDemo(t, vlm.Options{}), func() evalClip {
		for {
			s := r.Scene(next, gate.Normal)
			if next++; s.Frames >= 8 {
				return show(s)
			}
		}
	}, func() evalClip {
		next++
		return show(r.SceneOf(next-1, gate.Normal, gate.MaxFrames))
	}}
}

func cut(pix []byte, size int) (frames []imageproc.RGB) {
	for f := range slices.Chunk(pix, 3*size*size) {
		frames = append(frames, imageproc.RGB{W: size, H: size, Pix: f})
	}
	return frames
}

// tally is what one configuration made of the clips.
type tally struct{ right, fresh, same, of, kept, later, computed, patches int }

func (a *tally) add(b tally) {
	a.right += b.right
	a.same += b.same
	a.of += b.of
	a.kept += b.kept
	a.later += b.later
	a.computed += b.computed
	a.patches += b.patches
}

func percent(a, of int) float64 { return 100 * float64(a) / float64(max(of, 1)) }

func TestEvalSavingsAgainstOff(t *testing.T) {
	n := evalClips(t)
	w := newEvalWorld(t)
	configs := []struct {
		name string
		s    stream.Savings
	}{
		{"off", stream.Savings{}},
		{"default (both)", stream.DefaultSavings()},
		{"both, noise 3.5", stream.Savings{Drop: true, Present: true, Incremental: true, Noise: 3.5}},
		{"both, noise 7", stream.Savings{Drop: true, Present: true, Incremental: true, Noise: 7}},
		{"both, not present", stream.Savings{Drop: true, Incremental: true}},
		{"drop", stream.Savings{Drop: true, Present: true}},
		{"drop, grown by a cell", stream.Savings{Drop: true, Present: true, Grow: 1}},
		{"drop, no registration", stream.Savings{Drop: true, Present: true, Shift: -1}},
		{"drop, contrast 8", stream.Savings{Drop: true, Present: true, Contrast: 8}},
		{"incremental", stream.Savings{Incremental: true}},
		{"incremental, not grown", stream.Savings{Incremental: true, Grow: -1}},
	}
	got := map[string]map[string]*tally{}
	for range n {
		c := w.clip()
		off := ""
		for _, cfg := range configs {
			one, text := evalRun(t, w.e, c, cfg.s)
			if cfg.name == "off" {
				off = text
			}
			if text == off {
				one.same = 1
			}
			for _, group := range []string{"all", "jitter " + c.jitter} {
				if got[group] == nil {
					got[group] = map[string]*tally{}
				}
				if got[group][cfg.name] == nil {
					got[group][cfg.name] = &tally{}
				}
				got[group][cfg.name].add(one)
			}
		}
	}
	for group, of := range got {
		for _, cfg := range configs {
			x := of[cfg.name]
			t.Logf("| %s, %s | %s | %d | %.1f %% exact | %.1f %% as off | %.1f %% of later pairs' tokens dropped | %.1f %% of later patches computed |",
				w.name, group, cfg.name, x.of, percent(x.right, x.of), percent(x.same, x.of), 100-percent(x.kept, x.later), percent(x.computed, x.patches))
		}
	}
}

// evalRun shows a clip to a window and asks for its description at the end.
func evalRun(t *testing.T, e *vlm.Engine, c evalClip, s stream.Savings) (one tally, text string) {
	t.Helper()
	w, err := stream.New(t.Context(), e, stream.Config{Length: time.Duration(len(c.frames)) * time.Second, FPS: 2, Savings: s}) // no second sequence begins
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	l := &live{t: t, w: w}
	for i := 0; i+1 < len(c.frames); i += 2 {
		st := l.pair(c.frames[i], c.frames[i+1])
		if i == 0 {
			continue
		}
		const cells = 16
		one.kept, one.later = one.kept+st.Tokens, one.later+cells
		one.computed, one.patches = one.computed+st.Patches, one.patches+4*cells
	}
	r, err := w.Describe(t.Context(), c.prompt, 64, vlm.Sampling{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	one.kept += int(w.Counters().Again)
	one.of = 1
	if r.Text == c.truth {
		one.right = 1
	}
	return one, r.Text
}

// TestEvalRollingDriftByAge compares every description of rolling windows with a fresh run over the same frames, by how many
// windows the sequence has been running: of one film of many clips, where a window may lie across a cut, and of a camera that
// sees one scene after another of 32 frames, beginning anew with each.
func TestEvalRollingDriftByAge(t *testing.T) {
	n := evalClips(t)
	for _, anchor := range []int{-1, 32, 1} {
		film, alone := newEvalWorld(t), newEvalWorld(t)
		drift := map[string]*tally{}
		l := rollingWindow(t, film.e, anchor)
		for range n {
			l.compare(t, film.e, film.clip(), "film", drift)
		}
		l.close(t)
		for range n {
			l := rollingWindow(t, alone.e, anchor)
			l.compare(t, alone.e, alone.long(), "one scene", drift)
			l.close(t)
		}
		for _, key := range slices.Sorted(maps.Keys(drift)) {
			x := drift[key]
			t.Logf("| anchor %d | %s | %d | %.1f %% equal | says what is true of the whole scene: %.1f %%, a fresh run %.1f %% |",
				anchor, key, x.of, percent(x.same, x.of), percent(x.right, x.of), percent(x.fresh, x.of))
		}
	}
}

// rolling is a rolling window of 4 s that remembers its frames.
type rolling struct {
	live
	frames []imageproc.RGB
}

func rollingWindow(t *testing.T, e *vlm.Engine, anchor int) *rolling {
	win, err := stream.New(t.Context(), e, stream.Config{Mode: stream.Rolling, Length: 4 * time.Second, FPS: 2, Anchor: anchor})
	if err != nil {
		t.Fatal(err)
	}
	return &rolling{live: live{t: t, w: win}}
}

func (l *rolling) close(t *testing.T) {
	if err := l.w.Close(); err != nil {
		t.Fatal(err)
	}
}

// compare shows a clip and counts in drift.
func (l *rolling) compare(t *testing.T, e *vlm.Engine, c evalClip, name string, drift map[string]*tally) {
	const pairs = 4
	for k := 0; k+1 < len(c.frames); k += 2 {
		l.frames = append(l.frames, c.frames[k], c.frames[k+1])
		if st := l.pair(c.frames[k], c.frames[k+1]); st.Pairs < pairs {
			continue
		}
		l.frames = l.frames[len(l.frames)-2*pairs:]
		where := "across a cut"
		if k >= 2*(pairs-1) {
			where = "within a scene"
		}
		got, err := l.w.Describe(t.Context(), c.prompt, 64, vlm.Sampling{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := e.Generate(t.Context(), vlm.Request{Prompt: c.prompt, MaxTokens: 64, Media: []vlm.Media{{Video: true, Frames: l.frames}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{name + ", " + where, name + ", " + where + ", " + ageOf((l.n-1)/pairs) + " windows old"} {
			if drift[key] == nil {
				drift[key] = &tally{}
			}
			drift[key].of++
			if got.Text == want.Text {
				drift[key].same++
			}
			if got.Text == c.truth {
				drift[key].right++
			}
			if want.Text == c.truth {
				drift[key].fresh++
			}
		}
	}
}

func ageOf(windows int) string {
	if windows < 2 {
		return strconv.Itoa(windows)
	}
	for limit := 4; limit <= 128; limit *= 2 {
		if windows < limit {
			return fmt.Sprintf("%d-%d", limit/2, limit-1)
		}
	}
	return "128 or more"
}
