package mqtt

import (
	"crypto/rand"
	"io"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// IDs makes ULIDs that grow strictly, also within one millisecond and when the clock steps back. Safe for concurrent use.
type IDs struct {
	mu      sync.Mutex
	entropy *ulid.MonotonicEntropy
	last    uint64 // milliseconds of the newest id
}

// NewIDs draws from the system's random source.
func NewIDs() *IDs { return newIDs(rand.Reader) }

func newIDs(r io.Reader) *IDs { return &IDs{entropy: ulid.Monotonic(r, 1)} }

// after makes the ids to come greater than id, which another process made.
func (g *IDs) after(id string) {
	u, err := ulid.ParseStrict(id)
	if err != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = max(g.last, min(u.Time()+1, ulid.MaxTime()))
}

// New is the next id, for an event made at t.
func (g *IDs) New(t time.Time) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	// A clock before 1970 or one that stepped back counts on from the newest id.
	ms := g.last
	if now := t.UnixMilli(); now > 0 && uint64(now) > ms && uint64(now) <= ulid.MaxTime() {
		ms = uint64(now)
	}
	id, err := ulid.New(ms, g.entropy)
	if err == ulid.ErrMonotonicOverflow {
		ms++
		id, err = ulid.New(ms, g.entropy)
	}
	if err != nil {
		return "", err
	}
	g.last = ms
	return id.String(), nil
}
