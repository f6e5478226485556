package discovery_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/broker"
	"github.com/edgevlm/edgevlm/mqtt/discovery"
	"github.com/edgevlm/edgevlm/mqtt/mqtttest"
)

const deviceTopic = "homeassistant/device/edgevlm_gate/config"

func options() discovery.Options {
	return discovery.Options{Version: "1.2.3", Model: "demo", ExpireDescription: 600, ExpireStats: 120, Temperature: true,
		Cameras: []discovery.Camera{{Name: "front_yard", Snapshot: true, Conditions: []string{"visitor"}, Questions: []discovery.Question{
			{Name: "person", Kind: "yes_no"}, {Name: "weather", Kind: "choice", Choices: []string{"sun", "rain"}},
			{Name: "cars", Kind: "number", Unit: "cars"}}}}}
}

func topics(t *testing.T) mqtt.Topics {
	t.Helper()
	tp, err := mqtt.NewTopics("gate")
	if err != nil {
		t.Fatal(err)
	}
	return tp
}

func decode(t *testing.T, b []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDeviceMessageHasEveryEntity(t *testing.T) {
	messages, err := discovery.Messages(topics(t), options())
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d messages, %v", len(messages), err)
	}
	m := decode(t, messages[deviceTopic])
	components := m["components"].(map[string]any)
	want := map[string]string{
		"front_yard_description": "sensor", "front_yard_q_person": "binary_sensor", "front_yard_q_weather": "sensor",
		"front_yard_q_cars": "sensor", "front_yard_c_visitor": "binary_sensor", "front_yard_snapshot": "image", "front_yard_describe": "button", "front_yard_set_fps": "number",
		"front_yard_set_enabled": "switch", "front_yard_set_prompt": "text", "model": "sensor", "spool": "sensor",
		"temperature": "sensor", "front_yard_fps": "sensor",
	}
	got := map[string]string{}
	ids := map[string]bool{}
	for id, c := range components {
		c := c.(map[string]any)
		got[id] = c["platform"].(string)
		ids[c["unique_id"].(string)] = true
		if c["availability_mode"] != "all" || c["name"] == "" {
			t.Errorf("%s: %v", id, c)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("entities (-want +got):\n%s", d)
	}
	if len(ids) != len(want) {
		t.Errorf("unique ids %v", ids)
	}
	device := m["device"].(map[string]any)
	if device["name"] != "Gate" || device["sw_version"] != "1.2.3" || m["origin"].(map[string]any)["name"] != "edgevlm" {
		t.Errorf("device %v", device)
	}
}

func TestEntitiesAreAsHomeAssistantWantsThem(t *testing.T) {
	messages, _ := discovery.Messages(topics(t), options())
	components := decode(t, messages[deviceTopic])["components"].(map[string]any)
	for _, c := range []struct{ id, key, want string }{
		{"front_yard_description", "state_topic", `"edgevlm/gate/front_yard/description"`},
		{"front_yard_description", "value_template", `"{{ value_json.state }}"`},
		{"front_yard_description", "expire_after", `600`},
		{"front_yard_q_person", "payload_on", `"yes"`},
		{"front_yard_q_weather", "options", `["sun","rain"]`},
		{"front_yard_q_weather", "device_class", `"enum"`},
		{"front_yard_q_cars", "unit_of_measurement", `"cars"`},
		{"front_yard_describe", "command_topic", `"edgevlm/gate/request/describe"`},
		{"front_yard_describe", "payload_press", `"{\"camera\":\"front_yard\",\"transaction\":\"home-assistant\"}"`},
		{"front_yard_set_fps", "max", `2`},
		{"front_yard_set_prompt", "max", `255`},
		{"front_yard_snapshot", "image_topic", `"edgevlm/gate/front_yard/snapshot"`},
		{"spool", "entity_category", `"diagnostic"`},
		{"temperature", "device_class", `"temperature"`},
	} {
		got, _ := json.Marshal(components[c.id].(map[string]any)[c.key])
		if string(got) != c.want {
			t.Errorf("%s: %s is %s, want %s", c.id, c.key, got, c.want)
		}
	}
	// A disabled camera is unavailable; the switch that enables it is not.
	all, _ := json.Marshal(components["front_yard_description"].(map[string]any)["availability"])
	own, _ := json.Marshal(components["front_yard_set_enabled"].(map[string]any)["availability"])
	if !strings.Contains(string(all), "front_yard/availability") || strings.Contains(string(own), "front_yard") {
		t.Errorf("availability %s and of the switch %s", all, own)
	}
}

func TestSingleComponentForm(t *testing.T) {
	o := options()
	o.Single = true
	messages, err := discovery.Messages(topics(t), o)
	if err != nil {
		t.Fatal(err)
	}
	b := messages["homeassistant/binary_sensor/edgevlm_gate/front_yard_q_person/config"]
	m := decode(t, b)
	if len(messages) != 14 || m["unique_id"] != "edgevlm_gate_front_yard_q_person" || m["device"] == nil || m["platform"] != nil {
		t.Errorf("%d messages, %s", len(messages), b)
	}
}

func TestNamesAreChecked(t *testing.T) {
	for _, edit := range []func(*discovery.Options){
		func(o *discovery.Options) { o.Prefix = "home/+" },
		func(o *discovery.Options) { o.Cameras[0].Name = "'}}{{" },
		func(o *discovery.Options) { o.Cameras = append(o.Cameras, o.Cameras[0]) },
		func(o *discovery.Options) { o.Cameras[0].Questions[0].Name = "a/b" },
		func(o *discovery.Options) { o.Cameras[0].Questions[0].Kind = "maybe" },
		func(o *discovery.Options) { o.Cameras[0].Questions[1].Choices = nil },
		func(o *discovery.Options) { o.Cameras[0].Questions[1].Name = "person" },
	} {
		o := options()
		edit(&o)
		if m, err := discovery.Messages(topics(t), o); err == nil {
			t.Errorf("accepted: %v", m)
		}
	}
}

// run publishes o to url until stop.
func run(t *testing.T, url string, o discovery.Options) (a *discovery.Announcer, stop func()) {
	t.Helper()
	p, err := mqtt.NewPublisher(mqtt.Config{URL: url, ReconnectMin: time.Millisecond}, topics(t), mqtt.NewMemorySpool(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	if a, err = discovery.Announce(p, topics(t), o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return a, stop
}

// stubs are the ids of components in m that are only a platform: removals.
func stubs(m mqtt.Message) (out []string) {
	var d struct {
		Components map[string]map[string]any `json:"components"`
	}
	json.Unmarshal(m.Payload, &d)
	for id, c := range d.Components {
		if len(c) == 1 {
			out = append(out, id)
		}
	}
	return out
}

func TestRemovedEntitiesAreDeletedAcrossRestartsAndUpdates(t *testing.T) {
	b, err := broker.Start(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ha := mqtttest.Collect(t, b.URL(), "homeassistant/#")
	_, stop := run(t, b.URL(), options())
	mqtttest.Eventually(t, "the device is announced", func() bool { return len(ha.Messages(deviceTopic)) > 0 })
	stop()

	fewer := options()
	fewer.Cameras[0].Questions = fewer.Cameras[0].Questions[:2]
	a, _ := run(t, b.URL(), fewer)
	removed := func(id string) func() bool {
		return func() bool {
			for _, m := range ha.Messages(deviceTopic) {
				for _, s := range stubs(m) {
					if s == id {
						return true
					}
				}
			}
			return false
		}
	}
	mqtttest.Eventually(t, "the question of the earlier run is removed", removed("front_yard_q_cars"))

	fewer.Cameras[0].Questions = fewer.Cameras[0].Questions[:1]
	if err := a.Update(fewer); err != nil {
		t.Fatal(err)
	}
	mqtttest.Eventually(t, "the question of the update is removed", removed("front_yard_q_weather"))
	want, _ := discovery.Messages(topics(t), fewer)
	mqtttest.Eventually(t, "the broker keeps the clean message", func() bool {
		late := mqtttest.Collect(t, b.URL(), deviceTopic)
		mqtttest.Eventually(t, "it is retained", func() bool { return late.Last(deviceTopic) != "" })
		return late.Last(deviceTopic) == string(want[deviceTopic])
	})
}

// birth says that Home Assistant has started.
func birth(t *testing.T, url string) {
	t.Helper()
	other, err := mqtt.NewTopics("other")
	if err != nil {
		t.Fatal(err)
	}
	p, err := mqtt.NewPublisher(mqtt.Config{URL: url}, other, mqtt.NewMemorySpool(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	mqtttest.Eventually(t, "home assistant is connected", func() bool { return p.Status().Connected })
	p.Send("homeassistant/status", []byte("online"))
}

func TestAHomeAssistantThatWasAwayRemovesEntitiesWhenItStarts(t *testing.T) {
	b, err := broker.Start(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	_, stop := run(t, b.URL(), options())
	first := mqtttest.Collect(t, b.URL(), deviceTopic)
	mqtttest.Eventually(t, "the device is announced", func() bool { return first.Last(deviceTopic) != "" })
	old := first.Last(deviceTopic)
	stop()
	fewer := options()
	fewer.Cameras[0].Questions = fewer.Cameras[0].Questions[:1]
	run(t, b.URL(), fewer)
	want, _ := discovery.Messages(topics(t), fewer)
	mqtttest.Eventually(t, "the new device is announced", func() bool { return first.Last(deviceTopic) == string(want[deviceTopic]) })

	ha := mqtttest.Collect(t, b.URL(), deviceTopic)
	birth(t, b.URL())
	mqtttest.Eventually(t, "it hears of the old entities, their removal and the present ones", func() bool {
		var live []mqtt.Message
		for _, m := range ha.Messages() {
			if !m.Retained {
				live = append(live, m)
			}
		}
		return len(live) >= 3 && string(live[0].Payload) == old && len(stubs(live[1])) > 0 && string(live[2].Payload) == string(want[deviceTopic])
	})
}

func TestEverythingIsPublishedAgainWhenHomeAssistantStarts(t *testing.T) {
	b, err := broker.Start(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ha := mqtttest.Collect(t, b.URL(), deviceTopic)
	// A broker may answer a subscription and, before it has looked for retained messages, take the announcement: then it
	// brings it twice, once as retained. Only what was published while we listened counts.
	live := func() (n int) {
		for _, m := range ha.Messages() {
			if !m.Retained {
				n++
			}
		}
		return n
	}
	run(t, b.URL(), options())
	mqtttest.Eventually(t, "the device is announced", func() bool { return live() == 1 })
	birth(t, b.URL())
	mqtttest.Eventually(t, "it is announced again", func() bool { return live() == 2 })
}
