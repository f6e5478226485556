package discovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/edgevlm/edgevlm/mqtt"
)

// Publisher is what Announce needs of mqtt.Publisher.
type Publisher interface {
	Handle(filter string, h func(mqtt.Message))
	SetRetained(topic string, payload []byte)
	Send(topic string, payload []byte)
	Republish()
}

// Announcer keeps Home Assistant's picture of the device current.
type Announcer struct {
	topics mqtt.Topics
	pub    Publisher

	mu       sync.Mutex
	options  Options
	messages map[string][]byte
	before   map[string][]byte // what an earlier run announced, where that had entities which this one does not have
}

// Announce publishes the device, publishes everything once more when Home Assistant starts, and removes entities that an
// earlier run announced and this one does not have. Call it before the publisher's Run.
func Announce(pub Publisher, t mqtt.Topics, o Options) (*Announcer, error) {
	messages, err := Messages(t, o)
	if err != nil {
		return nil, err
	}
	a := &Announcer{topics: t, pub: pub, options: o, messages: messages, before: map[string][]byte{}}
	pub.Handle(o.prefix()+"/status", func(m mqtt.Message) {
		if string(m.Payload) == "online" && !m.Retained {
			a.removeAgain()
			pub.Republish()
		}
	})
	pub.Handle(deviceTopic(t, o), a.onRetained)
	pub.Handle(singleFilter(t, o), a.onRetained)
	for topic, payload := range messages {
		pub.SetRetained(topic, payload)
	}
	return a, nil
}

// Update announces a changed device: removed entities are deleted, new ones appear.
func (a *Announcer) Update(o Options) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.prefix() != a.options.prefix() {
		return fmt.Errorf("discovery: the prefix can't change while running")
	}
	messages, err := Messages(a.topics, o)
	if err != nil {
		return err
	}
	old := a.messages
	a.options, a.messages = o, messages
	for topic, payload := range old {
		if messages[topic] == nil {
			a.pub.SetRetained(topic, nil)
		} else {
			a.publish(topic, payload)
		}
	}
	for topic, payload := range messages {
		if old[topic] == nil {
			a.pub.SetRetained(topic, payload)
		}
	}
	return nil
}

// onRetained sees what the broker kept from an earlier run, and our own messages come back.
func (a *Announcer) onRetained(m mqtt.Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, ours := a.messages[m.Topic]
	switch {
	case len(m.Payload) == 0 || ours && bytes.Equal(now, m.Payload):
	case !ours:
		a.pub.SetRetained(m.Topic, nil)
	case m.Retained:
		a.publish(m.Topic, m.Payload)
	}
}

// removeAgain has a Home Assistant that was away when entities were removed do it now: it removes only what was announced
// since it started, so that is done first. None of it is retained.
func (a *Announcer) removeAgain() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for topic, old := range a.before {
		if removal := withRemovals(old, a.messages[topic]); removal != nil {
			a.pub.Send(topic, old)
			a.pub.Send(topic, removal)
		}
	}
}

// publish replaces old by the present message of topic. An entity is removed by a message in which only its platform is
// left; without that, it would stay in Home Assistant until its next start. That message is not retained: the present one
// is what the broker shall keep.
func (a *Announcer) publish(topic string, old []byte) {
	if removal := withRemovals(old, a.messages[topic]); removal != nil {
		a.pub.Send(topic, removal)
		if a.before[topic] == nil { // the first is what Home Assistant may know
			a.before[topic] = old
		}
	}
	a.pub.SetRetained(topic, a.messages[topic])
}

// withRemovals is the device message now, with a stub for each component that only old has; nil if there is none.
func withRemovals(old, now []byte) []byte {
	var before, after struct {
		Device     json.RawMessage            `json:"device"`
		Origin     json.RawMessage            `json:"origin"`
		Components map[string]json.RawMessage `json:"components"`
	}
	if json.Unmarshal(old, &before) != nil || json.Unmarshal(now, &after) != nil {
		return nil
	}
	merged := maps.Clone(after.Components)
	removed := false
	for id, raw := range before.Components {
		var c struct {
			Platform string `json:"platform"`
		}
		if _, still := merged[id]; still || json.Unmarshal(raw, &c) != nil || mqtt.ValidateName(c.Platform) != nil || strings.Contains(id, "/") {
			continue
		}
		stub, err := json.Marshal(map[string]string{"platform": c.Platform})
		if err != nil {
			continue
		}
		merged[id] = stub
		removed = true
	}
	if !removed {
		return nil
	}
	after.Components = merged
	b, err := json.Marshal(after)
	if err != nil {
		return nil
	}
	return b
}
