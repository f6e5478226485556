// Package config reads edgevlm's configuration: YAML, strict. An unknown key, a
// value of the wrong type or out of range is an error that names its line, and
// all of a file's errors are found in one pass. The defaults are stated in
// Default and DefaultCamera and nowhere else.
package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/commands"
)

// Config is a whole configuration file.
type Config struct {
	Device  string   `yaml:"device"`
	Model   Model    `yaml:"model"`
	Cameras []Camera `yaml:"cameras"`
	MQTT    MQTT     `yaml:"mqtt"`
	Spool   Spool    `yaml:"spool"`
	GPIO    GPIO     `yaml:"gpio"`
	Power   Power    `yaml:"power"`
	HTTP    HTTP     `yaml:"http"`
	Log     Log      `yaml:"log"`
}

// Model says which model runs: the embedded one or one that was pulled, by name, or GGUF files.
type Model struct {
	Name      string `yaml:"name"`
	Text      string `yaml:"text"`
	MMProj    string `yaml:"mmproj"`
	Backend   string `yaml:"backend"`
	Threads   int    `yaml:"threads"`
	MinPixels int    `yaml:"min_pixels"`
	MaxPixels int    `yaml:"max_pixels"`
	Cache     string `yaml:"cache"`  // folder; "" is beside the model
	Vision    string `yaml:"vision"` // "" is int8
}

// Camera is one camera and what is asked about it.
type Camera struct {
	Name      string   `yaml:"name"`
	Source    string   `yaml:"source"`
	Loop      bool     `yaml:"loop"`
	FPS       float64  `yaml:"fps"`
	Width     int      `yaml:"width"`
	Height    int      `yaml:"height"`
	Window    Duration `yaml:"window"` // Parse fills in what the model can do where it isn't given
	Prompt    string   `yaml:"prompt"`
	System    *string  `yaml:"system"`
	MaxTokens int      `yaml:"max_tokens"`
	// Mode is what is asked of a window: ModeDescribe or ModeQuestions.
	Mode      string     `yaml:"mode"`
	Questions []Question `yaml:"questions"`
	// Conditions on the answers make events.
	Conditions Conditions `yaml:"conditions"`
	// Schema makes a description a JSON document.
	Schema  Schema  `yaml:"schema"`
	Publish Publish `yaml:"publish"`
	Stream  Stream  `yaml:"stream"`
	// What of the picture anything else may see, and when: see Sight.
	Masks    [][][]float64 `yaml:"masks"`
	Crop     Crop          `yaml:"crop"`
	Rotate   int           `yaml:"rotate"`
	Motion   Motion        `yaml:"motion"`
	Schedule []string      `yaml:"schedule"`
}

// Sight is what of the camera's picture anything else may see, and when.
func (c Camera) Sight() Sight {
	return Sight{Masks: c.Masks, Crop: c.Crop, Rotate: c.Rotate, Motion: c.Motion, Schedule: c.Schedule}
}

// The modes of a camera.
const (
	ModeDescribe  = "describe"  // a description, and the questions
	ModeQuestions = "questions" // the questions only, which is faster
)

// Publish bounds how often a camera is described, and says whether pictures
// leave the device.
type Publish struct {
	Every    Duration `yaml:"every"`
	Changes  bool     `yaml:"changes"` // only what is new
	Snapshot bool     `yaml:"snapshot"`
}

// MQTT is the broker. Passwords come from a file or a systemd credential only
// (credential:NAME).
type MQTT struct {
	URL          string    `yaml:"url"`
	Fallback     []string  `yaml:"fallback"`
	User         string    `yaml:"user"`
	PasswordFile string    `yaml:"password_file"`
	ClientID     string    `yaml:"client_id"`
	TLS          TLS       `yaml:"tls"`
	Formats      []string  `yaml:"formats"`
	Discovery    Discovery `yaml:"discovery"`
	Commands     Commands  `yaml:"commands"`
}

// Discovery is how Home Assistant hears of the device.
type Discovery struct {
	Enabled bool     `yaml:"enabled"`
	Prefix  string   `yaml:"prefix"`
	Single  bool     `yaml:"single"` // one message an entity, for Home Assistant before 2024.11
	Expire  Duration `yaml:"expire"` // 0: never
}

// Commands is who may do what over MQTT.
type Commands struct {
	Allow     []string `yaml:"allow"`
	Rate      float64  `yaml:"rate"` // requests a second
	Burst     int      `yaml:"burst"`
	StateFile string   `yaml:"state_file"`
}

// TLS is for mqtts:// and wss://.
type TLS struct {
	CAFile     string `yaml:"ca_file"`
	CertFile   string `yaml:"cert_file"`
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name"`
	Insecure   bool   `yaml:"insecure"`
}

// Config is the connection's form of it.
func (m MQTT) Config() mqtt.Config {
	return mqtt.Config{
		URL: m.URL, Fallback: m.Fallback, User: m.User, PasswordFile: m.PasswordFile, ClientID: m.ClientID,
		TLS: mqtt.TLS(m.TLS), Formats: m.Formats,
	}
}

// Spool is the queue between the model and the broker. Without a Dir it is kept
// in memory.
type Spool struct {
	Dir      string   `yaml:"dir"`
	MaxBytes Size     `yaml:"max_bytes"`
	MaxAge   Duration `yaml:"max_age"`
	Sync     string   `yaml:"sync"`
}

// HTTP is where the daemon shows its metrics.
type HTTP struct {
	Listen string `yaml:"listen"` // "": nowhere
}

// Log is what the daemon says on stderr.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Default is a configuration before its file is read.
func Default() Config {
	return Config{
		MQTT: MQTT{
			URL: "mqtt://127.0.0.1:1883", Formats: []string{mqtt.FormatJSON, mqtt.FormatMsgpack},
			Discovery: Discovery{Enabled: true, Prefix: "homeassistant", Expire: Duration(10 * time.Minute)},
			Commands:  Commands{Allow: commands.Names(), Rate: 1, Burst: 5},
		},
		Spool: Spool{MaxBytes: 256 << 20, Sync: "always"},
		HTTP:  HTTP{Listen: "127.0.0.1:9410"},
		Log:   Log{Level: "info", Format: "text"},
	}
}

// DefaultCamera is a camera before its keys are read.
func DefaultCamera() Camera {
	return Camera{
		FPS:       1,
		Prompt:    "What is happening?",
		MaxTokens: 64,
		Mode:      ModeDescribe,
		Publish:   Publish{Every: Duration(2 * time.Second), Changes: true},
		Stream:    defaultStream(),
	}
}

// DefaultWindow is that of cameras that give none.
const DefaultWindow = 16 * time.Second

// defaultWindow fills in the window that isn't given: fast cameras get as much as fits.
func (c *Camera) defaultWindow() {
	c.Window = Duration(DefaultWindow)
	if c.Frames() > MaxFrames {
		c.Window = Duration(float64(MaxFrames) / c.FPS * float64(time.Second))
	}
}

// MaxFrames bounds a window.
const MaxFrames = 256

// Frames is how many frames the window holds: window x fps, even, at least 2.
func (c Camera) Frames() int {
	n := int(c.Window.Std().Seconds()*c.FPS + 0.5)
	return max(2, n+n%2)
}

// SyncEvery is how often the spool is synced to disk; 0: before every event counts
// as kept.
func (s Spool) SyncEvery() time.Duration {
	d, err := parseDuration(s.Sync)
	if err != nil {
		return 0 // always
	}
	return d.Std()
}

// Problem is one thing wrong with a configuration.
type Problem struct {
	Line int // from 1; 0: no line
	Text string
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.Text
	}
	return fmt.Sprintf("line %d: %s", p.Line, p.Text)
}

// Errors is all that is wrong with a configuration, in the order of its lines.
type Errors struct {
	File     string
	Problems []Problem
}

// Error is one line: the first problem and how many more there are.
func (e *Errors) Error() string {
	s := fmt.Sprintf("config %s: %s", e.File, e.Problems[0])
	if n := len(e.Problems) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more: `edgevlm check-config` lists them)", n)
	}
	return s
}

// maxFile is more than any configuration needs, in bytes.
const maxFile = 64 << 10

// Load reads a file. Relative paths in it count from its folder.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	c, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	c.rebase(filepath.Dir(path))
	if problems := c.loadSchemas(filepath.Dir(path)); len(problems) > 0 {
		return nil, &Errors{File: path, Problems: problems}
	}
	return c, nil
}

func (c *Config) rebase(dir string) {
	paths := []*string{&c.Model.Text, &c.Model.MMProj, &c.Model.Cache, &c.MQTT.PasswordFile,
		&c.MQTT.TLS.CAFile, &c.MQTT.TLS.CertFile, &c.MQTT.TLS.KeyFile, &c.Spool.Dir, &c.MQTT.Commands.StateFile}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) && !strings.HasPrefix(*p, credential) {
			*p = filepath.Join(dir, *p)
		}
	}
	for i := range c.Cameras {
		p, ok := strings.CutPrefix(c.Cameras[i].Source, "files:")
		if ok && !filepath.IsAbs(p) {
			c.Cameras[i].Source = "files:" + filepath.Join(dir, p)
		}
	}
}

// credential marks a secret that systemd hands over (LoadCredential=); the mqtt
// package resolves it.
const credential = "credential:"
