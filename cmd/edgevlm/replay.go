package main

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

type replayCmd struct {
	modelFlags
	Recording string        `arg:"" name:"recording" help:"Folder of pictures, or a clip."`
	Report    string        `placeholder:"FILE" help:"Page to write: frames, descriptions, answers and where the time went."`
	Speed     float64       `placeholder:"X" help:"Times real time, what the model has no time for is skipped; 0 skips nothing."`
	FPS       *float64      `name:"fps" placeholder:"F" help:"Frames a second that the model gets; without it the camera's, or 2."`
	Window    time.Duration `placeholder:"T" help:"What the model sees; without it the camera's, or 16s."`
	Mode      string        `default:"" enum:",exact,rolling" help:"How the window slides: exact or rolling; without it the camera's, or exact."`
	Savings   bool          `default:"true" negatable:"" help:"Leave out what did not change."`
	Prompt    string        `placeholder:"TEXT" help:"What to ask for a description; without it the camera's, or ${prompt}"`
	Ask       []string      `sep:"none" placeholder:"NAME=TEXT" help:"A yes or no question about every moment; repeatable. With --config also the questions of --camera."`
	Camera    string        `placeholder:"NAME" help:"Camera of --config whose questions, conditions, schema and stream count; without it the first."`
	Every     time.Duration `placeholder:"T" help:"Least time from one description to the next; without it the camera's, or none."`
	MaxTokens int           `placeholder:"N" help:"Longest description, in tokens; without it the camera's, or 64."`
}

func (c *replayCmd) check() error {
	switch {
	case !(c.Speed >= 0 && c.Speed <= 1000):
		return usagef("--speed %v: give 0 to 1000", c.Speed)
	case c.FPS != nil && !(*c.FPS > 0 && *c.FPS <= 60):
		return usagef("--fps %v: give more than 0 and at most 60", *c.FPS)
	case c.Window < 0 || c.Every < 0:
		return usagef("--window and --every must not be negative")
	case c.MaxTokens < 0:
		return usagef("--max-tokens %d: give at least 1", c.MaxTokens)
	}
	return c.modelFlags.check()
}

func (c *replayCmd) Run(e *env) error {
	if err := c.check(); err != nil {
		return err
	}
	cam, err := c.camera(e)
	if err != nil {
		return err
	}
	if _, err := os.Stat(c.Recording); err != nil {
		return fmt.Errorf("%s: %w", c.Recording, err)
	}
	p := newProgress(e.stderr)
	m, err := c.open(e, p)
	if err != nil {
		return err
	}
	defer m.Close()
	r := &replay{c: c, e: m, cam: cam, out: func(format string, args ...any) { fmt.Fprintf(e.stdout, format+"\n", args...) }}
	if err := r.run(e.ctx); err != nil {
		return err
	}
	d := &r.page
	e.stdout.Write([]byte(d.summary()))
	if c.Report == "" {
		return nil
	}
	if err := d.write(c.Report); err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	fmt.Fprintf(e.stdout, "report: %s\n", c.Report)
	return nil
}

// camera is that of the configuration, or a usual one, with what the flags say instead.
func (c *replayCmd) camera(e *env) (cam config.Camera, err error) {
	if e.Config != "" {
		cfg, err := e.loadConfig(e.Config)
		if err != nil {
			return cam, err
		}
		if cam, err = c.cameraOf(cfg); err != nil {
			return cam, err
		}
	} else {
		cam = config.DefaultCamera()
		cam.Name, cam.FPS, cam.Publish.Every = "replay", 2, 0
		cam.Window = config.Duration(config.DefaultWindow)
	}
	if c.FPS != nil {
		cam.FPS = *c.FPS
	}
	cam.Window = cmp.Or(config.Duration(c.Window), cam.Window)
	cam.Publish.Every = cmp.Or(config.Duration(c.Every), cam.Publish.Every)
	cam.Prompt, cam.MaxTokens = cmp.Or(c.Prompt, cam.Prompt), cmp.Or(c.MaxTokens, cam.MaxTokens)
	if cam.Stream.Mode = cmp.Or(c.Mode, cam.Stream.Mode); cam.Stream.Mode == config.StreamOff {
		cam.Stream.Mode = stream.Exact.String() // a replay is of the window
	}
	if !c.Savings {
		cam.Stream.Savings.Drop, cam.Stream.Savings.Tower = false, false
	}
	for _, a := range c.Ask {
		name, text, ok := strings.Cut(a, "=")
		if !ok {
			return cam, usagef("--ask %s: write NAME=TEXT, like person=Is there a person?", a)
		}
		cam.Questions = append(cam.Questions, config.Question{Name: name, Text: text, Kind: string(vlm.KindYesNo)})
	}
	if err := vlm.CheckQuestions(questions(cam)); err != nil {
		return cam, usagef("%w", err)
	}
	return cam, nil
}

func (c *replayCmd) cameraOf(cfg *config.Config) (config.Camera, error) {
	for _, cam := range cfg.Cameras {
		if c.Camera == "" || cam.Name == c.Camera {
			return cam, nil
		}
	}
	return config.Camera{}, usagef("--camera %s: the configuration has none of that name", c.Camera)
}

// replayPage is what the report shows. Its JSON is the page's own.
type replayPage struct {
	Title     string        `json:"title"`
	Model     string        `json:"model"`
	Backend   string        `json:"backend"`
	Mode      string        `json:"mode"`
	Savings   bool          `json:"savings"`
	WindowS   float64       `json:"window_s"`
	FPS       float64       `json:"fps"`
	Speed     float64       `json:"speed"`
	Prompt    string        `json:"prompt"`
	Questions []string      `json:"questions"`
	Texts     []string      `json:"question_texts"`
	Pairs     []replayPair  `json:"pairs"`
	Notes     []string      `json:"notes"`
	Events    []replayEvent `json:"events"`
	Skipped   uint64        `json:"skipped"`    // pairs
	Left      uint64        `json:"left"`       // frames that went into no pair
	Repeated  uint64        `json:"suppressed"` // descriptions
	Kept      uint64        `json:"tokens"`
	Dropped   uint64        `json:"dropped"`
	Unseen    uint64        `json:"tower_skipped"`
	WallS     float64       `json:"wall_s"`
	PlayedS   float64       `json:"played_s"`
}

// replayPair is one step. Times are milliseconds.
type replayPair struct {
	T       float64        `json:"t"` // seconds of the recording
	Thumb   string         `json:"thumb"`
	Changed float64        `json:"changed"`
	Tokens  int            `json:"tokens"`
	Dropped int            `json:"dropped"`
	Patches int            `json:"patches"`
	Pairs   int            `json:"pairs"`
	Ms      [5]float64     `json:"ms"` // preprocess, vision, prefill, questions, description
	Text    string         `json:"text,omitempty"`
	Why     string         `json:"why,omitempty"`
	Same    bool           `json:"same,omitempty"` // the description was suppressed: it repeats the one before
	Restart string         `json:"restart,omitempty"`
	Answers []replayAnswer `json:"answers,omitempty"`
}

// replayEvent is a condition that started or ended.
type replayEvent struct {
	T       float64 `json:"t"` // seconds of the recording
	Name    string  `json:"name"`
	Message string  `json:"message,omitempty"`
	Start   bool    `json:"start"`
}

type replayAnswer struct {
	Value string  `json:"value"`
	P     float64 `json:"p"`
	Yes   float64 `json:"yes"` // of yes_no: the probability of yes; else P
}

func (p *replayPage) summary() string {
	seen := p.Kept + p.Dropped
	share := 0.0
	if seen > 0 {
		share = 100 * float64(p.Dropped) / float64(seen)
	}
	said := 0
	for _, s := range p.Pairs {
		if s.Text != "" && !s.Same {
			said++
		}
	}
	return fmt.Sprintf("%d pairs in %.1f s (the recording lasts %.1f s), %d skipped; %d tokens prefilled, %d dropped (%.0f %%), the vision tower skipped %d pairs; %d descriptions, %d repeated ones suppressed\n",
		len(p.Pairs), p.WallS, p.PlayedS, p.Skipped, p.Kept, p.Dropped, share, p.Unseen, said, p.Repeated)
}

//go:embed replay.html
var replayHTML string

// write makes the page, with all that it shows inside.
func (p *replayPage) write(path string) error {
	t, err := template.New("replay").Parse(replayHTML)
	if err != nil {
		return err
	}
	data, err := json.Marshal(p) // escapes what could end the script
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, map[string]any{"Title": p.Title, "Summary": p.summary(), "Data": template.JS(data)}); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

const thumbWidth = 192

// thumbnail is a frame as a data URI.
func thumbnail(f imageproc.RGB) string {
	if f.W < 1 || f.H < 1 {
		return ""
	}
	w := min(f.W, thumbWidth)
	small := imageproc.Resize(f, w, max(1, f.H*w/f.W))
	m := image.NewRGBA(image.Rect(0, 0, small.W, small.H))
	for i := range small.W * small.H {
		copy(m.Pix[4*i:4*i+3], small.Pix[3*i:3*i+3])
		m.Pix[4*i+3] = 255
	}
	var b bytes.Buffer
	if jpeg.Encode(&b, m, &jpeg.Options{Quality: 72}) != nil {
		return ""
	}
	return "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(b.Bytes())
}

func replayTitle(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return filepath.Base(abs)
}

// sleepUntil waits for a moment; false if ctx ends first.
func sleepUntil(ctx context.Context, at time.Time) bool {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
