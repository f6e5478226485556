package board_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/edgevlm/edgevlm/board"
	"github.com/edgevlm/edgevlm/board/boardtest"
)

// The data sheet's example (figure 28): 15 A over 2 mohm gives a calibration of 20480 (0x5000) at 1 mA; ours uses the
// whole register: 15/32768 A, calibration 44739.
func TestTheRegistersAreTheDataSheets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chip := boardtest.NewINA219()
		chip.Shunt = 0.002
		c := board.INA219{Bus: "1", Shunt: 0.002, MaxAmps: 15}
		m, err := board.NewMonitor(t.Context(), chip, c)
		if err != nil {
			t.Fatal(err)
		}
		if got := chip.Register(5); got != 44738 { // the lowest bit is no bit
			t.Errorf("calibration %d", got)
		}
		if got := chip.Register(0); got != 0x2000|0<<11|0xF<<7|0xF<<3|7 {
			t.Errorf("configuration %#04x", got)
		}
		chip.Measure(11.98, 10)
		r, err := m.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(r.Volts-11.98) > 0.004 || math.Abs(r.Amps-10) > 0.01 || math.Abs(r.Watts-119.8) > 0.2 {
			t.Errorf("%+v", r)
		}
	})
}

func TestWhatTheMonitorSaysIsWhatThereIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shunt := rapid.Float64Range(0.005, 1).Draw(t, "shunt")
		most := rapid.Float64Range(0.1, 1).Draw(t, "share") * 0.32 / shunt
		c := board.INA219{Bus: "1", Shunt: shunt, MaxAmps: most}
		if c.Validate() != nil {
			return
		}
		volts, amps := rapid.Float64Range(0, 26).Draw(t, "volts"), rapid.Float64Range(-0.99, 0.99).Draw(t, "load")*most
		chip := boardtest.NewINA219()
		chip.Shunt = shunt
		m, err := board.NewMonitorNow(t.Context(), chip, c)
		if err != nil {
			t.Fatal(err)
		}
		chip.Measure(volts, amps)
		r, err := m.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// A step of each: 4 mV, and 10 uV at the shunt or a 32768th of the range; calibration rounds down by one in 1,000 at most.
		tolerance := 10e-6/shunt + most/32768 + math.Abs(amps)*2/float64(c.Calibration())
		if math.Abs(r.Volts-volts) > 0.00401 || math.Abs(r.Amps-amps) > tolerance {
			t.Fatalf("%+v of %v V, %v A (tolerance %v)", r, volts, amps, tolerance)
		}
	})
}

func TestAMonitorBearsErrorsNowAndThenButNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chip := boardtest.NewINA219()
		chip.Measure(5, 1)
		chip.Fail(2, errors.New("remote I/O error"))
		m, err := board.NewMonitor(t.Context(), chip, board.INA219{Bus: "1"})
		if err != nil {
			t.Fatalf("two errors: %v", err)
		}
		chip.Fail(2, errors.New("remote I/O error"))
		if _, err := m.Read(t.Context()); err != nil {
			t.Fatalf("two errors: %v", err)
		}
		chip.Fail(-1, errors.New("remote I/O error"))
		if _, err := m.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "0x40") || !strings.Contains(err.Error(), "i2cdetect") {
			t.Errorf("a chip that is gone: %v", err)
		}
		chip.Fail(0, nil)
		chip.BrownOut()
		if r, err := m.Read(t.Context()); err != nil || math.Abs(r.Amps-1) > 0.01 {
			t.Errorf("after a brown-out: %+v, %v", r, err)
		}
		chip.Measure(5, 9)
		if _, err := m.Read(t.Context()); !errors.Is(err, board.ErrOverRange) {
			t.Errorf("9 A of 3.2: %v", err)
		}
	})
}

// other is a chip whose registers can't be written.
type other struct{}

func (other) Tx(_ uint16, _, r []byte) error { clear(r); return nil }
func (other) Close() error                   { return nil }

func TestAnotherChipAtTheAddressIsNoINA219(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if _, err := board.NewMonitor(t.Context(), other{}, board.INA219{Bus: "1"}); err == nil || !strings.Contains(err.Error(), "an INA219") {
			t.Error(err)
		}
	})
}

func TestAMonitorThatIsUnpluggedComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chip := boardtest.NewINA219()
		chip.Measure(5, 2)
		var opens atomic.Int64
		c := board.Config{Power: board.Power{INA219: board.INA219{Bus: "1"}}}
		b, _ := run(t, c, board.Options{OpenBus: func(string) (board.Bus, error) {
			if opens.Add(1) == 1 {
				return nil, fmt.Errorf("%w: /dev/i2c-1", board.ErrNoBus)
			}
			return chip, nil
		}})
		if f := b.Status().Faults["power.ina219"]; !strings.Contains(f, "/dev/i2c-1") {
			t.Errorf("fault %q", f)
		}
		wait(10 * time.Second)
		if s := b.Status(); !s.HasPower || math.Abs(s.Power.Watts-10) > 0.1 || len(s.Faults) > 0 {
			t.Fatalf("%+v", s)
		}
		chip.Fail(-1, errors.New("no such device or address"))
		wait(time.Hour)
		if s := b.Status(); s.HasPower || s.Faults["power.ina219"] == "" || opens.Load() > 80 || !chip.Closed() {
			t.Errorf("an hour without the chip: %+v, %d opens", s, opens.Load())
		}
		chip.Fail(0, nil)
		wait(2 * time.Minute)
		if s := b.Status(); !s.HasPower {
			t.Errorf("plugged in again: %+v", s)
		}
	})
}
