package stream

import (
	"context"
	"sync"
)

// Intake stands between a camera and a model that may be slower. It keeps the newest pair only: what came before it and was
// not fetched is skipped and counted, so that nothing piles up and the model is always at the newest moment. The last pairs
// skipped stay in a ring: when something triggers, they come first, so that what passed while the model was busy is still
// seen. Add and Trigger may be called from other goroutines than Next.
type Intake struct {
	mu      sync.Mutex
	pairs   *Pairs
	newest  *Pair
	ring    []Pair // skipped, oldest first, at most before
	queue   []Pair // out of the ring, to be fetched
	before  int
	skipped uint64
	late    uint64
	ended   bool
	wake    chan struct{}
}

// NewIntake groups frames by p. before is how many pairs the ring holds; their pictures stay in memory.
func NewIntake(p *Pairs, before int) *Intake {
	return &Intake{pairs: p, before: max(before, 0), wake: make(chan struct{}, 1)}
}

// Add takes the camera's next frame. note is as in Pairs.Add.
func (i *Intake) Add(f Frame) (note string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	p, ok, note := i.pairs.Add(f)
	if ok {
		i.put(p)
	}
	return note
}

// End says that no frame comes any more. A frame without a partner is paired with itself.
func (i *Intake) End() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if p, ok := i.pairs.Flush(); ok {
		i.put(p)
	}
	i.ended = true
	i.poke()
}

func (i *Intake) put(p Pair) {
	if p.Restart != "" {
		// What was skipped is of another time.
		i.ring, i.queue = nil, nil
	}
	if old := i.newest; old != nil {
		i.skipped++
		if old.Restart != "" && p.Restart == "" {
			p.Restart = old.Restart // a new window begins even though its first pair was skipped
		} else if i.before > 0 && p.Restart == "" {
			if i.ring = append(i.ring, *old); len(i.ring) > i.before {
				i.ring[0] = Pair{} // lets go of the pictures
				i.ring = i.ring[1:]
			}
		}
	}
	i.newest = &p
	i.poke()
}

func (i *Intake) poke() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// Trigger makes the pairs in the ring come first: those skipped since the newest one that was fetched, as many as it holds.
func (i *Intake) Trigger() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.late += uint64(len(i.ring))
	i.skipped -= uint64(len(i.ring))
	i.queue, i.ring = append(i.queue, i.ring...), nil
	i.poke()
}

// Next waits for a pair that has not been fetched. ok is false when the camera has ended and everything was fetched. The
// error is ctx's.
func (i *Intake) Next(ctx context.Context) (p Pair, ok bool, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return Pair{}, false, err
		}
		p, got, ended := i.take()
		if got || ended {
			return p, got, nil
		}
		select {
		case <-i.wake:
		case <-ctx.Done():
		}
	}
}

func (i *Intake) take() (p Pair, ok, ended bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case len(i.queue) > 0:
		p, i.queue = i.queue[0], i.queue[1:]
		return p, true, false
	case i.newest != nil:
		p, i.newest = *i.newest, nil
		i.ring = nil // they are older than what the model has now
		return p, true, false
	}
	return Pair{}, false, i.ended
}

// Poll is Next that does not wait: ok is false if there is nothing to fetch.
func (i *Intake) Poll() (p Pair, ok bool) {
	p, ok, _ = i.take()
	return p, ok
}

// Waiting is how many pairs Next would return at once: one at most, but for those that a trigger brought.
func (i *Intake) Waiting() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := len(i.queue)
	if i.newest != nil {
		n++
	}
	return n
}

// Queued is how many pairs that a trigger brought are still to be fetched.
func (i *Intake) Queued() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.queue)
}

// Pending is how many frames wait for their partner: one at most.
func (i *Intake) Pending() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.pairs.Pending() {
		return 1
	}
	return 0
}

// Skipped counts the pairs that nobody fetched, Late those that were fetched late because of a trigger, and Left the frames
// that went into no pair.
func (i *Intake) Skipped() (skipped, late, left uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.skipped, i.late, i.pairs.Left()
}
