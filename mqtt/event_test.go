package mqtt

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func sampleEvent() Event {
	at := time.Date(2026, 11, 24, 17, 0, 0, 250e6, time.UTC)
	e := Event{
		ID: "01KAV8PWC83M4Q5V6X7Y8Z9ABC", Seq: 42, Device: "gate", Camera: "yard",
		CapturedAt: CapturedAt{First: at, Last: at.Add(time.Second)},
		FrameSeqs:  []uint64{100, 101}, Text: "A red ball rolls to the left.",
		Boxes:     []Box{{Label: "ball", X: 0.1, Y: 0.25, W: 0.5, H: 0.125}},
		Answers:   []Answer{{Name: "person", Kind: "yes_no", Value: "no", Probability: 0.97}},
		Condition: &Condition{Name: "visitor", Message: "Hello", State: ConditionStart, HeldS: 3.5},
		Model:     "demo", Quant: "Q4_0", Backend: "cpu",
		TimingsMS: Timings{Preprocess: 1.5, Vision: 20.25, Prefill: 3, Decode: 41.125, Total: 70}, Dropped: 3,
	}
	e.normalize()
	return e
}

func TestEventJSONIsTheDocumentedForm(t *testing.T) {
	got, err := json.Marshal(sampleEvent())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"schema":1,"id":"01KAV8PWC83M4Q5V6X7Y8Z9ABC","seq":42,"device":"gate","camera":"yard",` +
		`"captured_at":{"first":"2026-11-24T17:00:00.25Z","last":"2026-11-24T17:00:01.25Z"},"frame_seqs":[100,101],` +
		`"text":"A red ball rolls to the left.","boxes":[{"label":"ball","x":0.1,"y":0.25,"w":0.5,"h":0.125}],` +
		`"answers":[{"name":"person","kind":"yes_no","value":"no","probability":0.97}],"condition":{"name":"visitor","message":"Hello","state":"start","held_s":3.5},` +
		`"model":"demo","quant":"Q4_0","backend":"cpu",` +
		`"timings_ms":{"preprocess":1.5,"vision":20.25,"prefill":3,"decode":41.125,"total":70},"dropped_frames":3}`
	if string(got) != want {
		t.Errorf("JSON is\n%s\nwant\n%s", got, want)
	}
}

func TestEventSurvivesJSONAndMsgpack(t *testing.T) {
	str := rapid.StringN(0, 50, 200)
	num := rapid.Float64Range(-1e9, 1e9)
	rapid.Check(t, func(t *rapid.T) {
		e := sampleEvent()
		e.Text, e.Model, e.Backend = str.Draw(t, "text"), str.Draw(t, "model"), str.Draw(t, "backend")
		e.Seq, e.Dropped = rapid.Uint64().Draw(t, "seq"), rapid.Uint64().Draw(t, "dropped")
		e.CapturedAt.First = time.UnixMilli(rapid.Int64Range(-6e10, 2e14).Draw(t, "at")).UTC()
		e.FrameSeqs = rapid.SliceOfN(rapid.Uint64(), 0, 5).Draw(t, "frames")
		e.Boxes = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Box {
			return Box{str.Draw(t, "label"), num.Draw(t, "x"), num.Draw(t, "y"), num.Draw(t, "w"), num.Draw(t, "h")}
		}), 0, 4).Draw(t, "boxes")
		if e.Condition.HeldS = num.Draw(t, "held"); rapid.Bool().Draw(t, "none") {
			e.Condition = nil
		}
		e.TimingsMS.Decode = num.Draw(t, "decode")
		e.normalize()
		packed, err := e.AppendMsgpack(nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		for topic, payload := range map[string][]byte{"edgevlm/gate/yard/event/msgpack": packed, "edgevlm/gate/yard/event": text} {
			got, err := DecodeEvent(topic, payload)
			if err != nil {
				t.Fatalf("%s: %v", topic, err)
			}
			if d := cmp.Diff(e, got); d != "" {
				t.Fatalf("%s changed the event (-want +got):\n%s", topic, d)
			}
		}
	})
}

func TestDecodeEventRefuses(t *testing.T) {
	edit := func(f func(*Event)) []byte {
		e := sampleEvent()
		f(&e)
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	packed, _ := func() ([]byte, error) { e := sampleEvent(); return e.AppendMsgpack(nil) }()
	// The boxes array claims 2^32-1 entries.
	hostile := bytes.Replace(packed, []byte("\xa5boxes\x91"), []byte("\xa5boxes\xdd\xff\xff\xff\xff"), 1)
	for name, c := range map[string]struct {
		topic   string
		payload []byte
		want    string
	}{
		"empty":            {"t", nil, "JSON event"},
		"too large":        {"t", bytes.Repeat([]byte(" "), MaxEventBytes+1), "at most"},
		"newer schema":     {"t", edit(func(e *Event) { e.Schema = 2 }), "schema 2"},
		"wildcard camera":  {"t", edit(func(e *Event) { e.Camera = "ya+rd" }), `'+'`},
		"long camera":      {"t", edit(func(e *Event) { e.Camera = strings.Repeat("a", 300) }), "300 characters"},
		"reserved camera":  {"t", edit(func(e *Event) { e.Camera = "stats" }), "device itself"},
		"id":               {"t", edit(func(e *Event) { e.ID = "nope" }), "id"},
		"hostile length":   {"t/msgpack", hostile, "msgpack event"},
		"trailing bytes":   {"t/msgpack", append(bytes.Clone(packed), 1), "followed by 1"},
		"cut off":          {"t/msgpack", packed[:len(packed)-1], "msgpack event"},
		"msgpack of a nil": {"t/msgpack", []byte{0xc0}, "msgpack event"},
	} {
		_, err := DecodeEvent(c.topic, c.payload)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one naming %q", name, err, c.want)
		}
	}
	e := sampleEvent()
	e.Boxes[0].X = math.NaN()
	if e.Validate() == nil {
		t.Error("a box at NaN is valid")
	}
	for _, c := range []Condition{{Name: "a\xff"}, {Message: strings.Repeat("a", 2000)}, {HeldS: math.Inf(1)}} {
		e = sampleEvent()
		if e.Condition = &c; e.Validate() == nil {
			t.Errorf("%+v is valid", c)
		}
	}
}

func TestDecodeEventIgnoresUnknownFields(t *testing.T) {
	b, _ := json.Marshal(sampleEvent())
	b = append([]byte(`{"later":{"a":[1]},`), b[1:]...)
	if _, err := DecodeEvent("t", b); err != nil {
		t.Error(err)
	}
	e := sampleEvent()
	e.Condition = nil // 15 keys are what a map of one byte holds
	p, _ := e.AppendMsgpack(nil)
	if p[0] != 0x8f {
		t.Fatalf("the event is no map of 15 but %#x", p[0])
	}
	p = append([]byte{0xde, 0, 16, 0xa1, 'z', 0x92, 1, 2}, p[1:]...)
	if _, err := DecodeEvent("t/msgpack", p); err != nil {
		t.Error(err)
	}
}

func FuzzDecodeEvent(f *testing.F) {
	e := sampleEvent()
	p, _ := e.AppendMsgpack(nil)
	j, _ := json.Marshal(e)
	f.Add(true, p)
	f.Add(false, j)
	f.Add(true, bytes.Repeat([]byte{0x91}, 3000))
	f.Add(false, []byte(`{"schema":1,"captured_at":{"first":"0000-01-01T00:00:00Z"}}`))
	f.Fuzz(func(t *testing.T, packed bool, b []byte) {
		topic := "t"
		if packed {
			topic = "t/msgpack"
		}
		e, err := DecodeEvent(topic, b)
		if err != nil {
			return
		}
		// What decodes is valid and can be published again, in both forms.
		q, err := e.AppendMsgpack(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeEvent("t/msgpack", q)
		if err != nil {
			t.Fatalf("event %+v does not decode again: %v", e, err)
		}
		if d := cmp.Diff(e, got); d != "" {
			t.Fatal(d)
		}
		if _, err := json.Marshal(e); err != nil {
			t.Fatal(err)
		}
	})
}
