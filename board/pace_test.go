package board_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/edgevlm/edgevlm/board"
)

var nan = math.NaN()

func pacer(t interface{ Fatal(...any) }, c board.PaceConfig) *board.Pacer {
	p, err := board.NewPacer(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var paceStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestThePaceGoesDownStepByStepAndUpSlowly(t *testing.T) {
	p := pacer(t, board.PaceConfig{})
	var levels []int
	for s := range 300 {
		c := 85.0
		if s >= 60 {
			c = 60
		}
		if pace, changed := p.Add(board.Sample{At: paceStart.Add(time.Duration(s) * time.Second), Celsius: c, Watts: nan}); changed {
			levels = append(levels, pace.Level)
			if pace.Reason == "" || !strings.Contains(pace.Reason, "°C") {
				t.Errorf("at %d s: reason %q", s, pace.Reason)
			}
		}
	}
	want := []int{1, 2, 3, 4, 3, 2, 1} // at 0, 15, 30, 45; and at 120, 180, 240
	if len(levels) != len(want) {
		t.Fatalf("levels %v, want %v", levels, want)
	}
	for i := range want {
		if levels[i] != want[i] {
			t.Fatalf("levels %v, want %v", levels, want)
		}
	}
}

func TestCriticalHeatTakesTheSlowestStepAtOnce(t *testing.T) {
	p := pacer(t, board.PaceConfig{})
	if pace, changed := p.Add(board.Sample{At: paceStart, Celsius: 95, Watts: nan}); !changed || pace.Level != len(board.DefaultSteps())-1 {
		t.Errorf("%+v", pace)
	}
}

// drawSample draws a value of any kind: cool, between, hot, unknown.
func drawSample(t *rapid.T) board.Sample {
	s := board.Sample{Celsius: nan, Watts: nan, Throttled: rapid.IntRange(0, 20).Draw(t, "throttled") == 0}
	if rapid.IntRange(0, 9).Draw(t, "has temperature") > 0 {
		s.Celsius = rapid.Float64Range(20, 100).Draw(t, "celsius")
	}
	if rapid.IntRange(0, 9).Draw(t, "has watts") > 0 {
		s.Watts = rapid.Float64Range(0, 20).Draw(t, "watts")
	}
	return s
}

func TestPaceProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := board.PaceConfig{MaxWatts: 10}
		p := pacer(t, c)
		last := len(board.DefaultSteps()) - 1
		at := paceStart
		var lastDown, lastUp, lowSince time.Time
		for range rapid.IntRange(1, 200).Draw(t, "samples") {
			at = at.Add(time.Duration(rapid.IntRange(0, 30000).Draw(t, "ms")) * time.Millisecond)
			s := drawSample(t)
			s.At = at
			hot := s.Celsius > 80 || s.Watts > 10 || s.Throttled
			known := !math.IsNaN(s.Celsius) || !math.IsNaN(s.Watts)
			low := known && !hot && !(s.Celsius >= 72) && !(s.Watts >= 8.5)
			if !low {
				lowSince = time.Time{}
			} else if lowSince.IsZero() {
				lowSince = at
			}
			before := p.Pace().Level
			pace, changed := p.Add(s)
			switch d := pace.Level - before; {
			case pace.Level < 0 || pace.Level > last:
				t.Fatalf("level %d", pace.Level)
			case changed != (d != 0):
				t.Fatalf("changed %v by %d", changed, d)
			case d > 0 && !hot:
				t.Fatalf("down without need: %+v", s)
			case d > 1 && !(s.Celsius >= 90):
				t.Fatalf("down by %d at once: %+v", d, s)
			case d > 0 && !(s.Celsius >= 90) && !lastDown.IsZero() && at.Sub(lastDown) < 15*time.Second:
				t.Fatalf("down %v after the step before", at.Sub(lastDown))
			case d < -1 || d < 0 && (!low || at.Sub(lowSince) < time.Minute || !lastUp.IsZero() && at.Sub(lastUp) < time.Minute):
				t.Fatalf("up by %d after %v of low values: %+v", -d, at.Sub(lowSince), s)
			case d > 0:
				lastDown = at
			case d < 0:
				lastUp = at
			}
			if changed && pace.Reason == "" {
				t.Fatal("no reason")
			}
		}
		// Whatever happened, heat that lasts ends in the slowest step, and cool that lasts at full pace.
		for _, end := range []struct {
			celsius float64
			level   int
		}{{81, last}, {40, 0}} {
			for range 1000 {
				at = at.Add(2 * time.Second)
				p.Add(board.Sample{At: at, Celsius: end.celsius, Watts: nan})
			}
			if got := p.Pace().Level; got != end.level {
				t.Fatalf("at %v °C for long: level %d", end.celsius, got)
			}
		}
	})
}

func TestValuesBetweenTheBoundsNeverChangeThePace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := pacer(t, board.PaceConfig{})
		at := paceStart
		for range rapid.IntRange(0, 5).Draw(t, "steps down") {
			at = at.Add(15 * time.Second)
			p.Add(board.Sample{At: at, Celsius: 81, Watts: nan})
		}
		level := p.Pace().Level
		for range 300 {
			at = at.Add(2 * time.Second)
			if _, changed := p.Add(board.Sample{At: at, Celsius: rapid.Float64Range(72, 80).Draw(t, "celsius"), Watts: nan}); changed {
				t.Fatalf("from level %d to %d", level, p.Pace().Level)
			}
		}
	})
}

func TestABoardThatGetsHotSlowsDownAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := t.TempDir()
		temp := "sys/class/thermal/thermal_zone0/temp"
		write(t, root, "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
		write(t, root, temp, "55000\n")
		b, h := run(t, board.Config{}, board.Options{Root: root})
		if s := b.Status(); !s.HasTemp || s.Temperature != 55 || s.Zone != "cpu-thermal" || s.Pace.Level != 0 {
			t.Fatalf("%+v", s)
		}
		write(t, root, temp, "84500\n")
		wait(20 * time.Second)
		if s := b.Status(); s.Pace.Level != 2 || s.Pace.FPS != 0.5 || len(h.paces()) != 2 {
			t.Fatalf("hot: %+v, heard %+v", s.Pace, h.paces())
		}
		write(t, root, temp, "60000\n")
		wait(3 * time.Minute)
		if s := b.Status(); s.Pace.Level != 0 || len(h.paces()) != 4 {
			t.Errorf("cool: %+v, heard %+v", s.Pace, h.paces())
		}
	})
}

func TestWhoFollowsThePaceHearsOfTheOneInForceAndOfEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := t.TempDir()
		temp := "sys/class/thermal/thermal_zone0/temp"
		write(t, root, "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
		write(t, root, temp, "84500\n")
		b, _ := run(t, board.Config{}, board.Options{Root: root})
		wait(4 * time.Second)
		heard := make(chan board.Pace, 10)
		b.Follow(func(p board.Pace) { heard <- p })
		wait(14 * time.Second)
		write(t, root, temp, "60000\n")
		wait(3 * time.Minute)
		var levels []int
		for len(heard) > 0 {
			levels = append(levels, (<-heard).Level)
		}
		if !slices.Equal(levels, []int{1, 2, 1, 0}) {
			t.Errorf("levels %v", levels)
		}
		b.Follow(nil)
		write(t, root, temp, "95000\n")
		wait(4 * time.Second)
		if b.Status().Pace.Level == 0 || len(heard) > 0 {
			t.Errorf("after Follow(nil): %+v, heard %d", b.Status().Pace, len(heard))
		}
	})
}
