package board

import (
	"context"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// LED is the status light.
type LED struct {
	Pin string
	// Active is the level that lights it: high ("") or low.
	Active string
}

// Validate implements the check of one part of Config.
func (l LED) Validate() error {
	if l.Pin == "" && l.Active != "" {
		return fmt.Errorf("board: gpio.led has no pin; give one like GPIO22")
	}
	if _, err := levelOf(l.Active, gpio.High); err != nil {
		return fmt.Errorf("board: gpio.led.active: %w", err)
	}
	return nil
}

// Light is what the LED shows.
type Light uint8

// The lights. A lit LED says that a camera is being watched.
const (
	Dark     Light = iota
	Lit            // cameras deliver
	Starting       // slow: half a second on, half a second off
	Trouble        // fast: a tenth of a second
)

// period is the time of half a blink, 0 for a steady light.
func (l Light) period() time.Duration {
	switch l {
	case Starting:
		return 500 * time.Millisecond
	case Trouble:
		return 100 * time.Millisecond
	}
	return 0
}

// lamp holds what is to be shown.
type lamp struct {
	mu      sync.Mutex
	light   Light
	private bool
	changed chan struct{} // holds one token
}

func newLamp() *lamp { return &lamp{changed: make(chan struct{}, 1)} }

func (l *lamp) show(light Light) { l.set(func() { l.light = light }) }

func (l *lamp) setPrivate(p bool) { l.set(func() { l.private = p }) }

func (l *lamp) set(f func()) {
	l.mu.Lock()
	f()
	l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *lamp) now() Light {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.private {
		return Dark
	}
	return l.light
}

// runLED keeps the LED as the lamp wants it, and dark at the end.
func (b *Board) runLED(ctx context.Context) {
	c := b.cfg.GPIO.LED
	lit, _ := levelOf(c.Active, gpio.High)
	b.supervise(ctx, "gpio.led", func(ctx context.Context, healthy func()) error {
		line, err := b.o.OpenPin(c.Pin)
		if err != nil {
			return err
		}
		defer line.Close()
		defer line.Out(!lit)
		// What was written is remembered here: an output is never read back.
		on := false
		for {
			light := b.lamp.now()
			on = light == Lit || light.period() > 0 && !on
			level := lit
			if !on {
				level = !lit
			}
			if err := line.Out(level); err != nil {
				return err
			}
			if err := line.Alive(); err != nil {
				return err
			}
			healthy()
			again := light.period()
			if again == 0 {
				again = 5 * time.Second // written again now and then: a chip that was reset forgets
			}
			t := time.NewTimer(again)
			select {
			case <-ctx.Done():
				t.Stop()
				return ctx.Err()
			case <-b.lamp.changed:
				on = false
			case <-t.C:
			}
			t.Stop()
		}
	})
}
