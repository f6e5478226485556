package capture

import (
	"context"
	"math"
	"sync"
	"time"
)

// Sampler thins a source out to a steady rate, by capture times. Ticks stand 1/fps apart from the first frame on; the frame
// nearest to a tick is due (judged by the source's own pace, so that a source whose rate is fps already loses nothing to its
// jitter).
//
// Of a live source, or a file played in real time, a goroutine reads all frames and keeps the newest only. Next waits until a
// frame is due and returns the newest there is: a caller that is slow never gets a stale frame, and what was due meanwhile and
// gone is counted by Dropped.
//
// Of a source that is Unpaced, Next itself reads up to the frame that is due. Nothing is lost however slow the caller is,
// and the same files always give the same frames.
type Sampler struct {
	src    Source
	ticks  ticker
	pulls  bool
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	newest  Frame
	fresh   bool // newest was not returned yet
	due     bool // a tick has come since the last return
	dropped uint64
	err     error
	wake    chan struct{}
}

// NewSampler takes fps frames a second from src, 0.1 to 2 for a model on a board; 0 is every frame (the newest, if the caller
// is slow). The Sampler reads src alone from here on, but does not close it: close the Sampler first, then the source.
func NewSampler(src Source, fps float64) *Sampler {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Sampler{
		src: src, ticks: newTicker(fps), pulls: isUnpaced(src), cancel: cancel,
		done: make(chan struct{}), wake: make(chan struct{}),
	}
	if s.pulls {
		close(s.done)
	} else {
		go s.read(ctx)
	}
	return s
}

// Next returns the frame that is due. Errors are the source's (io.EOF at its end, after the last frame that is due) or ctx's.
func (s *Sampler) Next(ctx context.Context) (Frame, error) {
	if s.pulls {
		return s.pull(ctx)
	}
	for {
		s.mu.Lock()
		if s.due && s.fresh {
			f := s.newest
			s.newest, s.fresh, s.due = Frame{}, false, false
			s.ticks.took(f.At)
			s.mu.Unlock()
			return f, nil
		}
		err, wake := s.err, s.wake
		s.mu.Unlock()
		if err != nil {
			return Frame{}, err
		}
		select {
		case <-ctx.Done():
			return Frame{}, ctx.Err()
		case <-wake:
		}
	}
}

// SetFPS changes the rate, 0 to every frame, from the next frame on. Safe while others use the Sampler.
func (s *Sampler) SetFPS(fps float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ticks = newTicker(fps)
}

// Dropped counts the frames that were due and that nobody fetched before a newer one was due.
func (s *Sampler) Dropped() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// Close ends the reading and waits for its goroutine. It does not close the source. Next returns ErrClosed afterwards.
func (s *Sampler) Close() {
	s.fail(ErrClosed)
	s.cancel()
	<-s.done
}

func (s *Sampler) pull(ctx context.Context) (Frame, error) {
	for {
		s.mu.Lock()
		err := s.err
		s.mu.Unlock()
		if err != nil {
			return Frame{}, err
		}
		f, err := s.src.Next(ctx)
		if err != nil {
			return Frame{}, err
		}
		s.mu.Lock()
		due := s.ticks.due(f.At)
		if due {
			s.ticks.took(f.At)
		}
		s.mu.Unlock()
		if due {
			return f, nil
		}
	}
}

func (s *Sampler) read(ctx context.Context) {
	defer close(s.done)
	for {
		f, err := s.src.Next(ctx)
		if err != nil {
			s.fail(err)
			return
		}
		s.mu.Lock()
		s.newest, s.fresh = f, true
		if s.ticks.due(f.At) {
			if s.due {
				s.dropped++
			}
			s.due = true
			s.signal()
		}
		s.mu.Unlock()
	}
}

func (s *Sampler) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.signal()
}

func (s *Sampler) signal() {
	close(s.wake)
	s.wake = make(chan struct{})
}

// ticker says which frames are due. Ticks stay on their lattice, so that the rate holds on average whatever the source's is.
type ticker struct {
	period time.Duration // 0: every frame
	next   time.Time
	last   time.Time // newest frame seen
	begun  bool
}

// slack lets a frame count as due whose time was rounded.
const slack = time.Millisecond

func newTicker(fps float64) ticker {
	if !(fps > 0) || fps > 1000 || math.IsInf(fps, 0) {
		return ticker{}
	}
	return ticker{period: time.Duration(math.Round(float64(time.Second) / fps))}
}

// due says whether a frame is nearest to the next tick, and moves on to the tick after it.
func (t *ticker) due(at time.Time) bool {
	if t.period == 0 {
		return true
	}
	near := slack
	if !t.begun || at.Before(t.last) { // the first frame, or the source's clock went back
		t.begun, t.next = true, at
	} else {
		near = max(slack, min(at.Sub(t.last), t.period)/2)
	}
	t.last = at
	late := at.Sub(t.next)
	if late < -near {
		return false
	}
	t.next = t.next.Add(t.period * time.Duration(1+max(0, late+near)/t.period))
	return true
}

// took keeps the frame after one that was fetched late from following it too closely: half a period at least.
func (t *ticker) took(at time.Time) {
	if earliest := at.Add(t.period / 2); t.begun && t.next.Before(earliest) {
		t.next = t.next.Add(t.period)
	}
}
