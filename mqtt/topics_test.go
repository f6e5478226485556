package mqtt

import (
	"strings"
	"testing"
)

func TestTopicsAreTheDocumentedOnes(t *testing.T) {
	tp, err := NewTopics("gate")
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		tp.Availability():             "edgevlm/gate/availability",
		tp.Info():                     "edgevlm/gate/info",
		tp.Stats():                    "edgevlm/gate/stats",
		tp.CameraAvailability("yard"): "edgevlm/gate/yard/availability",
		tp.Event("yard"):              "edgevlm/gate/yard/event",
		tp.EventMsgpack("yard"):       "edgevlm/gate/yard/event/msgpack",
		tp.Description("yard"):        "edgevlm/gate/yard/description",
		tp.Question("yard", "person"): "edgevlm/gate/yard/question/person",
		tp.Snapshot("yard"):           "edgevlm/gate/yard/snapshot",
		tp.Set("yard", "fps"):         "edgevlm/gate/yard/set/fps",
		tp.State("yard"):              "edgevlm/gate/yard/state",
		tp.Request("ask"):             "edgevlm/gate/request/ask",
		tp.Response("ask"):            "edgevlm/gate/response/ask",
	} {
		if got != want {
			t.Errorf("topic %q, want %q", got, want)
		}
	}
}

func TestNamesThatCannotBeOneTopicLevelAreRefused(t *testing.T) {
	for _, name := range []string{"", "a/b", "+", "#", "a b", "Gate", "é", "a\x00", "\xff", "$sys", strings.Repeat("a", 300)} {
		if err := ValidateName(name); err == nil {
			t.Errorf("%q is accepted", name)
		} else if strings.ContainsAny(err.Error(), "\n\x00") || len(err.Error()) > 200 {
			t.Errorf("%q: the error is not one short line: %q", name, err)
		}
		if _, err := NewTopics(name); err == nil {
			t.Errorf("device %q is accepted", name)
		}
	}
	if ValidateName("a-b_9") != nil || ValidateCamera("response") == nil {
		t.Error("a-b_9 is a name, response is no camera")
	}
}

func FuzzParseTopic(f *testing.F) {
	f.Add("edgevlm/gate/yard/set/fps")
	f.Add("edgevlm/gate/request/ask")
	f.Add("edgevlm/gate/+/event")
	f.Fuzz(func(t *testing.T, topic string) {
		tp, _ := NewTopics("gate")
		camera, leaf, ok := tp.Parse(topic)
		if !ok {
			return
		}
		want := tp.Base() + "/" + leaf
		if camera != "" {
			want = tp.Base() + "/" + camera + "/" + leaf
		}
		if want != topic || (camera != "" && ValidateCamera(camera) != nil) {
			t.Errorf("%q parses to %q, %q", topic, camera, leaf)
		}
	})
}
