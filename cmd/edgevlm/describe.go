package main

import (
	"fmt"
	"os"

	"github.com/edgevlm/edgevlm/runtime/schema"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

type describeCmd struct {
	modelFlags
	samplingFlags
	Prompt string   `default:"${prompt}" placeholder:"TEXT" help:"What to ask; \"${default}\" if not given."`
	System *string  `placeholder:"TEXT" help:"System turn; \"\" leaves it out, without the flag it is the model's own."`
	Video  bool     `help:"The files are one clip: its frames, a folder of them, or a video."`
	FPS    float64  `name:"fps" default:"1" placeholder:"F" help:"With --video: frames a second that the model gets."`
	Schema string   `placeholder:"FILE" help:"Answer with a JSON document that the JSON Schema in this file allows, whole within --max-tokens."`
	JSON   bool     `name:"json" help:"Print JSON."`
	Files  []string `arg:"" name:"file" help:"JPEG or PNG pictures, in the order of the prompt; with --video also MJPEG, AVI, MP4 or a folder."`
}

func (c *describeCmd) Run(e *env) error {
	for _, err := range []error{c.modelFlags.check(), c.samplingFlags.check()} {
		if err != nil {
			return err
		}
	}
	if !(c.FPS > 0 && c.FPS <= 30) {
		return usagef("--fps %v: give more than 0 and at most 30", c.FPS)
	}
	limits, err := c.limits()
	if err != nil {
		return err
	}
	// The pictures first: a wrong file name should not cost a model's load.
	media, err := c.media(e)
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	p := newProgress(e.stderr)
	eng, err := c.open(e, p)
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	defer eng.Close()
	err = generateTo(e, p, eng, vlm.Request{
		System: c.System, Media: media, Prompt: c.Prompt, MaxTokens: c.MaxTokens, Sampling: c.sampling(), Schema: limits,
	}, c.JSON)
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	return nil
}

// limits reads the schema, nil for none.
func (c *describeCmd) limits() (*schema.Schema, error) {
	if c.Schema == "" {
		return nil, nil
	}
	b, err := os.ReadFile(c.Schema)
	if err != nil {
		return nil, usagef("--schema: %v", err)
	}
	s, err := schema.Parse(b)
	if err != nil {
		return nil, usagef("--schema %s: %v", c.Schema, err)
	}
	return s, nil
}

func (c *describeCmd) media(e *env) ([]vlm.Media, error) {
	if c.Video {
		m, err := readClip(e.ctx, c.Files, c.FPS)
		return []vlm.Media{m}, err
	}
	var all []vlm.Media
	for _, f := range c.Files {
		m, err := readStill(f)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}
