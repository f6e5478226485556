// Package discovery announces a device to Home Assistant over MQTT discovery: in the device-based form (Home Assistant
// 2024.11 and later) or, as an option, one message an entity for older versions.
package discovery

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/edgevlm/edgevlm/mqtt"
)

// Options say what is announced.
type Options struct {
	Prefix  string // Home Assistant's discovery prefix; homeassistant unless set
	Single  bool   // one message an entity, for Home Assistant before 2024.11
	Version string // of edgevlm
	Model   string
	Cameras []Camera
	// Seconds after which a value that is not renewed shows as unavailable; 0: never. Descriptions of a still scene are
	// renewed by the heartbeat, so give more than its interval.
	ExpireDescription int
	ExpireStats       int
	Temperature       bool // the board has a sensor
}

// Camera is one camera with its questions.
type Camera struct {
	Name      string
	Questions []Question
	// Conditions are names; each is a binary sensor.
	Conditions []string
	Snapshot   bool // announces an image; pictures leave the device only if this is asked for
	Modes      bool // announces a select of what is asked: descriptions and questions, or questions only
	// Bounds of the fps number; 0.1 and 2 unless set.
	MinFPS, MaxFPS float64
}

// Question is one configured question.
type Question struct {
	Name    string
	Kind    string   // yes_no, choice, number
	Choices []string // of choice
	Unit    string   // of number, may be empty
}

// component is one entity. Keys are Home Assistant's.
type component map[string]any

// availability of everything that a camera gives: the device is there and the camera is. A disabled camera shows as
// unavailable, which is what Home Assistant has for it.
func availability(t mqtt.Topics, camera string) []any {
	out := []any{map[string]any{"topic": t.Availability()}}
	if camera != "" {
		out = append(out, map[string]any{
			"topic":          t.CameraAvailability(camera),
			"value_template": "{{ 'online' if value == 'online' else 'offline' }}",
		})
	}
	return out
}

// components are all entities by their id, which is unique within the device.
func components(t mqtt.Topics, o Options) map[string]component {
	out := map[string]component{}
	add := func(id, camera string, c component) {
		c["unique_id"] = "edgevlm_" + t.Device() + "_" + id
		c["availability"] = availability(t, camera)
		c["availability_mode"] = "all"
		out[id] = c
	}
	for _, c := range o.Cameras {
		addCamera(t, o, c, add)
	}
	diagnostic := func(id, name, topic, template string, more component) {
		c := component{"platform": "sensor", "name": name, "state_topic": topic, "value_template": template, "entity_category": "diagnostic"}
		maps.Copy(c, more)
		if topic == t.Stats() && o.ExpireStats > 0 {
			c["expire_after"] = o.ExpireStats
		}
		add(id, "", c)
	}
	diagnostic("model", "Model", t.Info(), "{{ value_json.model }}", component{"icon": "mdi:brain"})
	diagnostic("spool", "Events waiting", t.Stats(), "{{ value_json.spool.events }}",
		component{"icon": "mdi:tray-full", "state_class": "measurement"})
	if o.Temperature {
		diagnostic("temperature", "Temperature", t.Stats(), "{{ value_json.temperature_c if value_json.temperature_c is defined else none }}",
			component{"device_class": "temperature", "unit_of_measurement": "°C", "state_class": "measurement"})
	}
	for _, c := range o.Cameras {
		diagnostic(c.Name+"_fps", title(c.Name)+" frame rate", t.Stats(),
			fmt.Sprintf("{{ value_json.cameras['%s'].fps if '%s' in value_json.cameras | default({}) else none }}", c.Name, c.Name),
			component{"unit_of_measurement": "fps", "state_class": "measurement", "icon": "mdi:speedometer"})
	}
	return out
}

func addCamera(t mqtt.Topics, o Options, c Camera, add func(id, camera string, x component)) {
	expire := func(x component) component {
		if o.ExpireDescription > 0 {
			x["expire_after"] = o.ExpireDescription
		}
		return x
	}
	label := title(c.Name)
	add(c.Name+"_description", c.Name, expire(component{
		"platform": "sensor", "name": label + " description", "icon": "mdi:text-box-outline",
		// A state has at most 255 characters; the whole text is an attribute.
		"state_topic": t.Description(c.Name), "value_template": "{{ value_json.state }}",
		"json_attributes_topic": t.Description(c.Name),
		"json_attributes_template": "{{ {'text': value_json.text, 'captured_at': value_json.captured_at.last, 'boxes': value_json.boxes, " +
			"'model': value_json.model, 'event_id': value_json.id, 'seq': value_json.seq} | tojson }}",
	}))
	for _, q := range c.Questions {
		topic := t.Question(c.Name, q.Name)
		x := expire(component{
			"name": label + " " + strings.ReplaceAll(q.Name, "_", " "), "state_topic": topic, "value_template": "{{ value_json.value }}",
			"json_attributes_topic":    topic,
			"json_attributes_template": "{{ {'probability': value_json.probability | default(none), 'at': value_json.at} | tojson }}",
		})
		switch q.Kind {
		case "yes_no":
			x["platform"], x["payload_on"], x["payload_off"] = "binary_sensor", "yes", "no"
		case "choice":
			x["platform"], x["device_class"], x["options"] = "sensor", "enum", q.Choices
		default:
			x["platform"], x["state_class"] = "sensor", "measurement"
			if q.Unit != "" {
				x["unit_of_measurement"] = q.Unit
			}
		}
		add(c.Name+"_q_"+q.Name, c.Name, x)
	}
	for _, name := range c.Conditions {
		topic := t.Condition(c.Name, name)
		add(c.Name+"_c_"+name, c.Name, component{"platform": "binary_sensor", "name": label + " " + strings.ReplaceAll(name, "_", " ") + " (condition)",
			"icon": "mdi:bell-ring-outline", "state_topic": topic, "value_template": "{{ value_json.state }}", "payload_on": "on", "payload_off": "off",
			"json_attributes_topic": topic, "json_attributes_template": "{{ {'at': value_json.at} | tojson }}"})
	}
	if c.Snapshot {
		add(c.Name+"_snapshot", c.Name, component{"platform": "image", "name": label + " snapshot",
			"image_topic": t.Snapshot(c.Name), "content_type": "image/jpeg"})
	}
	press, _ := json.Marshal(map[string]string{"camera": c.Name, "transaction": "home-assistant"})
	add(c.Name+"_describe", c.Name, component{"platform": "button", "name": label + " describe now", "icon": "mdi:eye-refresh",
		"command_topic": t.Request("describe"), "payload_press": string(press)})
	low, high := c.MinFPS, c.MaxFPS
	if low == 0 {
		low = 0.1
	}
	if high == 0 {
		high = 2
	}
	add(c.Name+"_set_fps", c.Name, component{"platform": "number", "name": label + " frames a second", "entity_category": "config",
		"command_topic": t.Set(c.Name, "fps"), "state_topic": t.State(c.Name), "value_template": "{{ value_json.fps }}",
		"min": low, "max": high, "step": 0.1, "mode": "box"})
	if c.Modes {
		add(c.Name+"_set_mode", c.Name, component{"platform": "select", "name": label + " mode", "entity_category": "config",
			"command_topic": t.Set(c.Name, "mode"), "state_topic": t.State(c.Name), "value_template": "{{ value_json.mode }}",
			"options": []string{"describe", "questions"}})
	}
	// The switch stays available while the camera is disabled: it is how to enable it.
	add(c.Name+"_set_enabled", "", component{"platform": "switch", "name": label + " enabled", "icon": "mdi:cctv",
		"command_topic": t.Set(c.Name, "enabled"), "state_topic": t.State(c.Name),
		"value_template": "{{ 'ON' if value_json.enabled else 'OFF' }}", "payload_on": "ON", "payload_off": "OFF"})
	add(c.Name+"_set_prompt", c.Name, component{"platform": "text", "name": label + " prompt", "entity_category": "config", "max": 255,
		"command_topic": t.Set(c.Name, "prompt"), "state_topic": t.State(c.Name), "value_template": "{{ value_json.prompt[:255] }}"})
}

// title is a camera's name as a label.
func title(name string) string {
	name = strings.NewReplacer("_", " ", "-", " ").Replace(name)
	return strings.ToUpper(name[:1]) + name[1:]
}

// Messages are the retained discovery messages, by topic.
func Messages(t mqtt.Topics, o Options) (map[string][]byte, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	all := components(t, o)
	device := map[string]any{"identifiers": []string{"edgevlm_" + t.Device()}, "name": title(t.Device()), "manufacturer": "edgevlm",
		"model": "edgevlm", "sw_version": o.Version}
	origin := map[string]any{"name": "edgevlm", "sw_version": o.Version, "support_url": "https://github.com/edgevlm/edgevlm"}
	out := map[string][]byte{}
	put := func(topic string, v any) error {
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("discovery: %s: %w", topic, err)
		}
		out[topic] = b
		return nil
	}
	if !o.Single {
		return out, put(deviceTopic(t, o), map[string]any{"device": device, "origin": origin, "components": all})
	}
	for id, c := range all {
		topic := fmt.Sprintf("%s/%s/edgevlm_%s/%s/config", o.prefix(), c["platform"], t.Device(), id)
		c["device"], c["origin"] = device, origin
		delete(c, "platform") // the topic says it
		if err := put(topic, c); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (o Options) prefix() string {
	if o.Prefix == "" {
		return "homeassistant"
	}
	return o.Prefix
}

func deviceTopic(t mqtt.Topics, o Options) string {
	return o.prefix() + "/device/edgevlm_" + t.Device() + "/config"
}

// singleFilter matches the messages of the other form, and of single components generally.
func singleFilter(t mqtt.Topics, o Options) string {
	return o.prefix() + "/+/edgevlm_" + t.Device() + "/+/config"
}

// check refuses what would make a broken template or topic.
func (o Options) check() error {
	for level := range strings.SplitSeq(o.prefix(), "/") {
		if err := mqtt.ValidateName(level); err != nil {
			return fmt.Errorf("discovery: prefix: %w", err)
		}
	}
	seen := map[string]bool{}
	for _, c := range o.Cameras {
		if err := mqtt.ValidateCamera(c.Name); err != nil {
			return fmt.Errorf("discovery: camera: %w", err)
		}
		if seen[c.Name] {
			return fmt.Errorf("discovery: camera %q is there twice", c.Name)
		}
		seen[c.Name] = true
		names := map[string]bool{}
		for _, q := range c.Questions {
			if err := mqtt.ValidateName(q.Name); err != nil {
				return fmt.Errorf("discovery: question: %w", err)
			}
			if names[q.Name] {
				return fmt.Errorf("discovery: question %q is there twice", q.Name)
			}
			names[q.Name] = true
			if !slices.Contains([]string{"yes_no", "choice", "number"}, q.Kind) {
				return fmt.Errorf("discovery: question %q: kind %q is not known: use yes_no, choice or number", q.Name, q.Kind)
			}
			if q.Kind == "choice" && len(q.Choices) == 0 {
				return fmt.Errorf("discovery: question %q has no choices", q.Name)
			}
		}
		for _, name := range c.Conditions {
			if err := mqtt.ValidateName(name); err != nil {
				return fmt.Errorf("discovery: condition: %w", err)
			}
		}
	}
	return nil
}
