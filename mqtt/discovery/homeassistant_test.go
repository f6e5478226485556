package discovery_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/commands"
	"github.com/edgevlm/edgevlm/mqtt/discovery"
	"github.com/edgevlm/edgevlm/mqtt/mqtttest"
)

// hass is a Home Assistant.
type hass struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startHass(t *testing.T, python, dir, brokerAddr string) *hass {
	t.Helper()
	_, port, _ := net.SplitHostPort(brokerAddr)
	_, httpPort, _ := net.SplitHostPort(mqtttest.FreeAddr(t))
	cmd := exec.Command(python, filepath.Join("testdata", "hass.py"), dir, port, httpPort)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &hass{t, cmd, in, bufio.NewReaderSize(out, 1<<20)}
	t.Cleanup(h.stop)
	h.read(&struct{}{})
	return h
}

func (h *hass) stop() {
	h.in.Close()
	done := make(chan struct{})
	go func() { h.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		h.cmd.Process.Kill()
		<-done
	}
}

// read takes the next answer; Home Assistant may print other lines between.
func (h *hass) read(v any) {
	h.t.Helper()
	for {
		line, err := h.out.ReadString('\n')
		if err != nil {
			h.t.Fatalf("Home Assistant has ended: %v", err)
		}
		if strings.HasPrefix(line, "{") {
			if err := json.Unmarshal([]byte(line), v); err != nil {
				h.t.Fatal(err)
			}
			return
		}
	}
}

type entity struct {
	ID         string
	State      string         `json:"state"`
	Attributes map[string]any `json:"attributes"`
	UniqueID   string         `json:"unique_id"`
}

// states are all entities, by id.
func (h *hass) states() map[string]entity {
	h.t.Helper()
	json.NewEncoder(h.in).Encode(map[string]string{"do": "states"})
	var all map[string]entity
	h.read(&all)
	return all
}

// entities are the device's, by unique id without the device's name.
func (h *hass) entities() map[string]entity {
	h.t.Helper()
	out := map[string]entity{}
	for id, e := range h.states() {
		if name, ok := strings.CutPrefix(e.UniqueID, "edgevlm_gate_"); ok {
			e.ID = id
			out[name] = e
		}
	}
	return out
}

func (h *hass) call(domain, service string, data map[string]any) {
	h.t.Helper()
	json.NewEncoder(h.in).Encode(map[string]any{"do": "call", "domain": domain, "service": service, "data": data})
	h.read(&struct{}{})
}

func (h *hass) waitFor(what, unique string, ok func(entity) bool) entity {
	h.t.Helper()
	var last entity
	mqtttest.Eventually(h.t, what, func() bool {
		time.Sleep(50 * time.Millisecond)
		last = h.entities()[unique]
		return ok(last)
	})
	return last
}

// board is the device's side: a publisher with commands, discovery and a model that always says the same.
type board struct {
	pub  *mqtt.Publisher
	stop func()
}

func startBoard(t *testing.T, url string, o discovery.Options) *board {
	t.Helper()
	tp := topics(t)
	p, err := mqtt.NewPublisher(mqtt.Config{URL: url, ReconnectMin: time.Millisecond}, tp, mqtt.NewMemorySpool(1<<20), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := discovery.Announce(p, tp, o); err != nil {
		t.Fatal(err)
	}
	b := &board{pub: p}
	s, err := commands.New(commands.Config{Cameras: []string{"front_yard"}, Burst: 100}, tp, p, b)
	if err != nil {
		t.Fatal(err)
	}
	p.SetInfo(mqtt.Info{Version: "1.2.3", Model: "demo"})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() { p.Run(ctx); done <- struct{}{} }()
	go func() { s.Run(ctx); done <- struct{}{} }()
	stopped := false
	b.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			<-done
			<-done
		}
	}
	t.Cleanup(b.stop)
	return b
}

func (b *board) say(text, person string) {
	at := time.Now()
	b.pub.Event(mqtt.Event{Camera: "front_yard", Text: text, CapturedAt: mqtt.CapturedAt{First: at, Last: at}, Model: "demo",
		Answers: []mqtt.Answer{{Name: "person", Kind: "yes_no", Value: person, Probability: 0.93},
			{Name: "weather", Kind: "choice", Value: "rain", Probability: 0.6}, {Name: "cars", Kind: "number", Value: "3"}}})
}

func (b *board) Describe(context.Context, commands.Request) (any, error) {
	b.say("The button was pressed.", "no")
	return nil, nil
}
func (b *board) Ask(context.Context, commands.Request) (any, error)      { return nil, nil }
func (b *board) Snapshot(context.Context, commands.Request) (any, error) { return nil, nil }
func (b *board) Health(context.Context) (any, error)                     { return nil, nil }
func (b *board) Apply(camera string, s commands.Settings) (commands.State, error) {
	st := commands.State{Enabled: true, FPS: 1, Prompt: "What is happening?"}
	if s.FPS != nil {
		st.FPS = *s.FPS
	}
	if s.Prompt != nil {
		st.Prompt = *s.Prompt
	}
	if s.Enabled != nil {
		st.Enabled = *s.Enabled
	}
	if st.Enabled {
		b.pub.SetCamera(camera, mqtt.Online)
	} else {
		b.pub.SetCamera(camera, mqtt.Disabled)
	}
	return st, nil
}

// TestHomeAssistant runs a real one: mqtt/discovery/homeassistant.sh installs it and runs this.
func TestHomeAssistant(t *testing.T) {
	python := os.Getenv("EDGEVLM_HA_PYTHON")
	if python == "" {
		t.Skip("EDGEVLM_HA_PYTHON names no Python with Home Assistant: run mqtt/discovery/homeassistant.sh")
	}
	m := mqtttest.NewMosquitto(t, "persistence true").Start()
	o := options()
	b := startBoard(t, m.URL(), o)
	dir := t.TempDir()
	h := startHass(t, python, dir, m.Addr)

	long := strings.Repeat("A person walks to the door. ", 20)
	b.say(long, "yes")
	d := h.waitFor("the description is a state", "front_yard_description", func(e entity) bool { return strings.HasPrefix(e.State, "A person") })
	if len(d.State) > 255 || d.Attributes["text"] != strings.TrimSpace(long) && d.Attributes["text"] != long {
		t.Errorf("state of %d characters, attributes %v", len(d.State), d.Attributes)
	}
	// The blueprint's automation: from no to yes, it hears what is seen.
	b.say("Nobody is there.", "no")
	h.waitFor("the yes/no question is off", "front_yard_q_person", func(e entity) bool { return e.State == "off" })
	b.say("Somebody is back.", "yes")
	mqtttest.Eventually(t, "the blueprint's automation has run", func() bool {
		time.Sleep(50 * time.Millisecond)
		return h.states()["input_text.heard"].State == "Somebody is back."
	})
	person := h.waitFor("the yes/no question is on", "front_yard_q_person", func(e entity) bool { return e.State == "on" })
	if p, _ := person.Attributes["probability"].(float64); p != 0.93 || !strings.HasPrefix(person.ID, "binary_sensor.") {
		t.Errorf("%+v", person)
	}
	h.waitFor("the choice is a state", "front_yard_q_weather", func(e entity) bool { return e.State == "rain" })
	h.waitFor("the number is a state", "front_yard_q_cars", func(e entity) bool { return e.State == "3" })
	h.waitFor("the model is a state", "model", func(e entity) bool { return e.State == "demo" })
	temperature := 51.5
	b.pub.SendStats(mqtt.Stats{At: time.Now(), TemperatureC: &temperature, Cameras: map[string]mqtt.CameraStats{"front_yard": {FPS: 0.9}}})
	h.waitFor("the temperature is a state", "temperature", func(e entity) bool { return e.State == "51.5" })
	h.waitFor("the frame rate is a state", "front_yard_fps", func(e entity) bool { return e.State == "0.9" })
	h.waitFor("the spool is a state", "spool", func(e entity) bool { return e.State == "0" })

	h.call("button", "press", map[string]any{"entity_id": h.entities()["front_yard_describe"].ID})
	h.waitFor("the button makes a description", "front_yard_description", func(e entity) bool { return e.State == "The button was pressed." })

	h.call("number", "set_value", map[string]any{"entity_id": h.entities()["front_yard_set_fps"].ID, "value": 0.5})
	h.waitFor("the frame rate is set", "front_yard_set_fps", func(e entity) bool { return e.State == "0.5" })
	h.call("text", "set_value", map[string]any{"entity_id": h.entities()["front_yard_set_prompt"].ID, "value": "Is the gate open?"})
	h.waitFor("the prompt is set", "front_yard_set_prompt", func(e entity) bool { return e.State == "Is the gate open?" })

	enabled := h.entities()["front_yard_set_enabled"].ID
	h.call("switch", "turn_off", map[string]any{"entity_id": enabled})
	h.waitFor("a disabled camera is unavailable", "front_yard_description", func(e entity) bool { return e.State == "unavailable" })
	h.waitFor("its switch is off and available", "front_yard_set_enabled", func(e entity) bool { return e.State == "off" })
	h.call("switch", "turn_on", map[string]any{"entity_id": enabled})
	h.waitFor("it is back", "front_yard_description", func(e entity) bool { return e.State == "The button was pressed." })

	// A restart of Home Assistant: everything is there again.
	h.stop()
	h = startHass(t, python, dir, m.Addr)
	h.waitFor("the description after a restart", "front_yard_description", func(e entity) bool { return e.State == "The button was pressed." })

	// The device ends: everything of it is unavailable.
	b.stop()
	h.waitFor("without the device", "front_yard_set_enabled", func(e entity) bool { return e.State == "unavailable" })

	// It comes back without a question and the image: they are gone.
	o.Cameras[0].Questions = o.Cameras[0].Questions[:2]
	o.Cameras[0].Snapshot = false
	startBoard(t, m.URL(), o)
	h.waitFor("the removed question is gone", "front_yard_q_cars", func(e entity) bool { return e.ID == "" })
	h.waitFor("the removed image is gone", "front_yard_snapshot", func(e entity) bool { return e.ID == "" })
	h.waitFor("the others are there", "front_yard_set_enabled", func(e entity) bool { return e.State == "on" })
	t.Logf("%d entities", len(h.entities()))
}
