package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/commands"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/schema"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// newCommands answers requests that come over MQTT; the daemon is their handler.
func (d *daemon) newCommands() (*commands.Server, error) {
	c := d.cfg.MQTT.Commands
	state := stateFile(d.cfg)
	if state == "" {
		d.log.Warn("what is set over MQTT ends with the daemon; set mqtt.commands.state_file or spool.dir")
	}
	cfg := commands.Config{
		Allow: append([]string{}, c.Allow...), // not nil: an empty list allows nothing
		Rate:  c.Rate, Burst: c.Burst, StateFile: state, Log: d.log,
	}
	for _, cam := range d.cfg.Cameras {
		cfg.Cameras = append(cfg.Cameras, cam.Name)
	}
	return commands.New(cfg, d.topics, d.pub, d)
}

// stateFile is where settings made over MQTT are kept: the configuration's, else
// one in systemd's StateDirectory or beside the queue; "" is nowhere.
func stateFile(c *config.Config) string {
	const name = "settings.json"
	switch state := os.Getenv("STATE_DIRECTORY"); {
	case c.MQTT.Commands.StateFile != "":
		return c.MQTT.Commands.StateFile
	case state != "":
		return filepath.Join(state, name)
	case c.Spool.Dir != "":
		return filepath.Join(c.Spool.Dir, name)
	}
	return ""
}

var errLoading = errors.New("the model is still being loaded")

// answered is the data of a response to describe and ask.
type answered struct {
	Camera     string          `json:"camera"`
	CapturedAt mqtt.CapturedAt `json:"captured_at"`
	Text       string          `json:"text,omitempty"`
	Value      string          `json:"value,omitempty"`
	Kind       string          `json:"kind,omitempty"`
	JSON       json.RawMessage `json:"json,omitempty"` // by the request's schema
	// Probability of Value, and those of all choices.
	Probability   float64            `json:"probability,omitempty"`
	Probabilities map[string]float64 `json:"probabilities,omitempty"`
	Answers       []mqtt.Answer      `json:"answers,omitempty"`
	Boxes         []mqtt.Box         `json:"boxes,omitempty"`
	Model         string             `json:"model"`
	Timings       mqtt.Timings       `json:"timings_ms"`
}

func newAnswered(e mqtt.Event) answered {
	return answered{Camera: e.Camera, CapturedAt: e.CapturedAt, Text: e.Text, Answers: e.Answers, Boxes: e.Boxes, Model: e.Model, Timings: e.TimingsMS}
}

// Describe implements commands.Handler: without a prompt of its own it is one of
// the regular descriptions, and an event; with one, only the response has it.
func (d *daemon) Describe(ctx context.Context, r commands.Request) (any, error) {
	p := d.pipe.Load()
	if p == nil {
		return nil, errLoading
	}
	var x pipeline.Description
	var err error
	document := len(r.Schema) > 0
	prompt, most := d.prompt(r.Camera)
	switch {
	case document:
		s, perr := schema.Parse(r.Schema)
		if perr != nil {
			return nil, perr
		}
		x, err = p.Document(ctx, r.Camera, cmp.Or(r.Prompt, prompt, config.DefaultCamera().Prompt), cmp.Or(r.MaxTokens, config.DocumentTokens), s)
	case r.Prompt == "" && r.MaxTokens == 0:
		x, err = p.Describe(ctx, r.Camera)
		document = d.schemas[r.Camera] != nil && x.Result.Text != ""
	default:
		x, err = p.Ask(ctx, r.Camera, cmp.Or(r.Prompt, prompt), cmp.Or(r.MaxTokens, most), nil)
	}
	if err != nil {
		return nil, err
	}
	data := newAnswered(newEvent(x, d.info))
	if document {
		data.Text, data.JSON = "", json.RawMessage(data.Text)
	}
	return data, nil
}

func (d *daemon) prompt(camera string) (prompt string, maxTokens int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.cams[camera]
	return c.set.Prompt, c.MaxTokens
}

// Ask implements commands.Handler.
func (d *daemon) Ask(ctx context.Context, r commands.Request) (any, error) {
	p := d.pipe.Load()
	if p == nil {
		return nil, errLoading
	}
	q, err := freeQuestion(r)
	if err != nil {
		return nil, err
	}
	x, err := p.Ask(ctx, r.Camera, "", 0, []vlm.Question{q})
	if err != nil {
		return nil, err
	}
	if len(x.Answers) == 0 {
		return nil, errors.New("this model answers no questions")
	}
	a := x.Answers[0]
	data := newAnswered(newEvent(x, d.info))
	data.Answers = nil
	data.Value, data.Kind, data.Probability = a.Value, string(a.Kind), a.Probability
	if r.Kind == "json" {
		if !json.Valid([]byte(a.Value)) {
			return nil, fmt.Errorf("the answer is no JSON document: give more than %d max_tokens", q.MaxTokens)
		}
		data.Value, data.Kind, data.JSON = "", r.Kind, json.RawMessage(a.Value)
	}
	for _, b := range a.Boxes {
		data.Boxes = append(data.Boxes, mqtt.Box(b))
	}
	names := q.Choices
	if q.Kind == vlm.KindYesNo {
		names = []string{"yes", "no"}
	}
	if len(names) == len(a.Probabilities) && len(names) > 0 {
		data.Probabilities = map[string]float64{}
		for i, n := range names {
			data.Probabilities[n] = a.Probabilities[i]
		}
	}
	return data, nil
}

// freeQuestion is the model's form of an ask request.
func freeQuestion(r commands.Request) (vlm.Question, error) {
	q := vlm.Question{Name: "answer", Text: r.Question, Kind: vlm.Kind(r.Kind), Choices: r.Choices, MaxTokens: r.MaxTokens}
	if r.Kind == "json" {
		var err error
		if q.Schema, err = schema.Parse(r.Schema); err != nil {
			return q, err
		}
		q.Kind = vlm.KindText
		if q.MaxTokens == 0 {
			q.MaxTokens = config.DocumentTokens
		}
	}
	return q, vlm.CheckQuestions([]vlm.Question{q})
}

// Snapshot implements commands.Handler.
func (d *daemon) Snapshot(_ context.Context, r commands.Request) (any, error) {
	p := d.pipe.Load()
	if p == nil {
		return nil, errLoading
	}
	if !d.cams[r.Camera].Publish.Snapshot {
		return nil, fmt.Errorf("no picture of camera %s leaves the device: set publish.snapshot in its configuration to allow it", r.Camera)
	}
	f, err := p.Newest(r.Camera)
	if err != nil {
		return nil, err
	}
	jpeg, err := snapshotJPEG(f)
	if err != nil {
		return nil, err
	}
	topic := d.topics.Snapshot(r.Camera)
	d.pub.SetRetained(topic, jpeg)
	return map[string]any{"camera": r.Camera, "topic": topic, "bytes": len(jpeg), "captured_at": f.At.UTC().Truncate(time.Millisecond)}, nil
}

// health is the data of a response to health.
type health struct {
	Version string                  `json:"version"`
	UptimeS float64                 `json:"uptime_s"`
	Ready   bool                    `json:"ready"` // the model is loaded
	Model   string                  `json:"model,omitempty"`
	Backend string                  `json:"backend,omitempty"`
	Cameras map[string]cameraHealth `json:"cameras"`
	Stats   *mqtt.Stats             `json:"stats,omitempty"`
}

type cameraHealth struct {
	Availability mqtt.Availability `json:"availability"`
	Descriptions uint64            `json:"descriptions"`
	Failed       uint64            `json:"failed"`
	LastError    string            `json:"last_error,omitempty"`
}

// Health implements commands.Handler.
func (d *daemon) Health(context.Context) (any, error) {
	p := d.pipe.Load()
	h := health{Version: version(), UptimeS: time.Since(d.start).Seconds(), Ready: p != nil, Cameras: map[string]cameraHealth{}}
	d.mu.Lock()
	for name, c := range d.cams {
		h.Cameras[name] = cameraHealth{Availability: c.availability()}
	}
	d.mu.Unlock()
	if p == nil {
		return h, nil
	}
	h.Model, h.Backend = d.info.Name, d.info.Backend
	all := p.Stats()
	for _, c := range all {
		x := h.Cameras[c.Camera]
		x.Descriptions, x.Failed, x.LastError = c.Descriptions, c.Failed, config.Redact(c.LastError)
		h.Cameras[c.Camera] = x
	}
	s := d.stats(all, all, time.Second)
	s.Cameras = nil // a rate over no time is none
	s.MQTT, s.Spool = d.pub.Status(), d.pub.SpoolStats()
	h.Stats = &s
	return h, nil
}
