// Package commands answers requests over MQTT: describe, ask, snapshot, health, and set/<key> for a camera. Everything that
// arrives is taken for hostile: sizes, names, rates and retained copies are checked before anyone acts on it.
package commands

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/edgevlm/edgevlm/mqtt"
)

// Bounds of a request.
const (
	MaxPayload   = 16 << 10 // bytes
	MaxPrompt    = 4 << 10  // bytes of a prompt or a question
	MaxChoices   = 32
	MaxTokens    = 1024
	maxTransact  = 128 // bytes of a transaction, as JSON
	maxChoice    = 64  // bytes of one choice
	MinFPS       = 0.1 // as in the configuration
	MaxFPS       = 30
	maxDepth     = 32 // of a schema's brackets
	maxNameInErr = 40
)

// Verbs of edgevlm/<device>/request/<verb>.
const (
	Describe = "describe"
	Ask      = "ask"
	Snapshot = "snapshot"
	Health   = "health"
	Set      = "set" // not a verb of request/, but that of errors about set/<key>
)

// Names are all that Config.Allow may list: the verbs, and set/<key> for each key.
func Names() []string {
	return []string{Describe, Ask, Snapshot, Health, "set/enabled", "set/fps", "set/prompt", "set/mode"}
}

// The values of set/mode: a description and the questions, or the questions only.
const (
	ModeDescribe  = "describe"
	ModeQuestions = "questions"
)

// Request is a checked request. Which fields count depends on the verb.
type Request struct {
	// Transaction comes back in the response, whatever it is: a JSON string, number, or nothing.
	Transaction json.RawMessage `json:"transaction,omitempty"`
	Camera      string          `json:"camera,omitempty"` // may be left out where there is one
	// Prompt of describe instead of the camera's, Question of ask.
	Prompt    string `json:"prompt,omitempty"`
	Question  string `json:"question,omitempty"`
	MaxTokens int    `json:"max_tokens,omitempty"`
	// Kind of ask: text, yes_no, choice, number or json. Choices are those of choice, Schema is a JSON schema of json or describe.
	Kind    string          `json:"kind,omitempty"`
	Choices []string        `json:"choices,omitempty"`
	Schema  json.RawMessage `json:"schema,omitempty"`
}

// Response is what response/<verb> carries.
type Response struct {
	Status      string          `json:"status"` // ok or error
	Data        any             `json:"data,omitempty"`
	Error       string          `json:"error,omitempty"`
	Transaction json.RawMessage `json:"transaction,omitempty"`
}

// ParseRequest checks a request's payload. cameras are the names that there are. The transaction is returned also with an
// error, where it could be read.
func ParseRequest(verb string, payload []byte, cameras []string) (Request, error) {
	var r Request
	if !slices.Contains([]string{Describe, Ask, Snapshot, Health}, verb) {
		return r, errors.New("no such request: use describe, ask, snapshot or health")
	}
	if len(payload) > MaxPayload {
		return r, fmt.Errorf("the request has %d bytes: at most %d", len(payload), MaxPayload)
	}
	if !utf8.Valid(payload) {
		return r, errors.New("the request is not UTF-8")
	}
	if len(bytes.TrimSpace(payload)) > 0 {
		d := json.NewDecoder(bytes.NewReader(payload))
		d.DisallowUnknownFields()
		err := d.Decode(&r)
		if err == nil {
			if _, more := d.Token(); more != io.EOF {
				err = errors.New("more follows the object")
			}
		}
		if terr := checkTransaction(r.Transaction); terr != nil {
			r.Transaction = nil
			err = errors.Join(terr, err)
		}
		if err != nil {
			return Request{Transaction: r.Transaction}, fmt.Errorf("the request is not what %s takes: %s", verb, oneLine(err))
		}
	}
	return r, r.check(verb, cameras)
}

func checkTransaction(t json.RawMessage) error {
	if len(t) > maxTransact {
		return fmt.Errorf("transaction of %d bytes: at most %d", len(t), maxTransact)
	}
	if len(t) > 0 && (t[0] == '{' || t[0] == '[') {
		return errors.New("transaction is neither a string nor a number")
	}
	return nil
}

func (r *Request) check(verb string, cameras []string) error {
	only := func(fields ...string) error {
		for name, set := range map[string]bool{"camera": r.Camera != "", "prompt": r.Prompt != "", "question": r.Question != "",
			"max_tokens": r.MaxTokens != 0, "kind": r.Kind != "", "choices": len(r.Choices) > 0, "schema": len(r.Schema) > 0} {
			if set && !slices.Contains(fields, name) {
				return fmt.Errorf("%s takes no %s", verb, name)
			}
		}
		return nil
	}
	var err error
	switch verb {
	case Health:
		return only()
	case Snapshot:
		err = only("camera")
	case Describe:
		err = errors.Join(only("camera", "prompt", "max_tokens", "schema"), checkText("prompt", r.Prompt, false), r.checkSchema())
	case Ask:
		err = errors.Join(only("camera", "question", "max_tokens", "kind", "choices", "schema"), checkText("question", r.Question, true), r.checkKind())
	}
	if r.MaxTokens < 0 || r.MaxTokens > MaxTokens {
		err = errors.Join(err, fmt.Errorf("max_tokens is %d: use 1 to %d", r.MaxTokens, MaxTokens))
	}
	if err != nil {
		return errors.New(oneLine(err))
	}
	if r.Camera == "" && len(cameras) == 1 {
		r.Camera = cameras[0]
	}
	return checkCamera(r.Camera, cameras)
}

func (r *Request) checkKind() error {
	if r.Kind == "" && len(r.Schema) > 0 {
		r.Kind = "json"
	}
	if len(r.Schema) > 0 && r.Kind != "json" {
		return errors.New("schema goes with kind json")
	}
	switch r.Kind {
	case "":
		r.Kind = "text"
	case "text", "yes_no", "number":
	case "json":
		if len(r.Schema) == 0 {
			return errors.New("kind json takes a schema")
		}
		if err := r.checkSchema(); err != nil {
			return err
		}
	case "choice":
		if len(r.Choices) < 2 || len(r.Choices) > MaxChoices {
			return fmt.Errorf("choices has %d entries: give 2 to %d", len(r.Choices), MaxChoices)
		}
		for i, c := range r.Choices {
			if c == "" || len(c) > maxChoice || slices.Contains(r.Choices[:i], c) {
				return fmt.Errorf("choice %d is empty, longer than %d bytes, or there twice", i+1, maxChoice)
			}
		}
		return nil
	default:
		return fmt.Errorf("kind %.*q is not known: use text, yes_no, choice, number or json", maxNameInErr, r.Kind)
	}
	if len(r.Choices) > 0 {
		return fmt.Errorf("choices go with kind choice")
	}
	return nil
}

func (r *Request) checkSchema() error {
	if len(r.Schema) > 0 && (r.Schema[0] != '{' || deeper(r.Schema, maxDepth)) {
		return fmt.Errorf("schema is no JSON object of at most %d levels (deeper ones are refused)", maxDepth)
	}
	return nil
}

// deeper says whether brackets are nested more than limit levels deep; those in strings count too.
func deeper(b []byte, limit int) bool {
	depth := 0
	for _, c := range b {
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if depth > limit {
			return true
		}
	}
	return false
}

func checkCamera(camera string, cameras []string) error {
	if camera == "" {
		return fmt.Errorf("camera is missing: one of %s", strings.Join(cameras, ", "))
	}
	if !slices.Contains(cameras, camera) {
		return fmt.Errorf("no camera %.*q: there are %s", maxNameInErr, camera, strings.Join(cameras, ", "))
	}
	return nil
}

func checkText(name, s string, needed bool) error {
	if needed && strings.TrimSpace(s) == "" {
		return fmt.Errorf("%s is missing", name)
	}
	if len(s) > MaxPrompt {
		return fmt.Errorf("%s has %d bytes: at most %d", name, len(s), MaxPrompt)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }) {
		return fmt.Errorf("%s holds control characters", name)
	}
	return nil
}

// Settings are the keys of a camera that set/<key> changes. Nil: as configured.
type Settings struct {
	Enabled *bool    `json:"enabled,omitempty"`
	FPS     *float64 `json:"fps,omitempty"`
	Prompt  *string  `json:"prompt,omitempty"`
	Mode    *string  `json:"mode,omitempty"`
}

// ParseSetting checks the payload of set/<key>: enabled takes ON, OFF, true, false, 1, 0; fps a number; prompt a text; mode
// one of ModeDescribe and ModeQuestions. An empty prompt or mode brings the configured one back.
func ParseSetting(key string, payload []byte) (Settings, error) {
	var s Settings
	if len(payload) > MaxPayload || !utf8.Valid(payload) {
		return s, fmt.Errorf("the value has %d bytes: at most %d, in UTF-8", len(payload), MaxPayload)
	}
	text := string(payload)
	switch key {
	case "enabled":
		var v bool
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "on", "true", "1":
			v = true
		case "off", "false", "0":
		default:
			return s, errors.New("enabled takes ON or OFF")
		}
		s.Enabled = &v
	case "fps":
		v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || !(v >= MinFPS && v <= MaxFPS) {
			return s, fmt.Errorf("fps takes a number from %v to %v", MinFPS, float64(MaxFPS))
		}
		s.FPS = &v
	case "prompt":
		if err := checkText("prompt", text, false); err != nil {
			return s, err
		}
		text = strings.TrimSpace(text)
		s.Prompt = &text
	case "mode":
		text = strings.TrimSpace(text)
		if text != "" && text != ModeDescribe && text != ModeQuestions {
			return s, fmt.Errorf("mode takes %s or %s", ModeDescribe, ModeQuestions)
		}
		s.Mode = &text
	default:
		return s, errors.New("no such key: use enabled, fps, prompt or mode")
	}
	return s, nil
}

// merge is s with the keys of t over it.
func (s Settings) merge(t Settings) Settings {
	if t.Enabled != nil {
		s.Enabled = t.Enabled
	}
	if t.FPS != nil {
		s.FPS = t.FPS
	}
	if t.Prompt != nil {
		s.Prompt = t.Prompt
		if *t.Prompt == "" {
			s.Prompt = nil
		}
	}
	if t.Mode != nil {
		s.Mode = t.Mode
		if *t.Mode == "" {
			s.Mode = nil
		}
	}
	return s
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// verbOf and keyOf take a topic of this device apart.
func verbOf(t mqtt.Topics, topic string) (string, bool) {
	camera, leaf, ok := t.Parse(topic)
	verb, isRequest := strings.CutPrefix(leaf, "request/")
	return verb, ok && camera == "" && isRequest && mqtt.ValidateName(verb) == nil
}

func keyOf(t mqtt.Topics, topic string) (camera, key string, ok bool) {
	camera, leaf, ok := t.Parse(topic)
	key, isSet := strings.CutPrefix(leaf, "set/")
	return camera, key, ok && camera != "" && isSet && mqtt.ValidateName(key) == nil
}
