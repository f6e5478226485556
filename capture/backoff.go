package capture

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff yields waits that double from min to max, each made up to a quarter shorter or longer by chance so that several
// sources which fail together don't come back together.
type backoff struct {
	min, max time.Duration
	next     time.Duration
}

func (b *backoff) wait() time.Duration {
	if b.next == 0 {
		b.next = b.min
	}
	d := b.next
	b.next = min(2*b.next, b.max)
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2))
}

func (b *backoff) reset() { b.next = 0 }

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
