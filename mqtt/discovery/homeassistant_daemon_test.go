package discovery_test

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/edgevlm/edgevlm/mqtt/mqtttest"
)

// realDaemon is `edgevlm run`, built from this tree.
type realDaemon struct {
	t      *testing.T
	binary string
	dir    string
	cmd    *exec.Cmd
}

func newRealDaemon(t *testing.T) *realDaemon {
	t.Helper()
	d := &realDaemon{t: t, dir: t.TempDir()}
	d.binary = filepath.Join(d.dir, "edgevlm")
	if out, err := exec.Command("go", "build", "-o", d.binary, "../../cmd/edgevlm").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Mkdir(filepath.Join(d.dir, "clip"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		m := image.NewRGBA(image.Rect(0, 0, 112, 112))
		for k := range 112 * 112 {
			m.Set(k%112, k/112, color.RGBA{uint8(40 * i), uint8(k % 112), 90, 255})
		}
		f, err := os.Create(filepath.Join(d.dir, "clip", fmt.Sprint(i, ".png")))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, m); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	t.Cleanup(d.stop)
	return d
}

// start runs it; questions are lines of the camera's list.
func (d *realDaemon) start(url, questions string, snapshot bool) {
	d.t.Helper()
	config := fmt.Sprintf(`device: gate
cameras:
  - name: front_yard
    source: files:clip
    loop: true
    fps: 10
    window: 400ms
    questions:
%s
    publish: { every: 2s, snapshot: %v }
mqtt: { url: %s, commands: { rate: 100, burst: 100 } }
spool: { dir: spool }
http: { listen: "" }
`, questions, snapshot, url)
	file := filepath.Join(d.dir, "edgevlm.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		d.t.Fatal(err)
	}
	d.cmd = exec.Command(d.binary, "run", "--config", file)
	d.cmd.Stderr = os.Stderr
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *realDaemon) stop() {
	if d.cmd != nil {
		d.cmd.Process.Signal(os.Interrupt)
		d.cmd.Wait()
		d.cmd = nil
	}
}

// TestHomeAssistantWithTheDaemon is `edgevlm run` with the embedded model, mosquitto and Home Assistant.
func TestHomeAssistantWithTheDaemon(t *testing.T) {
	python := os.Getenv("EDGEVLM_HA_PYTHON")
	if python == "" {
		t.Skip("EDGEVLM_HA_PYTHON names no Python with Home Assistant: run mqtt/discovery/homeassistant.sh")
	}
	m := mqtttest.NewMosquitto(t, "persistence true").Start()
	d := newRealDaemon(t)
	const person = "      - { name: person, text: Is there a person?, kind: yes_no }\n"
	const more = "      - { name: door, text: \"Is the door open or closed?\", kind: choice, choices: [open, closed] }\n" +
		"      - { name: cars, text: How many cars are there?, kind: number, unit: cars }"
	d.start(m.URL(), person+more, true)
	dir := t.TempDir()
	h := startHass(t, python, dir, m.Addr)

	text := h.waitFor("the description is a state", "front_yard_description", func(e entity) bool {
		return e.State != "" && e.State != "unknown" && e.State != "unavailable"
	})
	if len(text.State) > 255 || text.Attributes["event_id"] == nil || text.Attributes["model"] == nil {
		t.Errorf("description %+v", text)
	}
	yes := h.waitFor("the yes/no question has a state", "front_yard_q_person", func(e entity) bool { return e.State == "on" || e.State == "off" })
	if p, _ := yes.Attributes["probability"].(float64); !(p >= 0.5 && p <= 1) {
		t.Errorf("person %+v: the likelier of two answers has at least half of the probability", yes)
	}
	h.waitFor("the choice has a state", "front_yard_q_door", func(e entity) bool { return e.State == "open" || e.State == "closed" })
	h.waitFor("the number has a state", "front_yard_q_cars", func(e entity) bool { return e.State != "" && strings.Trim(e.State, "0123456789.-") == "" })
	h.waitFor("the model is a state", "model", func(e entity) bool { return strings.Contains(e.State, "edgevlm") })
	h.waitFor("the spool is a state", "spool", func(e entity) bool { return e.State != "" && strings.Trim(e.State, "0123456789.") == "" })
	h.waitFor("the frame rate is a state", "front_yard_fps", func(e entity) bool { return e.State != "" && e.State != "unknown" && e.State != "unavailable" })
	h.waitFor("the picture is there", "front_yard_snapshot", func(e entity) bool { return e.State != "" && e.State != "unknown" && e.State != "unavailable" })

	h.call("text", "set_value", map[string]any{"entity_id": h.entities()["front_yard_set_prompt"].ID, "value": "Is the gate open?"})
	h.waitFor("the prompt is set", "front_yard_set_prompt", func(e entity) bool { return e.State == "Is the gate open?" })
	h.call("number", "set_value", map[string]any{"entity_id": h.entities()["front_yard_set_fps"].ID, "value": 5})
	h.waitFor("the frame rate is set", "front_yard_set_fps", func(e entity) bool { return e.State == "5.0" || e.State == "5" })
	h.call("select", "select_option", map[string]any{"entity_id": h.entities()["front_yard_set_mode"].ID, "option": "questions"})
	h.waitFor("the mode is set", "front_yard_set_mode", func(e entity) bool { return e.State == "questions" })
	h.call("select", "select_option", map[string]any{"entity_id": h.entities()["front_yard_set_mode"].ID, "option": "describe"})
	h.waitFor("the mode is set back", "front_yard_set_mode", func(e entity) bool { return e.State == "describe" })

	// Newer descriptions come by themselves; the button makes one more, and its answer says so.
	answers := mqtttest.Collect(t, m.URL(), "edgevlm/gate/response/describe")
	h.call("button", "press", map[string]any{"entity_id": h.entities()["front_yard_describe"].ID})
	mqtttest.Eventually(t, "the button is answered", func() bool {
		return strings.Contains(answers.Last("edgevlm/gate/response/describe"), `"status":"ok"`)
	})
	seq := func(e entity) float64 { n, _ := e.Attributes["seq"].(float64); return n }
	before := seq(h.entities()["front_yard_description"])
	h.waitFor("descriptions go on", "front_yard_description", func(e entity) bool { return seq(e) > before })

	enabled := h.entities()["front_yard_set_enabled"].ID
	h.call("switch", "turn_off", map[string]any{"entity_id": enabled})
	h.waitFor("a disabled camera is unavailable", "front_yard_description", func(e entity) bool { return e.State == "unavailable" })
	h.waitFor("its switch is off and available", "front_yard_set_enabled", func(e entity) bool { return e.State == "off" })
	h.call("switch", "turn_on", map[string]any{"entity_id": enabled})
	h.waitFor("it is back", "front_yard_description", func(e entity) bool { return e.State != "unavailable" && e.State != "" })

	// The prompt survives a restart of the daemon, all is there after one of Home Assistant.
	d.stop()
	h.waitFor("without the daemon", "front_yard_set_enabled", func(e entity) bool { return e.State == "unavailable" })
	h.stop()
	d.start(m.URL(), person, false)
	h = startHass(t, python, dir, m.Addr)
	h.waitFor("the prompt is still set", "front_yard_set_prompt", func(e entity) bool { return e.State == "Is the gate open?" })
	for _, gone := range []string{"front_yard_q_door", "front_yard_q_cars", "front_yard_snapshot"} {
		h.waitFor(gone+" is gone", gone, func(e entity) bool { return e.ID == "" })
	}
	h.waitFor("the other question is there", "front_yard_q_person", func(e entity) bool { return e.State == "on" || e.State == "off" })
	var names []string
	for name := range h.entities() {
		names = append(names, name)
	}
	slices.Sort(names)
	t.Logf("%d entities: %s", len(names), strings.Join(names, " "))
}
