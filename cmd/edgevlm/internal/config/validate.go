package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/models"
	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/commands"
)

// check adds a problem about a path unless one is known already.
func (d *decoder) check(ok bool, path, format string, args ...any) {
	if ok || slices.Contains(d.failed, path) {
		return
	}
	d.problems = append(d.problems, Problem{d.line(path), subject(path) + " " + fmt.Sprintf(format, args...)})
}

// given says whether the file has a key.
func (d *decoder) given(path string) bool { return d.lines[path] > 0 }

// checkErr adds an error of another package's validation.
func (d *decoder) checkErr(err error, path string) {
	if err != nil {
		d.check(false, path, "is wrong: %s", strings.TrimPrefix(err.Error(), "mqtt: "))
	}
}

// line is that of a path, or of what it would stand in.
func (d *decoder) line(path string) int {
	for {
		if n, ok := d.lines[path]; ok {
			return n
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return 0
		}
		path = path[:i]
	}
}

func (c *Config) validate(d *decoder) {
	if c.Device == "" {
		d.check(false, "device", "is missing; name this board in one word, like `device: gate`")
	} else {
		d.checkErr(mqtt.ValidateName(c.Device), "device")
	}
	c.Model.validate(d)
	d.check(len(c.Cameras) > 0, "cameras", "is missing or empty; add at least one, with a name and a source")
	names := map[string]bool{}
	for i := range c.Cameras {
		cam := &c.Cameras[i]
		at := fmt.Sprintf("cameras[%d]", i)
		if !d.given(at + ".window") {
			cam.defaultWindow()
		}
		if cam.Schema.Given() && !d.given(at+".max_tokens") {
			cam.MaxTokens = DocumentTokens
		}
		cam.validate(d, at)
		d.check(cam.Name == "" || !names[cam.Name], at+".name", "`%s` is taken by another camera", cam.Name)
		names[cam.Name] = true
	}
	d.checkBoard(c.GPIO, c.Power, names)
	c.MQTT.validate(d)
	d.check(c.Spool.MaxBytes >= 1<<20, "spool.max_bytes", "is %v; give at least 1MiB", c.Spool.MaxBytes)
	d.check(c.Spool.MaxAge >= 0, "spool.max_age", "must not be negative")
	if c.Spool.Sync != "always" {
		s, err := parseDuration(c.Spool.Sync)
		d.check(err == nil && s > 0, "spool.sync", "must be always or a duration like 5s")
	}
	if c.HTTP.Listen != "" {
		_, port, err := net.SplitHostPort(c.HTTP.Listen)
		n, perr := strconv.ParseUint(port, 10, 16)
		d.check(err == nil && perr == nil && n > 0, "http.listen", "is `%s`; write an address and a port like 127.0.0.1:9410, or \"\" for none", c.HTTP.Listen)
	}
	var level slog.Level
	d.check(level.UnmarshalText([]byte(c.Log.Level)) == nil, "log.level", "must be debug, info, warn or error")
	d.check(c.Log.Format == "text" || c.Log.Format == "json", "log.format", "must be text or json")
}

func (m *MQTT) validate(d *decoder) {
	for i, u := range append([]string{m.URL}, m.Fallback...) {
		path := "mqtt.url"
		if i > 0 {
			path = fmt.Sprintf("mqtt.fallback[%d]", i-1)
		}
		p, err := url.Parse(u)
		if err == nil {
			_, has := p.User.Password()
			d.check(!has, path, "holds a password; put it into a file and name that in `mqtt.password_file`")
		}
		d.checkErr(mqtt.Config{URL: u}.Validate(), path)
	}
	d.check((m.TLS.CertFile == "") == (m.TLS.KeyFile == ""), "mqtt.tls.cert_file", "and `mqtt.tls.key_file` go together")
	d.checkErr(mqtt.Config{URL: "mqtt://localhost", Formats: m.Formats}.Validate(), "mqtt.formats")
	d.checkErr(mqtt.Config{URL: "mqtt://localhost", ClientID: m.ClientID}.Validate(), "mqtt.client_id")
	for level := range strings.SplitSeq(m.Discovery.Prefix, "/") {
		d.checkErr(mqtt.ValidateName(level), "mqtt.discovery.prefix")
	}
	d.check(m.Discovery.Expire == 0 || m.Discovery.Expire.Std() >= time.Second, "mqtt.discovery.expire", "must be at least 1s, or 0s for never")
	for i, a := range m.Commands.Allow {
		d.check(slices.Contains(commands.Names(), a), fmt.Sprintf("mqtt.commands.allow[%d]", i), "`%s` is not known; known are %s", a, strings.Join(commands.Names(), ", "))
	}
	d.check(m.Commands.Rate > 0 && m.Commands.Rate <= 1000, "mqtt.commands.rate", "must be more than 0 and at most 1000 a second")
	d.check(m.Commands.Burst >= 1 && m.Commands.Burst <= 1000, "mqtt.commands.burst", "must be between 1 and 1000")
}

func (m *Model) validate(d *decoder) {
	switch {
	case m.Name == "" && m.Text == "":
		d.check(m.MMProj == "", "model.mmproj", "is half a model; give `text` too")
		m.Name = "demo"
	case m.Name != "":
		// Whether it was pulled is seen when it is opened: a configuration may be written first.
		d.check(models.ValidName(m.Name), "model.name", "is `%s`; that is no model's name: demo is embedded, `edgevlm pull` lists others, files are given as `text` and `mmproj`", m.Name)
		d.check(m.Text == "" && m.MMProj == "", "model.name", "and `text` exclude each other")
	default:
		d.check(m.MMProj != "", "model.text", "is half a model; give `mmproj` too")
	}
	d.check(m.Threads >= 0 && m.Threads <= 1024, "model.threads", "must be between 1 and 1024, or 0 for one a core")
	d.check(m.MinPixels >= 0, "model.min_pixels", "must not be negative")
	d.check(m.MaxPixels >= 0, "model.max_pixels", "must not be negative")
	d.check(m.Vision == "" || m.Vision == "int8" || m.Vision == "float", "model.vision", "is `%s`; give int8 or float", m.Vision)
	d.check(m.MaxPixels == 0 || m.MinPixels <= m.MaxPixels, "model.min_pixels", "is more than `model.max_pixels`")
}

func (c *Camera) validate(d *decoder, at string) {
	if c.Name == "" {
		d.check(false, at+".name", "is missing; it becomes a topic level, like yard")
	} else {
		d.checkErr(mqtt.ValidateCamera(c.Name), at+".name")
	}
	scheme, rest, found := strings.Cut(c.Source, ":")
	kinds := []string{"files", "v4l2", "http", "https", "https+insecure", "rtsp", "rtsps", "exec"}
	switch {
	case c.Source == "":
		d.check(false, at+".source", "is missing; give files:, v4l2:, http(s)://, rtsp:// or exec:")
	default:
		d.check(found && rest != "" && slices.Contains(kinds, scheme), at+".source",
			"`%s` is none of files:DIR, v4l2:/dev/video0, http(s)://…, rtsp://…, exec:COMMAND", Redact(c.Source))
	}
	d.check(!c.Loop || scheme == "files", at+".loop", "is for files: only")
	fpsOK := c.FPS >= 0.1 && c.FPS <= 30
	d.check(fpsOK, at+".fps", "must be between 0.1 and 30; the model needs 1 or 2")
	d.check(c.Width >= 0 && c.Width <= 8192, at+".width", "must be between 0 and 8192 pixels")
	d.check(c.Height >= 0 && c.Height <= 8192, at+".height", "must be between 0 and 8192 pixels")
	d.check((c.Width == 0) == (c.Height == 0), at+".width", "and `height` go together")
	d.check(c.Window > 0 && c.Window.Std() <= 10*time.Minute, at+".window", "must be more than 0s and at most 10m")
	d.check(!fpsOK || c.Frames() <= MaxFrames, at+".window", "at this fps is %d frames; at most %d", c.Frames(), MaxFrames)
	d.check(c.Mode == ModeDescribe || c.Mode == ModeQuestions, at+".mode", "must be %s or %s", ModeDescribe, ModeQuestions)
	d.check(c.Mode != ModeQuestions || len(c.Questions) > 0, at+".mode", "is questions, and there are none; add `questions`")
	validateQuestions(d, c.Questions, at)
	c.validateConditions(d, at+".conditions")
	c.Stream.validate(d, at+".stream")
	if c.Schema.JSON != "" {
		_, err := c.Schema.Parse()
		d.checkErr(err, at+".schema")
	}
	d.checkSight(c.Sight(), at)
	d.check(strings.TrimSpace(c.Prompt) != "", at+".prompt", "must not be empty")
	d.check(len(c.Prompt) <= 16<<10, at+".prompt", "is longer than 16 KiB")
	d.check(c.MaxTokens >= 1 && c.MaxTokens <= 4096, at+".max_tokens", "must be between 1 and 4096")
	d.check(c.Publish.Every >= 0 && c.Publish.Every.Std() <= 24*time.Hour, at+".publish.every", "must be between 0s and 24h")
}
