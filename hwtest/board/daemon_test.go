//go:build board

package board_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/mqtt/broker"
	"github.com/edgevlm/edgevlm/mqtt/mqtttest"
)

// syncBuffer takes a child's output.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// daemon runs the real binary with a configuration.
func daemon(t *testing.T, config string) (log *syncBuffer, stop func() error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log = &syncBuffer{}
	cmd := exec.Command("/bin/edgevlm", "run", "--config", path)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			done := make(chan error, 1)
			go func() { done <- cmd.Wait() }()
			select {
			case err = <-done:
			case <-time.After(patience):
				_ = cmd.Process.Kill()
				err = fmt.Errorf("had to be killed: %v", <-done)
			}
		})
		return err
	}
	t.Cleanup(func() {
		_ = stop()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return log, stop
}

func startBroker(t *testing.T) *broker.Broker {
	t.Helper()
	b, err := broker.Start(context.WithoutCancel(t.Context()), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestTheDaemonFromCameraToBroker(t *testing.T) {
	b := startBroker(t)
	got := mqtttest.Collect(t, b.URL(), "edgevlm/#")
	began := time.Now()
	_, stop := daemon(t, fmt.Sprintf(`
device: board
model: { name: demo }
cameras:
  - { name: yard, source: "v4l2:%s", width: 320, height: 180, fps: 2, window: 2s, publish: { every: 0s, changes: false } }
mqtt: { url: "%s" }
spool: { dir: %s }
`, camera, b.URL(), t.TempDir()))
	const event = "edgevlm/board/yard/event"
	eventually(t, "an event", func() bool { return len(got.Events(t, event)) > 0 })
	first := time.Since(began)
	e := got.Events(t, event)[0]
	if e.Text == "" || e.Camera != "yard" || e.Model != "edgevlm demo" || len(e.FrameSeqs) < 2 || !e.CapturedAt.Last.After(e.CapturedAt.First) {
		t.Errorf("event %+v", e)
	}
	t.Logf("measured: the first event %v after the daemon's start: %q, %+v", first.Round(time.Millisecond), e.Text, e.TimingsMS)

	unbind(t, true)
	eventually(t, "the camera is offline", func() bool { return got.Last("edgevlm/board/yard/availability") == "offline" })
	time.Sleep(2 * time.Second)
	n := len(got.Events(t, event))
	unbind(t, false)
	took := eventually(t, "the camera is online again", func() bool { return got.Last("edgevlm/board/yard/availability") == "online" })
	t.Logf("measured: online %v after replug", took.Round(time.Millisecond))
	if took > 3*time.Second {
		t.Errorf("online %v after replug", took)
	}
	eventually(t, "and described", func() bool { return len(got.Events(t, event)) > n })
	if err := stop(); err != nil {
		t.Error(err)
	}
	eventually(t, "the device is offline", func() bool { return got.Last("edgevlm/board/availability") == "offline" })
}

// The camera's pictures are bars, of which the demo's model knows nothing; its own clips show that the board sees what any other
// machine does.
func TestTheDemoSaysOnTheBoardWhatItSaysElsewhere(t *testing.T) {
	want, err := os.ReadFile("/demo.txt")
	if err != nil || len(want) == 0 {
		t.Fatalf("nothing to compare with: %v", err)
	}
	out, err := exec.Command("/bin/edgevlm", "demo", "--once").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for l := range strings.Lines(string(want)) {
		if !strings.Contains(string(out), strings.TrimSpace(l)) {
			t.Errorf("the board does not say %q; it says\n%s", strings.TrimSpace(l), out)
		}
	}
}

// unbind takes the camera away or brings it back.
func unbind(t *testing.T, away bool) {
	t.Helper()
	file := "bind"
	if away {
		file = "unbind"
	}
	if err := os.WriteFile("/sys/bus/platform/drivers/vivid/"+file, []byte("vivid.0"), 0); err != nil {
		t.Fatal(err)
	}
}

func TestTheDaemonObeysThePins(t *testing.T) {
	needSim(t)
	b := startBroker(t)
	config := fmt.Sprintf(`
device: board
model: { name: demo }
cameras:
  - { name: yard, source: "v4l2:%s", width: 320, height: 180, fps: 2, window: 2s, publish: { every: 0s, changes: false } }
mqtt: { url: "%s" }
gpio:
  privacy: { pin: SIM1, active: low, pull: up }
  led: { pin: SIM2 }
`, camera, b.URL())
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("/bin/edgevlm", "--config", path, "check-config").CombinedOutput(); err != nil {
		t.Skip("this edgevlm does not know the key gpio yet: " + strings.TrimSpace(string(out)))
	}
	got := mqtttest.Collect(t, b.URL(), "edgevlm/#")
	sim(t, "levels", "1 1")
	daemon(t, config)
	const event = "edgevlm/board/yard/event"
	eventually(t, "an event, and the LED is lit", func() bool {
		lit, _ := line(t, ledLine)
		return len(got.Events(t, event)) > 0 && lit
	})
	sim(t, "levels", "1 0")
	eventually(t, "the camera says that it is not watching", func() bool {
		s := got.Last("edgevlm/board/yard/availability")
		return s == "disabled" || s == "offline"
	})
	if lit, _ := line(t, ledLine); lit {
		eventually(t, "the LED is dark", func() bool { lit, _ := line(t, ledLine); return !lit })
	}
	time.Sleep(3 * time.Second) // what was captured before is described and on its way
	n := len(got.Events(t, event))
	time.Sleep(5 * time.Second)
	if more := len(got.Events(t, event)) - n; more > 0 {
		t.Errorf("%d events while private", more)
	}
	sim(t, "levels", "1 1")
	eventually(t, "events again", func() bool { return len(got.Events(t, event)) > n })
}
