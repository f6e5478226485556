package board

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// INA219 is Texas Instruments' current and power monitor on I2C (data sheet SBOS448).
type INA219 struct {
	// Bus is the I2C bus: 1 or /dev/i2c-1. "" is no monitor.
	Bus string
	// Address on the bus, 0x40 (0) to 0x4F.
	Address uint16
	// Shunt is the resistor that current flows through, in ohms; 0 is 0.1, as on most boards.
	Shunt float64
	// MaxAmps is the largest current to be measured; 0 is 3.2. MaxAmps x Shunt is at most 0.32 V.
	MaxAmps float64
}

// Reading is what a power monitor measured.
type Reading struct {
	At    time.Time
	Volts float64 // of the supply
	Amps  float64 // negative when current flows backwards
	Watts float64 // Volts x Amps
}

// Bus is an I2C bus, as periph.io's i2c.BusCloser.
type Bus interface {
	// Tx writes w, if any, and then reads r, if any.
	Tx(addr uint16, w, r []byte) error
	Close() error
}

// The chip's registers, 16 bits each, high byte first.
const (
	inaConfig      = 0x00
	inaBus         = 0x02
	inaCurrent     = 0x04
	inaCalibration = 0x05
)

const (
	inaRange32V   = 1 << 13
	inaAverage128 = 0xF // 12 bits, 128 samples: 68 ms, which evens out a CPU's bursts
	inaContinuous = 7
	inaOverflow   = 1 << 0 // of the bus register: the arithmetic overflowed
	inaBusLSB     = 0.004  // volts
)

// inaTries is how often one transfer is tried: a bus that others use, or a long cable, loses one now and then.
const inaTries = 3

// ErrOverRange says that the current is over what the chip was set up for.
var ErrOverRange = errors.New("the current is over the monitor's range")

// Validate implements the check of one part of Config.
func (c INA219) Validate() error {
	if c.Bus == "" {
		if c.Address != 0 || c.Shunt != 0 || c.MaxAmps != 0 {
			return fmt.Errorf("board: power.ina219 has no bus; give one like 1 for /dev/i2c-1")
		}
		return nil
	}
	if _, err := busNumber(c.Bus); err != nil {
		return fmt.Errorf("board: power.ina219.bus: %w", err)
	}
	c = c.withDefaults()
	switch volts := c.Shunt * c.MaxAmps; {
	case c.Address < 0x40 || c.Address > 0x4F:
		return fmt.Errorf("board: power.ina219.address: %#x; use 0x40 to 0x4f", c.Address)
	case !(c.Shunt >= 0.0005 && c.Shunt <= 10):
		return fmt.Errorf("board: power.ina219.shunt: %v ohms; use 0.0005 to 10", c.Shunt)
	case !(c.MaxAmps > 0 && c.MaxAmps <= 100):
		return fmt.Errorf("board: power.ina219.max_amps: %v; use more than 0 and at most 100", c.MaxAmps)
	case !(volts <= 0.3201):
		return fmt.Errorf("board: power.ina219: %v A over %v ohms is %.2f V at the shunt; the chip measures 0.32 V at most, "+
			"use a smaller max_amps or shunt", c.MaxAmps, c.Shunt, volts)
	case c.calibration() > 0xFFFE || c.calibration() < 1:
		return fmt.Errorf("board: power.ina219: the chip can't be calibrated for %v A over %v ohms; use a larger max_amps or shunt",
			c.MaxAmps, c.Shunt)
	}
	return nil
}

func (c INA219) withDefaults() INA219 {
	if c.Address == 0 {
		c.Address = 0x40
	}
	if c.Shunt == 0 {
		c.Shunt = 0.1
	}
	if c.MaxAmps == 0 {
		c.MaxAmps = 3.2
	}
	return c
}

// currentLSB is the current register's unit in amperes (equation 2).
func (c INA219) currentLSB() float64 { return c.MaxAmps / 32768 }

// calibration is the calibration register's value (equation 1).
func (c INA219) calibration() int { return int(0.04096 / (c.currentLSB() * c.Shunt)) }

// config is the configuration register's value: the smallest shunt range that MaxAmps fits.
func (c INA219) config() uint16 {
	gain := uint16(0)
	for limit := 0.040; gain < 3 && c.Shunt*c.MaxAmps > limit+1e-9; limit *= 2 {
		gain++
	}
	return inaRange32V | gain<<11 | inaAverage128<<7 | inaAverage128<<3 | inaContinuous
}

// Monitor is an INA219 that has been set up.
type Monitor struct {
	c   INA219
	bus Bus
	// settle waits; tests put their own there.
	settle func(ctx context.Context, d time.Duration) bool
}

// NewMonitor sets a chip up and checks that it took it: a bus without the chip, or with another, is an error. The caller keeps
// the bus, and closes it.
func NewMonitor(ctx context.Context, bus Bus, c INA219) (*Monitor, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m := &Monitor{c: c.withDefaults(), bus: bus, settle: sleep}
	return m, m.setUp(ctx)
}

// firstSample is how long the chip takes for its first value after a set-up: two of 68.1 ms.
const firstSample = 140 * time.Millisecond

func (m *Monitor) setUp(ctx context.Context) error {
	for _, r := range []struct {
		reg   byte
		value uint16
	}{{inaConfig, m.c.config()}, {inaCalibration, uint16(m.c.calibration())}} {
		if err := m.write(ctx, r.reg, r.value); err != nil {
			return err
		}
		got, err := m.read(ctx, r.reg)
		if err != nil {
			return err
		}
		// The calibration's lowest bit doesn't exist.
		if got&^1 != r.value&^1 {
			return fmt.Errorf("register %d is %#04x after %#04x was written; is the chip at %#x an INA219",
				r.reg, got, r.value, m.c.Address)
		}
	}
	if !m.settle(ctx, firstSample) {
		return ctx.Err()
	}
	return nil
}

// Read measures once. A chip that lost its set-up, as a brown-out makes it, is set up again.
func (m *Monitor) Read(ctx context.Context) (Reading, error) {
	conf, err := m.read(ctx, inaConfig)
	if err != nil {
		return Reading{}, err
	}
	if conf != m.c.config() {
		if err := m.setUp(ctx); err != nil {
			return Reading{}, fmt.Errorf("it lost its set-up: %w", err)
		}
	}
	busV, err := m.read(ctx, inaBus)
	if err != nil {
		return Reading{}, err
	}
	cur, err := m.read(ctx, inaCurrent)
	if err != nil {
		return Reading{}, err
	}
	if busV&inaOverflow != 0 {
		return Reading{}, fmt.Errorf("%w of %v A; raise power.ina219.max_amps", ErrOverRange, m.c.MaxAmps)
	}
	r := Reading{At: time.Now(), Volts: float64(busV>>3) * inaBusLSB, Amps: float64(int16(cur)) * m.c.currentLSB()}
	r.Watts = math.Round(r.Volts*r.Amps*1e6) / 1e6
	return r, nil
}

func (m *Monitor) read(ctx context.Context, reg byte) (uint16, error) {
	var buf [2]byte
	err := m.tx(ctx, []byte{reg}, buf[:])
	return binary.BigEndian.Uint16(buf[:]), err
}

func (m *Monitor) write(ctx context.Context, reg byte, v uint16) error {
	return m.tx(ctx, []byte{reg, byte(v >> 8), byte(v)}, nil)
}

// tx makes a transfer, again if it fails: each of them can be repeated without harm.
func (m *Monitor) tx(ctx context.Context, w, r []byte) error {
	var err error
	for try := range inaTries {
		if try > 0 && !m.settle(ctx, time.Duration(try)*2*time.Millisecond) {
			return ctx.Err()
		}
		if err = m.bus.Tx(m.c.Address, w, r); err == nil {
			return nil
		}
	}
	return fmt.Errorf("no answer from %#x: %w; check wiring and address, `i2cdetect -y %s` lists what answers", m.c.Address, err, m.c.Bus)
}

// runPower reads the monitor until ctx ends.
func (b *Board) runPower(ctx context.Context) {
	c := b.cfg.Power.INA219
	b.supervise(ctx, "power.ina219", func(ctx context.Context, healthy func()) (err error) {
		defer func() {
			if err != nil {
				b.update(func(s *Status) { s.HasPower = false }) // an old value is no value
			}
		}()
		bus, err := b.o.OpenBus(c.Bus)
		if err != nil {
			return err
		}
		defer bus.Close()
		m, err := NewMonitor(ctx, bus, c)
		if err != nil {
			return err
		}
		for {
			r, err := m.Read(ctx)
			if err != nil {
				return err
			}
			healthy()
			b.update(func(s *Status) { s.Power, s.HasPower = r, true })
			if !sleep(ctx, b.cfg.Power.Every) {
				return ctx.Err()
			}
		}
	})
}
