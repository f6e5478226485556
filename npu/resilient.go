package npu

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Limits bounds the time of one call into a guarded delegate.
type Limits struct {
	Base   time.Duration // for any call
	PerRow time.Duration // more for each row appended, or embedding to be made
	Grace  time.Duration // how long a call may go on when its time is over, before it is left behind
}

// DefaultLimits suit the slowest boards: a decode step has ten seconds.
var DefaultLimits = Limits{Base: 10 * time.Second, PerRow: 250 * time.Millisecond, Grace: 2 * time.Second}

// Health is what a delegate made by Resilient has been through.
type Health struct {
	Quarantined bool  // the CPU does everything from now on
	Faults      int   // the number of calls that failed
	Last        error // the fault that led to quarantine
}

// Resilient returns a delegate that works on primary and, after any fault in it, on the CPU: an error, a lost device,
// no answer in time, a panic, NaN or constant results, a wrong length. Sessions keep what was appended to them and
// replay it on the CPU, chunk by chunk as it came, so that they go on with the tokens that the CPU alone would give.
// The first fault is logged (log may be nil) and quarantines primary: it is not used again.
//
// Stages that primary does not support run on the CPU. A session's log costs 16 bytes a token and the embeddings of
// its images; its maxTokens bounds it. Errors of the CPU are returned as they are. Close closes both delegates.
func Resilient(primary, cpu Delegate, log *slog.Logger) Delegate {
	return ResilientWithin(DefaultLimits, primary, cpu, log)
}

// ResilientWithin is Resilient with time limits other than DefaultLimits.
func ResilientWithin(l Limits, primary, cpu Delegate, log *slog.Logger) Delegate {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &resilient{limits: l, primary: primary, cpu: cpu, log: log}
	if err := protect(func() error { r.device, r.stages = primary.Device(), primary.Supports(); return nil }); err != nil {
		r.fault("describe", err)
	}
	return r
}

// HealthOf returns the health of a delegate made by Resilient; ok is false for any other.
func HealthOf(d Delegate) (h Health, ok bool) {
	r, ok := d.(*resilient)
	if !ok {
		return Health{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.health, true
}

type resilient struct {
	limits       Limits
	primary, cpu Delegate
	device       Device // the primary's
	stages       Stage
	log          *slog.Logger
	guard        guard

	mu     sync.Mutex
	health Health
	closed bool
}

var _ Delegate = (*resilient)(nil)

// Device is the primary's until it is quarantined, then the CPU's.
func (r *resilient) Device() Device {
	if r.quarantined() {
		return r.cpu.Device()
	}
	return r.device
}

// Supports returns what primary can do, after quarantine what the CPU can. The CPU's stages work in any case.
func (r *resilient) Supports() Stage {
	if r.quarantined() {
		return r.cpu.Supports()
	}
	return r.stages
}

// uses says whether a stage is primary's job now.
func (r *resilient) uses(s Stage) bool { return r.stages&s != 0 && !r.quarantined() }

func (r *resilient) quarantined() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.health.Quarantined
}

// fault counts a failed call and quarantines primary.
func (r *resilient) fault(what string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.health.Faults++
	if r.health.Quarantined {
		return
	}
	r.health.Quarantined, r.health.Last = true, fmt.Errorf("%s: %w", what, err)
	r.log.Error("accelerator failed, the CPU takes over for good", "device", r.device.Driver+" "+r.device.Name, "doing", what, "err", err)
	if p := (*panicError)(nil); errors.As(err, &p) {
		r.log.Debug("accelerator panic", "stack", string(p.stack))
	}
}

// outcome is how a call into primary ended: ok; or err, which is the caller's context's; or, with neither, a fault that
// the CPU has to make up for. left says that the call may still be running.
type outcome struct {
	ok, left bool
	err      error
}

// try runs f on primary and counts a fault. f owns all memory that it touches; if it is left behind and returns after
// all, cleanup runs.
func (r *resilient) try(ctx context.Context, what string, rows int, f func(context.Context) error, cleanup func()) outcome {
	limit := r.limits.Base + time.Duration(rows)*r.limits.PerRow
	err := r.guard.call(ctx, limit, r.limits.Grace, f, cleanup)
	left := errors.Is(err, errHung)
	if err != nil && (left || ctx.Err() == nil) {
		r.fault(what, err)
	}
	if err != nil && ctx.Err() != nil {
		return outcome{left: left, err: ctx.Err()}
	}
	return outcome{ok: err == nil, left: left}
}

// release frees something of primary's. Nothing depends on how that goes.
func (r *resilient) release(free func() error) {
	_ = r.guard.call(context.Background(), r.limits.Base, r.limits.Grace, func(context.Context) error { return free() }, func() {})
}

func (r *resilient) EncodeVision(ctx context.Context, in VisionInput, dst []float32) error {
	if !r.uses(StageVision) {
		return r.cpu.EncodeVision(ctx, in, dst)
	}
	out := scratch(nil, len(dst))
	own := VisionInput{Patches: slices.Clone(in.Patches), GridTHW: in.GridTHW}
	rows := in.GridTHW[0] * in.GridTHW[1] * in.GridTHW[2] / 4
	o := r.try(ctx, "encode vision", rows, func(ctx context.Context) error {
		if err := r.primary.EncodeVision(ctx, own, out); err != nil {
			return err
		}
		return checkResult(out)
	}, func() {})
	switch {
	case o.ok:
		copy(dst, out)
		return nil
	case o.err != nil:
		return o.err
	}
	return r.cpu.EncodeVision(ctx, in, dst)
}

func (r *resilient) NewSession(ctx context.Context, maxTokens int) (Session, error) {
	if !r.uses(StageDecoder) {
		return r.cpu.NewSession(ctx, maxTokens)
	}
	var s Session
	o := r.try(ctx, "new session", 0, func(ctx context.Context) (err error) {
		if s, err = r.primary.NewSession(ctx, maxTokens); err == nil && s == nil {
			err = errors.New("npu: delegate returned no session")
		}
		return err
	}, func() {
		if s != nil {
			_ = s.Close()
		}
	})
	switch {
	case o.ok:
		return &session{r: r, max: maxTokens, primary: s}, nil
	case o.err != nil:
		return nil, o.err
	}
	return r.cpu.NewSession(ctx, maxTokens)
}

// Close closes both delegates. If a call into primary was left behind, primary is closed when that returns.
func (r *resilient) Close() error {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	r.mu.Unlock()
	if closed {
		return nil
	}
	r.guard.whenIdle(func() { shut(r.primary) })
	return r.cpu.Close()
}
