package capture

import (
	"context"
	"sync"
)

// mailbox holds one frame, the newest. A writer never waits; a reader waits for a frame that it did not have yet.
type mailbox struct {
	mu    sync.Mutex
	frame Frame
	full  bool
	err   error         // final; comes after the frame
	wake  chan struct{} // closed and renewed when something changes
}

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{})} }

// put replaces the frame and says whether one was lost by that.
func (m *mailbox) put(f Frame) (lost bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	lost = m.full
	m.frame, m.full = f, true
	m.signal()
	return lost
}

// end makes take return err once the frame is taken; drop loses that too.
func (m *mailbox) end(err error, drop bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.err = err
	}
	if drop {
		m.frame, m.full = Frame{}, false
	}
	m.signal()
}

func (m *mailbox) signal() {
	close(m.wake)
	m.wake = make(chan struct{})
}

func (m *mailbox) take(ctx context.Context) (Frame, error) {
	for {
		m.mu.Lock()
		if m.full {
			f := m.frame
			m.frame, m.full = Frame{}, false
			m.mu.Unlock()
			return f, nil
		}
		err, wake := m.err, m.wake
		m.mu.Unlock()
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
