package board_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"

	"github.com/edgevlm/edgevlm/board"
	"github.com/edgevlm/edgevlm/board/boardtest"
)

// These tests run in synctest bubbles: their clock is not real, and a goroutine that Run leaves behind fails them.

// heard keeps what the hooks were told.
type heard struct {
	mu sync.Mutex
	n  int
	p  []bool
	s  []board.Pace
}

func (h *heard) triggers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}

func (h *heard) private() []bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.p)
}

func (h *heard) paces() []board.Pace {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.s)
}

func (h *heard) hooks() board.Hooks {
	lock := func(f func()) {
		h.mu.Lock()
		defer h.mu.Unlock()
		f()
	}
	return board.Hooks{
		Trigger: func(time.Time) { lock(func() { h.n++ }) },
		Private: func(p bool, _ string) { lock(func() { h.p = append(h.p, p) }) },
		Pace:    func(p board.Pace) { lock(func() { h.s = append(h.s, p) }) },
	}
}

// run starts a board on an empty sysfs and returns it with what it says.
func run(t *testing.T, c board.Config, o board.Options) (*board.Board, *heard) {
	t.Helper()
	if o.Root == "" {
		o.Root = t.TempDir()
	}
	h := &heard{}
	b, err := board.New(c, h.hooks(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return b, h
}

func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestAMotionSensorTriggersAndGoesOnWhileItsOutputStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pir := boardtest.NewPin(gpio.Low)
		_, h := run(t, board.Config{GPIO: board.GPIO{Trigger: board.Trigger{Pin: "GPIO17"}}}, board.Options{OpenPin: boardtest.Pins{"GPIO17": pir}.Open})
		wait(10 * time.Second)
		if h.triggers() != 0 {
			t.Fatalf("%d triggers of a quiet sensor", h.triggers())
		}
		pir.Set(gpio.High)
		synctest.Wait()
		if h.triggers() != 1 {
			t.Fatalf("%d triggers at the edge", h.triggers())
		}
		wait(5 * time.Second)
		if h.triggers() < 4 || h.triggers() > 6 {
			t.Errorf("%d triggers while motion lasts 5 s, want one a second", h.triggers())
		}
		pir.Set(gpio.Low)
		n := h.triggers()
		wait(10 * time.Second)
		if h.triggers() != n {
			t.Errorf("%d triggers after motion ended", h.triggers()-n)
		}
	})
}

func TestAButtonThatBouncesIsOneTrigger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		button := boardtest.NewPin(gpio.High)
		_, h := run(t, board.Config{GPIO: board.GPIO{Trigger: board.Trigger{Pin: "B", Edge: "both"}}}, board.Options{OpenPin: boardtest.Pins{"B": button}.Open})
		for range 10 {
			button.Set(gpio.Low)
			wait(3 * time.Millisecond)
			button.Set(gpio.High)
			wait(3 * time.Millisecond)
		}
		if h.triggers() != 1 {
			t.Errorf("%d triggers", h.triggers())
		}
	})
}

func TestThePrivacySwitchClosesAtOnceAndDarkensTheLED(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw, led := boardtest.NewPin(gpio.High), boardtest.NewPin(gpio.Low)
		pins := boardtest.Pins{"GPIO27": sw, "GPIO22": led}
		b, h := run(t, board.Config{GPIO: board.GPIO{Privacy: board.Privacy{Pin: "GPIO27", Pull: "up"}, LED: board.LED{Pin: "GPIO22"}}},
			board.Options{OpenPin: pins.Open})
		b.Light(board.Lit)
		if !b.Status().Private {
			t.Error("not private before the switch was read")
		}
		wait(time.Second)
		if l, _ := led.Level(); b.Status().Private || l != gpio.High {
			t.Fatalf("private %v, LED %v", b.Status().Private, l)
		}
		sw.Set(gpio.Low)
		synctest.Wait() // no time passes
		if l, _ := led.Level(); !b.Status().Private || l != gpio.Low {
			t.Fatalf("after the switch: private %v, LED %v", b.Status().Private, l)
		}
		for range 20 { // bounces
			sw.Set(gpio.High)
			wait(5 * time.Millisecond)
			sw.Set(gpio.Low)
			wait(5 * time.Millisecond)
		}
		if !slices.Equal(h.private(), []bool{true, false, true}) {
			t.Fatalf("heard %v", h.private())
		}
		sw.Set(gpio.High)
		wait(time.Second)
		if l, _ := led.Level(); b.Status().Private || l != gpio.High {
			t.Errorf("switched off: private %v, LED %v", b.Status().Private, l)
		}
	})
}

func TestAPrivacySwitchThatFailsMeansPrivateUntilItWorks(t *testing.T) {
	for name, fail := range map[string]func(p *boardtest.Pin, on bool){
		"the chip goes": func(p *boardtest.Pin, on bool) {
			if on {
				p.Fail(boardtest.ErrUnplugged)
			} else {
				p.Fail(nil)
			}
		},
		"no interrupts": (*boardtest.Pin).Deaf,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// A switch to ground that means private when high: a failed line reads low, which would be open.
				sw := boardtest.NewPin(gpio.Low)
				c := board.Config{GPIO: board.GPIO{Privacy: board.Privacy{Pin: "S", Active: "high"}}}
				b, h := run(t, c, board.Options{OpenPin: boardtest.Pins{"S": sw}.Open})
				wait(time.Second)
				if b.Status().Private {
					t.Fatal("private from the start")
				}
				fail(sw, true)
				wait(time.Second)
				if s := b.Status(); !s.Private || s.Faults["gpio.privacy"] == "" {
					t.Fatalf("after the fault: %+v", s)
				}
				wait(time.Hour)
				if n := sw.Opened(); n > 80 {
					t.Errorf("opened %d times in an hour", n)
				}
				if len(h.private()) != 3 {
					t.Errorf("heard %v", h.private())
				}
				fail(sw, false)
				wait(2 * time.Minute)
				if s := b.Status(); s.Private || len(s.Faults) > 0 {
					t.Errorf("healed: %+v", s)
				}
			})
		})
	}
}

func TestAMissingPinIsNamedOnceAndABusyOneTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pir := boardtest.NewPin(gpio.Low)
		pir.Busy(errors.New("device or resource busy"))
		var busy, missing atomic.Int64
		pins := boardtest.Pins{"GPIO17": pir}
		b, h := run(t, board.Config{GPIO: board.GPIO{Trigger: board.Trigger{Pin: "GPIO17"}, Privacy: board.Privacy{Pin: "GPIO99"}}},
			board.Options{OpenPin: func(spec string) (board.Line, error) {
				if spec == "GPIO17" {
					busy.Add(1)
				} else {
					missing.Add(1)
				}
				return pins.Open(spec)
			}})
		wait(time.Hour)
		s := b.Status()
		if why := s.Faults["gpio.privacy"]; !strings.Contains(why, "no such pin") || !strings.Contains(why, "GPIO99") {
			t.Errorf("fault %q", why)
		}
		if !s.Private || !slices.Equal(h.private(), []bool{true}) {
			t.Errorf("private %v, heard %v", s.Private, h.private())
		}
		if !strings.Contains(s.Faults["gpio.trigger"], "busy") || busy.Load() < 50 || busy.Load() > 80 || missing.Load() != 1 {
			t.Errorf("faults %v, opened %d and %d times", s.Faults, busy.Load(), missing.Load())
		}
		pir.Busy(nil)
		wait(2 * time.Minute)
		pir.Set(gpio.High)
		wait(time.Second)
		if h.triggers() == 0 || b.Status().Faults["gpio.trigger"] != "" {
			t.Errorf("%d triggers, faults %v", h.triggers(), b.Status().Faults)
		}
	})
}

func TestTheLEDBlinksIsNeverReadAndEndsDark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		led := boardtest.NewPin(gpio.Low)
		b, err := board.New(board.Config{GPIO: board.GPIO{LED: board.LED{Pin: "L", Active: "low"}}}, board.Hooks{},
			board.Options{OpenPin: boardtest.Pins{"L": led}.Open, Root: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); b.Run(ctx) }()
		b.Light(board.Starting)
		wait(10 * time.Second)
		writes, _ := led.Writes()
		if n := len(writes); n < 18 || n > 24 {
			t.Errorf("%d writes in 10 s of half-second blinks", n)
		}
		for i := 2; i < len(writes); i++ {
			if writes[i] == writes[i-1] {
				t.Fatalf("writes %v", writes)
			}
		}
		b.Light(board.Lit)
		synctest.Wait()
		if l, out := led.Level(); l != gpio.Low || !out {
			t.Errorf("lit is %v, output %v", l, out)
		}
		cancel()
		<-done
		if l, _ := led.Level(); l != gpio.High {
			t.Error("the LED is lit after Run")
		}
		if _, reads := led.Writes(); reads > 0 {
			t.Errorf("the output was read %d times", reads)
		}
	})
}

func TestConfigErrorsNameTheKey(t *testing.T) {
	for want, c := range map[string]board.Config{
		"gpio.trigger.pin":      {GPIO: board.GPIO{Trigger: board.Trigger{Pin: "GPIO 17"}}},
		"gpio.trigger has no":   {GPIO: board.GPIO{Trigger: board.Trigger{Edge: "rising"}}},
		"gpio.trigger.edge":     {GPIO: board.GPIO{Trigger: board.Trigger{Pin: "A", Edge: "up"}}},
		"gpio.trigger.pull":     {GPIO: board.GPIO{Trigger: board.Trigger{Pin: "A", Pull: "high"}}},
		"gpio.trigger.debounce": {GPIO: board.GPIO{Trigger: board.Trigger{Pin: "A", Debounce: -1}}},
		"gpio.privacy.active":   {GPIO: board.GPIO{Privacy: board.Privacy{Pin: "A", Active: "1"}}},
		"gpio.led.pin":          {GPIO: board.GPIO{Privacy: board.Privacy{Pin: "A"}, LED: board.LED{Pin: "A"}}},
		"gpio.led.active":       {GPIO: board.GPIO{LED: board.LED{Pin: "chip0/3", Active: "on"}}},
		"power.ina219.bus":      {Power: board.Power{INA219: board.INA219{Bus: "spi"}}},
		"power.ina219 has no":   {Power: board.Power{INA219: board.INA219{Shunt: 1}}},
		"power.ina219.address":  {Power: board.Power{INA219: board.INA219{Bus: "1", Address: 0x20}}},
		"at the shunt":          {Power: board.Power{INA219: board.INA219{Bus: "1", MaxAmps: 20}}},
		"power.max_temperature": {Power: board.Power{Pace: board.PaceConfig{MaxTemperature: 300}}},
		"power.min_watts":       {Power: board.Power{Pace: board.PaceConfig{MaxWatts: 5, MinWatts: 6}}},
		"power.steps[1]":        {Power: board.Power{Pace: board.PaceConfig{Steps: []board.Step{{0.5, 1, 1}, {0.6, 1, 1}}}}},
		"power.every":           {Power: board.Power{Every: -1}},
	} {
		if _, err := board.New(c, board.Hooks{}, board.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want one about %s", err, want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("more than one line: %v", err)
		}
	}
}

func ExampleConfig() {
	c := board.Config{GPIO: board.GPIO{Trigger: board.Trigger{Pin: "GPIO17"}, Privacy: board.Privacy{Pin: "GPIO27", Pull: "up"}}}
	fmt.Println(c.Validate())
	// Output: <nil>
}
