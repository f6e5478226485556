package compute

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPoolRunsEveryChunkOnce(t *testing.T) {
	for _, threads := range []int{-1, 0, 1, 2, 3, 8} {
		p := NewPool(threads)
		for _, chunks := range []int{0, 1, 2, 7, 64, 1000} {
			n := make([]atomic.Int32, chunks)
			p.Do(chunks, func(c int) { n[c].Add(1) })
			for c := range n {
				if n[c].Load() != 1 {
					t.Fatalf("%d threads: chunk %d of %d ran %d times", threads, c, chunks, n[c].Load())
				}
			}
		}
		p.Close()
	}
}

func TestPoolSerialWork(t *testing.T) {
	p := NewPool(4)
	defer p.Close()
	var total atomic.Int64
	for i := range 20000 {
		p.Do(5, func(c int) { total.Add(int64(c)) })
		if got := total.Load(); got != int64(i+1)*10 {
			t.Fatalf("after %d calls: %d chunks' sum, Do returned before its chunks", i+1, got)
		}
	}
}

func TestPoolWakesParkedWorkers(t *testing.T) {
	p := NewPool(3)
	defer p.Close()
	for range 20 {
		time.Sleep(2 * spinFor)
		var met sync.WaitGroup
		met.Add(3) // three chunks that wait for each other need three goroutines
		p.Do(3, func(int) { met.Done(); met.Wait() })
	}
}

func TestPoolConcurrentAndNestedUse(t *testing.T) {
	p := NewPool(3)
	defer p.Close()
	var n atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 300 {
				p.Do(3, func(int) { p.Do(4, func(int) { n.Add(1) }) })
			}
		})
	}
	wg.Wait()
	if n.Load() != 4*300*12 {
		t.Errorf("%d inner chunks ran, want %d", n.Load(), 4*300*12)
	}
}

func TestPoolWaitsForASlowChunk(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	var done atomic.Bool
	started := make(chan struct{})
	p.Do(2, func(c int) {
		if c == 1 {
			close(started)
			time.Sleep(3 * time.Millisecond) // far past the spin: the caller parks
			done.Store(true)
		} else {
			<-started
		}
	})
	if !done.Load() {
		t.Error("Do returned while a chunk was running")
	}
}

func TestPoolCloseTwiceThenDo(t *testing.T) {
	p := NewPool(4)
	p.Close()
	p.Close()
	n := 0
	p.Do(3, func(int) { n++ })
	if n != 3 {
		t.Errorf("%d of 3 chunks ran on a closed pool", n)
	}
}

// together runs chunks that wait for each other, a moment at the most, and returns how many were under way at once.
func together(p *Pool, chunks int) int {
	var now, most atomic.Int32
	p.Do(chunks, func(int) {
		n := now.Add(1)
		for end := time.Now().Add(3 * time.Millisecond); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
		}
		now.Add(-1)
	})
	return int(most.Load())
}

func TestALimitedPoolUsesAsManyThreads(t *testing.T) {
	p := NewPool(4)
	defer p.Close()
	for _, c := range []struct{ limit, want int }{{4, 4}, {2, 2}, {3, 3}, {1, 1}, {0, 1}, {-5, 1}, {4, 4}, {99, 4}} {
		p.Limit(c.limit)
		if p.Threads() != c.want {
			t.Errorf("limit %d: Threads is %d, want %d", c.limit, p.Threads(), c.want)
		}
		p.Do(64, func(int) {}) // a worker that rests from now on may still have been on the job before
		time.Sleep(time.Millisecond)
		if got := together(p, 16); got > c.want {
			t.Errorf("limit %d: %d chunks ran at once", c.limit, got)
		}
		if c.want == 1 {
			continue
		}
		var met sync.WaitGroup
		met.Add(c.want) // chunks that wait for each other need as many goroutines
		p.Do(c.want, func(int) { met.Done(); met.Wait() })
	}
}

func TestALimitThatChangesDuringWorkLosesNoChunk(t *testing.T) {
	p := NewPool(4)
	var stop atomic.Bool
	var limits sync.WaitGroup
	limits.Go(func() {
		for n := 0; !stop.Load(); n++ {
			p.Limit(1 + n%4)
		}
	})
	var total atomic.Int64
	for i := range 20000 {
		p.Do(5, func(c int) { total.Add(int64(c)) })
		if got := total.Load(); got != int64(i+1)*10 {
			t.Fatalf("after %d calls: %d chunks' sum", i+1, got)
		}
	}
	stop.Store(true)
	limits.Wait()
	p.Limit(1)
	p.Close() // wakes those that rest
}

func BenchmarkPoolDo(b *testing.B) {
	p := NewPool(2)
	defer p.Close()
	b.ReportAllocs()
	for b.Loop() {
		p.Do(4, func(int) {})
	}
}

// What is read ahead must not matter: hints of any size, none, changing ones, from several callers at once.
func TestAheadChangesNothing(t *testing.T) {
	for _, threads := range []int{1, 2, 4} {
		p := NewPool(threads)
		var callers sync.WaitGroup
		for range 3 {
			callers.Go(func() {
				var total atomic.Int64
				for i := range 2000 {
					p.Ahead(make([]byte, i%7*40_000))
					p.Do(5, func(c int) { total.Add(int64(c)) })
					if got := total.Load(); got != int64(i+1)*10 {
						t.Errorf("after %d calls: %d chunks' sum", i+1, got)
						return
					}
				}
			})
		}
		callers.Wait()
		p.Close()
	}
}

func TestPiecesAheadAreDealtOutAndStopWhenThereIsWork(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	b := make([]byte, 3*aheadPiece+100)
	for thread, want := range []int{2 * aheadPiece / aheadStep, aheadPiece/aheadStep + 1} {
		n := 0
		p.fetch(&b, thread, func() bool { n++; return false })
		if n != want {
			t.Errorf("thread %d fetched %d pieces, want %d", thread, n, want)
		}
	}
	n := 0
	p.fetch(&b, 0, func() bool { n++; return n == 3 })
	if n != 3 {
		t.Errorf("went on for %d pieces after there was work", n-3)
	}
	p.fetch(nil, 0, func() bool { t.Error("fetches of nothing"); return true })
}
