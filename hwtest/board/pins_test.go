//go:build board

package board_test

import (
	"errors"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"github.com/edgevlm/edgevlm/board"
	"github.com/edgevlm/edgevlm/capture"
)

// Which line is what.
const (
	pirLine, switchLine, ledLine = 0, 1, 2
	pirPin, switchPin, ledPin    = "SIM0", "boardsim/1", "SIM2"
)

func startBoard(t *testing.T, c board.Config, h board.Hooks) (*board.Board, func()) {
	t.Helper()
	b, err := board.New(c, h, board.Options{Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	return b, during(t, b.Run)
}

func TestTriggerOnRealLines(t *testing.T) {
	needSim(t)
	sim(t, "levels", "0 0")
	var triggers atomic.Int64
	b, _ := startBoard(t, board.Config{GPIO: board.GPIO{Trigger: board.Trigger{Pin: pirPin, Pull: "down"}}},
		board.Hooks{Trigger: func(time.Time) { triggers.Add(1) }})
	time.Sleep(2 * time.Second)
	if n := triggers.Load(); n != 0 {
		t.Fatalf("%d triggers of a quiet line; %+v", n, b.Status())
	}
	began := time.Now()
	sim(t, "levels", "0 1")
	eventually(t, "the edge triggers", func() bool { return triggers.Load() == 1 })
	t.Logf("measured: from edge to trigger %v", time.Since(began).Round(time.Microsecond))
	eventually(t, "it goes on while the line stays", func() bool { return triggers.Load() >= 3 })
	sim(t, "levels", "0 0")
	time.Sleep(500 * time.Millisecond)
	n := triggers.Load()
	time.Sleep(3 * time.Second)
	if triggers.Load() != n {
		t.Errorf("%d triggers after the line went back", triggers.Load()-n)
	}
}

func TestPrivacySwitchClosesTheCameraAndDarkensTheLED(t *testing.T) {
	needSim(t)
	sim(t, "levels", "1 1")
	cam, err := capture.NewCamera(capture.CameraConfig{Spec: capture.Spec{Source: "v4l2:" + camera, FPS: 5}})
	if err != nil {
		t.Fatal(err)
	}
	cam.Shut("privacy", true)
	src, err := cam.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var frames atomic.Int64
	got := make(chan struct{})
	go func() {
		defer close(got)
		for {
			if _, err := src.Next(t.Context()); err != nil {
				return
			}
			frames.Add(1)
		}
	}()
	b, stop := startBoard(t, board.Config{GPIO: board.GPIO{
		Privacy: board.Privacy{Pin: switchPin, Pull: "up"}, LED: board.LED{Pin: ledPin},
	}}, board.Hooks{Private: func(p bool, _ string) { cam.Shut("privacy", p) }})
	b.Light(board.Lit)
	eventually(t, "frames, and the LED is lit", func() bool {
		lit, dir := line(t, ledLine)
		return frames.Load() > 2 && lit && dir == 'o'
	})
	for range 3 {
		began := time.Now()
		sim(t, "levels", "1 0")
		eventually(t, "the switch counts", func() bool { return b.Status().Private })
		eventually(t, "the camera is closed", func() bool { return !cameraOpen(t) })
		n := frames.Load()
		if lit, _ := line(t, ledLine); lit {
			eventually(t, "the LED is dark", func() bool { lit, _ := line(t, ledLine); return !lit })
		}
		t.Logf("measured: the camera is closed and the LED dark %v after the switch", time.Since(began).Round(time.Millisecond))
		time.Sleep(2 * time.Second)
		if frames.Load() != n || cameraOpen(t) {
			t.Fatalf("%d frames while private, camera open %v", frames.Load()-n, cameraOpen(t))
		}
		sim(t, "levels", "1 1")
		eventually(t, "frames again, and light", func() bool { lit, _ := line(t, ledLine); return frames.Load() > n+2 && lit })
	}
	stop()
	if lit, _ := line(t, ledLine); lit {
		t.Error("the LED is lit after the end")
	}
	src.Close()
	<-got
}

// cameraOpen says whether this process holds the camera, as /proc has it.
func cameraOpen(t *testing.T) bool {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, _ := os.Readlink("/proc/self/fd/" + fd.Name()); to == camera {
			return true
		}
	}
	return false
}

func TestTheLEDIsNeverTurnedIntoAnInput(t *testing.T) {
	needSim(t)
	b, stop := startBoard(t, board.Config{GPIO: board.GPIO{LED: board.LED{Pin: ledPin}}}, board.Hooks{})
	b.Light(board.Trouble)
	seen := map[bool]int{}
	for range 100 {
		time.Sleep(17 * time.Millisecond)
		level, direction := line(t, ledLine)
		seen[level]++
		if direction != 'o' && len(seen) > 1 {
			t.Fatal("the LED's line is an input")
		}
	}
	if seen[true] < 20 || seen[false] < 20 {
		t.Errorf("of 100 looks at a blinking LED %d were lit", seen[true])
	}
	stop()
}

func TestPinErrorsNameThePin(t *testing.T) {
	needSim(t)
	if _, err := board.OpenPin("GPIO99"); !errors.Is(err, board.ErrNoPin) || !strings.Contains(err.Error(), "GPIO99") || !strings.Contains(err.Error(), "SIM0") {
		t.Errorf("a pin that is not there: %v", err)
	}
	a, err := board.OpenPin("SIM4")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.In(gpio.PullNoChange, gpio.BothEdges); err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	// Another program asks for it: a process of its own, for periph.io keeps one handle a process.
	out := holdPin(t, "SIM4")
	if !strings.Contains(out, "busy") || !strings.Contains(out, "gpioinfo") {
		t.Errorf("a second program was told: %s", out)
	}
}

func TestPowerMonitorOnARealBus(t *testing.T) {
	needSim(t)
	sim(t, "fail", "5 0")
	sim(t, "brownout", "1")
	sim(t, "mv", "5100")
	sim(t, "ma", "1500")
	bus, err := board.OpenBus(i2cBus(t))
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	c := board.INA219{Bus: i2cBus(t)}
	m, err := board.NewMonitor(t.Context(), bus, c)
	if err != nil {
		t.Fatal(err)
	}
	check := func(volts, amps float64) {
		t.Helper()
		r, err := m.Read(t.Context())
		if err != nil || math.Abs(r.Volts-volts) > 0.005 || math.Abs(r.Amps-amps) > 0.005 || math.Abs(r.Watts-volts*amps) > 0.05 {
			t.Errorf("%+v, %v; want %v V, %v A", r, err, volts, amps)
		}
	}
	check(5.1, 1.5)
	sim(t, "ma", "-400")
	check(5.1, -0.4)
	for _, errno := range []string{"5", "6", "110", "121"} { // EIO, ENXIO, ETIMEDOUT, EREMOTEIO
		sim(t, "fail", errno+" 2")
		check(5.1, -0.4)
	}
	sim(t, "fail", "121 -1")
	if _, err := m.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "0x40") {
		t.Errorf("a chip that is gone: %v", err)
	}
	sim(t, "fail", "121 0")
	sim(t, "brownout", "1")
	check(5.1, -0.4)
	sim(t, "ma", "9000")
	if _, err := m.Read(t.Context()); !errors.Is(err, board.ErrOverRange) {
		t.Errorf("9 A of 3.2: %v", err)
	}
	sim(t, "ma", "1000")
	other := c
	other.Address = 0x41
	if _, err := board.NewMonitor(t.Context(), bus, other); err == nil || !strings.Contains(err.Error(), "0x41") {
		t.Errorf("an address without a chip: %v", err)
	}
	if _, err := board.OpenBus("99"); !errors.Is(err, board.ErrNoBus) {
		t.Errorf("a bus that is not there: %v", err)
	}
}

func TestPowerOverItsLimitSlowsTheBoardDown(t *testing.T) {
	needSim(t)
	sim(t, "fail", "5 0")
	sim(t, "mv", "5000")
	sim(t, "ma", "1000")
	var paces atomic.Int64
	b, _ := startBoard(t, board.Config{Power: board.Power{
		INA219: board.INA219{Bus: i2cBus(t)}, Every: 200 * time.Millisecond,
		Pace: board.PaceConfig{MaxWatts: 8, DownAfter: time.Second, UpAfter: 2 * time.Second},
	}}, board.Hooks{Pace: func(board.Pace) { paces.Add(1) }})
	eventually(t, "power is measured", func() bool { return b.Status().HasPower })
	sim(t, "ma", "2000") // 10 W
	eventually(t, "two steps down", func() bool { return b.Status().Pace.Level == 2 })
	// An unplugged monitor is a fault, no reason to speed up.
	sim(t, "fail", "6 -1")
	eventually(t, "the fault shows", func() bool { return b.Status().Faults["power.ina219"] != "" })
	time.Sleep(3 * time.Second)
	if l := b.Status().Pace.Level; l < 2 {
		t.Errorf("without a reading the pace went up to step %d", l)
	}
	sim(t, "fail", "6 0")
	sim(t, "ma", "500")
	eventually(t, "full pace again", func() bool { return b.Status().Pace.Level == 0 && len(b.Status().Faults) == 0 })
	if paces.Load() < 4 {
		t.Errorf("%d changes of pace were told", paces.Load())
	}
}

// The last test of all: periph.io finds chips once in a process's life, so this one leaves it without any.
func TestPrivacyHoldsWhenTheChipGone(t *testing.T) {
	needSim(t)
	sim(t, "levels", "1 1")
	b, _ := startBoard(t, board.Config{GPIO: board.GPIO{Privacy: board.Privacy{Pin: switchPin}}}, board.Hooks{})
	eventually(t, "the switch is off", func() bool { return !b.Status().Private })
	if err := os.WriteFile(simUnbind, []byte("boardsim"), 0); err != nil {
		t.Fatal(err)
	}
	took := eventually(t, "a chip that is gone means private", func() bool { return b.Status().Private })
	t.Logf("measured: private %v after the chip went; %s", took.Round(time.Millisecond), b.Status().Faults["gpio.privacy"])
	// That a chip takes its place can't be tried: Linux 6.1 oopses when one is added while the old one is still held open.
	time.Sleep(3 * time.Second)
	if s := b.Status(); !s.Private || s.Faults["gpio.privacy"] == "" {
		t.Errorf("without its chip: %+v", s)
	}
}
