package vlm

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

var nan = float32(math.NaN())

func TestGreedyTakesTheLowestIDAmongEquals(t *testing.T) {
	for _, c := range []struct {
		logits []float32
		want   int32
	}{
		{[]float32{1, 3, 3, 2}, 1},
		{[]float32{5}, 0},
		{[]float32{-2, -1, nan}, 1},
		{[]float32{nan, -7, -7}, 1},
		{[]float32{float32(math.Inf(-1)), 0}, 1},
	} {
		got, err := newSampler(Sampling{}).next(c.logits)
		if err != nil || got != c.want {
			t.Errorf("%v: %d, %v; want %d", c.logits, got, err, c.want)
		}
	}
	for _, bad := range [][]float32{{}, {nan, nan}, {float32(math.Inf(1)), 1}} {
		if _, err := newSampler(Sampling{}).next(bad); !errors.Is(err, errNotNumbers) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestDrawsFollowTheProbabilities(t *testing.T) {
	// Logits of probabilities 0.5, 0.3, 0.15, 0.05 at temperature 1.
	logits := []float32{float32(math.Log(0.15)), float32(math.Log(0.5)), float32(math.Log(0.05)), float32(math.Log(0.3))}
	for _, c := range []struct {
		name string
		how  Sampling
		want [4]float64
	}{
		{"all", Sampling{Temperature: 1}, [4]float64{0.15, 0.5, 0.05, 0.3}},
		{"temperature 1/2", Sampling{Temperature: 0.5}, [4]float64{0.0616, 0.6849, 0.0068, 0.2466}},
		{"top-k", Sampling{Temperature: 1, TopK: 2}, [4]float64{0, 0.625, 0, 0.375}},
		{"top-p ends inside", Sampling{Temperature: 1, TopP: 0.6}, [4]float64{0, 0.625, 0, 0.375}},
		{"top-p of one", Sampling{Temperature: 1, TopP: 0.4}, [4]float64{0, 1, 0, 0}},
		{"top-p of what top-k left", Sampling{Temperature: 1, TopK: 3, TopP: 0.8}, [4]float64{0, 0.625, 0, 0.375}},
		{"nearly cold", Sampling{Temperature: 1e-6}, [4]float64{0, 1, 0, 0}},
	} {
		const n = 20000
		s := newSampler(c.how)
		var got [4]float64
		for range n {
			id, err := s.next(logits)
			if err != nil {
				t.Fatal(err)
			}
			got[id] += 1. / n
		}
		for i := range got {
			if math.Abs(got[i]-c.want[i]) > 0.015 {
				t.Errorf("%s: %.3f, want %.3f", c.name, got, c.want)
				break
			}
		}
	}
}

func TestSamplingNeverDrawsWhatIsLeftOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits := rapid.SliceOfN(rapid.Float32Range(-20, 20), 1, 40).Draw(t, "logits")
		if len(logits) > 1 && rapid.Bool().Draw(t, "with NaN") {
			logits[0] = nan
		}
		how := Sampling{
			Temperature: rapid.Float32Range(0.01, 5).Draw(t, "temperature"),
			TopK:        rapid.IntRange(0, 50).Draw(t, "k"),
			TopP:        rapid.Float32Range(0, 1).Draw(t, "p"),
			Seed:        rapid.Uint64().Draw(t, "seed"),
		}
		s := newSampler(how)
		for range 5 {
			id, err := s.next(logits)
			if err != nil {
				t.Fatal(err)
			}
			better := 0
			top := argmax(logits)
			// What differs by less than a weight can show is equally likely.
			weight := func(l float32) float64 {
				return math.Exp((float64(l) - float64(logits[top])) * (1 / float64(how.Temperature)))
			}
			for i, l := range logits {
				if (choice{int32(i), weight(l)}).before(choice{id, weight(logits[id])}) {
					better++
				}
			}
			if logits[id] != logits[id] || how.TopK > 0 && better >= how.TopK {
				t.Fatalf("drew %d with %d likelier ones", id, better)
			}
		}
	})
}
