package mqtt

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"
)

//go:generate go run github.com/tinylib/msgp@v1.6.5 -o event_msgp.go -tests=false -io=false -v=false

//msgp:newtime
//msgp:timezone utc
//msgp:compactfloats
//msgp:limit arrays:1024 maps:64

// SchemaVersion is the version of Event's layout. It grows only when a field changes its meaning; readers ignore
// fields they don't know.
const SchemaVersion = 1

// Bounds of an event, for writers and readers alike.
const (
	MaxEventBytes = 256 << 10 // one encoded event, JSON or msgpack
	MaxTextBytes  = 64 << 10  // Event.Text
	maxListLen    = 1024      // boxes, answers, frames of one event
	maxFieldBytes = 1024      // every other string
)

// Event is one description of what a camera saw, or a condition on the answers that started or ended. Its JSON and its msgpack have the same keys; times are RFC 3339 in UTC
// in JSON and the standard timestamp extension (type -1) in msgpack.
type Event struct {
	Schema     int        `json:"schema" msg:"schema"`
	ID         string     `json:"id" msg:"id"`   // ULID: grows with time, equal on every copy of the event
	Seq        uint64     `json:"seq" msg:"seq"` // counts the events of this device's spool
	Device     string     `json:"device" msg:"device"`
	Camera     string     `json:"camera" msg:"camera"`
	CapturedAt CapturedAt `json:"captured_at" msg:"captured_at"`
	FrameSeqs  []uint64   `json:"frame_seqs" msg:"frame_seqs"` // the frames described, as the camera counts them
	Text       string     `json:"text" msg:"text"`
	Boxes      []Box      `json:"boxes" msg:"boxes"`
	Answers    []Answer   `json:"answers" msg:"answers"`
	Condition  *Condition `json:"condition,omitempty" msg:"condition,omitempty"` // that started or ended; then Text is empty
	Model      string     `json:"model" msg:"model"`
	Quant      string     `json:"quant" msg:"quant"` // weight type, Q4_0 for example
	Backend    string     `json:"backend" msg:"backend"`
	TimingsMS  Timings    `json:"timings_ms" msg:"timings_ms"`
	Dropped    uint64     `json:"dropped_frames" msg:"dropped_frames"` // frames the sampler left out since the event before
}

// CapturedAt is when the first and the last frame of an event were taken, in UTC, to the millisecond.
type CapturedAt struct {
	First time.Time `json:"first" msg:"first"`
	Last  time.Time `json:"last" msg:"last"`
}

// Box is a labelled rectangle; X and Y are its top-left corner, all four in 0-1 of the frame's width and height.
type Box struct {
	Label string  `json:"label" msg:"label"`
	X     float64 `json:"x" msg:"x"`
	Y     float64 `json:"y" msg:"y"`
	W     float64 `json:"w" msg:"w"`
	H     float64 `json:"h" msg:"h"`
}

// Answer is the answer to one of the camera's questions.
type Answer struct {
	Name        string  `json:"name" msg:"name"`
	Kind        string  `json:"kind" msg:"kind"`   // yes_no, choice or number
	Value       string  `json:"value" msg:"value"` // "yes", "no", one of the choices, or a decimal number
	Probability float64 `json:"probability,omitempty" msg:"probability,omitempty"`
}

// The states of a Condition.
const (
	ConditionStart = "start"
	ConditionEnd   = "end"
)

// Condition is one of the camera's conditions, which holds from now on or does not any more.
type Condition struct {
	Name    string  `json:"name" msg:"name"`
	Message string  `json:"message,omitempty" msg:"message,omitempty"` // for people, as configured
	State   string  `json:"state" msg:"state"`                         // ConditionStart or ConditionEnd
	HeldS   float64 `json:"held_s" msg:"held_s"`                       // for how long it has held, in seconds
}

func (c *Condition) validate() error {
	for _, s := range []string{c.Name, c.Message, c.State} {
		if err := validField(s); err != nil {
			return err
		}
	}
	return validNumbers(c.HeldS)
}

// Timings are durations in milliseconds; MS converts.
type Timings struct {
	Preprocess float64 `json:"preprocess" msg:"preprocess"`
	Vision     float64 `json:"vision" msg:"vision"`
	Prefill    float64 `json:"prefill" msg:"prefill"`
	Decode     float64 `json:"decode" msg:"decode"`
	Questions  float64 `json:"questions,omitempty" msg:"questions,omitempty"` // all of them, from description to last answer
	Total      float64 `json:"total" msg:"total"`                             // last frame taken to description ready
}

// MS is d in milliseconds, to the microsecond.
func MS(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// normalize makes e fit for the wire: schema, times in UTC to the millisecond, valid UTF-8 (a model may stop inside a
// rune), no null lists in JSON.
func (e *Event) normalize() {
	e.Schema = SchemaVersion
	e.CapturedAt.First = e.CapturedAt.First.UTC().Truncate(time.Millisecond)
	e.CapturedAt.Last = e.CapturedAt.Last.UTC().Truncate(time.Millisecond)
	e.Text = strings.ToValidUTF8(e.Text, "\uFFFD")
	if e.FrameSeqs == nil {
		e.FrameSeqs = []uint64{}
	}
	if e.Boxes == nil {
		e.Boxes = []Box{}
	}
	if e.Answers == nil {
		e.Answers = []Answer{}
	}
}

// Validate says what about e a subscriber could not read.
func (e *Event) Validate() error {
	if e.Schema < 1 || e.Schema > SchemaVersion {
		return fmt.Errorf("mqtt: event schema %d: this version reads 1 to %d", e.Schema, SchemaVersion)
	}
	if _, err := ulid.ParseStrict(e.ID); err != nil {
		return fmt.Errorf("mqtt: event id %.40q: %w", e.ID, err)
	}
	if err := ValidateName(e.Device); err != nil {
		return fmt.Errorf("mqtt: event device: %w", err)
	}
	if err := ValidateCamera(e.Camera); err != nil {
		return fmt.Errorf("mqtt: event camera: %w", err)
	}
	for _, t := range []time.Time{e.CapturedAt.First, e.CapturedAt.Last} {
		if y := t.UTC().Year(); y < 1 || y > 9999 {
			return fmt.Errorf("mqtt: event captured_at is outside the years 1 to 9999")
		}
	}
	if len(e.Text) > MaxTextBytes || !utf8.ValidString(e.Text) {
		return fmt.Errorf("mqtt: event text has %d bytes (at most %d, UTF-8)", len(e.Text), MaxTextBytes)
	}
	if n := max(len(e.FrameSeqs), len(e.Boxes), len(e.Answers)); n > maxListLen {
		return fmt.Errorf("mqtt: event list of %d entries: at most %d", n, maxListLen)
	}
	for _, s := range []string{e.Model, e.Quant, e.Backend} {
		if err := validField(s); err != nil {
			return err
		}
	}
	for _, b := range e.Boxes {
		if err := b.validate(); err != nil {
			return err
		}
	}
	for _, a := range e.Answers {
		if err := a.validate(); err != nil {
			return err
		}
	}
	if e.Condition != nil {
		if err := e.Condition.validate(); err != nil {
			return err
		}
	}
	return validNumbers(e.TimingsMS.Preprocess, e.TimingsMS.Vision, e.TimingsMS.Prefill, e.TimingsMS.Decode, e.TimingsMS.Questions, e.TimingsMS.Total)
}

func (b Box) validate() error {
	if err := validField(b.Label); err != nil {
		return err
	}
	return validNumbers(b.X, b.Y, b.W, b.H)
}

func (a Answer) validate() error {
	for _, s := range []string{a.Name, a.Kind, a.Value} {
		if err := validField(s); err != nil {
			return err
		}
	}
	return validNumbers(a.Probability)
}

func validField(s string) error {
	if len(s) > maxFieldBytes || !utf8.ValidString(s) {
		return fmt.Errorf("mqtt: event field of %d bytes (at most %d, UTF-8)", len(s), maxFieldBytes)
	}
	return nil
}

func validNumbers(v ...float64) error {
	for _, f := range v {
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("mqtt: event holds a number that is not finite")
		}
	}
	return nil
}

// AppendMsgpack appends e in msgpack to b.
func (e *Event) AppendMsgpack(b []byte) ([]byte, error) { return e.MarshalMsg(b) }

// DecodeEvent reads an event as published on topic: msgpack where the topic ends in /msgpack, JSON elsewhere. Memory
// is bounded by MaxEventBytes whatever the payload claims; unknown fields are ignored.
func DecodeEvent(topic string, payload []byte) (Event, error) {
	var e Event
	if len(payload) > MaxEventBytes {
		return e, fmt.Errorf("mqtt: event of %d bytes: at most %d", len(payload), MaxEventBytes)
	}
	if strings.HasSuffix(topic, "/msgpack") {
		rest, err := e.UnmarshalMsg(payload)
		if err != nil {
			return Event{}, fmt.Errorf("mqtt: msgpack event: %w", err)
		}
		if len(rest) > 0 {
			return Event{}, fmt.Errorf("mqtt: msgpack event is followed by %d bytes", len(rest))
		}
	} else if err := json.Unmarshal(payload, &e); err != nil {
		return Event{}, fmt.Errorf("mqtt: JSON event: %w", err)
	}
	if e.Schema > SchemaVersion {
		return Event{}, e.Validate()
	}
	e.Text = strings.ToValidUTF8(e.Text, "\uFFFD")
	if err := e.Validate(); err != nil {
		return Event{}, err
	}
	e.normalize()
	return e, nil
}
