package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
	"github.com/edgevlm/edgevlm/mqtt/broker"
	"github.com/edgevlm/edgevlm/mqtt/mqtttest"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// fakeModel says how many frames it saw.
type fakeModel struct{ closed bool }

func (m *fakeModel) Generate(ctx context.Context, r vlm.Request, _ func(string)) (vlm.Result, error) {
	return vlm.Result{Text: fmt.Sprintf(" %d frames, asked %q", len(r.Media[0].Frames), r.Prompt), Backend: "fake"}, ctx.Err()
}
func (m *fakeModel) Info() vlm.Info { return vlm.Info{Name: "fake", Quant: "Q4_0", Backend: "fake"} }
func (m *fakeModel) Close() error   { m.closed = true; return nil }

func openFake(m *fakeModel) func(context.Context) (model, error) {
	return func(context.Context) (model, error) { return m, nil }
}

// clipConfig is a daemon with one camera, a clip of n pictures at 20 fps.
func clipConfig(t *testing.T, url string, n int) *config.Config {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.png", i)), picture(png.Encode, 32, 24), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Parse("test", fmt.Appendf(nil, `
device: gate
cameras:
  - { name: yard, source: "files:%s", fps: 20, window: 200ms, publish: { every: 0s, changes: false } }
mqtt: { url: "%s" }
http: { listen: "" }
`, dir, url))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// logBuffer takes log lines from many goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func runDaemon(ctx context.Context, t *testing.T, cfg *config.Config, m *fakeModel) (log string, err error) {
	t.Helper()
	var b logBuffer
	d, err := newDaemon(cfg, slog.New(slog.NewTextHandler(&b, nil)))
	if err != nil {
		t.Fatal(err)
	}
	err = d.run(ctx, openFake(m))
	return b.String(), err
}

func TestTheDaemonCarriesAClipToTheBroker(t *testing.T) {
	b, err := broker.Start(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	got := mqtttest.Collect(t, b.URL(), "edgevlm/#")
	m := &fakeModel{}
	cfg := clipConfig(t, b.URL(), 6)
	cfg.Cameras[0].FPS, cfg.Cameras[0].Window = 5, config.Duration(800*time.Millisecond) // a busy machine must not skip one of the frames counted here
	if log, err := runDaemon(t.Context(), t, cfg, m); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if !m.closed {
		t.Error("the model was not closed")
	}
	mqtttest.Eventually(t, "the device is offline", func() bool { return got.Last("edgevlm/gate/availability") == "offline" })
	events := got.Events(t, "edgevlm/gate/yard/event")
	if len(events) != 2 {
		t.Fatalf("%d events; %+v", len(events), events)
	}
	e := events[0]
	if e.Text != `4 frames, asked "What is happening?"` || e.Camera != "yard" || e.Device != "gate" || e.Model != "fake" ||
		e.Backend != "fake" || len(e.FrameSeqs) != 4 || !e.CapturedAt.Last.After(e.CapturedAt.First) {
		t.Errorf("event %+v", e)
	}
	if d := got.Last("edgevlm/gate/yard/description"); !strings.Contains(d, events[1].ID) {
		t.Errorf("description %s", d)
	}
	if i := got.Last("edgevlm/gate/info"); !strings.Contains(i, `"yard"`) || !strings.Contains(i, `"model":"fake"`) || strings.Contains(i, "files:") {
		t.Errorf("info %s", i)
	}
	var states []string
	for _, m := range got.Messages("edgevlm/gate/yard/availability") {
		states = append(states, string(m.Payload))
	}
	if s := strings.Join(states, " "); !strings.HasSuffix(s, "online offline") {
		t.Errorf("camera availability %s", s)
	}
}

func TestABrokerThatIsAwayAtTheStartGetsWhatWasDescribedMeanwhile(t *testing.T) {
	addr := mqtttest.FreeAddr(t)
	cfg := clipConfig(t, "mqtt://"+addr, 4)
	cfg.Cameras[0].Loop = true
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log logBuffer
	d, err := newDaemon(cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- d.run(ctx, openFake(&fakeModel{})) }()
	mqtttest.Eventually(t, "descriptions wait in the spool", func() bool { return d.spool.Len() >= 3 })

	b, err := broker.Start(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	got := mqtttest.Collect(t, b.URL(), "edgevlm/gate/yard/event", "edgevlm/gate/availability")
	mqtttest.Eventually(t, "the backlog arrives", func() bool {
		for _, e := range got.Events(t, "edgevlm/gate/yard/event") {
			if e.Seq > 3 {
				return true
			}
		}
		return false
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("%v\n%s", err, log.String())
	}
	mqtttest.Eventually(t, "a clean shutdown says offline", func() bool { return got.Last("edgevlm/gate/availability") == "offline" })
}

func TestWhatTheBrokerHasNotGotOutlivesTheDaemon(t *testing.T) {
	addr := mqtttest.FreeAddr(t)
	cfg := clipConfig(t, "mqtt://"+addr, 4)
	cfg.Spool.Dir = t.TempDir()
	if log, err := runDaemon(t.Context(), t, cfg, &fakeModel{}); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	b, err := broker.Start(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	got := mqtttest.Collect(t, b.URL(), "edgevlm/gate/yard/event")
	if log, err := runDaemon(t.Context(), t, cfg, &fakeModel{}); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	mqtttest.Eventually(t, "both lives' events arrive", func() bool { return len(got.Events(t, "edgevlm/gate/yard/event")) == 2 })
	if e := got.Events(t, "edgevlm/gate/yard/event"); e[0].Seq != 1 || e[1].Seq != 2 || e[0].ID == e[1].ID {
		t.Errorf("events %+v", e)
	}
}

func TestWithoutAnyCameraTheDaemonEndsAndSaysSo(t *testing.T) {
	cfg := clipConfig(t, "mqtt://"+mqtttest.FreeAddr(t), 1)
	cfg.Cameras[0].Source = "v4l2:/dev/video-none"
	log, err := runDaemon(t.Context(), t, cfg, &fakeModel{})
	if !errors.Is(err, capture.ErrNoDevice) || !strings.Contains(err.Error(), "camera yard") {
		t.Errorf("%v\n%s", err, log)
	}
	var b bytes.Buffer
	if code := report(&b, err); code != exitNoDevice {
		t.Errorf("exit code %d: %s", code, b.String())
	}
}

func TestAServiceWaitsForItsCamera(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	cfg := clipConfig(t, "mqtt://"+mqtttest.FreeAddr(t), 1)
	cfg.Cameras[0].Source = "v4l2:/dev/video-none"
	log, err := runDaemon(ctx, t, cfg, &fakeModel{})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(log, "camera failed") {
		t.Errorf("%v\n%s", err, log)
	}
}

func TestSystemdHearsWhenTheDaemonIsReadyAndWhenItStops(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "60000000")
	if log, err := runDaemon(t.Context(), t, clipConfig(t, "mqtt://"+mqtttest.FreeAddr(t), 4), &fakeModel{}); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	var got []string
	buf := make([]byte, 4096)
	for len(got) == 0 || !strings.Contains(got[len(got)-1], "STOPPING=1") {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(buf[:n]))
	}
	all := strings.Join(got, " ")
	for _, want := range []string{"STATUS=loading the model", "READY=1", "WATCHDOG=1"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s in %q", want, got)
		}
	}
}

func TestTheHottestZoneIsTheTemperature(t *testing.T) {
	dir := t.TempDir()
	for zone, text := range map[string]string{"thermal_zone0": "41000\n", "thermal_zone1": "55500\n", "thermal_zone2": "x"} {
		if err := os.MkdirAll(filepath.Join(dir, zone), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, zone, "temp"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if c := temperature(dir); c == nil || *c != 55.5 {
		t.Errorf("got %v", c)
	}
	if c := temperature(t.TempDir()); c != nil {
		t.Errorf("no zones: %v", *c)
	}
}
