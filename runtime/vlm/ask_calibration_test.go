package vlm_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

var calibrationClips = flag.Int("clips", 25, "clips to fit the demo model's answer temperature on, and as many to judge it on")

// coins are answers of a model that says p for what is right at the rate of truth(p).
func coins(n int, truth func(p float64) float64) []vlm.Judged {
	rng := rand.New(rand.NewPCG(1, 2))
	out := make([]vlm.Judged, n)
	for i := range out {
		p := rng.Float64()
		out[i] = vlm.Judged{Probabilities: []float64{p, 1 - p}, Truth: 1}
		if rng.Float64() < truth(p) {
			out[i].Truth = 0
		}
	}
	return out
}

func TestTheFitFindsTheTemperatureThatAModelIsOffBy(t *testing.T) {
	for _, temperature := range []float64{0.5, 1, 3} {
		truth := func(p float64) float64 { // the same in odds
			a, b := math.Pow(p, 1/temperature), math.Pow(1-p, 1/temperature)
			return a / (a + b)
		}
		answers := coins(20000, truth)
		if got := vlm.FitAnswerTemperature(answers); math.Abs(got-temperature) > 0.1*temperature {
			t.Errorf("%.3f, want %v", got, temperature)
		}
	}
	if got := vlm.FitAnswerTemperature(nil); got != 1 {
		t.Errorf("no answers: %v", got)
	}
	sure := []vlm.Judged{{Probabilities: []float64{0.9, 0.1}}, {Probabilities: []float64{0.2, 0.8}, Truth: 1}}
	if got := vlm.FitAnswerTemperature(sure); math.Abs(got-0.2) > 0.01 {
		t.Errorf("answers that are all right: %v, want the least", got)
	}
}

func TestTheCalibrationErrorIsTheDistanceFromHowOftenAnswersAreRight(t *testing.T) {
	ten := func(p float64, right int) (out []vlm.Judged) {
		for i := range 10 {
			j := vlm.Judged{Probabilities: []float64{p, 1 - p}}
			if i >= right {
				j.Truth = 1
			}
			out = append(out, j)
		}
		return out
	}
	for _, c := range []struct {
		answers []vlm.Judged
		want    float64
	}{
		{nil, 0},
		{ten(0.9, 9), 0},
		{ten(0.9, 7), 0.2},
		{append(ten(0.9, 7), ten(0.6, 6)...), 0.1},
		{ten(0.1, 1), 0}, // the second answer is the one given
	} {
		if got := vlm.ExpectedCalibrationError(c.answers); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
	if got := vlm.ExpectedCalibrationError(coins(50000, func(p float64) float64 { return p })); got > 0.01 {
		t.Errorf("a model that knows itself: %v", got)
	}
}

// presence asks whether classes are there, in n clips: the ones that are, and as many that are not.
func presence(t testing.TB, e *vlm.Engine, split gate.Split, n int) (out []vlm.Judged) {
	t.Helper()
	ren := gate.New(split, 7)
	for i := range n {
		s := ren.Scene(uint64(i), gate.Normal)
		pix := make([]byte, s.Bytes())
		ren.Render(s, pix)
		m := vlm.Media{Video: true}
		for f := range s.Frames {
			m.Frames = append(m.Frames, imageproc.RGB{W: gate.Size, H: gate.Size, Pix: pix[f*gate.FrameBytes : (f+1)*gate.FrameBytes]})
		}
		there := map[gate.Class]bool{}
		for _, o := range s.Objects {
			there[o.Class] = true
		}
		var qs []vlm.Question
		var truth []int
		no := 0
		for k := range int(gate.NumClasses) {
			c := gate.Class((k + i) % int(gate.NumClasses))
			if !there[c] {
				if no++; no > max(1, len(there)) {
					continue
				}
			}
			qs = append(qs, vlm.Question{Name: c.String(), Text: "Is there a " + c.String() + "?", Kind: vlm.KindYesNo})
			truth = append(truth, map[bool]int{true: 0, false: 1}[there[c]])
		}
		seq, _, err := e.Look(t.Context(), nil, []vlm.Media{m})
		if err != nil {
			t.Fatal(err)
		}
		answers, err := seq.Ask(t.Context(), qs)
		_ = seq.Close()
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range answers {
			out = append(out, vlm.Judged{Probabilities: a.Probabilities, Truth: truth[i]})
		}
	}
	return out
}

// cooled is what answers given with a temperature of 1 would have been with another.
func cooled(answers []vlm.Judged, temperature float64) (out []vlm.Judged) {
	for _, a := range answers {
		c, sum := vlm.Judged{Truth: a.Truth}, 0.0
		for _, p := range a.Probabilities {
			c.Probabilities = append(c.Probabilities, math.Pow(p, 1/temperature))
			sum += math.Pow(p, 1/temperature)
		}
		for i := range c.Probabilities {
			c.Probabilities[i] /= sum
		}
		out = append(out, c)
	}
	return out
}

// The full measurement, whose figures are in RESULTS.md, is
//
//	go test ./runtime/vlm -run DemoModelKnows -v -args -clips 1000
func TestTheDemoModelKnowsHowSureItCanBe(t *testing.T) {
	const bar = 0.05
	own := openDemo(t, vlm.Options{AnswerTemperature: 1})
	fitted := vlm.FitAnswerTemperature(presence(t, own, gate.Test, *calibrationClips))
	report := func(name string, a []vlm.Judged) float64 {
		right := 0
		for _, j := range a {
			if (j.Probabilities[0] >= 0.5) == (j.Truth == 0) {
				right++
			}
		}
		ece := vlm.ExpectedCalibrationError(a)
		t.Logf("%s: %d of %d right, expected calibration error %.4f", name, right, len(a), ece)
		return ece
	}
	held := presence(t, own, gate.Held, *calibrationClips)
	report("held-out clips, temperature 1", held)
	report(fmt.Sprintf("held-out clips, temperature %.2f fitted on others", fitted), cooled(held, fitted))
	shipped := report("held-out clips, as it ships", presence(t, openDemo(t, vlm.Options{}), gate.Held, *calibrationClips))
	if shipped > bar {
		t.Errorf("expected calibration error %.4f, at most %v is wanted: fit the temperature anew and write it into the model's file as %s",
			shipped, bar, vlm.AnswerTemperatureKey)
	}
}
