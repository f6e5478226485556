// Package capturetest has stand-ins for cameras: a Source that does what a test tells it, an MJPEG camera on HTTP, an RTSP camera
// and pictures to show.
package capturetest

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/edgevlm/edgevlm/capture"
)

// Source yields given frames. The zero value of each option is the plain behaviour: frames as fast as they are asked for, in
// order, then io.EOF.
type Source struct {
	Frames []capture.Frame
	Loop   bool // start over at the end, with Seq and At going on by Period
	// Period is the time between the frames of the first pass and the next, with Loop.
	Period time.Duration
	// Live makes the source look live to a Sampler: frames come only through Step or Play.
	Live bool
	// Err, if set, comes in place of io.EOF.
	Err error

	once   sync.Once
	mu     sync.Mutex
	i      int
	closed chan struct{}
	steps  chan capture.Frame
	ended  chan struct{}
}

var _ capture.Source = (*Source)(nil)

func (s *Source) init() {
	s.once.Do(func() {
		s.closed = make(chan struct{})
		s.steps = make(chan capture.Frame)
		s.ended = make(chan struct{})
	})
}

// Unpaced implements capture.Unpaced.
func (s *Source) Unpaced() bool { return !s.Live }

// Next implements capture.Source. A live source waits here, so a stall is just no Step.
func (s *Source) Next(ctx context.Context) (capture.Frame, error) {
	s.init()
	select {
	case <-s.closed:
		return capture.Frame{}, capture.ErrClosed
	default:
	}
	if err := ctx.Err(); err != nil {
		return capture.Frame{}, err
	}
	if !s.Live {
		f, ok := s.take()
		if !ok {
			return capture.Frame{}, s.end()
		}
		return f, nil
	}
	select {
	case f := <-s.steps:
		return f, nil
	case <-ctx.Done():
		return capture.Frame{}, ctx.Err()
	case <-s.closed:
		return capture.Frame{}, capture.ErrClosed
	case <-s.ended:
		return capture.Frame{}, s.end()
	}
}

func (s *Source) end() error {
	if s.Err != nil {
		return s.Err
	}
	return io.EOF
}

func (s *Source) take() (capture.Frame, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.Frames)
	if n == 0 || s.i >= n && !s.Loop {
		return capture.Frame{}, false
	}
	pass := s.i / n
	f := s.Frames[s.i%n]
	length := s.Frames[n-1].At.Sub(s.Frames[0].At) + s.Period
	f.Seq = uint64(s.i)
	f.At = f.At.Add(time.Duration(pass) * length)
	f.Data = append([]byte(nil), f.Data...)
	s.i++
	return f, true
}

// Step hands the next frame of a live source to whoever waits in Next, and returns when it was taken. It is false when there is
// no next frame or the source was closed.
func (s *Source) Step() bool {
	s.init()
	f, ok := s.take()
	if !ok {
		return false
	}
	select {
	case s.steps <- f:
		return true
	case <-s.closed:
		return false
	}
}

// End makes a live source return Err, or io.EOF.
func (s *Source) End() {
	s.init()
	close(s.ended)
}

// Close implements capture.Source.
func (s *Source) Close() error {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}
