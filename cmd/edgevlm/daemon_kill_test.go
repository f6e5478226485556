package main

import (
	"bufio"
	"context"
	"fmt"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/mqtttest"
)

var described = regexp.MustCompile(`msg=description camera=yard seq=(\d+) `)

// TestEventsOutliveKillsOfTheRealDaemon kills `edgevlm run`, with the embedded model and mosquitto: 200 times with
// EDGEVLM_FAULTS=full. What the daemon has said to be described must arrive.
func TestEventsOutliveKillsOfTheRealDaemon(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes")
	}
	binary, err := exec.LookPath("edgevlm")
	if err != nil {
		t.Skip(err) // the test binary itself, which testscript puts into PATH
	}
	m := mqtttest.NewMosquitto(t, "max_queued_messages 0").Start()
	sub := mqtttest.Subscribe(t, m, "edgevlm/gate/yard/event")
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "clip"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if err := os.WriteFile(filepath.Join(dir, "clip", fmt.Sprint(i, ".png")), picture(png.Encode, 112, 84), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "edgevlm.yaml")
	text := fmt.Sprintf("device: gate\ncameras:\n  - { name: yard, source: files:clip, loop: true, fps: 30, window: 100ms, publish: { every: 0s, changes: false } }\n"+
		"mqtt: { url: %s }\nspool: { dir: spool }\nhttp: { listen: \"\" }\n", m.URL())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	kills := 2
	if os.Getenv("EDGEVLM_FAULTS") == "full" {
		kills = 200
	}
	appended := map[uint64]bool{}
	for range kills {
		killOnce(t, binary, file, appended)
	}
	drainSpool(t, filepath.Join(dir, "spool"), m.URL())
	last := uint64(0)
	for seq := range appended {
		last = max(last, seq)
	}
	mqtttest.Eventually(t, "the last event arrives", func() bool {
		events := sub.Events(t)
		return len(events) > 0 && events[len(events)-1].Seq >= last
	})
	ids, repeats, newest := map[uint64]string{}, 0, mqtt.Event{}
	for _, e := range sub.Events(t) {
		switch id, again := ids[e.Seq]; {
		case again && id != e.ID:
			t.Fatalf("seq %d came with two ids", e.Seq)
		case again:
			repeats++
			continue
		case e.Seq <= newest.Seq || e.ID <= newest.ID:
			t.Fatalf("seq %d, id %s came for the first time after seq %d, id %s", e.Seq, e.ID, newest.Seq, newest.ID)
		}
		ids[e.Seq], newest = e.ID, e
	}
	for seq := range appended {
		if ids[seq] == "" {
			t.Errorf("event %d was described and is lost", seq)
		}
	}
	t.Logf("%d kill -9 of edgevlm run: %d events said, %d arrived, in order, %d twice", kills, len(appended), len(ids), repeats)
}

// killOnce runs the daemon until some time after its first description.
func killOnce(t *testing.T, binary, config string, appended map[uint64]bool) {
	t.Helper()
	cmd := exec.Command(binary, "run", "--config", config)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer kill.Stop()
	first := true
	for lines := bufio.NewScanner(out); lines.Scan(); {
		found := described.FindStringSubmatch(lines.Text())
		if found == nil {
			continue
		}
		seq, err := strconv.ParseUint(found[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		appended[seq] = true
		if first {
			first = false
			kill.Reset(time.Duration(rand.IntN(400)) * time.Millisecond)
		}
	}
	_ = cmd.Wait() // killed
	if first {
		t.Fatal("the daemon described nothing")
	}
}

// drainSpool publishes what is left.
func drainSpool(t *testing.T, dir, url string) {
	t.Helper()
	s, err := mqtt.OpenSpool(mqtt.SpoolConfig{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	topics, err := mqtt.NewTopics("gate")
	if err != nil {
		t.Fatal(err)
	}
	p, err := mqtt.NewPublisher(mqtt.Config{URL: url}, topics, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Run(ctx) }()
	mqtttest.Eventually(t, "the spool is delivered", func() bool { return s.Len() == 0 })
	cancel()
	<-done
}
