package compute

import (
	"sync"
	"sync/atomic"
	"time"
)

// spinFor is how long an idle worker, or a caller waiting for the last chunks, polls before it parks. Two operators
// of one decode step are a few microseconds apart, waking a parked thread takes tens of them.
const spinFor = 30 * time.Microsecond

// A Pool runs chunks of one piece of work on a fixed set of goroutines. Chunks are handed out by an atomic counter, so
// that a thread which the operating system took off its core delays only the chunk it holds. A Pool may be used by
// several goroutines at once, and from inside a chunk: the caller takes chunks itself and never waits for a worker
// that has not started one. The zero value is a pool of one thread.
type Pool struct {
	cur     atomic.Pointer[job]
	_       [56]byte // workers poll cur; keep it alone on its cache line
	workers []*worker
	ahead   atomic.Pointer[[]byte]
	fetched atomic.Pointer[[]byte] // the one that a caller last fetched of
	resting atomic.Int32           // how many of workers, from the last on, take no chunks
	closed  atomic.Bool
	wg      sync.WaitGroup
}

// job is one call of Do. Its counters are written by all threads, each lies on a cache line of its own.
type job struct {
	fn    func(chunk int)
	total uint32
	_     [52]byte
	next  atomic.Uint32
	_     [60]byte
	done  atomic.Uint32
	state atomic.Uint32 // 0 running, 1 the caller has parked on idle, 2 finished
	idle  chan struct{}
}

type worker struct {
	index  int     // in workers
	ahead  *[]byte // what it last fetched of
	parked atomic.Bool
	wake   chan struct{}
}

// NewPool starts a pool of the given number of threads, the caller's included; less than 1 is taken as 1.
// Close ends its goroutines.
func NewPool(threads int) *Pool {
	p := &Pool{}
	for i := 1; i < threads; i++ {
		w := &worker{index: i - 1, wake: make(chan struct{}, 1)}
		p.workers = append(p.workers, w)
	}
	for _, w := range p.workers { // they read workers
		p.wg.Add(1)
		go p.run(w)
	}
	return p
}

// Threads returns the number of chunks that can run at once.
func (p *Pool) Threads() int { return p.awake() + 1 }

// Limit lets at most the given number of threads take chunks, the caller's included: 1 to as many as the pool was made with,
// which is where it ends too. The others sleep, and cost nothing, from the end of the job that they are on. It may be called
// at any time.
func (p *Pool) Limit(threads int) {
	p.resting.Store(int32(len(p.workers) + 1 - min(max(threads, 1), len(p.workers)+1)))
}

// awake is how many workers take chunks.
func (p *Pool) awake() int { return len(p.workers) - int(p.resting.Load()) }

func (p *Pool) rests(w *worker) bool { return w.index >= p.awake() }

// Do calls f once for every chunk in [0, chunks), on several goroutines, and returns when all calls have returned.
func (p *Pool) Do(chunks int, f func(chunk int)) {
	workers := p.workers[:p.awake()]
	if chunks <= 1 || len(workers) == 0 || p.closed.Load() {
		for c := range chunks {
			f(c)
		}
		return
	}
	j := &job{fn: f, total: uint32(chunks)}
	p.cur.Store(j)
	for i, w := range workers {
		if i == chunks-1 {
			break
		}
		w.unpark()
	}
	j.help()
	if j.done.Load() != j.total {
		if b := p.ahead.Load(); p.fetched.Swap(b) != b {
			p.fetch(b, 0, func() bool { return j.done.Load() == j.total })
		}
		j.wait()
	}
}

// Ahead says what will be read first once the next Do is done, in this order and shared out by chunks. Threads with nothing
// to do bring some of it into their caches meanwhile, so that memory doesn't idle where threads meet or one of them works
// alone. It is a hint: whether it is followed changes no result, and it may outlive its bytes, since a prefetch of memory
// that isn't mapped does nothing.
func (p *Pool) Ahead(b []byte) {
	if len(p.workers) > 0 {
		p.ahead.Store(&b)
	}
}

// How much of what Ahead names a thread fetches: no more than leaves room in a small L2 cache. Pieces are dealt out to the
// threads in turn, as chunks are. A step takes less than a microsecond, then a thread looks for work.
const aheadPiece, aheadPieces, aheadStep = 64 << 10, 2, 2048

// fetch brings a thread's share of b into its cache until stop says so.
func (p *Pool) fetch(b *[]byte, thread int, stop func() bool) {
	if b == nil {
		return
	}
	threads := p.Threads()
	for k := range aheadPieces {
		from := (k*threads + thread) * aheadPiece
		for at := from; at < min(from+aheadPiece, len(*b)); at += aheadStep {
			if stop() {
				return
			}
			prefetch(&(*b)[at], min(aheadStep, len(*b)-at))
		}
	}
}

// Close ends the workers and waits for them. Do still works afterwards, on the caller's goroutine alone.
func (p *Pool) Close() {
	if p.closed.Swap(true) {
		return
	}
	for _, w := range p.workers {
		w.unpark()
	}
	p.wg.Wait()
	p.cur.Store(nil)
}

func (p *Pool) run(w *worker) {
	defer p.wg.Done()
	var seen *job
	for {
		j := p.await(w, seen)
		if j == nil {
			return
		}
		j.help()
		seen = j
	}
}

// await returns the next job after seen, or nil when the pool was closed.
func (p *Pool) await(w *worker, seen *job) *job {
	for {
		if b := p.ahead.Load(); b != w.ahead && !p.rests(w) {
			w.ahead = b
			p.fetch(b, w.index+1, func() bool { return p.cur.Load() != seen })
		}
		for s := (spinner{}); !p.rests(w) && s.again(); {
			if p.closed.Load() {
				return nil
			}
			if j := p.cur.Load(); j != seen {
				return j
			}
		}
		// Announce the sleep first and look once more: Do stores the job first and looks for sleepers then, and so it is with
		// a limit that is lifted.
		w.parked.Store(true)
		if ((p.cur.Load() == seen || p.rests(w)) && !p.closed.Load()) || !w.parked.CompareAndSwap(true, false) {
			<-w.wake
		}
		if p.closed.Load() {
			return nil
		}
	}
}

func (w *worker) unpark() {
	if w.parked.CompareAndSwap(true, false) {
		w.wake <- struct{}{}
	}
}

func (j *job) help() {
	for {
		c := j.next.Add(1) - 1
		if c >= j.total {
			return
		}
		j.fn(int(c))
		if j.done.Add(1) == j.total && j.state.Swap(2) == 1 {
			j.idle <- struct{}{}
		}
	}
}

// wait returns when every chunk is done. It is called after help, so that all chunks are taken.
func (j *job) wait() {
	for s := (spinner{}); s.again(); {
		if j.done.Load() == j.total {
			return
		}
	}
	j.idle = make(chan struct{}, 1)
	if j.state.CompareAndSwap(0, 1) {
		<-j.idle
	}
}

// spinner bounds a polling loop by time, because the length of a PAUSE differs tenfold between CPUs. Most waits end before
// the clock is looked at.
type spinner struct {
	n   int
	end time.Time
}

func (s *spinner) again() bool {
	if s.n++; s.n%64 == 0 {
		now := time.Now()
		if s.end.IsZero() {
			s.end = now.Add(spinFor)
		} else if now.After(s.end) {
			return false
		}
	}
	pause()
	return true
}
