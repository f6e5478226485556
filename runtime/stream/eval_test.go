package stream_test

import (
	"fmt"
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
	clip func(i int) evalClip
}

func newEvalWorld(t *testing.T) evalWorld {
	r := gate.New(gate.Test, 77)
	next := uint64(0)
	return evalWorld{"demo", openDemo(t, vlm.Options{}), func(int) evalClip {
		for {
			s := r.Scene(next, gate.Normal)
			if next++; s.Frames < 8 {
				continue
			}
			pix := make([]byte, s.Bytes())
			r.Render(s, pix)
			c := evalClip{cut(pix, gate.Size), s.Prompt, s.Caption(), "no"}
			if s.Shaky {
				c.jitter = "yes"
			}
			return c
		}
	}}
}

func cut(pix []byte, size int) (frames []imageproc.RGB) {
	for f := range slices.Chunk(pix, 3*size*size) {
		frames = append(frames, imageproc.RGB{W: size, H: size, Pix: f})
	}
	return frames
}

// tally is what one configuration made of the clips.
type tally struct{ right, same, of, kept, later, computed, patches int }

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
		{"drop", stream.Savings{Drop: true}},
		{"drop, grown by a cell", stream.Savings{Drop: true, Grow: 1}},
		{"drop, no registration", stream.Savings{Drop: true, Shift: -1}},
		{"drop, contrast 4", stream.Savings{Drop: true, Contrast: 4}},
		{"drop, contrast 8", stream.Savings{Drop: true, Contrast: 8}},
		{"drop, noise 3.5", stream.Savings{Drop: true, Noise: 3.5}},
		{"incremental", stream.Savings{Incremental: true}},
		{"incremental, not grown", stream.Savings{Incremental: true, Grow: -1}},
		{"incremental, contrast 8", stream.Savings{Incremental: true, Contrast: 8}},
	}
	got := map[string]map[string]*tally{}
	for i := range n {
		c := w.clip(i)
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
	one.of = 1
	if r.Text == c.truth {
		one.right = 1
	}
	return one, r.Text
}

// TestEvalRollingDriftByAge shows one film of many clips and compares every description with a fresh run over the same
// frames, by how many windows the sequence has been running.
func TestEvalRollingDriftByAge(t *testing.T) {
	n := evalClips(t)
	w := newEvalWorld(t)
	for _, anchor := range []int{-1, 32, 1} {
		win, err := stream.New(t.Context(), w.e, stream.Config{Mode: stream.Rolling, Length: 4 * time.Second, FPS: 2, Anchor: anchor})
		if err != nil {
			t.Fatal(err)
		}
		l := &live{t: t, w: win}
		var frames []imageproc.RGB
		byAge := map[string]*tally{}
		for i := range n {
			c := w.clip(i)
			for k := 0; k+1 < len(c.frames); k += 2 {
				frames = append(frames, c.frames[k], c.frames[k+1])
				st := l.pair(c.frames[k], c.frames[k+1])
				if st.Pairs < 4 {
					continue
				}
				frames = frames[len(frames)-8:]
				within := "across two clips"
				if k >= 6 {
					within = "within one clip"
				}
				got, err := win.Describe(t.Context(), c.prompt, 64, vlm.Sampling{}, nil)
				if err != nil {
					t.Fatal(err)
				}
				want, err := w.e.Generate(t.Context(), vlm.Request{Prompt: c.prompt, MaxTokens: 64, Media: []vlm.Media{{Video: true, Frames: frames}}}, nil)
				if err != nil {
					t.Fatal(err)
				}
				key := fmt.Sprintf("%s, %s windows old", within, ageOf((l.n-1)/4))
				if byAge[key] == nil {
					byAge[key] = &tally{}
				}
				byAge[key].of++
				if got.Text == want.Text {
					byAge[key].same++
				}
			}
		}
		for key, x := range byAge {
			t.Logf("| %s | anchor %d | %s | %d | %.1f %% equal |", w.name, anchor, key, x.of, percent(x.same, x.of))
		}
		_ = win.Close()
	}
}

func ageOf(windows int) string {
	for _, limit := range []int{1, 2, 4, 8, 16, 32, 64, 128} {
		if windows < limit {
			return fmt.Sprintf("%d-%d", limit/2, limit-1)
		}
	}
	return "128 or more"
}
