//go:build realboard

package hwtest

import (
	"context"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"github.com/edgevlm/edgevlm/board"
	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/quant"
)

// These tests are for a board on the bench:
//
//	GOARCH=arm64 CGO_ENABLED=0 go test -c -tags realboard -o hwtest.test ./hwtest   # copy it over, then on the board
//	EDGEVLM_TEST_V4L2=/dev/video0 EDGEVLM_TEST_GPIO=GPIO23,GPIO24 EDGEVLM_TEST_INA219=/dev/i2c-1 ./hwtest.test -test.v -test.run Real
//
// EDGEVLM_TEST_GPIO are two pins that are wired to each other: the first one drives. What isn't named is skipped. None of this
// has run on such a board yet.

// profile is what a kind of board is known to have.
type profile struct {
	model  string // begins the device tree's model
	isa    string // the kernels that must be chosen
	piVolt bool   // its firmware tells of under-voltage
	memory int64  // bytes, the smallest of its kind that a 2B model fits
}

var profiles = []profile{
	{"Raspberry Pi 4", "neon", true, 3 << 30},
	{"Raspberry Pi 5", "dotprod", true, 3 << 30},
	{"NVIDIA Jetson Orin", "dotprod", false, 6 << 30},
	{"NVIDIA Orin", "dotprod", false, 6 << 30},
	{"Radxa ROCK 5", "dotprod", false, 3 << 30},
	{"Orange Pi 5", "dotprod", false, 3 << 30},
	{"Rockchip RK3588", "dotprod", false, 3 << 30},
}

func thisBoard(t *testing.T) profile {
	t.Helper()
	b, err := os.ReadFile("/proc/device-tree/model")
	model := strings.TrimRight(string(b), "\x00\n")
	for _, p := range profiles {
		if err == nil && strings.HasPrefix(model, p.model) {
			t.Logf("%s, %d cores", model, runtime.NumCPU())
			return p
		}
	}
	t.Skipf("this machine (%q) is none of the boards known here", model)
	return profile{}
}

func TestRealBoardChoosesItsKernels(t *testing.T) {
	p := thisBoard(t)
	if got := quant.ISA(); got != p.isa {
		t.Errorf("kernels for %s; a %s has %s", got, p.model, p.isa)
	}
	for _, c := range Run(context.Background(), Options{}, nil) {
		t.Logf("%-8s %-12s %s %s", c.Status, c.Name, c.Detail, c.Fix)
		if c.Status == Fail {
			t.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
}

func TestRealBoardKnowsItsTemperature(t *testing.T) {
	p := thisBoard(t)
	hot, ok := board.Hottest(board.Zones("/"))
	if !ok || hot.Celsius < 5 || hot.Celsius > 110 {
		t.Errorf("hottest zone %v, %v", hot, ok)
	}
	th := board.ReadThrottling("/")
	t.Logf("%v; throttling: %v", hot, th)
	if p.piVolt && !th.Known {
		t.Error("a Raspberry Pi's firmware tells of throttling; it was not found in sysfs")
	}
}

func TestRealCamera(t *testing.T) {
	path := os.Getenv("EDGEVLM_TEST_V4L2")
	if path == "" {
		t.Skip("no camera named: set EDGEVLM_TEST_V4L2=/dev/video0")
	}
	src, err := capture.Open(t.Context(), capture.Spec{Source: "v4l2:" + path, FPS: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var last capture.Frame
	for i := range 20 {
		f, err := src.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, w, h, err := f.RGB(); err != nil || w != f.Width || h != f.Height {
			t.Errorf("frame %d: %v", i, err)
		}
		if i > 0 && !f.At.After(last.At) {
			t.Errorf("frame %d is not later than the one before", i)
		}
		last = f
	}
	t.Logf("%v %dx%d, newest %v old, %+v", last.Format, last.Width, last.Height, time.Since(last.At), capture.StatsOf(src))
}

func TestRealPinsAreWiredThrough(t *testing.T) {
	out, in, ok := strings.Cut(os.Getenv("EDGEVLM_TEST_GPIO"), ",")
	if !ok {
		t.Skip("no pins named: wire two together and set EDGEVLM_TEST_GPIO=GPIO23,GPIO24")
	}
	driver, err := board.OpenPin(out)
	if err != nil {
		t.Fatal(err)
	}
	defer driver.Close()
	if err := driver.Out(gpio.Low); err != nil {
		t.Fatal(err)
	}
	triggers := make(chan time.Time, 100)
	b, err := board.New(board.Config{GPIO: board.GPIO{Trigger: board.Trigger{Pin: in, Pull: "down"}}},
		board.Hooks{Trigger: func(at time.Time) { triggers <- at }}, board.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	defer func() { cancel(); <-done }()
	time.Sleep(time.Second)
	if f := b.Status().Faults["gpio.trigger"]; f != "" {
		t.Fatal(f)
	}
	began := time.Now()
	if err := driver.Out(gpio.High); err != nil {
		t.Fatal(err)
	}
	select {
	case at := <-triggers:
		t.Logf("from edge to trigger %v", at.Sub(began))
	case <-time.After(5 * time.Second):
		t.Error("no trigger; are the two pins wired to each other?")
	}
}

func TestRealPowerMonitor(t *testing.T) {
	name := os.Getenv("EDGEVLM_TEST_INA219")
	if name == "" {
		t.Skip("no power monitor named: set EDGEVLM_TEST_INA219=/dev/i2c-1")
	}
	bus, err := board.OpenBus(name)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	m, err := board.NewMonitor(t.Context(), bus, board.INA219{Bus: name})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		r, err := m.Read(t.Context())
		if err != nil || r.Volts < 3 || r.Volts > 26 || math.Abs(r.Amps) > 3.2 {
			t.Errorf("%+v, %v", r, err)
		}
		t.Logf("%.3f V, %.3f A, %.2f W", r.Volts, r.Amps, r.Watts)
		time.Sleep(200 * time.Millisecond)
	}
}
