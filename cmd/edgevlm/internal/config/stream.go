package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/schema"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/watch"
)

// Stream is how a camera's window is kept in the model.
type Stream struct {
	Mode      string   `yaml:"mode"` // exact, rolling, or StreamOff
	Savings   Savings  `yaml:"savings"`
	Changed   float64  `yaml:"changed"`   // share of the picture
	Heartbeat Duration `yaml:"heartbeat"` // 0: none
	Latency   Duration `yaml:"latency"`   // 0: no budget
	Before    int      `yaml:"before"`    // pairs kept for a trigger
}

// StreamOff has every description run over the whole window.
const StreamOff = "off"

// Savings are what is left out because it did not change.
type Savings struct {
	Drop      bool    `yaml:"drop"`
	Present   bool    `yaml:"present"`
	Tower     bool    `yaml:"tower"`
	Contrast  float64 `yaml:"contrast"`
	Noise     float64 `yaml:"noise"`
	Shift     int     `yaml:"shift"`
	FullEvery int     `yaml:"full_every"`
}

func defaultStream() Stream {
	return Stream{
		Mode:      stream.Exact.String(),
		Savings:   Savings{Drop: true, Present: true, Tower: true, Contrast: 2, Noise: 5, Shift: 4, FullEvery: 8},
		Changed:   0.05,
		Heartbeat: Duration(5 * time.Minute),
		Before:    4,
	}
}

// Pipeline is the pipeline's form of it, nil with StreamOff.
func (s Stream) Pipeline() *pipeline.Stream {
	mode, err := stream.ParseMode(s.Mode)
	if err != nil {
		return nil
	}
	none := func(n int) int { // 0 is the packages' default
		if n == 0 {
			return -1
		}
		return n
	}
	return &pipeline.Stream{
		Mode: mode, Changed: s.Changed, Latency: s.Latency.Std(), Before: none(s.Before),
		Savings: stream.Savings{
			Drop: s.Savings.Drop, Present: s.Savings.Present, Incremental: s.Savings.Tower, Contrast: s.Savings.Contrast, Noise: s.Savings.Noise,
			Shift: none(s.Savings.Shift), FullEvery: s.Savings.FullEvery,
		},
	}
}

// Beat is the pipeline's form of Heartbeat.
func (s Stream) Beat() time.Duration {
	if s.Heartbeat == 0 {
		return -1
	}
	return s.Heartbeat.Std()
}

func (s *Stream) validate(d *decoder, at string) {
	_, err := stream.ParseMode(s.Mode)
	d.check(s.Mode != "" && (s.Mode == StreamOff || err == nil), at+".mode", "is `%s`; give exact, rolling or off", s.Mode)
	d.check(s.Changed > 0 && s.Changed <= 1, at+".changed", "must be more than 0 and at most 1, the whole picture")
	d.check(s.Heartbeat == 0 || s.Heartbeat.Std() >= time.Second && s.Heartbeat.Std() <= 24*time.Hour, at+".heartbeat", "must be between 1s and 24h, or 0s for none")
	d.check(s.Latency == 0 || s.Latency.Std() >= 100*time.Millisecond && s.Latency.Std() <= 10*time.Minute, at+".latency", "must be between 100ms and 10m, or 0s for no budget")
	d.check(s.Latency == 0 || s.Mode != StreamOff, at+".latency", "goes with mode exact or rolling")
	d.check(s.Before >= 0 && s.Before <= 16, at+".before", "must be between 0 and 16 pairs")
	c := s.Savings
	d.check(c.Contrast > 0 && c.Contrast <= 255, at+".savings.contrast", "must be more than 0 and at most 255 steps of brightness; to save nothing give `drop: false, tower: false`")
	d.check(c.Noise > 0 && c.Noise <= 100, at+".savings.noise", "must be more than 0 and at most 100")
	d.check(c.Shift >= 0 && c.Shift <= 8, at+".savings.shift", "must be between 0 and 8 pixels")
	d.check(c.FullEvery >= 1 && c.FullEvery <= 10000, at+".savings.full_every", "must be between 1 and 10000 pairs")
}

// Condition is a line of package watch by its name.
type Condition struct{ Name, Line string }

// Conditions stand in the file as NAME: LINE.
type Conditions []Condition

const maxConditions = 32

func (d *decoder) conditions(n ast.Node, path string, to *Conditions) {
	const want = "must hold lines like `visitor: notify when person is yes for 3 s`"
	var entries []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		entries = m.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{m}
	case *ast.NullNode:
		return
	default:
		d.fail(n, path, "%s %s, not %s", subject(path), want, quote(n))
		return
	}
	*to = Conditions{}
	for _, e := range entries {
		name := keyName(e.Key)
		at := join(path, name)
		if _, again := d.lines[at]; again {
			d.fail(e.Key, at, "condition `%s` stands here for the second time", name)
			continue
		}
		d.lines[at] = lineOf(e.Key)
		v, ok := d.resolve(e.Value)
		if !ok {
			d.fail(e.Key, at, "%s is empty; write what it waits for, like `notify when person is yes for 3 s`", subject(at))
			continue
		}
		line, isText := textOf(v)
		if !isText {
			d.fail(v, at, "%s must be a line like `notify when person is yes for 3 s`, not %s", subject(at), quote(v))
			continue
		}
		*to = append(*to, Condition{name, strings.Join(strings.Fields(line), " ")})
	}
}

func (c *Camera) validateConditions(d *decoder, at string) {
	d.check(len(c.Conditions) <= maxConditions, at, "has %d entries; at most %d", len(c.Conditions), maxConditions)
	var known []watch.Question
	for _, q := range c.Questions {
		w := watch.Question{Name: q.Name, Values: q.Choices, Numeric: q.Kind == "number"}
		if q.Kind == "yes_no" {
			w.Values = []string{"yes", "no"}
		}
		known = append(known, w)
	}
	for _, x := range c.Conditions {
		p := join(at, x.Name)
		d.checkErr(mqtt.ValidateName(x.Name), p)
		cond, err := watch.Parse(x.Name, x.Line)
		if err == nil {
			err = cond.Check(known)
		}
		if err != nil {
			d.check(false, p, "is wrong: %s", strings.TrimPrefix(err.Error(), "watch: "))
		}
	}
}

// Watch are the conditions in package watch's form. They have been checked.
func (c Conditions) Watch() (all []*watch.Condition) {
	for _, x := range c {
		if w, err := watch.Parse(x.Name, x.Line); err == nil {
			all = append(all, w)
		}
	}
	return all
}

// Schema is a JSON Schema: a file's name, or the document itself, as YAML or in braces.
type Schema struct {
	File string
	JSON string // the document; of a File it is read by Load
	Line int    // in the configuration
}

// Given says whether there is one.
func (s Schema) Given() bool { return s.File != "" || s.JSON != "" }

// Parse is the schema, nil if there is none.
func (s Schema) Parse() (*schema.Schema, error) {
	if !s.Given() {
		return nil, nil
	}
	return schema.Parse([]byte(s.JSON))
}

// DocumentTokens is how long a document by a schema may be where max_tokens does not say.
const DocumentTokens = 256

func (d *decoder) schema(n ast.Node, path string, to *Schema) {
	to.Line = lineOf(n)
	if to.Line == 0 {
		to.Line = d.lines[path]
	}
	if text, ok := textOf(n); ok {
		if strings.HasPrefix(strings.TrimSpace(text), "{") {
			to.JSON = text
		} else if to.File = text; text == "" {
			d.fail(n, path, "%s is empty; give a file's name, or a JSON Schema", subject(path))
		}
		return
	}
	var b strings.Builder
	if bad := d.json(&b, n, 0); bad != "" {
		d.fail(n, path, "%s must be a file's name or a JSON Schema, but it has %s", subject(path), bad)
		return
	}
	to.JSON = b.String()
}

// maxSchema bounds a schema's file, in bytes.
const maxSchema = 64 << 10

// loadSchemas reads and checks the schemas that are files.
func (c *Config) loadSchemas(dir string) (problems []Problem) {
	for i := range c.Cameras {
		s := &c.Cameras[i].Schema
		if s.File == "" {
			continue
		}
		if !filepath.IsAbs(s.File) {
			s.File = filepath.Join(dir, s.File)
		}
		at := fmt.Sprintf("`cameras[%d].schema`", i)
		data, err := os.ReadFile(s.File)
		switch {
		case err != nil:
			problems = append(problems, Problem{s.Line, oneLine(fmt.Sprintf("%s can't be read: %v", at, err))})
			continue
		case len(data) > maxSchema:
			problems = append(problems, Problem{s.Line, fmt.Sprintf("%s: %s has %d bytes; at most %d", at, s.File, len(data), maxSchema)})
			continue
		}
		s.JSON = string(data)
		if _, err := s.Parse(); err != nil {
			problems = append(problems, Problem{s.Line, oneLine(fmt.Sprintf("%s: %s: %v", at, s.File, err))})
		}
	}
	return problems
}
