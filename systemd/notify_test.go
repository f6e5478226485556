package systemd

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// manager listens where systemd would, and yields what it is told.
func manager(t *testing.T) <-chan string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	told := make(chan string, 100)
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			told <- string(b[:n])
		}
	}()
	return told
}

func TestSystemdIsTold(t *testing.T) {
	told := manager(t)
	n := New(nil)
	n.Ready()
	n.Status("watching %d cameras\n", 2)
	n.Status("watching %d cameras\n", 2)
	n.ExtendStart(time.Second)
	n.Stopping()
	for _, want := range []string{"READY=1", "STATUS=watching 2 cameras ", "EXTEND_TIMEOUT_USEC=1000000", "STOPPING=1"} {
		if got := <-told; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
}

func TestNothingHappensOutsideSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	n := New(nil)
	n.Ready()
	n.Status("x")
	n.Run(context.Background()) // returns
}

func TestWatchdogRuns(t *testing.T) {
	told := manager(t)
	t.Setenv("WATCHDOG_USEC", "3000")
	t.Setenv("WATCHDOG_PID", "")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	n := New(nil)
	go func() { defer close(done); n.Run(ctx) }()
	for range 3 {
		if got := <-told; got != "WATCHDOG=1" {
			t.Errorf("told %q", got)
		}
	}
	cancel()
	<-done
}

func TestWatchdogStopsWhileAPartIsStuck(t *testing.T) {
	now := time.Unix(1e9, 0)
	var told []string
	n := New(nil)
	n.now = func() time.Time { return now }
	n.send = func(s string) error { told = append(told, s); return nil }
	camera, model := n.Pulse("camera yard", time.Minute), n.Pulse("model", time.Hour)
	step := func(d time.Duration) string {
		told = nil
		now = now.Add(d)
		n.ping()
		return strings.Join(told, ";")
	}
	if got := step(59 * time.Second); got != "WATCHDOG=1" {
		t.Errorf("within its limit: %q", got)
	}
	if got := step(2 * time.Second); got != "STATUS=no progress: camera yard" {
		t.Errorf("the camera is stuck: %q", got)
	}
	camera.Beat()
	if got := step(time.Second); got != "WATCHDOG=1" {
		t.Errorf("it came back: %q", got)
	}
	camera.Stop()
	if got := step(30 * time.Minute); got != "WATCHDOG=1" {
		t.Errorf("the camera is switched off: %q", got)
	}
	if got := step(31 * time.Minute); !strings.Contains(got, "model") {
		t.Errorf("the model is stuck: %q", got)
	}
	model.Stop()
}
