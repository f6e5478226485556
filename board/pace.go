package board

import (
	"fmt"
	"math"
	"time"
)

// Step is one pace: what share of the configured frames a second, pixels of a frame and threads may be used, each more than 0
// and at most 1.
type Step struct{ FPS, Pixels, Threads float64 }

// DefaultSteps go from full pace to what keeps a board alive in a hot box: first fewer frames, which costs the least, then
// smaller ones, then fewer threads.
func DefaultSteps() []Step {
	return []Step{{1, 1, 1}, {0.5, 1, 1}, {0.5, 0.5, 1}, {0.5, 0.5, 0.5}, {0.25, 0.5, 0.5}, {0.1, 0.25, 0.25}}
}

// PaceConfig says when the pace goes down and up again. The zero value of each field is its default.
type PaceConfig struct {
	MaxTemperature float64 // °C; 0 is 80
	// MinTemperature is where it counts as cool again; 0 is 8 °C below MaxTemperature.
	MinTemperature float64
	// Critical is where the slowest step is taken at once; 0 is 10 °C above MaxTemperature.
	Critical float64
	MaxWatts float64 // 0 is no limit
	// MinWatts is where power counts as low again; 0 is 0.85 of MaxWatts.
	MinWatts float64
	// DownAfter is the time that a step gets to show its effect before the next one down; 0 is 15 s.
	DownAfter time.Duration
	// UpAfter is how long everything must have been low before one step up; 0 is a minute.
	UpAfter time.Duration
	// Steps from the fastest to the slowest; nil is DefaultSteps.
	Steps []Step
}

func (c PaceConfig) withDefaults() PaceConfig {
	set := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	set(&c.MaxTemperature, 80)
	set(&c.MinTemperature, c.MaxTemperature-8)
	set(&c.Critical, c.MaxTemperature+10)
	set(&c.MinWatts, 0.85*c.MaxWatts)
	if c.DownAfter == 0 {
		c.DownAfter = 15 * time.Second
	}
	if c.UpAfter == 0 {
		c.UpAfter = time.Minute
	}
	if c.Steps == nil {
		c.Steps = DefaultSteps()
	}
	return c
}

// Validate implements the check of one part of Config.
func (c PaceConfig) Validate() error {
	c = c.withDefaults()
	switch {
	case !(c.MaxTemperature >= 30 && c.MaxTemperature <= 120):
		return fmt.Errorf("board: power.max_temperature: %v °C; use 30 to 120", c.MaxTemperature)
	case !(c.MinTemperature < c.MaxTemperature):
		return fmt.Errorf("board: power.min_temperature: %v °C is not below max_temperature, %v", c.MinTemperature, c.MaxTemperature)
	case !(c.Critical > c.MaxTemperature):
		return fmt.Errorf("board: power.critical: %v °C is not above max_temperature, %v", c.Critical, c.MaxTemperature)
	case !(c.MaxWatts >= 0 && c.MaxWatts <= 1000):
		return fmt.Errorf("board: power.max_watts: %v; use 0 (no limit) to 1000", c.MaxWatts)
	case c.MaxWatts > 0 && !(c.MinWatts >= 0 && c.MinWatts < c.MaxWatts):
		return fmt.Errorf("board: power.min_watts: %v is not below max_watts, %v", c.MinWatts, c.MaxWatts)
	case c.DownAfter < 0 || c.UpAfter < 0:
		return fmt.Errorf("board: power: down_after and up_after must not be negative")
	case len(c.Steps) == 0:
		return fmt.Errorf("board: power.steps is empty; leave it out for the usual ones")
	}
	prev := Step{1, 1, 1}
	for i, s := range c.Steps {
		for _, v := range [][2]float64{{s.FPS, prev.FPS}, {s.Pixels, prev.Pixels}, {s.Threads, prev.Threads}} {
			if !(v[0] > 0 && v[0] <= v[1]) {
				return fmt.Errorf("board: power.steps[%d]: shares are more than 0, at most 1, and never more than in the step before", i)
			}
		}
		prev = s
	}
	return nil
}

// Sample is what the pace is decided by. NaN is a value that nobody could read.
type Sample struct {
	At        time.Time // never decreasing
	Celsius   float64   // of the hottest zone
	Watts     float64
	Throttled bool // something slows the board down already
}

// Pace is the step in force.
type Pace struct {
	Level int // 0 is full pace
	Step
	Reason string // why the newest change was made, in words; "" before the first
}

// Pacer decides the pace: a pure function of the samples so far. Its zero value is of no use; one goroutine uses it at a time.
type Pacer struct {
	c       PaceConfig
	pace    Pace
	changed time.Time // of the newest step down
	low     time.Time // since when everything has been low; zero: it isn't
	begun   bool
}

// NewPacer starts at full pace.
func NewPacer(c PaceConfig) (*Pacer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	return &Pacer{c: c, pace: Pace{Step: c.Steps[0]}}, nil
}

// Pace is the pace in force.
func (p *Pacer) Pace() Pace { return p.pace }

// Add takes a sample and returns the pace in force after it, and whether it changed.
//
// Over a limit the pace goes down by one step, and by the next one DownAfter later if it still is; at a critical temperature it
// goes to the slowest at once. It goes up by one step when every known value has been below its lower bound for UpAfter, and
// again after as long. Between the bounds it stays. A sample without any value changes nothing and does not count as low.
func (p *Pacer) Add(s Sample) (Pace, bool) {
	last := len(p.c.Steps) - 1
	why, over := p.over(s)
	if over || !p.cool(s) {
		p.low = time.Time{}
	} else if p.low.IsZero() {
		p.low = s.At
	}
	level := p.pace.Level
	switch {
	case s.Celsius >= p.c.Critical:
		level = last
	case over && level < last && (!p.begun || s.At.Sub(p.changed) >= p.c.DownAfter):
		level++
	case !p.low.IsZero() && level > 0 && s.At.Sub(p.low) >= p.c.UpAfter:
		level--
		p.low = s.At // the next step up has to be earned anew
		why = p.under(s)
	}
	if level == p.pace.Level {
		return p.pace, false
	}
	if level > p.pace.Level {
		p.begun, p.changed = true, s.At
	}
	p.pace = Pace{Level: level, Step: p.c.Steps[level], Reason: why}
	return p.pace, true
}

// over says whether a value is over its limit, and which.
func (p *Pacer) over(s Sample) (why string, over bool) {
	switch {
	case s.Celsius > p.c.MaxTemperature:
		return fmt.Sprintf("%.1f °C is over %g °C", s.Celsius, p.c.MaxTemperature), true
	case p.c.MaxWatts > 0 && s.Watts > p.c.MaxWatts:
		return fmt.Sprintf("%.1f W is over %g W", s.Watts, p.c.MaxWatts), true
	case s.Throttled:
		return "the board slows itself down (heat or supply)", true
	}
	return "", false
}

// cool says whether every value that is known is below its lower bound, and one is known.
func (p *Pacer) cool(s Sample) bool {
	temp, watts := !math.IsNaN(s.Celsius), p.c.MaxWatts > 0 && !math.IsNaN(s.Watts)
	return (temp || watts) && (!temp || s.Celsius < p.c.MinTemperature) && (!watts || s.Watts < p.c.MinWatts)
}

func (p *Pacer) under(s Sample) string {
	why := "below the limits again"
	if !math.IsNaN(s.Celsius) {
		why = fmt.Sprintf("%.1f °C is below %g °C again", s.Celsius, p.c.MinTemperature)
	} else if !math.IsNaN(s.Watts) {
		why = fmt.Sprintf("%.1f W is below %.1f W again", s.Watts, p.c.MinWatts)
	}
	return why
}

// String is a pace as the log says it.
func (p Pace) String() string {
	if p.Level == 0 {
		return "full pace"
	}
	return fmt.Sprintf("step %d: %g of the frames, %g of the pixels, %g of the threads", p.Level, p.FPS, p.Pixels, p.Threads)
}

// Rate is the frames a second that are left of a camera's.
func (s Step) Rate(fps float64) float64 { return fps * s.FPS }

// ThreadsOf is how many threads are left of n, one at least.
func (s Step) ThreadsOf(n int) int { return max(1, int(math.Round(float64(n)*s.Threads))) }

// PixelsOf is how many pixels of a frame are left of n.
func (s Step) PixelsOf(n int) int { return int(math.Round(float64(n) * s.Pixels)) }
