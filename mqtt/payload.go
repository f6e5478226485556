package mqtt

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// Availability of a device or a camera. A device is online or offline; a camera may be switched off, too.
type Availability string

const (
	Online   Availability = "online"
	Offline  Availability = "offline"
	Disabled Availability = "disabled"
)

// MaxStateBytes bounds Description.State: Home Assistant refuses longer states (it counts characters, of which there
// are never more than bytes).
const MaxStateBytes = 255

// Description is what the retained description topic holds: the newest event's text. State is the text cut to
// MaxStateBytes.
type Description struct {
	State      string     `json:"state"`
	Text       string     `json:"text"`
	CapturedAt CapturedAt `json:"captured_at"`
	ID         string     `json:"id"`
	Seq        uint64     `json:"seq"`
	Boxes      []Box      `json:"boxes"`
	Model      string     `json:"model"`
}

// NewDescription is e's description.
func NewDescription(e Event) Description {
	return Description{State: ShortState(e.Text), Text: e.Text, CapturedAt: e.CapturedAt, ID: e.ID, Seq: e.Seq,
		Boxes: e.Boxes, Model: e.Model}
}

// ShortState is text on one line and in at most MaxStateBytes bytes, cut at a word where there is one near, with "..." for
// what is missing.
func ShortState(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= MaxStateBytes {
		return text
	}
	const dots = "..."
	cut := MaxStateBytes - len(dots)
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	if i := strings.LastIndexByte(text[:cut], ' '); i > cut*3/4 {
		cut = i
	}
	return text[:cut] + dots
}

// QuestionState is what a retained question topic holds.
type QuestionState struct {
	Value       string    `json:"value"`
	Probability float64   `json:"probability,omitempty"`
	At          time.Time `json:"at"` // when the last frame asked about was taken
}

// ConditionState is what a retained condition topic holds.
type ConditionState struct {
	State string    `json:"state"` // on or off
	At    time.Time `json:"at"`    // since when, by the camera's clock; at the start that of the device
}

// NewConditionState says whether a condition holds, as a payload.
func NewConditionState(on bool, at time.Time) []byte {
	s := ConditionState{State: "off", At: at.UTC().Truncate(time.Millisecond)}
	if on {
		s.State = "on"
	}
	return jsonPayload(s)
}

// Info is what the retained info topic holds.
type Info struct {
	Version string       `json:"version"`
	Model   string       `json:"model"`
	Quant   string       `json:"quant,omitempty"`
	Backend string       `json:"backend,omitempty"`
	Cameras []CameraInfo `json:"cameras"`
	Schema  int          `json:"event_schema"`
	Config  any          `json:"config_schema,omitempty"` // the keys that set/ takes, and their bounds
}

// CameraInfo is one camera in Info. No source: it may hold a password.
type CameraInfo struct {
	Name      string   `json:"name"`
	FPS       float64  `json:"fps"`
	Prompt    string   `json:"prompt,omitempty"`
	Questions []string `json:"questions,omitempty"`

	Conditions []string `json:"conditions,omitempty"`
}

// Stats is what the stats topic carries. The publisher fills MQTT and Spool.
type Stats struct {
	At           time.Time              `json:"at"`
	UptimeS      float64                `json:"uptime_s"`
	Cameras      map[string]CameraStats `json:"cameras,omitempty"`
	TemperatureC *float64               `json:"temperature_c,omitempty"`
	RSSBytes     int64                  `json:"rss_bytes,omitempty"`
	// Stages say where descriptions' time went since the stats before: preprocess, vision, prefill, decode, total.
	Stages          map[string]StageStats `json:"stages,omitempty"`
	TokensPerSecond float64               `json:"tokens_per_second,omitempty"` // of the newest answer
	MQTT            Status                `json:"mqtt"`
	Spool           SpoolStats            `json:"spool"`
}

// StageStats sum up one stage.
type StageStats struct {
	Count  int     `json:"count"`
	MeanMS float64 `json:"mean_ms"`
	MaxMS  float64 `json:"max_ms"`
}

// CameraStats counts for one camera; latency is from the last frame of a description to its event.
type CameraStats struct {
	FPS          float64 `json:"fps"`
	Frames       uint64  `json:"frames"`
	Dropped      uint64  `json:"dropped"`
	Broken       uint64  `json:"broken"` // frames that could not be decoded
	Descriptions uint64  `json:"descriptions"`
	Failed       uint64  `json:"failed"` // descriptions that came to nothing
	LatencyMS    float64 `json:"latency_ms"`
	Suppressed   uint64  `json:"suppressed"`       // descriptions that said what the one before had said
	Conditions   uint64  `json:"conditions"`       // events of conditions
	Stream       *Stream `json:"stream,omitempty"` // of a camera whose window is kept in the model
}

// Stream counts what a camera's window took in. A pair is two frames, one moment to the model.
type Stream struct {
	Pairs         uint64 `json:"pairs"`
	Tokens        uint64 `json:"tokens"`           // that went through the decoder
	DroppedTokens uint64 `json:"dropped_tokens"`   // that did not with their frames, because nothing had changed there
	TowerSkips    uint64 `json:"tower_skips"`      // pairs that the vision tower was not run for
	MissedPairs   uint64 `json:"missed_pairs"`     // that the model had no time for
	LatePairs     uint64 `json:"late_pairs"`       // that a trigger brought back
	ReusedAnswers uint64 `json:"reused_answers"`   // times that the questions were not asked again, because nothing had changed
	Pixels        int    `json:"pixels,omitempty"` // most of a frame now, where there is a latency budget
}

// Status of the connection.
type Status struct {
	Connected  bool   `json:"connected"`
	Broker     string `json:"broker,omitempty"` // host:port, never the user
	Connects   uint64 `json:"connects"`         // times a connection came up
	Published  uint64 `json:"published"`        // events that the broker acknowledged
	InFlight   int    `json:"in_flight"`
	LastError  string `json:"last_error,omitempty"`
	Unreadable uint64 `json:"refused_messages"` // messages to us that were too large or came too fast
}

// jsonPayload marshals our own types, which can't fail.
func jsonPayload(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("{}")
	}
	return b
}
