package npu

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// errHung is the fault of a call that was given up: it may still be running.
var errHung = errors.New("npu: no answer")

// guard makes calls into a delegate that must not take the program down: a panic becomes an error, and a call that
// does not come back is left behind.
type guard struct {
	mu    sync.Mutex
	stray int    // calls left behind and still running
	after func() // runs once no stray call is left
}

// call runs f, whose context ends after limit. A call that then goes on for longer than grace is left behind: errHung
// is returned, and its goroutine, should it ever end, calls cleanup; so f must own all memory that it touches.
// When ctx itself has ended, every other error is ctx's.
func (g *guard) call(ctx context.Context, limit, grace time.Duration, f func(context.Context) error, cleanup func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	inner, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var settled atomic.Bool // whoever sets it decides: the result is taken, or the call is left behind
	done := make(chan error, 1)
	go func() {
		err := protect(func() error { return f(inner) })
		if settled.CompareAndSwap(false, true) {
			done <- err
			return
		}
		_ = protect(func() error { cleanup(); return nil })
		g.returned()
	}()
	var err error
	select {
	case err = <-done:
	case <-inner.Done():
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case err = <-done:
		case <-t.C:
			g.leave()
			if settled.CompareAndSwap(false, true) {
				return fmt.Errorf("%w after %v", errHung, limit+grace)
			}
			g.returned()
			err = <-done
		}
	}
	switch {
	case err == nil: // in time or not, the work is done
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case inner.Err() != nil:
		return fmt.Errorf("npu: stopped after %v: %w", limit, err)
	}
	return err
}

func (g *guard) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stray++
}

func (g *guard) returned() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stray--; g.stray == 0 && g.after != nil {
		g.after()
		g.after = nil
	}
}

// whenIdle runs f now or, if calls were left behind, once the last of them returns, which may be never. f must not call
// the guard.
func (g *guard) whenIdle(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stray == 0 {
		f()
		return
	}
	g.after = f
}

// panicError is a panic in a delegate.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("npu: panic in delegate: %v", e.value) }

func protect(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &panicError{r, debug.Stack()}
		}
	}()
	return f()
}
