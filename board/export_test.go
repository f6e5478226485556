package board

import (
	"context"
	"time"
)

// NewMonitorNow is NewMonitor without waiting for samples.
func NewMonitorNow(ctx context.Context, bus Bus, c INA219) (*Monitor, error) {
	m := &Monitor{c: c.withDefaults(), bus: bus, settle: func(context.Context, time.Duration) bool { return true }}
	return m, m.setUp(ctx)
}

// Calibration is the calibration register's value.
func (c INA219) Calibration() int { return c.withDefaults().calibration() }
