package vlm

import "math"

// AnswerTemperatureKey is where a text model's file keeps the AnswerTemperature that was fitted for it, a float.
const AnswerTemperatureKey = "edgevlm.answer_temperature"

const (
	minAnswerTemperature = 0.2 // so that a fit to answers that are all right does not call them certain
	maxAnswerTemperature = 100 // there all answers are as good as equally likely
)

// Judged is an answer to a yes_no or choice question and which of the probabilities was the truth's.
type Judged struct {
	Probabilities []float64 // Answer.Probabilities
	Truth         int
}

// FitAnswerTemperature returns the Options.AnswerTemperature at which answers given with one of 1 would have been
// likeliest: the temperature scaling of Guo et al., "On Calibration of Modern Neural Networks" (2017), section 4.2. It is
// between 0.2 and 100, and 1 for no answers. Fit on some answers and judge the fit on others.
func FitAnswerTemperature(answers []Judged) float64 {
	if len(answers) == 0 {
		return 1
	}
	loss := func(logT float64) float64 {
		sum := 0.0
		for _, a := range answers {
			p := make([]float64, len(a.Probabilities))
			calibrate(p, a.Probabilities, math.Exp(logT))
			sum -= math.Log(max(p[a.Truth], 1e-300))
		}
		return sum
	}
	// The loss has one minimum along 1/T, so along log T as well: golden section search.
	lo, hi := math.Log(minAnswerTemperature), math.Log(maxAnswerTemperature)
	for ratio := (math.Sqrt(5) - 1) / 2; hi-lo > 1e-4; {
		a, b := hi-ratio*(hi-lo), lo+ratio*(hi-lo)
		if loss(a) <= loss(b) {
			hi = b
		} else {
			lo = a
		}
	}
	return math.Exp((lo + hi) / 2)
}

// ExpectedCalibrationError says how far the probabilities of the answers are from how often those are right: the mean
// distance in 15 equal bins of probability, weighted by the answers in each (Guo et al., section 2).
func ExpectedCalibrationError(answers []Judged) float64 {
	const bins = 15
	var right, sum [bins]float64
	for _, a := range answers {
		best := 0
		for i, p := range a.Probabilities {
			if p > a.Probabilities[best] {
				best = i
			}
		}
		b := min(int(a.Probabilities[best]*bins), bins-1)
		sum[b] += a.Probabilities[best]
		if best == a.Truth {
			right[b]++
		}
	}
	e := 0.0
	for b := range bins {
		e += math.Abs(right[b] - sum[b])
	}
	return e / max(float64(len(answers)), 1)
}
