package mqtt

import (
	"fmt"
	"strings"
)

// BaseTopic is the first level of every topic.
const BaseTopic = "edgevlm"

// MaxNameBytes bounds the name of a device, camera, question or key: one topic level.
const MaxNameBytes = 64

// ValidateName checks one topic level: 1 to MaxNameBytes of a-z, 0-9, '_' and '-'. So no name can hold a wildcard, a
// slash or a character that Home Assistant would rewrite.
func ValidateName(name string) error {
	if name == "" {
		return fmt.Errorf("a name is empty: use a-z, 0-9, _ and -")
	}
	if len(name) > MaxNameBytes {
		return fmt.Errorf("name %.20q... has %d characters: at most %d", name, len(name), MaxNameBytes)
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			return fmt.Errorf("name %q holds %q: use a-z, 0-9, _ and -", name, r)
		}
	}
	return nil
}

// ValidateCamera is ValidateName without the names that are topics of the device itself.
func ValidateCamera(name string) error {
	switch name {
	case "availability", "info", "stats", "request", "response":
		return fmt.Errorf("name %q is a topic of the device itself: choose another", name)
	}
	return ValidateName(name)
}

// Topics names the topics of one device. Its methods don't check camera, question, key and verb:
// ValidateCamera and ValidateName do.
type Topics struct{ device, base string }

// NewTopics checks the device's name.
func NewTopics(device string) (Topics, error) {
	if err := ValidateName(device); err != nil {
		return Topics{}, fmt.Errorf("mqtt: device: %w", err)
	}
	return Topics{device: device, base: BaseTopic + "/" + device}, nil
}

// Device is the device's name.
func (t Topics) Device() string { return t.device }

// Base is edgevlm/<device>.
func (t Topics) Base() string { return t.base }

// Availability holds online or offline, retained; it is the last will's topic.
func (t Topics) Availability() string { return t.base + "/availability" }

// Info holds retained JSON, see Info.
func (t Topics) Info() string { return t.base + "/info" }

// Stats carries JSON, see Stats.
func (t Topics) Stats() string { return t.base + "/stats" }

// CameraAvailability holds online, offline or disabled, retained.
func (t Topics) CameraAvailability(camera string) string { return t.camera(camera, "availability") }

// Event carries every event in JSON, QoS 1, not retained.
func (t Topics) Event(camera string) string { return t.camera(camera, "event") }

// EventMsgpack carries every event in msgpack.
func (t Topics) EventMsgpack(camera string) string { return t.camera(camera, "event/msgpack") }

// Description holds the newest description, retained, see Description.
func (t Topics) Description(camera string) string { return t.camera(camera, "description") }

// Question holds the newest answer to one question, retained, see QuestionState.
func (t Topics) Question(camera, name string) string { return t.camera(camera, "question/"+name) }

// Condition holds whether one condition holds, retained, see ConditionState.
func (t Topics) Condition(camera, name string) string { return t.camera(camera, "condition/"+name) }

// Snapshot carries a JPEG, where enabled.
func (t Topics) Snapshot(camera string) string { return t.camera(camera, "snapshot") }

// Set takes a new value for one key of a camera.
func (t Topics) Set(camera, key string) string { return t.camera(camera, "set/"+key) }

// State holds the accepted values of a camera's keys, retained JSON.
func (t Topics) State(camera string) string { return t.camera(camera, "state") }

// Request takes a command, answered on Response.
func (t Topics) Request(verb string) string { return t.base + "/request/" + verb }

// Response carries the answer to a request.
func (t Topics) Response(verb string) string { return t.base + "/response/" + verb }

// SetFilter matches every Set topic, RequestFilter every Request topic of the device.
func (t Topics) SetFilter() string     { return t.base + "/+/set/+" }
func (t Topics) RequestFilter() string { return t.base + "/request/+" }

func (t Topics) camera(camera, leaf string) string { return t.base + "/" + camera + "/" + leaf }

// Parse splits a topic of this device: camera is empty for the device's own topics, leaf is the rest. ok is false for
// a topic of another device, one with wildcards, or one with an invalid camera name.
func (t Topics) Parse(topic string) (camera, leaf string, ok bool) {
	rest, ok := strings.CutPrefix(topic, t.base+"/")
	if !ok || rest == "" || len(topic) > 4*MaxNameBytes || strings.ContainsAny(rest, "+#\x00") {
		return "", "", false
	}
	first, more, deeper := strings.Cut(rest, "/")
	if !deeper || first == "request" || first == "response" {
		return "", rest, true
	}
	if ValidateCamera(first) != nil || more == "" {
		return "", "", false
	}
	return first, more, true
}
