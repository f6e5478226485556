package board

import (
	"context"
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Trigger is a pin whose edge means that something happens: a motion sensor (PIR), a door contact, a button.
type Trigger struct {
	Pin string
	// Edge is rising (""), falling or both. While a line stays at the level after a rising or falling edge, as a motion
	// sensor's does while there is motion, the trigger repeats each second; with both, each edge is one trigger.
	Edge string
	// Pull is up, down, none, or "" for what the board has.
	Pull string
	// Debounce is the least time between two triggers; 0 is 200 ms.
	Debounce time.Duration
	// Cameras that it concerns, for whoever wires it; empty is all.
	Cameras []string
}

const (
	defaultDebounce = 200 * time.Millisecond
	repeatTrigger   = time.Second
)

// Validate implements the check of one part of Config.
func (t Trigger) Validate() error {
	if t.Pin == "" {
		if t.Edge != "" || t.Pull != "" || t.Debounce != 0 || len(t.Cameras) > 0 {
			return fmt.Errorf("board: gpio.trigger has no pin; give one like GPIO17")
		}
		return nil
	}
	if _, err := t.edge(); err != nil {
		return fmt.Errorf("board: gpio.trigger.edge: %w", err)
	}
	if _, err := pullOf(t.Pull); err != nil {
		return fmt.Errorf("board: gpio.trigger.pull: %w", err)
	}
	if t.Debounce < 0 || t.Debounce > time.Minute {
		return fmt.Errorf("board: gpio.trigger.debounce: %v; use 0 to 1m", t.Debounce)
	}
	return nil
}

func (t Trigger) edge() (gpio.Edge, error) {
	switch t.Edge {
	case "", "rising":
		return gpio.RisingEdge, nil
	case "falling":
		return gpio.FallingEdge, nil
	case "both":
		return gpio.BothEdges, nil
	}
	return 0, fmt.Errorf("edge %q; use rising, falling or both", t.Edge)
}

func (b *Board) runTrigger(ctx context.Context) {
	b.supervise(ctx, "gpio.trigger", func(ctx context.Context, healthy func()) error {
		t := b.cfg.GPIO.Trigger
		edge, _ := t.edge()
		pull, _ := pullOf(t.Pull)
		debounce := t.Debounce
		if debounce == 0 {
			debounce = defaultDebounce
		}
		line, err := b.o.OpenPin(t.Pin)
		if err != nil {
			return err
		}
		defer line.Close()
		if err := line.In(pull, edge); err != nil {
			return err
		}
		w := watcher{line: line}
		var last time.Time
		for {
			seen, err := w.wait(ctx)
			if err != nil {
				return err
			}
			if w.early == 0 {
				healthy()
			}
			now := time.Now()
			since := now.Sub(last)
			held := edge != gpio.BothEdges && since >= repeatTrigger && line.Read() == (edge == gpio.RisingEdge)
			if seen && since >= debounce || held {
				last = now
				b.update(func(s *Status) { s.Triggers++ })
				if b.hooks.Trigger != nil {
					b.hooks.Trigger(now)
				}
			}
		}
	})
}
