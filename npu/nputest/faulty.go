package nputest

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/edgevlm/edgevlm/npu"
)

// Op is a call that can fail.
type Op string

// The calls, counted over all sessions of a delegate.
const (
	OpVision     Op = "vision"
	OpNewSession Op = "new session"
	OpAppend     Op = "append"
	OpTruncate   Op = "truncate"
	OpFork       Op = "fork"
	OpLen        Op = "len"
	OpClose      Op = "close session"
	OpBatch      Op = "append batch"
)

// Kind is how a call fails.
type Kind string

// The kinds. NaN, Inf, Zero, Unwritten and Wrong do the work first and then spoil the result: they need a call that has
// one (OpVision, OpAppend with logits), and do nothing elsewhere.
const (
	Error      Kind = "error"
	DeviceLost Kind = "device lost"
	Hang       Kind = "hang"      // until the context ends; forever in calls that have none
	Deaf       Kind = "deaf"      // until Release, whatever the context
	Panic      Kind = "panic"     // with a value
	NaN        Kind = "nan"       // one value of the result
	Inf        Kind = "inf"       // one value of the result
	Zero       Kind = "zero"      // the whole result
	Unwritten  Kind = "unwritten" // the last value of the result stays as it was
	Wrong      Kind = "wrong"     // the result is finite but that of something else
	Half       Kind = "half"      // the work is done, then an error comes back all the same
	WrongLen   Kind = "wrong len" // Len is one too many from then on
	Slow       Kind = "slow"      // right, after Fault.Delay
)

// Fault makes calls fail.
type Fault struct {
	Op    Op
	N     int // the N-th call of Op, from 1; 0: all of them
	Kind  Kind
	Delay time.Duration // for Slow
}

func (f Fault) String() string { return fmt.Sprintf("%s at %s %d", f.Kind, f.Op, f.N) }

// Faulty is a delegate that fails by script and otherwise does what the wrapped one does.
type Faulty struct {
	npu.Delegate
	faults  []Fault
	release chan struct{}
	once    sync.Once

	mu    sync.Mutex
	calls map[Op]int
	hits  int
}

// Wrap returns a delegate with faults.
func Wrap(d npu.Delegate, faults ...Fault) *Faulty {
	return &Faulty{Delegate: d, faults: faults, release: make(chan struct{}), calls: map[Op]int{}}
}

// Release lets calls of kind Deaf, now and later, return. A test that leaves such calls behind must end with it.
func (d *Faulty) Release() { d.once.Do(func() { close(d.release) }) }

// Hits is the number of faults that took place.
func (d *Faulty) Hits() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hits
}

// Calls is the number of calls of op so far.
func (d *Faulty) Calls(op Op) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[op]
}

// next counts a call and returns the fault that is due, if any.
func (d *Faulty) next(op Op) (f Fault, due bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls[op]++
	for _, f := range d.faults {
		if f.Op == op && (f.N == 0 || f.N == d.calls[op]) {
			d.hits++
			return f, true
		}
	}
	return Fault{}, false
}

// do runs one call with the fault that is due. result is what the call writes, or nil.
func (d *Faulty) do(ctx context.Context, op Op, result []float32, work func() error) (Kind, error) {
	f, due := d.next(op)
	if !due {
		return "", work()
	}
	fail := fmt.Errorf("nputest: %s", f)
	switch f.Kind {
	case Error:
		return f.Kind, fail
	case DeviceLost:
		return f.Kind, fmt.Errorf("%w (%s)", npu.ErrDeviceLost, f)
	case Hang:
		select {
		case <-ctx.Done():
			return f.Kind, ctx.Err()
		case <-d.release:
			return f.Kind, fail
		}
	case Deaf:
		<-d.release
		return f.Kind, fail
	case Panic:
		panic(fail)
	case Slow:
		time.Sleep(f.Delay)
		return f.Kind, work()
	}
	var last float32
	if n := len(result); n > 0 {
		last = result[n-1]
	}
	if err := work(); err != nil {
		return f.Kind, err
	}
	if f.Kind == Half {
		return f.Kind, fail
	}
	if n := len(result); n > 0 {
		switch f.Kind {
		case NaN:
			result[n/2] = float32(math.NaN())
		case Inf:
			result[n/2] = float32(math.Inf(-1))
		case Zero:
			clear(result)
		case Unwritten:
			result[n-1] = last
		case Wrong:
			for i := range result {
				result[i] = float32((i*7919+13)%101) - 50
			}
		}
	}
	return f.Kind, nil
}

// EncodeVision is an OpVision.
func (d *Faulty) EncodeVision(ctx context.Context, in npu.VisionInput, dst []float32) error {
	_, err := d.do(ctx, OpVision, dst, func() error { return d.Delegate.EncodeVision(ctx, in, dst) })
	return err
}

// NewSession is an OpNewSession.
func (d *Faulty) NewSession(ctx context.Context, maxTokens int) (npu.Session, error) {
	var s npu.Session
	_, err := d.do(ctx, OpNewSession, nil, func() (err error) { s, err = d.Delegate.NewSession(ctx, maxTokens); return err })
	if err != nil {
		if s != nil {
			_ = s.Close()
		}
		return nil, err
	}
	return d.wrap(s), nil
}

var _ npu.Batcher = (*Faulty)(nil)

// AppendBatch is one OpBatch, whose result is the last session's that wants one.
func (d *Faulty) AppendBatch(ctx context.Context, sessions []npu.Session, chunks []npu.Chunk, logits [][]float32) error {
	own := make([]npu.Session, len(sessions))
	for i, s := range sessions {
		switch s := s.(type) {
		case *faultySession:
			own[i] = s.Session
		case *faultyForker:
			own[i] = s.Session
		}
	}
	var last []float32
	for _, l := range logits {
		if l != nil {
			last = l
		}
	}
	_, err := d.do(ctx, OpBatch, last, func() error { return npu.AppendBatch(ctx, d.Delegate, own, chunks, logits) })
	return err
}

func (d *Faulty) wrap(s npu.Session) npu.Session {
	f := &faultySession{Session: s, d: d}
	if _, ok := s.(npu.Forker); ok {
		return &faultyForker{f}
	}
	return f
}

type faultySession struct {
	npu.Session
	d     *Faulty
	extra int // what Len is too many
}

func (s *faultySession) Append(ctx context.Context, c npu.Chunk, logits []float32) error {
	kind, err := s.d.do(ctx, OpAppend, logits, func() error { return s.Session.Append(ctx, c, logits) })
	if kind == WrongLen {
		s.extra = 1
	}
	return err
}

func (s *faultySession) Truncate(n int) error {
	kind, err := s.d.do(context.Background(), OpTruncate, nil, func() error { return s.Session.Truncate(n) })
	if kind == WrongLen {
		s.extra = 1
	}
	return err
}

func (s *faultySession) Len() int {
	n := 0
	kind, _ := s.d.do(context.Background(), OpLen, nil, func() error { n = s.Session.Len(); return nil })
	if kind == WrongLen {
		s.extra = 1
	}
	return n + s.extra
}

func (s *faultySession) Close() error {
	_, err := s.d.do(context.Background(), OpClose, nil, s.Session.Close)
	return err
}

type faultyForker struct{ *faultySession }

func (s *faultyForker) Fork(ctx context.Context) (npu.Session, error) {
	var n npu.Session
	_, err := s.d.do(ctx, OpFork, nil, func() (err error) { n, err = s.Session.(npu.Forker).Fork(ctx); return err })
	if err != nil {
		if n != nil {
			_ = n.Close()
		}
		return nil, err
	}
	return s.d.wrap(n), nil
}
