package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/runtime/stream"
)

const minimal = `device: gate
cameras:
  - name: yard
    source: files:clips/yard
`

func samplePath() string { return filepath.Join("..", "..", "edgevlm.sample.yaml") }

func TestSampleParsesAndItsCommentedKeysAreTheDefaults(t *testing.T) {
	data, err := os.ReadFile(samplePath())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Parse("sample", data)
	if err != nil {
		t.Fatal(err)
	}
	commented := regexp.MustCompile(`(?m)^( *)#([a-z_]+:)`)
	n := len(commented.FindAll(data, -1))
	if n < 12 {
		t.Fatalf("only %d commented keys; the sample should show every default", n)
	}
	full, err := Parse("sample", commented.ReplaceAll(data, []byte("$1$2")))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(plain, full); d != "" {
		t.Errorf("a commented key is not the default:\n%s", d)
	}

	want := Default()
	want.Device, want.Model.Name = "gate", "demo"
	cam := DefaultCamera()
	cam.Name, cam.Source, cam.Window = "yard", "v4l2:/dev/video0", Duration(DefaultWindow)
	want.Cameras = []Camera{cam}
	if d := cmp.Diff(&want, plain); d != "" {
		t.Errorf("the sample is not the defaults:\n%s", d)
	}
}

func TestWhatTheReadmeShowsIsAConfiguration(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(data), -1) {
		text := block[1]
		if !strings.Contains(text, "device:") {
			text = "device: gate\n" + text
		}
		if _, err := Parse("README.md", []byte(text)); err != nil {
			t.Error(err)
		}
		n++
	}
	if n < 2 {
		t.Errorf("%d examples", n)
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	got, err := Parse("c", []byte(`
device: gate
model: { text: M.gguf, mmproj: P.gguf, backend: cpu, threads: 2, min_pixels: 100, max_pixels: 200, cache: /c, vision: float }
cameras:
  - &first
    name: yard
    source: "files:clips/yard"
    loop: true
    fps: 2
    width: 640
    height: 480
    window: 1m30s
    prompt: |
      What is
      happening?
    system: ""
    max_tokens: 7
    mode: questions
    questions:
      - { name: person, text: Is there a person?, kind: yes_no }
      - { name: weather, text: "What is the weather, sun or rain?", kind: choice, choices: [sun, rain] }
      - { name: cars, text: How many cars are there?, kind: number, unit: cars }
    conditions:
      visitor: 'notify "Hello" when person is yes with probability > 0.8 for 3 s, cooldown 1 min'
      rain: >
        notify when weather is rain
        clear after 5 min
    schema: { type: object, properties: { z: { type: integer }, a: { enum: [x, 1, 2.5, null, true] } } }
    publish: { every: 500ms, changes: false, snapshot: true }
    stream:
      mode: rolling
      savings: { drop: false, present: false, tower: false, contrast: 3.5, noise: 4, shift: 0, full_every: 9 }
      changed: 0.25
      heartbeat: 1m
      latency: 5s
      before: 0
  - { name: door, source: "exec:rpicam-vid -t 0" }
mqtt:
  url: mqtts://gate@broker:8883
  fallback: [mqtt://other]
  user: gate
  password_file: p
  client_id: me
  tls: { ca_file: a, cert_file: c, key_file: k, server_name: s, insecure: true }
  formats: [json]
  discovery: { enabled: false, prefix: ha/x, single: true, expire: 1m }
  commands: { allow: [describe], rate: 0.5, burst: 2, state_file: s.json }
spool: { dir: spool, max_bytes: 1.5MiB, max_age: 24h, sync: 5s }
http: { listen: ":9410" }
log: { level: warn, format: json }
`))
	if err != nil {
		t.Fatal(err)
	}
	empty := ""
	door := DefaultCamera()
	door.Name, door.Source, door.Window = "door", "exec:rpicam-vid -t 0", Duration(16*time.Second)
	want := &Config{
		Device: "gate",
		Model:  Model{Text: "M.gguf", MMProj: "P.gguf", Backend: "cpu", Threads: 2, MinPixels: 100, MaxPixels: 200, Cache: "/c", Vision: "float"},
		Cameras: []Camera{{
			Name: "yard", Source: "files:clips/yard", Loop: true, FPS: 2, Width: 640, Height: 480,
			Window: Duration(90 * time.Second), Prompt: "What is\nhappening?", System: &empty, MaxTokens: 7,
			Mode: ModeQuestions,
			Questions: []Question{
				{Name: "person", Text: "Is there a person?", Kind: "yes_no"},
				{Name: "weather", Text: "What is the weather, sun or rain?", Kind: "choice", Choices: []string{"sun", "rain"}},
				{Name: "cars", Text: "How many cars are there?", Kind: "number", Unit: "cars"},
			},
			Conditions: Conditions{
				{"visitor", `notify "Hello" when person is yes with probability > 0.8 for 3 s, cooldown 1 min`},
				{"rain", "notify when weather is rain clear after 5 min"},
			},
			Schema:  Schema{JSON: `{"type":"object","properties":{"z":{"type":"integer"},"a":{"enum":["x",1,2.5,null,true]}}}`, Line: 28},
			Publish: Publish{Every: Duration(500 * time.Millisecond), Snapshot: true},
			Stream:  Stream{Mode: "rolling", Savings: Savings{Contrast: 3.5, Noise: 4, FullEvery: 9}, Changed: 0.25, Heartbeat: Duration(time.Minute), Latency: Duration(5 * time.Second)},
		}, door},
		MQTT: MQTT{
			URL: "mqtts://gate@broker:8883", Fallback: []string{"mqtt://other"}, User: "gate", PasswordFile: "p", ClientID: "me",
			TLS: TLS{CAFile: "a", CertFile: "c", KeyFile: "k", ServerName: "s", Insecure: true}, Formats: []string{"json"},
			Discovery: Discovery{Prefix: "ha/x", Single: true, Expire: Duration(time.Minute)},
			Commands:  Commands{Allow: []string{"describe"}, Rate: 0.5, Burst: 2, StateFile: "s.json"},
		},
		Spool: Spool{Dir: "spool", MaxBytes: 3 << 19, MaxAge: Duration(24 * time.Hour), Sync: "5s"},
		HTTP:  HTTP{Listen: ":9410"},
		Log:   Log{Level: "warn", Format: "json"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestProblemsNameTheirLineAndWhatToDo(t *testing.T) {
	cam := "device: gate\ncameras:\n  - name: yard\n    source: files:x\n"
	asks := "    questions: [{ name: person, text: a?, kind: yes_no }, { name: gate, text: Is it open or closed?, kind: choice, choices: [open, closed] }]\n"
	for _, c := range []struct{ name, yaml, want string }{
		{"misspelt key", cam + "    fsp: 1\n", "line 5: unknown key `fsp` in cameras[0]; did you mean `fps`?"},
		{"unknown key", cam + "    zzz: 1\n", "line 5: unknown key `zzz` in cameras[0]; known are name, source, "},
		{"top key", cam + "mtqq: {}\n", "line 5: unknown key `mtqq`; did you mean `mqtt`?"},
		{"stream mode", cam + "    stream: { mode: fast }\n", "line 5: `cameras[0].stream.mode` is `fast`; give exact, rolling or off"},
		{"stream key", cam + "    stream:\n      saving: {}\n", "line 6: unknown key `saving` in cameras[0].stream; did you mean `savings`?"},
		{"changed", cam + "    stream: { changed: 5 }\n", "line 5: `cameras[0].stream.changed` must be more than 0 and at most 1"},
		{"heartbeat", cam + "    stream: { heartbeat: 1ms }\n", "line 5: `cameras[0].stream.heartbeat` must be between 1s and 24h, or 0s"},
		{"latency", cam + "    stream: { latency: -1s }\n", "line 5: `cameras[0].stream.latency` must be between 100ms and 10m"},
		{"latency without a stream", cam + "    stream: { mode: off, latency: 2s }\n", "line 5: `cameras[0].stream.latency` goes with mode exact or rolling"},
		{"before", cam + "    stream: { before: 99 }\n", "line 5: `cameras[0].stream.before` must be between 0 and 16"},
		{"contrast", cam + "    stream: { savings: { contrast: 0 } }\n", "line 5: `cameras[0].stream.savings.contrast` must be more than 0"},
		{"shift", cam + "    stream: { savings: { shift: 30 } }\n", "line 5: `cameras[0].stream.savings.shift` must be between 0 and 8"},
		{"full_every", cam + "    stream: { savings: { full_every: 0 } }\n", "line 5: `cameras[0].stream.savings.full_every` must be between 1"},
		{"noise", cam + "    stream: { savings: { noise: -1 } }\n", "line 5: `cameras[0].stream.savings.noise` must be more than 0"},
		{"conditions as a list", cam + "    conditions: [notify when a]\n", "line 5: `cameras[0].conditions` must hold lines like `visitor: notify when"},
		{"condition as a map", cam + "    conditions:\n      visitor: { when: a }\n", "line 6: `cameras[0].conditions.visitor` must be a line like `notify when"},
		{"condition of no question", cam + asks + "    conditions:\n      other: notify when person\n      visitor: notify when persn\n", "line 8: `cameras[0].conditions.visitor` is wrong: condition \"visitor\" asks for \"persn\", but the questions are: person, gate"},
		{"condition of no answer", cam + asks + "    conditions: { x: notify when gate is ajar }\n", "line 6: `cameras[0].conditions.x` is wrong: condition \"x\" wants \"gate\" to be \"ajar\", but its answers are: open, closed"},
		{"condition's syntax", cam + asks + "    conditions:\n      x: notify when person is yes for three s\n", "line 7: `cameras[0].conditions.x` is wrong: column 31, at \"three\": want a time like 3s, 500ms or 2 min"},
		{"condition's name", cam + asks + "    conditions:\n      Front door: notify when person\n", "line 7: `cameras[0].conditions.Front door` is wrong: name \"Front door\" holds 'F'"},
		{"condition twice", cam + asks + "    conditions:\n      x: notify when person\n      x: notify when gate is open\n", "line 8: "},
		{"schema", cam + "    schema: { type: banana }\n", "line 5: `cameras[0].schema` is wrong: "},
		{"schema keyword", cam + "    schema:\n      type: string\n      pattern: a+\n", "pattern"},
		{"schema as JSON", cam + "    schema: '{\"type\":'\n", "line 5: `cameras[0].schema` is wrong: "},
		{"empty schema", cam + "    schema: ''\n", "line 5: `cameras[0].schema` is empty; give a file's name, or a JSON Schema"},
		{"second key", cam + "device: b\n", "line 5: "},
		{"fps as text", cam + "    fps: fast\n", "line 5: `cameras[0].fps`: must be a number, not `fast`"},
		{"fps too high", cam + "    fps: 60\n", "line 5: `cameras[0].fps` must be between 0.1 and 30"},
		{"fps not a number", cam + "    fps: .nan\n", "line 5: `cameras[0].fps`: must be a number, not `.nan`"},
		{"no unit", cam + "    window: 4\n", "line 5: `cameras[0].window`: must be a duration with its unit, like 2s; not `4`"},
		{"wrong unit", cam + "    window: 4 parsecs\n", "line 5: `cameras[0].window`: `4 parsecs` is not a duration; write it like 2s"},
		{"window too long", cam + "    window: 1h\n", "line 5: `cameras[0].window` must be more than 0s and at most 10m"},
		{"bool", cam + "    loop: perhaps\n", "line 5: `cameras[0].loop`: must be true or false, not `perhaps`"},
		{"list as text", cam + "    prompt: [a]\n", "line 5: `cameras[0].prompt`: must be text, not a list; put it in quotes"},
		{"empty value", cam + "    prompt:\n", "line 5: `cameras[0].prompt`: must be text, not nothing"},
		{"text as list", "device: gate\ncameras: yard\n", "line 2: `cameras` must be a list"},
		{"no cameras", "device: gate\n", "`cameras` is missing or empty"},
		{"no device", "cameras:\n  - name: a\n    source: files:x\n", "`device` is missing"},
		{"device with wildcard", "device: ga+te\ncameras:\n  - name: a\n    source: files:x\n", "line 1: `device` is wrong: name \"ga+te\" holds '+': use a-z, 0-9"},
		{"no source", "device: gate\ncameras:\n  - name: a\n", "line 3: `cameras[0].source` is missing"},
		{"unknown source", "device: gate\ncameras:\n  - name: a\n    source: usb\n", "line 4: `cameras[0].source` `usb` is none of"},
		{"loop on a camera", "device: gate\ncameras:\n  - name: a\n    source: v4l2:/dev/video0\n    loop: true\n", "line 5: `cameras[0].loop` is for files: only"},
		{"same name twice", cam + "  - name: yard\n    source: files:y\n", "line 5: `cameras[1].name` `yard` is taken"},
		{"reserved name", "device: gate\ncameras:\n  - name: stats\n    source: files:x\n", "line 3: `cameras[0].name` is wrong: name \"stats\" is a topic of the device itself"},
		{"size", cam + "spool: { max_bytes: lots }\n", "line 5: `spool.max_bytes`: `lots` is not a size; write it like 256MiB"},
		{"small size", cam + "spool: { max_bytes: 1KiB }\n", "line 5: `spool.max_bytes` is 1KiB; give at least 1MiB"},
		{"password in URL", cam + "mqtt: { url: mqtt://u:secret@h }\n", "line 5: `mqtt.url` holds a password; put it into a file"},
		{"URL scheme", cam + "mqtt: { url: http://h }\n", "line 5: `mqtt.url` is wrong: url http://h: unknown scheme: use mqtt://"},
		{"format", cam + "mqtt: { formats: [xml] }\n", "line 5: `mqtt.formats` is wrong: formats: \"xml\" is not known"},
		{"half a certificate", cam + "mqtt: { tls: { cert_file: c } }\n", "line 5: `mqtt.tls.cert_file` and `mqtt.tls.key_file` go together"},
		{"half a model", cam + "model: { text: a.gguf }\n", "line 5: `model.text` is half a model"},
		{"other half", cam + "model: { mmproj: a.gguf }\n", "line 5: `model.mmproj` is half a model"},
		{"two models", cam + "model: { name: demo, text: a.gguf }\n", "line 5: `model.name` and `text` exclude each other"},
		{"listen without a port", cam + "http: { listen: localhost }\n", "line 5: `http.listen` is `localhost`; write an address and a port"},
		{"listen on port 0", cam + "http: { listen: ':0' }\n", "line 5: `http.listen`"},
		{"unknown model", cam + "model: { name: GPT 4 }\n", "line 5: `model.name` is `GPT 4`; that is no model's name: demo is embedded"},
		{"question without a name", cam + "    questions: [{ text: a?, kind: yes_no }]\n", "line 5: `cameras[0].questions[0].name` is missing"},
		{"question with a wildcard", cam + "    questions: [{ name: 'a/#', text: a?, kind: yes_no }]\n", "line 5: `cameras[0].questions[0].name` is wrong: name \"a/#\" holds '/'"},
		{"same question twice", cam + "    questions:\n      - { name: a, text: a?, kind: number }\n      - { name: a, text: b?, kind: number }\n", "line 7: `cameras[0].questions[1].name` `a` is taken"},
		{"kind", cam + "    questions: [{ name: a, text: a?, kind: essay }]\n", "line 5: `cameras[0].questions[0].kind` is `essay`; give yes_no, choice or number"},
		{"no kind", cam + "    questions: [{ name: a, text: a? }]\n", "line 5: `cameras[0].questions[0].kind` is missing"},
		{"one choice", cam + "    questions: [{ name: a, text: a?, kind: choice, choices: [b] }]\n", "line 5: `cameras[0].questions[0].choices` has 1 entries; give 2 to"},
		{"equal choices", cam + "    questions: [{ name: a, text: a?, kind: choice, choices: [b, B] }]\n", "`B` is empty, has spaces around it, is longer than 64 bytes, or is there twice"},
		{"mode", cam + "    mode: fast\n", "line 5: `cameras[0].mode` must be describe or questions"},
		{"mode without questions", cam + "    mode: questions\n", "line 5: `cameras[0].mode` is questions, and there are none"},
		{"command", cam + "mqtt: { commands: { allow: [reboot] } }\n", "line 5: `mqtt.commands.allow[0]` `reboot` is not known; known are describe, "},
		{"prefix", cam + "mqtt: { discovery: { prefix: 'a/+' } }\n", "line 5: `mqtt.discovery.prefix` is wrong: name \"+\" holds"},
		{"expiry", cam + "mqtt: { discovery: { expire: 1ms } }\n", "line 5: `mqtt.discovery.expire` must be at least 1s"},
		{"camera of 300 characters", "device: gate\ncameras:\n  - name: " + strings.Repeat("a", 300) + "\n    source: files:x\n", "line 3: `cameras[0].name` is wrong: name \"aaaaaaaaaaaaaaaaaaaa\"... has 300 characters: at most 64"},
		{"log level", cam + "log: { level: loud }\n", "line 5: `log.level` must be debug"},
		{"syntax", "device: [gate\n", "not YAML: "},
		{"tab", "device: gate\ncameras:\n\t- name: a\n", "line 3: not YAML: "},
		{"empty", "# nothing\n", "is empty"},
		{"binary", "device: \x00\n", "line 1: holds a zero byte"},
		{"latin1", "device: gate\n# caf\xe9\n", "line 2: is not UTF-8"},
		{"deep", "device: gate\nx: " + strings.Repeat("[", 1000), "line 2: brackets are nested too deeply"},
		{"two documents", cam + "---\ndevice: b\n", "line 6: a second document"},
		{"alias to nothing", cam + "mqtt: *x\n", "line 5: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("c.yaml", []byte(c.yaml))
			if err == nil {
				t.Fatal("no error")
			}
			got := err.Error()
			if !strings.Contains(got, c.want) || !strings.HasPrefix(got, "config c.yaml: ") {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if strings.Contains(got, "\n") || strings.Contains(got, "secret") {
				t.Errorf("not one clean line: %q", got)
			}
		})
	}
}

func TestAllProblemsAreFoundInOrderOfTheirLines(t *testing.T) {
	_, err := Parse("c", []byte("devise: gate\ncameras:\n  - name: yard\n    source: files:x\n    fps: 99\n    fsp: 1\nspool: { sync: never }\n"))
	var e *Errors
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	var lines []int
	for _, p := range e.Problems {
		lines = append(lines, p.Line)
	}
	if d := cmp.Diff([]int{1, 5, 6, 7, 0}, lines); d != "" {
		t.Errorf("%v\n%s", e.Problems, d)
	}
	if !strings.Contains(err.Error(), "(and 4 more: ") {
		t.Errorf("got %s", err)
	}
}

func TestRelativePathsCountFromTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "edgevlm.yaml")
	text := minimal + "model: { text: m.gguf, mmproj: /p.gguf }\nmqtt: { password_file: credential:mqtt }\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.Model.Text, c.Model.MMProj, c.MQTT.PasswordFile, c.Cameras[0].Source}
	want := []string{filepath.Join(dir, "m.gguf"), "/p.gguf", "credential:mqtt", "files:" + filepath.Join(dir, "clips/yard")}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestASchemaMayBeAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "edgevlm.yaml")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("edgevlm.yaml", minimal+"    schema: scene.json\n  - name: door\n    source: files:x\n    max_tokens: 9\n    schema: scene.json\n")
	for _, c := range []struct{ text, want string }{
		{"", "line 5: `cameras[0].schema` can't be read: "},
		{`{"type":"banana"}`, "line 5: `cameras[0].schema`: " + filepath.Join(dir, "scene.json") + ": "},
		{strings.Repeat(" ", 70<<10), "at most 65536"},
	} {
		if c.text != "" {
			write("scene.json", c.text)
		}
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "and 1 more") || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	write("scene.json", `{"type":"boolean"}`)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.Cameras[0].Schema.Parse(); err != nil || s.Shortest() != "true" || c.Cameras[0].MaxTokens != DocumentTokens || c.Cameras[1].MaxTokens != 9 {
		t.Errorf("%v, %+v", err, c.Cameras)
	}
}

func TestWithoutAWindowItIsSixteenSecondsOrWhatFits(t *testing.T) {
	for _, c := range []struct {
		model string
		fps   float64
		want  time.Duration
	}{{"demo", 1, 16 * time.Second}, {"qwen2-vl-2b", 1, 16 * time.Second}, {"qwen2-vl-2b", 30, 8533333333}} {
		got, err := Parse("c", fmt.Appendf(nil, "%s    fps: %v\nmodel: { name: %s }\n", minimal, c.fps, c.model))
		if err != nil {
			t.Fatal(err)
		}
		if w := got.Cameras[0].Window.Std(); w != c.want || got.Cameras[0].Frames() > MaxFrames {
			t.Errorf("%s at %v fps: %v", c.model, c.fps, w)
		}
	}
}

func TestTheStreamReachesThePipelineAsItIsWritten(t *testing.T) {
	s := DefaultCamera().Stream
	p := s.Pipeline()
	if p.Mode != stream.Exact || p.Savings.Drop != true || p.Savings.Shift != 4 || p.Before != 4 || s.Beat() != 5*time.Minute {
		t.Errorf("%+v", p)
	}
	s.Savings, s.Before, s.Heartbeat, s.Mode = Savings{Contrast: 1}, 0, 0, "rolling"
	if p = s.Pipeline(); p.Mode != stream.Rolling || p.Savings.Any() || p.Savings.Shift >= 0 || p.Before >= 0 || s.Beat() >= 0 {
		t.Errorf("%+v", p) // 0 is written, and is not the packages' default
	}
	if s.Mode = StreamOff; s.Pipeline() != nil {
		t.Error("off is a stream")
	}
}

func TestWindowIsAnEvenNumberOfFrames(t *testing.T) {
	for _, c := range []struct {
		window time.Duration
		fps    float64
		want   int
	}{{4 * time.Second, 1, 4}, {time.Second, 0.1, 2}, {3 * time.Second, 1, 4}, {4 * time.Second, 2, 8}, {2500 * time.Millisecond, 1, 4}} {
		cam := Camera{Window: Duration(c.window), FPS: c.fps}
		if got := cam.Frames(); got != c.want {
			t.Errorf("%v at %v fps: %d frames, want %d", c.window, c.fps, got, c.want)
		}
	}
}

func TestRedactHidesEveryUserinfo(t *testing.T) {
	for in, want := range map[string]string{
		"rtsp://u:p@cam/1":                    "rtsp://***@cam/1",
		"mqtt://h:1883":                       "mqtt://h:1883",
		"exec:ffmpeg -i rtsp://a:b@c x://d@e": "exec:ffmpeg -i rtsp://***@c x://***@e",
		"http://h/p@q":                        "http://h/p@q",
		"rtsp://u:p@ss@cam":                   "rtsp://***@cam",
	} {
		if got := Redact(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	sample, err := os.ReadFile(samplePath())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(sample))
	f.Add(minimal)
	f.Add("device: &a gate\nmodel: {name: *a}\ncameras: [{name: x, source: 'exec:y', fps: 1e9}]")
	f.Add(minimal + "    schema: &s {type: object, properties: {a: *s}}\n    conditions: {x: notify when a, y: [b], ? c : d}\n")
	f.Add("? [a]\n: b\n<<: {a: 1}\n!!str x: y\n--- |\n x")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Parse("f", []byte(s))
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x00") {
				t.Fatalf("not one line: %q", err)
			}
			return
		}
		if mqtt.ValidateName(c.Device) != nil || len(c.Cameras) == 0 {
			t.Fatalf("passed validation: %+v", c)
		}
		for _, cam := range c.Cameras {
			if n := cam.Frames(); n < 2 || n%2 != 0 || n > 256 {
				t.Fatalf("%d frames", n)
			}
		}
	})
}
