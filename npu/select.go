package npu

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// MinSpeed is how many times faster than the CPU a stage must be to leave it, unless the user asked for the device.
const MinSpeed = 1.2

// Select chooses what runs the model.
//
// pref is "auto" (or empty): the first device in the order of drivers that passes the self-check and is MinSpeed times
// faster than the CPU in a stage gets that stage; otherwise the CPU. "cpu": no driver is asked. A driver's name: its
// first device that passes the self-check, however slow; none is an error (ErrNoDevice where nothing was found),
// because who names a device wants to know.
//
// The delegate returned is cpu itself, or one that is open and whose Supports are the stages to use; wrap it with
// Resilient. The Report is never nil. Select does not close cpu.
func Select(ctx context.Context, m Model, drivers []Driver, pref string, o Options, cpu Delegate) (Delegate, *Report, error) {
	r := &Report{Chosen: cpu.Device(), Stages: cpu.Supports()}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	auto := pref == "" || pref == "auto"
	if pref == "cpu" || auto && len(drivers) == 0 {
		return cpu, r, nil
	}
	s := &selection{ctx: ctx, model: m, o: o, cpu: cpu, auto: auto, report: r}
	known := false
	for _, d := range drivers {
		if !auto && d.Name() != pref {
			continue
		}
		known = true
		if got := s.driver(d); got != nil {
			return got, r, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, r, err
		}
	}
	switch {
	case auto:
		return cpu, r, nil
	case !known:
		names := []string{"auto", "cpu"}
		for _, d := range drivers {
			names = append(names, d.Name())
		}
		return nil, r, fmt.Errorf("npu: unknown backend %.40q: choose one of %s", pref, strings.Join(names, ", "))
	}
	last := r.Tried[len(r.Tried)-1]
	return nil, r, fmt.Errorf("npu: backend %s can't be used: %w (--backend auto takes the CPU then)", pref, last.Err)
}

// selection is one run of Select.
type selection struct {
	ctx    context.Context
	model  Model
	o      Options
	cpu    Delegate
	auto   bool
	report *Report
	golden *golden // the CPU's results, computed when first needed
}

// driver tries all devices of one driver.
func (s *selection) driver(d Driver) Delegate {
	var devices []Device
	err := protect(func() (err error) { devices, err = d.Probe(s.ctx); return err })
	if err == nil && len(devices) == 0 {
		err = fmt.Errorf("%w: nothing found", ErrNoDevice)
	}
	if err != nil {
		s.note(Attempt{Driver: d.Name(), Err: err})
		return nil
	}
	for _, dev := range devices {
		a := Attempt{Driver: d.Name(), Device: dev}
		got, err := s.device(d, dev, &a)
		a.Err = err
		s.note(a)
		if got != nil {
			s.report.Chosen, s.report.Stages = dev, a.Taken
			return got
		}
		if s.ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

func (s *selection) note(a Attempt) {
	s.report.Tried = append(s.report.Tried, a)
	s.o.Log.Info("accelerator: " + a.String())
}

// device opens and checks one device and fills in a. A device that is not taken is closed again.
func (s *selection) device(d Driver, dev Device, a *Attempt) (Delegate, error) {
	if dev.Software && s.auto {
		return nil, errors.New("a CPU that poses as a device; name it to use it")
	}
	if dev.Stages&(StageVision|StageDecoder) == 0 {
		return nil, fmt.Errorf("%w: it runs neither vision nor decoder as a stage", ErrUnsupported)
	}
	v := s.cached(dev)
	if v != nil {
		a.Vision, a.Decoder, a.Cached = v.Vision, v.Decoder, true
		s.decide(a)
		if a.Taken == 0 {
			return nil, a.stageErrors()
		}
	}
	var del Delegate
	if err := protect(func() (err error) { del, err = d.Open(s.ctx, dev, s.model, s.o); return err }); err != nil {
		return nil, err
	}
	if del == nil {
		return nil, errors.New("npu: driver returned no delegate")
	}
	var g guard
	shut := func() { g.whenIdle(func() { shut(del) }) }
	if v == nil {
		if err := s.check(&g, del, dev, a); err != nil {
			shut()
			return nil, err
		}
		s.keep(dev, a)
		s.decide(a)
	}
	if a.Taken == 0 {
		shut()
		return nil, a.stageErrors()
	}
	return &partial{del, a.Taken}, nil
}

// decide turns the figures into the stages that are taken, and a reason for each that is not.
func (s *selection) decide(a *Attempt) {
	stage := func(c *StageCheck, bit Stage, name string) {
		if !c.Checked {
			return
		}
		if c.Err == "" && s.auto && c.Speed < MinSpeed {
			c.Err = fmt.Sprintf("%s stays on the CPU: %.1fx its speed, at least %.1fx is wanted", name, c.Speed, MinSpeed)
		}
		if c.Err == "" {
			a.Taken |= bit
		}
	}
	stage(&a.Vision, StageVision, "vision")
	stage(&a.Decoder, StageDecoder, "decoder")
}

// shut closes a delegate and does not wait for one that hangs.
func shut(del Delegate) {
	var g guard
	_ = g.call(context.Background(), DefaultLimits.Base, 0, func(context.Context) error { return del.Close() }, func() {})
}

// partial is a delegate for some of its stages only.
type partial struct {
	Delegate
	stages Stage
}

func (p *partial) Supports() Stage { return p.stages }

// Unwrap returns the driver's own delegate.
func (p *partial) Unwrap() Delegate { return p.Delegate }
