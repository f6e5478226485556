package board

import (
	"context"
	"math"
	"time"
)

// runMonitor reads temperatures and flags, and keeps the pace.
func (b *Board) runMonitor(ctx context.Context) {
	for {
		b.sample(time.Now())
		if !sleep(ctx, b.cfg.Power.Every) {
			return
		}
	}
}

// sample reads once and tells of a change of pace.
func (b *Board) sample(now time.Time) {
	hot, hasTemp := Hottest(Zones(b.o.Root))
	throttling := ReadThrottling(b.o.Root)
	b.following.Lock()
	defer b.following.Unlock()
	s := Sample{At: now, Celsius: math.NaN(), Watts: math.NaN(), Throttled: throttling.Now()}
	if hasTemp {
		s.Celsius = hot.Celsius
	}
	b.mu.Lock()
	if b.status.HasPower {
		s.Watts = b.status.Power.Watts
	}
	was := b.status.Throttling
	pace, changed := b.pacer.Add(s)
	b.status.Temperature, b.status.HasTemp, b.status.Zone = hot.Celsius, hasTemp, hot.Name
	b.status.Throttling, b.status.Pace = throttling, pace
	follow := b.follow
	b.mu.Unlock()
	if was.UnderVoltage != throttling.UnderVoltage && throttling.UnderVoltage {
		b.log.Warn("board: the supply's voltage is too low; use a stronger supply or a shorter cable")
	}
	if !changed {
		return
	}
	b.log.Warn("board: the pace changes", "pace", pace.String(), "why", pace.Reason)
	if b.hooks.Pace != nil {
		b.hooks.Pace(pace)
	}
	if follow != nil {
		follow(pace)
	}
}

// Follow calls f with the pace in force, before it returns, and then on each change after Hooks.Pace: for what is there only
// later than the board, as a model that took its time to load. f must return soon
// and not call Follow; a later Follow takes its place, nil none.
func (b *Board) Follow(f func(Pace)) {
	b.following.Lock() // no change comes between
	defer b.following.Unlock()
	b.mu.Lock()
	b.follow = f
	pace := b.status.Pace
	b.mu.Unlock()
	if f != nil {
		f(pace)
	}
}
