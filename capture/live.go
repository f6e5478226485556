package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// session is one connection to a camera: it emits frames until it fails or ctx ends. It fills in Format, Data and, where it
// knows better than the clock, At; live does the rest.
type session func(ctx context.Context, emit func(Frame)) error

// liveConfig says how a live source is kept alive.
type liveConfig struct {
	name    string // what logs and errors call it, without secrets
	session session
	backoff backoff
	first   time.Duration // the longest wait for a session's first frame
	stall   time.Duration // the longest wait between frames
	broken  *atomic.Uint64
	close   func() // called when the goroutine is gone; may be nil
}

// live runs sessions one after the other in a goroutine and keeps the newest frame for Next.
type live struct {
	cfg     liveConfig
	log     *slog.Logger
	onState func(bool, error)
	box     *mailbox
	cancel  context.CancelFunc
	done    chan struct{}

	frames   atomic.Uint64
	broken   *atomic.Uint64
	restarts atomic.Uint64

	last time.Time // newest capture time; only the session's goroutine writes it

	mu sync.Mutex
	up bool
}

// errStall is the cause with which a session's context ends when the camera sends nothing.
var errStall = errors.New("stalled")

func newLive(s Spec, cfg liveConfig) *live {
	if s.Stall > 0 {
		cfg.stall = max(s.Stall, 100*time.Millisecond)
		cfg.first = 2 * cfg.stall
	}
	if cfg.first == 0 {
		cfg.first = 20 * time.Second
	}
	if cfg.stall == 0 {
		cfg.stall = 10 * time.Second
	}
	if cfg.backoff == (backoff{}) {
		cfg.backoff = backoff{min: 500 * time.Millisecond, max: 30 * time.Second}
	}
	if cfg.broken == nil {
		cfg.broken = new(atomic.Uint64)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &live{
		cfg: cfg, log: logger(s.Log), onState: s.OnState, box: newMailbox(), broken: cfg.broken,
		cancel: cancel, done: make(chan struct{}),
	}
	go l.run(ctx)
	return l
}

// Next implements Source.
func (l *live) Next(ctx context.Context) (Frame, error) { return l.box.take(ctx) }

// Close implements Source.
func (l *live) Close() error {
	l.cancel()
	l.box.end(ErrClosed, true)
	<-l.done
	return nil
}

// Stats implements StatsOf.
func (l *live) Stats() Stats {
	return Stats{Frames: l.frames.Load(), Broken: l.broken.Load(), Restarts: l.restarts.Load()}
}

func (l *live) run(ctx context.Context) {
	defer close(l.done)
	if l.cfg.close != nil {
		defer l.cfg.close()
	}
	for {
		began, n := time.Now(), l.frames.Load()
		err := l.once(ctx)
		if ctx.Err() != nil {
			l.state(false, ErrClosed)
			return
		}
		// Only a session that lasted earns a quick new start: one that dies on its first frame must not spin.
		if l.frames.Load() > n && time.Since(began) > l.cfg.stall {
			l.cfg.backoff.reset()
		}
		wait := l.cfg.backoff.wait()
		err = fmt.Errorf("capture: %s: %w; trying again", l.cfg.name, err)
		l.log.Warn(err.Error(), "in", wait.Round(10*time.Millisecond))
		l.state(false, err)
		if !sleep(ctx, wait) {
			return
		}
		l.restarts.Add(1)
	}
}

// once runs a session under a watchdog.
func (l *live) once(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := l.cfg.first
	dog := time.AfterFunc(limit, func() { cancel(errStall) })
	defer dog.Stop()
	err := l.cfg.session(ctx, func(f Frame) {
		limit = l.cfg.stall
		dog.Reset(limit)
		l.emit(f)
	})
	if errors.Is(context.Cause(ctx), errStall) {
		var stopped *stoppedError
		if errors.As(err, &stopped) && stopped.last != "" {
			return fmt.Errorf("no frame for %v; it last said: %s", limit, stopped.last)
		}
		return fmt.Errorf("no frame for %v; is the camera on and reachable", limit)
	}
	if err == nil {
		err = errors.New("the stream ended")
	}
	return err
}

func (l *live) emit(f Frame) {
	now := time.Now()
	if f.At.IsZero() || f.At.After(now) {
		f.At = now
	}
	if f.At.Before(l.last) {
		f.At = l.last
	}
	l.last = f.At
	f.Seq = l.frames.Add(1) - 1
	l.box.put(f)
	l.state(true, nil)
}

// state tells the owner of a change, once.
func (l *live) state(up bool, why error) {
	l.mu.Lock()
	changed := l.up != up || (why != nil && !up && !errors.Is(why, ErrClosed))
	was := l.up
	l.up = up
	l.mu.Unlock()
	if !changed {
		return
	}
	if up && !was {
		l.log.Info("capture: " + l.cfg.name + ": frames are coming in")
	}
	if l.onState != nil {
		l.onState(up, why)
	}
}

func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}
