package board

import (
	"context"
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Privacy is a switch that shuts every camera.
type Privacy struct {
	Pin string
	// Active is the level that means private: low ("", a switch to ground) or high.
	Active string
	// Pull is up, down, none, or "" for what the board has.
	Pull string
}

// A switch bounces. Off must last this long; on counts at once.
const privacyDebounce = 50 * time.Millisecond

// Validate implements the check of one part of Config.
func (p Privacy) Validate() error {
	if p.Pin == "" && (p.Active != "" || p.Pull != "") {
		return fmt.Errorf("board: gpio.privacy has no pin; give one like GPIO27")
	}
	if _, err := levelOf(p.Active, gpio.Low); err != nil {
		return fmt.Errorf("board: gpio.privacy.active: %w", err)
	}
	if _, err := pullOf(p.Pull); err != nil {
		return fmt.Errorf("board: gpio.privacy.pull: %w", err)
	}
	return nil
}

// runPrivacy watches the switch. Whatever goes wrong with it means private until it works again.
func (b *Board) runPrivacy(ctx context.Context) {
	p := b.cfg.GPIO.Privacy
	active, _ := levelOf(p.Active, gpio.Low)
	pull, _ := pullOf(p.Pull)
	said := false
	set := func(private bool, why string) {
		b.mu.Lock()
		changed := !said || b.status.Private != private
		said = true
		b.status.Private = private
		b.mu.Unlock()
		if !changed {
			return
		}
		b.lamp.setPrivate(private)
		b.log.Info("board: privacy", "private", private, "why", why)
		if b.hooks.Private != nil {
			b.hooks.Private(private, why)
		}
	}
	set(true, "the switch has not been read yet")
	b.supervise(ctx, "gpio.privacy", func(ctx context.Context, healthy func()) (err error) {
		defer func() {
			if err != nil && ctx.Err() == nil {
				set(true, err.Error())
			}
		}()
		line, err := b.o.OpenPin(p.Pin)
		if err != nil {
			return err
		}
		defer line.Close()
		if err := line.In(pull, gpio.BothEdges); err != nil {
			return err
		}
		w := watcher{line: line}
		var offSince time.Time
		for {
			if line.Read() == active {
				offSince = time.Time{}
				set(true, "")
			} else if offSince.IsZero() {
				offSince = time.Now()
			}
			// The wait comes before the switch counts as off: a line that has failed reads low, and shows in the wait.
			edge, err := w.wait(ctx)
			if err != nil {
				return err
			}
			if w.early == 0 {
				healthy()
			}
			if edge {
				offSince = time.Time{}
			} else if !offSince.IsZero() && time.Since(offSince) >= privacyDebounce && line.Read() != active && w.early == 0 {
				set(false, "")
			}
		}
	})
}
