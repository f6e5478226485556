package board

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// How long a part that failed waits before it is tried again: doubling between these.
const (
	retryMin = time.Second
	retryMax = time.Minute
)

// supervise runs a part again and again until ctx ends or it fails for good (ErrNoPin). The part calls healthy when it works.
// One failure is one line in the log, however often it repeats.
func (b *Board) supervise(ctx context.Context, part string, run func(ctx context.Context, healthy func()) error) {
	wait := retryMin
	for {
		var good time.Time
		err := run(ctx, func() {
			if good.IsZero() {
				good = time.Now()
			}
			if b.fault(part, "") {
				b.log.Info("board: " + part + " works again")
			}
		})
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("ended")
		}
		// Only a part that worked for a while earns a quick new start: one that comes and goes must not fill the log.
		if !good.IsZero() && time.Since(good) > wait {
			wait = retryMin
		}
		err = fmt.Errorf("board: %s: %w", part, err)
		final := errors.Is(err, ErrNoPin)
		if b.fault(part, err.Error()) {
			if final {
				b.log.Error(err.Error())
			} else {
				b.log.Warn(err.Error()+"; trying again", "in", wait)
			}
		}
		if final || !sleep(ctx, wait) {
			return
		}
		wait = min(2*wait, retryMax)
	}
}

// fault notes what is wrong with a part, "" for nothing, and says whether that is news.
func (b *Board) fault(part, why string) (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.status.Faults[part] == why {
		return false
	}
	if why == "" {
		delete(b.status.Faults, part)
	} else {
		b.status.Faults[part] = why
	}
	return true
}

// sleep waits for d, or returns false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
