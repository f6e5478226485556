package main

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/board"
	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
	"github.com/edgevlm/edgevlm/mqtt/broker"
	"github.com/edgevlm/edgevlm/mqtt/mqtttest"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
)

func TestThePrivacySwitchEndsDescriptionsAndThePaceSlowsThem(t *testing.T) {
	b, err := broker.Start(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	got := mqtttest.Collect(t, b.URL(), "edgevlm/#")
	cfg := clipConfig(t, b.URL(), 4)
	cfg.Cameras[0].Loop = true
	var log logBuffer
	d, err := newDaemon(cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.run(ctx, openFake(&fakeModel{})) }()
	const event, availability = "edgevlm/gate/yard/event", "edgevlm/gate/yard/availability"
	mqtttest.Eventually(t, "events", func() bool { return len(got.Events(t, event)) > 2 })

	d.setPrivate(true, "")
	mqtttest.Eventually(t, "the camera is disabled", func() bool { return got.Last(availability) == "disabled" })
	mqtttest.Eventually(t, "what was described before is delivered", func() bool { return d.spool.Len() == 0 })
	time.Sleep(100 * time.Millisecond)
	n := len(got.Events(t, event))
	time.Sleep(500 * time.Millisecond)
	if more := len(got.Events(t, event)) - n; more > 0 {
		t.Errorf("%d events while private", more)
	}
	d.setPrivate(false, "")
	mqtttest.Eventually(t, "the camera is online again", func() bool { return got.Last(availability) == "online" })
	mqtttest.Eventually(t, "events again", func() bool { return len(got.Events(t, event)) > n })

	d.setPace(board.Pace{Level: 1, Step: board.Step{FPS: 0.5, Pixels: 0.25, Threads: 1}, Reason: "a test"})
	d.mu.Lock()
	s := d.cams["yard"].settings()
	d.mu.Unlock()
	if s.FPS != 10 {
		t.Errorf("%v frames a second at half the pace of 20", s.FPS)
	}
	n = len(got.Events(t, event))
	mqtttest.Eventually(t, "events at the slower pace", func() bool { return len(got.Events(t, event)) > n })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v\n%s", err, log.String())
	}
}

// threadedModel has 4 threads and notes each limit.
type threadedModel struct {
	fakeModel
	limits chan int
}

func (m *threadedModel) Threads() int       { return 4 }
func (m *threadedModel) LimitThreads(n int) { m.limits <- n }

func TestHeatTakesThreadsFromTheModelAndGivesThemBack(t *testing.T) {
	b, err := broker.Start(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	cfg := clipConfig(t, b.URL(), 4)
	cfg.Cameras[0].Loop = true
	var log logBuffer
	d, err := newDaemon(cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	zone := filepath.Join(root, "sys/class/thermal/thermal_zone0")
	if err := os.MkdirAll(zone, 0o755); err != nil {
		t.Fatal(err)
	}
	heat := func(milli string) {
		if err := os.WriteFile(filepath.Join(zone, "temp"), []byte(milli), 0o644); err != nil {
			t.Error(err)
		}
	}
	heat("95000") // before the model is loaded
	c := board.Config{Power: board.Power{Every: 5 * time.Millisecond, Pace: board.PaceConfig{
		UpAfter: 20 * time.Millisecond, DownAfter: 20 * time.Millisecond,
		Steps: []board.Step{{FPS: 1, Pixels: 1, Threads: 1}, {FPS: 1, Pixels: 1, Threads: 0.5}, {FPS: 1, Pixels: 1, Threads: 0.1}},
	}}}
	if d.board, err = board.New(c, board.Hooks{Pace: d.setPace}, board.Options{Root: root}); err != nil {
		t.Fatal(err)
	}
	m := &threadedModel{limits: make(chan int, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	open := func(context.Context) (model, error) {
		time.Sleep(50 * time.Millisecond) // it gets hot meanwhile
		return m, nil
	}
	go func() { done <- d.run(ctx, d.paced(open)) }()
	next := func(want int) {
		t.Helper()
		select {
		case n := <-m.limits:
			if n != want {
				t.Errorf("limit %d, want %d", n, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no limit of %d threads\n%s", want, log.String())
		}
	}
	next(1)
	heat("76000") // between the bounds: nothing changes
	time.Sleep(100 * time.Millisecond)
	heat("60000")
	next(2)
	next(4)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v\n%s", err, log.String())
	}
	if len(m.limits) > 0 {
		t.Errorf("another limit: %d", <-m.limits)
	}
	if s := log.String(); !strings.Contains(s, "threads=1 before=4 of=4") || !strings.Contains(s, "threads=4 before=2 of=4") {
		t.Errorf("the log does not say it:\n%s", s)
	}
}

func TestTheRealEngineCanBePaced(t *testing.T) {
	var m model = pipeline.Engine{}
	if _, ok := m.(threaded); !ok {
		t.Error("its threads can't be limited")
	}
}

func TestWithASwitchNothingIsWatchedBeforeItIsRead(t *testing.T) {
	b, err := broker.Start(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	got := mqtttest.Collect(t, b.URL(), "edgevlm/#")
	cfg := clipConfig(t, b.URL(), 4)
	cfg.Cameras[0].Loop = true
	cfg.GPIO = config.GPIO{Privacy: config.GPIOPrivacy{Pin: "NO-SUCH-PIN"}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	log, err := runDaemon(ctx, t, cfg, &fakeModel{})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(log, "gpio.privacy") {
		t.Errorf("%v\n%s", err, log)
	}
	if n := len(got.Events(t, "edgevlm/gate/yard/event")); n > 0 {
		t.Errorf("%d events though the switch can't be read", n)
	}
}

func TestABadMaskIsAnErrorOfTheConfiguration(t *testing.T) {
	_, err := config.Parse("test", []byte(`
device: gate
cameras:
  - { name: yard, source: "files:x", masks: [[[0, 0], [2, 0], [1, 1]]], schedule: ["mon-fri 07:00-19:00"], motion: { enabled: true } }
`))
	if err == nil || !strings.Contains(err.Error(), "masks") || !strings.Contains(err.Error(), "line 4") {
		t.Error(err)
	}
}

// A picture that leaves the device went through the mask, as all do that the model sees.
func TestNoMaskedPixelIsInASnapshot(t *testing.T) {
	b, err := broker.Start(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	got := mqtttest.Collect(t, b.URL(), "edgevlm/gate/yard/snapshot")
	cfg := clipConfig(t, b.URL(), 4)
	c := &cfg.Cameras[0]
	c.Loop, c.Publish.Snapshot = true, true
	c.Masks = [][][]float64{{{0, 0}, {0.5, 0}, {0.5, 1}, {0, 1}}}
	d, err := newDaemon(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.run(ctx, openFake(&fakeModel{})) }()
	mqtttest.Eventually(t, "a picture", func() bool { return len(got.Last("edgevlm/gate/yard/snapshot")) > 0 })
	cancel()
	<-done
	for _, m := range got.Messages("edgevlm/gate/yard/snapshot") {
		if len(m.Payload) == 0 {
			continue
		}
		img, err := jpeg.Decode(bytes.NewReader(m.Payload))
		if err != nil {
			t.Fatal(err)
		}
		w, h := img.Bounds().Dx(), img.Bounds().Dy()
		brightest := func(x0, x1 int) (most uint32) {
			for y := range h {
				for x := x0; x < x1; x++ {
					r, g, b, _ := img.At(x, y).RGBA()
					most = max(most, r>>8, g>>8, b>>8)
				}
			}
			return most
		}
		// Half of the width is masked; JPEG smears the edge by the 16 pixels of a block at most.
		if left, right := brightest(0, max(1, w/2-16)), brightest(w/2, w); left > 8 || right < 40 {
			t.Errorf("%dx%d: brightest under the mask %d, beside it %d", w, h, left, right)
		}
	}
}
