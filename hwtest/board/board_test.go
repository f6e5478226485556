//go:build board

// The tests of the virtual board run inside of it: see the script run. They drive what is outside, the camera's errors through
// vivid's controls and the pins and the power monitor through boardsim, and look at what edgevlm makes of it.
package board_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv("EDGEVLM_BOARD") == "" {
		println("not on the virtual board; hwtest/board/run starts one")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	camera     = "/dev/video0"
	simDevice  = "/sys/bus/platform/devices/boardsim"
	simUnbind  = "/sys/bus/platform/drivers/boardsim/unbind"
	patience   = 2 * time.Minute // by the board's clock
	pollPeriod = 10 * time.Millisecond
)

// needSim skips a test on a board without pins.
func needSim(t *testing.T) {
	t.Helper()
	if why := os.Getenv("BOARD_NOSIM"); why != "" {
		t.Skip("no pins and no power monitor: " + why)
	}
	if _, err := os.Stat(simDevice); err != nil {
		t.Fatal(err)
	}
}

// sim writes to one of boardsim's attributes.
func sim(t *testing.T, attribute, value string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(simDevice, attribute), []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

// line is a line's level and direction ('i' or 'o') as boardsim knows them.
func line(t *testing.T, n int) (level bool, direction byte) {
	t.Helper()
	levels, err1 := os.ReadFile(filepath.Join(simDevice, "levels"))
	directions, err2 := os.ReadFile(filepath.Join(simDevice, "directions"))
	if err1 != nil || err2 != nil || len(levels) < 8 || len(directions) < 8 {
		t.Fatal(err1, err2)
	}
	return levels[7-n] == '1', directions[7-n]
}

// eventually waits by the board's clock.
func eventually(t *testing.T, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for time.Since(began) < patience {
		if ok() {
			return time.Since(began)
		}
		time.Sleep(pollPeriod)
	}
	t.Fatalf("never happened: %s", what)
	return 0
}

// i2cBus is the number of boardsim's bus.
func i2cBus(t *testing.T) string {
	t.Helper()
	names, _ := filepath.Glob("/sys/class/i2c-dev/i2c-*/name")
	for _, n := range names {
		if b, _ := os.ReadFile(n); strings.TrimSpace(string(b)) == "boardsim" {
			return strings.TrimPrefix(filepath.Base(filepath.Dir(n)), "i2c-")
		}
	}
	t.Fatalf("no I2C bus called boardsim among %q", names)
	return ""
}

// testLog writes to the test's log as long as that may be written to.
func testLog(t *testing.T) *slog.Logger {
	ctx := t.Context()
	return slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		if ctx.Err() == nil {
			t.Log(strings.TrimSpace(string(p)))
		}
		return len(p), nil
	}), nil))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// during runs f in the background until the test ends.
func during(t *testing.T, f func(ctx context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}
