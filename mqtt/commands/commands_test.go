package commands

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/mqtt"
)

// fakePublisher keeps what is published and lets the test deliver.
type fakePublisher struct {
	mu       sync.Mutex
	sent     map[string][]Response
	retained map[string]string
	handlers map[string]func(mqtt.Message)
}

func (f *fakePublisher) Handle(filter string, h func(mqtt.Message)) { f.handlers[filter] = h }
func (f *fakePublisher) SetRetained(topic string, p []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.retained[topic] = string(p)
}
func (f *fakePublisher) Send(topic string, p []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var r Response
	if err := json.Unmarshal(p, &r); err != nil {
		panic(err)
	}
	f.sent[topic] = append(f.sent[topic], r)
}
func (f *fakePublisher) last(verb string) Response {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.sent["edgevlm/gate/response/"+verb]
	if len(all) == 0 {
		return Response{}
	}
	return all[len(all)-1]
}

type fakeHandler struct {
	applied   map[string]Settings
	questions bool
}

func (h *fakeHandler) Describe(_ context.Context, r Request) (any, error) {
	return map[string]string{"text": "seen by " + r.Camera}, nil
}
func (h *fakeHandler) Ask(context.Context, Request) (any, error) {
	return nil, errors.New("no model\nloaded")
}
func (h *fakeHandler) Snapshot(context.Context, Request) (any, error) { return make(chan int), nil }
func (h *fakeHandler) Health(ctx context.Context) (any, error)        { <-ctx.Done(); return nil, ctx.Err() }
func (h *fakeHandler) Apply(camera string, s Settings) (State, error) {
	h.applied[camera] = s
	st := State{Enabled: true, FPS: 1, Prompt: "What is happening?", Mode: ModeDescribe}
	if s.Mode != nil {
		if *s.Mode == ModeQuestions && !h.questions {
			return st, errors.New("there are no questions")
		}
		st.Mode = *s.Mode
	}
	if s.Enabled != nil {
		st.Enabled = *s.Enabled
	}
	if s.FPS != nil {
		st.FPS = *s.FPS
	}
	if s.Prompt != nil {
		st.Prompt = *s.Prompt
	}
	return st, nil
}

func server(t *testing.T, cfg Config) (*Server, *fakePublisher, *fakeHandler) {
	t.Helper()
	topics, _ := mqtt.NewTopics("gate")
	p := &fakePublisher{sent: map[string][]Response{}, retained: map[string]string{}, handlers: map[string]func(mqtt.Message){}}
	h := &fakeHandler{applied: map[string]Settings{}}
	if cfg.Cameras == nil {
		cfg.Cameras = []string{"yard"}
	}
	s, err := New(cfg, topics, p, h)
	if err != nil {
		t.Fatal(err)
	}
	return s, p, h
}

// deliver brings a message as the publisher does, and answers what it queued.
func deliver(s *Server, p *fakePublisher, topic, payload string) {
	filter := "edgevlm/gate/request/+"
	if strings.Contains(topic, "/set/") {
		filter = "edgevlm/gate/+/set/+"
	}
	p.handlers[filter](mqtt.Message{Topic: "edgevlm/gate/" + topic, Payload: []byte(payload)})
	select {
	case j := <-s.queue:
		s.answer(context.Background(), j)
	case j := <-s.quick:
		s.answer(context.Background(), j)
	default:
	}
}

func TestRequestsAreAnsweredWithTheirTransaction(t *testing.T) {
	s, p, _ := server(t, Config{Burst: 100, Timeout: time.Millisecond})
	deliver(s, p, "request/describe", `{"transaction":"t1"}`)
	if r := p.last("describe"); r.Status != "ok" || string(r.Transaction) != `"t1"` || r.Data.(map[string]any)["text"] != "seen by yard" {
		t.Errorf("describe: %+v", r)
	}
	deliver(s, p, "request/describe", "")
	if r := p.last("describe"); r.Status != "ok" || r.Transaction != nil {
		t.Errorf("describe without payload: %+v", r)
	}
	deliver(s, p, "request/describe", `{"transaction":2,"schema":{"type":"object"},"prompt":"What?"}`)
	if r := p.last("describe"); r.Status != "ok" {
		t.Errorf("describe with a schema: %+v", r)
	}
	deliver(s, p, "request/ask", `{"transaction":7,"question":"Is it raining?","kind":"yes_no"}`)
	if r := p.last("ask"); r.Status != "error" || r.Error != "no model; loaded" || string(r.Transaction) != "7" {
		t.Errorf("ask: %+v", r)
	}
	deliver(s, p, "request/snapshot", `{"camera":"yard"}`)
	if r := p.last("snapshot"); r.Status != "error" || !strings.Contains(r.Error, "JSON") {
		t.Errorf("an answer that can't be written: %+v", r)
	}
	deliver(s, p, "request/health", `{}`)
	if r := p.last("health"); !strings.Contains(r.Error, "not done within") {
		t.Errorf("a request over its time: %+v", r)
	}
}

func TestHostileRequestsGetAnError(t *testing.T) {
	s, p, _ := server(t, Config{Burst: 1000, Cameras: []string{"yard", "door"}, Allow: []string{"describe", "ask", "set/fps"}})
	for name, c := range map[string]struct{ verb, payload, want string }{
		"no JSON":           {"describe", "hello", "not what describe takes"},
		"array":             {"describe", "[]", "not what describe takes"},
		"two objects":       {"describe", `{"camera":"yard"}{}`, "more follows"},
		"unknown field":     {"describe", `{"camera":"yard","path":"/etc/passwd"}`, "path"},
		"other verb's":      {"describe", `{"camera":"yard","question":"x"}`, "no question"},
		"no camera":         {"describe", `{}`, "yard, door"},
		"wrong camera":      {"describe", `{"camera":"../yard"}`, "no camera"},
		"long camera":       {"describe", `{"camera":"` + strings.Repeat("a", 300) + `"}`, "no camera"},
		"invalid UTF-8":     {"describe", "{\"camera\":\"\xff\"}", "UTF-8"},
		"too long":          {"describe", strings.Repeat(" ", MaxPayload+1), "at most"},
		"long prompt":       {"describe", `{"camera":"yard","prompt":"` + strings.Repeat("a", MaxPrompt+1) + `"}`, "at most"},
		"control character": {"describe", `{"camera":"yard","prompt":"a\u0007"}`, "control"},
		"tokens":            {"describe", `{"camera":"yard","max_tokens":1000000}`, "max_tokens"},
		"object as id":      {"describe", `{"camera":"yard","transaction":{"a":1}}`, "transaction"},
		"no question":       {"ask", `{"camera":"yard"}`, "question is missing"},
		"one choice":        {"ask", `{"camera":"yard","question":"q","kind":"choice","choices":["a"]}`, "2 to"},
		"same choice":       {"ask", `{"camera":"yard","question":"q","kind":"choice","choices":["a","a"]}`, "twice"},
		"stray choices":     {"ask", `{"camera":"yard","question":"q","choices":["a","b"]}`, "kind choice"},
		"no schema":         {"ask", `{"camera":"yard","question":"q","kind":"json"}`, "schema"},
		"stray schema":      {"ask", `{"camera":"yard","question":"q","kind":"yes_no","schema":{}}`, "kind json"},
		"deep schema":       {"ask", `{"camera":"yard","question":"q","schema":{"a":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}}`, "deep"},
		"schema as text":    {"describe", `{"camera":"yard","schema":"{}"}`, "JSON object"},
		"deep document":     {"describe", `{"camera":"yard","schema":{"a":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}}`, "deep"},
		"unknown kind":      {"ask", `{"camera":"yard","question":"q","kind":"sql"}`, "yes_no"},
		"not allowed":       {"snapshot", `{"camera":"yard"}`, "not allowed"},
		"unknown verb":      {"reboot", `{}`, "no such request"},
	} {
		deliver(s, p, "request/"+c.verb, c.payload)
		r := p.last(c.verb)
		if r.Status != "error" || !strings.Contains(r.Error, c.want) || strings.Contains(r.Error, "\n") || len(r.Error) > 400 {
			t.Errorf("%s: %+v, want an error naming %q", name, r, c.want)
		}
		delete(p.sent, "edgevlm/gate/response/"+c.verb)
	}
	p.handlers["edgevlm/gate/request/+"](mqtt.Message{Topic: "edgevlm/gate/request/describe", Payload: []byte(`{"camera":"yard"}`), Retained: true})
	if r := p.last("describe"); !strings.Contains(r.Error, "retain") {
		t.Errorf("a retained request: %+v", r)
	}
}

func TestRateLimitAnswersOnceAndThenKeepsQuiet(t *testing.T) {
	now := time.Unix(1e9, 0)
	s, p, _ := server(t, Config{Rate: 1, Burst: 3, now: func() time.Time { return now }})
	for range 50 {
		deliver(s, p, "request/describe", `{}`)
	}
	all := p.sent["edgevlm/gate/response/describe"]
	if len(all) != 4 || all[3].Status != "error" || !strings.Contains(all[3].Error, "too many") {
		t.Errorf("50 requests at once got %d answers, want 3 and one error", len(all))
	}
	now = now.Add(time.Second)
	deliver(s, p, "request/describe", `{}`)
	if r := p.last("describe"); r.Status != "ok" {
		t.Errorf("a second later: %+v", r)
	}
}

func TestWaitingRequestsAreBounded(t *testing.T) {
	_, p, _ := server(t, Config{Burst: 100})
	for range maxQueue + 1 {
		p.handlers["edgevlm/gate/request/+"](mqtt.Message{Topic: "edgevlm/gate/request/describe"})
	}
	if r := p.last("describe"); !strings.Contains(r.Error, "busy") {
		t.Errorf("with a full queue: %+v", r)
	}
}

func TestSettingsComeBackOnStateAndSurviveARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "settings.json")
	s, p, _ := server(t, Config{Burst: 100, StateFile: file})
	state := func() (st State) {
		json.Unmarshal([]byte(p.retained["edgevlm/gate/yard/state"]), &st)
		return st
	}
	if got := state(); got != (State{true, 1, "What is happening?", ModeDescribe}) {
		t.Errorf("as configured: %+v", got)
	}
	deliver(s, p, "yard/set/prompt", "Is the gate open?")
	deliver(s, p, "yard/set/fps", "0.5")
	deliver(s, p, "yard/set/enabled", "OFF")
	want := State{false, 0.5, "Is the gate open?", ModeDescribe}
	if got := state(); got != want {
		t.Errorf("after setting: %+v", got)
	}
	s, p, _ = server(t, Config{Burst: 100, StateFile: file})
	if got := state(); got != want {
		t.Errorf("after a restart: %+v", got)
	}
	deliver(s, p, "yard/set/prompt", "")
	if got := state(); got.Prompt != "What is happening?" {
		t.Errorf("an empty prompt brings the configured one back: %+v", got)
	}
	for name, c := range map[string]struct{ topic, payload string }{
		"fps":    {"yard/set/fps", "1e9"},
		"mode":   {"yard/set/mode", "fast"},
		"unfit":  {"yard/set/mode", "questions"},
		"NaN":    {"yard/set/fps", "NaN"},
		"switch": {"yard/set/enabled", "maybe"},
		"key":    {"yard/set/source", "exec:sh"},
		"camera": {"other/set/fps", "1"},
		"utf8":   {"yard/set/prompt", "\xff"},
		"size":   {"yard/set/prompt", strings.Repeat("x", 10<<20)},
	} {
		before := state()
		deliver(s, p, c.topic, c.payload)
		if r := p.last("set"); r.Status != "error" || state() != before {
			t.Errorf("%s: %+v, state %+v", name, r, state())
		}
		delete(p.sent, "edgevlm/gate/response/set")
	}
}

func TestSettingsThatDoNotFitAnyMoreAreLeftOut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "settings.json")
	os.WriteFile(file, []byte(`{"yard":{"mode":"questions","fps":0.5}}`), 0o600)
	_, p, _ := server(t, Config{StateFile: file})
	if got := p.retained["edgevlm/gate/yard/state"]; !strings.Contains(got, `"mode":"describe"`) || !strings.Contains(got, `"fps":1`) {
		t.Errorf("state %s", got)
	}
}

func TestDamagedSettingsStopNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "settings.json")
	for _, content := range []string{"", "{", `{"yard":{"fps":99,"prompt":"\u0000"}}`, `{"a/b":{}}`, `[]`} {
		os.WriteFile(file, []byte(content), 0o600)
		_, p, h := server(t, Config{StateFile: file})
		if s := h.applied["yard"]; s.FPS != nil || s.Prompt != nil {
			t.Errorf("%s: applied %+v", content, s)
		}
		if p.retained["edgevlm/gate/yard/state"] == "" {
			t.Errorf("%s: no state", content)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add("describe", []byte(`{"camera":"yard","transaction":1}`))
	f.Add("ask", []byte(`{"question":"q","kind":"choice","choices":["a","b"]}`))
	f.Fuzz(func(t *testing.T, verb string, payload []byte) {
		r, err := ParseRequest(verb, payload, []string{"yard"})
		if len(r.Transaction) > 0 && !json.Valid(r.Transaction) {
			t.Errorf("transaction %q", r.Transaction)
		}
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of two lines: %q", err)
			}
			return
		}
		if verb != Health && r.Camera != "yard" {
			t.Errorf("camera %q", r.Camera)
		}
		if _, err := json.Marshal(Response{Transaction: r.Transaction}); err != nil {
			t.Error(err)
		}
	})
}

func FuzzParseSetting(f *testing.F) {
	f.Add("fps", []byte("0.5"))
	f.Add("enabled", []byte("on"))
	f.Add("prompt", []byte("x"))
	f.Fuzz(func(t *testing.T, key string, payload []byte) {
		s, err := ParseSetting(key, payload)
		if err == nil && s.FPS != nil && !(*s.FPS >= MinFPS && *s.FPS <= MaxFPS) {
			t.Errorf("fps %v", *s.FPS)
		}
	})
}
