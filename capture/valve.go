package capture

import (
	"context"
	"sync"
	"time"
)

// Valve holds a camera closed while there is a reason to: a privacy switch, a schedule, a user who disabled it. Safe for
// concurrent use.
type Valve struct {
	schedule Schedule
	now      func() time.Time

	mu      sync.Mutex
	reasons map[string]bool
	inner   Source
	wake    chan struct{} // closed and renewed on every change
	closing sync.WaitGroup
}

// NewValve is open within the schedule.
func NewValve(s Schedule) *Valve {
	return &Valve{schedule: s, now: time.Now, reasons: map[string]bool{}, wake: make(chan struct{})}
}

// Shut adds a reason to be shut, or takes it away. Once it has returned with a reason added, no frame comes out any more; the
// camera is being closed, and Closed says when it is.
func (v *Valve) Shut(reason string, shut bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.reasons[reason] == shut {
		return
	}
	if shut {
		v.reasons[reason] = true
		v.close()
	} else {
		delete(v.reasons, reason)
	}
	close(v.wake)
	v.wake = make(chan struct{})
}

// Open says whether the camera may deliver now.
func (v *Valve) Open() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.open()
}

// Closed waits until whatever was shut is closed.
func (v *Valve) Closed() { v.closing.Wait() }

func (v *Valve) open() bool { return len(v.reasons) == 0 && v.schedule.Open(v.now()) }

// close lets go of the camera without waiting for it.
func (v *Valve) close() {
	if src := v.inner; src != nil {
		v.inner = nil
		v.closing.Go(func() { src.Close() })
	}
}

// Source is a source that has the camera open only while the valve is. open opens it; its errors are those of Next. A valve
// has one source at a time.
func (v *Valve) Source(open func(ctx context.Context) (Source, error)) Source {
	ctx, cancel := context.WithCancel(context.Background())
	return &valved{v: v, openSource: open, ctx: ctx, cancel: cancel}
}

type valved struct {
	v          *Valve
	openSource func(ctx context.Context) (Source, error)
	ctx        context.Context // ends with Close
	cancel     context.CancelFunc
	mu         sync.Mutex // one Next at a time; Close waits for it
}

// Unpaced implements Unpaced: a Sampler leaves the pace to what is behind the valve.
func (s *valved) Unpaced() bool { return true }

// Stats are those of the camera that is open.
func (s *valved) Stats() Stats {
	s.v.mu.Lock()
	defer s.v.mu.Unlock()
	if s.v.inner == nil {
		return Stats{}
	}
	return StatsOf(s.v.inner)
}

// Next implements Source.
func (s *valved) Next(ctx context.Context) (Frame, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(s.ctx, cancel)
	defer stop()
	for {
		if s.ctx.Err() != nil {
			return Frame{}, ErrClosed
		}
		src, until, err := s.ready(ctx)
		if err != nil {
			return Frame{}, s.ended(err)
		}
		if src == nil { // shut: wait for a change
			continue
		}
		turn, done := context.WithTimeout(ctx, until)
		f, err := src.Next(turn)
		late := turn.Err() != nil
		done()
		s.v.mu.Lock()
		same, open := s.v.inner == src, s.v.open()
		if same && !open {
			s.v.close()
		}
		s.v.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return Frame{}, s.ended(ctx.Err())
		case !same || !open, err != nil && late: // shut meanwhile, or only time to look at the schedule again
			continue
		}
		return f, err
	}
}

// ready returns the open camera and how long it may be used before the schedule is looked at again; or nil after it has waited
// for a change.
func (s *valved) ready(ctx context.Context) (Source, time.Duration, error) {
	v := s.v
	v.mu.Lock()
	until := v.schedule.wait(v.now())
	if v.open() {
		defer v.mu.Unlock()
		if v.inner == nil {
			v.mu.Unlock()
			v.closing.Wait() // the camera can't be opened before it is closed
			src, err := s.openSource(ctx)
			v.mu.Lock()
			if err != nil {
				return nil, 0, err
			}
			v.inner = src
			if !v.open() {
				v.close()
				return nil, 0, nil
			}
		}
		return v.inner, until, nil
	}
	wake := v.wake
	v.mu.Unlock()
	t := time.NewTimer(until)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	case <-wake:
	case <-t.C:
	}
	return nil, 0, nil
}

func (s *valved) ended(err error) error {
	if s.ctx.Err() != nil {
		return ErrClosed
	}
	return err
}

// Close implements Source.
func (s *valved) Close() error {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.v.mu.Lock()
	src := s.v.inner
	s.v.inner = nil
	s.v.mu.Unlock()
	s.v.closing.Wait()
	if src != nil {
		return src.Close()
	}
	return nil
}
