package mqtt

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// ErrSpoolClosed is returned by a Spool after Close.
var ErrSpoolClosed = errors.New("mqtt: the spool is closed")

// Spool keeps events, oldest first, until the broker has them. Implementations are safe for concurrent use.
type Spool interface {
	// Append gives e the next seq and keeps it. Once it returned, the event is as safe as the spool makes it.
	Append(e Event) (seq uint64, err error)
	// Peek returns up to max of the oldest events and leaves them in.
	Peek(max int) ([]Event, error)
	// Ack removes every event up to and including seq. Events that are gone already are no error.
	Ack(seq uint64) error
	// Len is the number of events kept.
	Len() int
	Close() error
}

// SpoolStats counts what a spool did since it was opened.
type SpoolStats struct {
	Events  int    `json:"events"`  // kept now
	Bytes   int64  `json:"bytes"`   // kept now
	Dropped uint64 `json:"dropped"` // oldest events given up because of the bounds
	// In memory only, because the disk is full or fails: they are lost with the process.
	Unsafe int    `json:"unsafe,omitempty"`
	Error  string `json:"error,omitempty"` // why
}

// A spool that counts implements spoolStater.
type spoolStater interface{ Stats() SpoolStats }

// A spool whose Append takes time implements beginner: events get their places in the order of begin, and several wait at
// once.
type beginner interface {
	begin(e Event) (seq uint64, wait func(), err error)
}

// A spool that outlives the process implements newestSource: the newest event of each camera among those kept.
type newestSource interface{ Newest() []Event }

// lastIDer is one that knows the id of the newest event that it ever had, "" if it does not.
type lastIDer interface{ lastID() string }

// MemorySpool keeps events in memory, bounded by the bytes of their msgpack; the oldest are dropped first. Nothing in it
// blocks.
type MemorySpool struct {
	mu       sync.Mutex
	events   []spooled // a queue: head is the oldest
	head     int
	bytes    int64
	maxBytes int64
	seq      uint64
	dropped  uint64
	closed   bool
}

type spooled struct {
	event Event
	bytes int64
}

var (
	_ Spool       = (*MemorySpool)(nil)
	_ spoolStater = (*MemorySpool)(nil)
)

// NewMemorySpool keeps at most maxBytes, and always room for one event of MaxEventBytes.
func NewMemorySpool(maxBytes int64) *MemorySpool {
	return &MemorySpool{maxBytes: max(maxBytes, MaxEventBytes)}
}

// Append implements Spool.
func (s *MemorySpool) Append(e Event) (uint64, error) {
	size, err := encodedSize(&e)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrSpoolClosed
	}
	s.seq++
	e.Seq = s.seq
	s.push(e, size)
	return e.Seq, nil
}

func (s *MemorySpool) push(e Event, size int64) {
	s.events = append(s.events, spooled{e, size})
	s.bytes += size
	for s.bytes > s.maxBytes && s.count() > 1 {
		s.pop()
		s.dropped++
	}
}

// Peek implements Spool.
func (s *MemorySpool) Peek(max int) ([]Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrSpoolClosed
	}
	n := min(max, s.count())
	if n <= 0 {
		return nil, nil
	}
	out := make([]Event, n)
	for i := range out {
		out[i] = s.events[s.head+i].event
	}
	return out, nil
}

// Ack implements Spool.
func (s *MemorySpool) Ack(seq uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrSpoolClosed
	}
	for s.count() > 0 && s.events[s.head].event.Seq <= seq {
		s.pop()
	}
	return nil
}

// Len implements Spool.
func (s *MemorySpool) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count()
}

// Stats says what is kept and what was dropped.
func (s *MemorySpool) Stats() SpoolStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SpoolStats{Events: s.count(), Bytes: s.bytes, Dropped: s.dropped}
}

// Close forgets the events.
func (s *MemorySpool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.events, s.head, s.bytes = true, nil, 0, 0
	return nil
}

func (s *MemorySpool) count() int { return len(s.events) - s.head }

func (s *MemorySpool) pop() {
	s.bytes -= s.events[s.head].bytes
	s.events[s.head] = spooled{} // lets go of the strings
	s.head++
	if s.head == len(s.events) {
		s.events, s.head = s.events[:0], 0
	} else if s.head > 1024 && s.head > len(s.events)/2 {
		n := copy(s.events, s.events[s.head:])
		clear(s.events[n:])
		s.events, s.head = s.events[:n], 0
	}
}

// encodedSize is the size of e in msgpack; an error says that it could not be published.
func encodedSize(e *Event) (int64, error) {
	b, err := e.AppendMsgpack(nil)
	if err != nil {
		return 0, fmt.Errorf("mqtt: encode event: %w", err)
	}
	size := len(b)
	if size > MaxEventBytes/8 { // JSON escapes may take six bytes for one
		j, err := json.Marshal(e)
		if err != nil {
			return 0, fmt.Errorf("mqtt: encode event: %w", err)
		}
		if size = max(size, len(j)); size > MaxEventBytes {
			return 0, fmt.Errorf("mqtt: event of %d bytes: at most %d", size, MaxEventBytes)
		}
	}
	return int64(len(b)), nil
}
