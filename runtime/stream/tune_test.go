package stream_test

import (
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/runtime/stream"
)

// board is a machine that takes its time.
type board struct{ patch, square, token, decode, attention float64 }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// run plays n moving pairs, each described, and returns what each took from its arrival to the answer, and the changes.
func (b board) run(t *stream.Tuner, n, answer, share int) (took []time.Duration, changes int) {
	for i := range n {
		cells := t.Choice().Cells
		rows := cells * (1 + i%max(1, int(t.Choice().Length.Seconds()))) // a pair a second
		patches := float64(4 * cells)
		st := stream.Step{Cells: cells, Patches: 4 * cells, Tokens: 2 * cells, Rows: rows,
			Vision: seconds(patches*b.patch + patches*patches*b.square), Prefill: seconds(float64(2*cells) * (b.token + float64(rows)*b.attention))}
		said := seconds(float64(answer) * b.decode)
		t.Step(st)
		t.Answer(20, answer, said)
		took = append(took, st.Vision+st.Prefill+said+seconds(20*b.token))
		if _, changed := t.Next(share); changed {
			changes++
		}
	}
	return took, changes
}

func TestATunerFindsTheLargestPictureThatKeepsTheBudget(t *testing.T) {
	slow := board{patch: 0.004, square: 5e-7, token: 0.008, decode: 0.09}
	var last int
	for _, latency := range []time.Duration{4 * time.Second, 6 * time.Second, 20 * time.Second} {
		tu := stream.NewTuner(stream.Budget{Latency: latency, Length: 16 * time.Second, FPS: 2})
		took, changes := slow.run(tu, 120, 12, 1)
		if took[0] > 2*time.Second {
			t.Errorf("%v: the first answer took %v: begin with a small picture", latency, took[0])
		}
		over := 0
		for _, d := range took {
			if d > latency {
				over++
			}
		}
		if over > len(took)/20 {
			t.Errorf("%v: %d of %d answers took longer", latency, over, len(took))
		}
		c := tu.Choice()
		if c.Cells < last || c.Length != 16*time.Second || changes > 6 {
			t.Errorf("%v: %+v after %d changes; with less time there were %d cells", latency, c, changes, last)
		}
		last = c.Cells
		t.Logf("%v: %+v, %d changes", latency, c, changes)
		// Half of the time is left to each of two cameras.
		two := stream.NewTuner(stream.Budget{Latency: latency, Length: 16 * time.Second, FPS: 2})
		if slow.run(two, 120, 12, 2); two.Choice().Cells > c.Cells || latency == 6*time.Second && two.Choice().Cells == c.Cells {
			t.Errorf("%v: two cameras have %+v, one has %+v", latency, two.Choice(), c)
		}
	}
	if last < 100 {
		t.Errorf("with 20 s there are %d cells", last)
	}
}

func TestATunerGivesWayWhenTheMachineGrowsSlowAndComesBack(t *testing.T) {
	fast := board{patch: 0.001, token: 0.002, decode: 0.03}
	hot := board{patch: 0.004, token: 0.008, decode: 0.12}
	tu := stream.NewTuner(stream.Budget{Latency: 4 * time.Second, Length: 16 * time.Second, FPS: 2})
	fast.run(tu, 40, 10, 1)
	before := tu.Choice().Cells
	took, _ := hot.run(tu, 40, 10, 1)
	if during := tu.Choice().Cells; during >= before || took[39] > 4*time.Second {
		t.Errorf("%d cells, then %d on a machine four times slower, where an answer takes %v", before, during, took[39])
	}
	fast.run(tu, 120, 10, 1)
	if after := tu.Choice().Cells; 4*after < 3*before {
		t.Errorf("%d cells before it was slow, %d a long time after", before, after)
	}
	// A budget that can't be kept has the smallest picture; the window stays: a shorter one would not keep it either.
	none := stream.NewTuner(stream.Budget{Latency: time.Millisecond, Length: 16 * time.Second, FPS: 2})
	if hot.run(none, 40, 10, 1); none.Choice().Cells != 16 || none.Choice().Length != 16*time.Second || none.Choice().Meets {
		t.Errorf("a budget of nothing: %+v", none.Choice())
	}
}

func TestATunerShortensTheWindowWhereItsLengthIsWhatTakesTheTime(t *testing.T) {
	// Attention to a full window of the smallest pictures takes five times what the tokens themselves take.
	b := board{patch: 0.001, token: 0.004, attention: 8e-5, decode: 0.02}
	tu := stream.NewTuner(stream.Budget{Latency: 2100 * time.Millisecond, Length: 16 * time.Second, FPS: 2})
	b.run(tu, 120, 5, 1)
	c := tu.Choice()
	if c.Cells != 16 || c.Length >= 16*time.Second || c.Length < 4*time.Second || !c.Meets {
		t.Errorf("%+v", c)
	}
}
