package examples

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/broker"
	"github.com/edgevlm/edgevlm/mqtt/mqtttest"
)

// TestExamplesReadEvents runs each example against a broker. Those in Python and Node need their packages, which check.sh
// installs.
func TestExamplesReadEvents(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "reader") // go run would not pass on the interrupt
	if out, err := exec.Command("go", "build", "-o", binary, "./go").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	commands := map[string][]string{"go": {binary}}
	if python := os.Getenv("EDGEVLM_EXAMPLES_PYTHON"); python != "" {
		commands["python"] = []string{python, "python/read.py"}
	}
	if node := os.Getenv("EDGEVLM_EXAMPLES_NODE"); node != "" {
		commands["node"] = []string{node, "node/read.js"}
	}
	b, err := broker.Start(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	topics, _ := mqtt.NewTopics("gate")
	spool := mqtt.NewMemorySpool(1 << 20)
	p, err := mqtt.NewPublisher(mqtt.Config{URL: b.URL()}, topics, spool, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	defer func() { cancel(); <-done }()
	mqtttest.Eventually(t, "it is connected", func() bool { return p.Status().Connected })

	at := time.Date(2026, 11, 24, 17, 0, 1, 500e6, time.UTC)
	for name, argv := range commands {
		t.Run(name, func(t *testing.T) {
			if name == "python" {
				argv = append(argv, "127.0.0.1", b.Addr()[len("127.0.0.1:"):])
			} else {
				argv = append(argv, b.URL())
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
			cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := make(chan string)
			go func() {
				defer close(lines)
				for s := bufio.NewScanner(out); s.Scan(); {
					lines <- s.Text()
				}
			}()
			// The example subscribes when it is up; until then events pass it by.
			tick := time.NewTicker(200 * time.Millisecond)
			defer tick.Stop()
			want := map[string]mqtt.Event{
				"17:00:01 gate/yard: A cat sleeps.": {Text: "A cat sleeps."},
				"17:00:01 gate/yard: visitor start": {Condition: &mqtt.Condition{Name: "visitor", State: mqtt.ConditionStart}},
			}
			for seen := map[string]bool{}; len(seen) < len(want); {
				select {
				case <-tick.C:
					for _, e := range want {
						e.Camera, e.CapturedAt = "yard", mqtt.CapturedAt{First: at, Last: at}
						if _, err := p.Event(e); err != nil {
							t.Fatal(err)
						}
					}
				case line, ok := <-lines:
					if _, known := want[line]; !known || !ok {
						t.Fatalf("it prints %q (%v)", line, ok)
					}
					seen[line] = true
				}
			}
			cancel()
			for range lines {
			}
			cmd.Wait()
		})
	}
}
