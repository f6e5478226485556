package main

import (
	"cmp"
	"context"
	"os"

	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
	"github.com/edgevlm/edgevlm/demo"
	"github.com/edgevlm/edgevlm/models"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// modelFlags choose a model that sees.
type modelFlags struct {
	Model     string `placeholder:"FILE" help:"Text model, GGUF; without it the model of --config, or the embedded demo model."`
	MMProj    string `name:"mmproj" placeholder:"FILE" help:"Vision tower, GGUF (mmproj)."`
	MinPixels int    `placeholder:"N" help:"Least pixels of a picture after resizing; 0 is the model's."`
	MaxPixels int    `placeholder:"N" help:"Most pixels of a picture after resizing; 0 is the model's."`
}

// sampling are the flags that choose the next token; without them it is the
// likeliest.
type samplingFlags struct {
	MaxTokens int     `default:"128" placeholder:"N" help:"Longest answer, in tokens."`
	Temp      float32 `default:"0" placeholder:"T" help:"Temperature; 0 always takes the likeliest token."`
	TopP      float32 `default:"0" placeholder:"P" help:"Sample from the likeliest tokens that make up P; 0 is all."`
	TopK      int     `default:"0" placeholder:"K" help:"Sample from the K likeliest tokens; 0 is all."`
	Seed      uint64  `default:"0" placeholder:"N" help:"Seed of the sampling."`
}

func (s samplingFlags) check() error {
	switch {
	case s.MaxTokens < 1:
		return usagef("--max-tokens %d: give at least 1", s.MaxTokens)
	case !(s.Temp >= 0 && s.Temp <= 100):
		return usagef("--temp %v: give 0 to 100", s.Temp)
	case !(s.TopP >= 0 && s.TopP <= 1):
		return usagef("--top-p %v: give 0 to 1", s.TopP)
	case s.TopK < 0:
		return usagef("--top-k %d: give 0 or more", s.TopK)
	}
	return nil
}

func (s samplingFlags) sampling() vlm.Sampling {
	return vlm.Sampling{Temperature: s.Temp, TopP: s.TopP, TopK: s.TopK, Seed: s.Seed}
}

func (m modelFlags) check() error {
	switch {
	case m.Model == "" && m.MMProj != "":
		return usagef("--mmproj without --model: a model that sees is both")
	case m.Model != "" && m.MMProj == "":
		return usagef("--model without --mmproj: a model that sees is both; for text alone use `edgevlm generate`")
	case m.MinPixels < 0 || m.MaxPixels < 0:
		return usagef("--min-pixels and --max-pixels must not be negative")
	case m.MaxPixels > 0 && m.MinPixels > m.MaxPixels:
		return usagef("--min-pixels %d is more than --max-pixels %d", m.MinPixels, m.MaxPixels)
	}
	return nil
}

// options are the engine's, from the flags of every command.
func (e *env) options(p *progress) vlm.Options {
	o := vlm.Options{Threads: e.Threads, Backend: e.Backend, Log: e.logger("warn", "text")}
	if p != nil {
		o.Progress = p.update
	}
	return o
}

// open loads the model that the flags name, else the configuration's, else the
// embedded one.
func (m modelFlags) open(e *env, p *progress) (*vlm.Engine, error) {
	defer p.clear()
	var cfg config.Model
	if m.Model == "" && e.Config != "" {
		c, err := e.loadConfig(e.Config)
		if err != nil {
			return nil, err
		}
		cfg = c.Model
	} else {
		cfg.Text, cfg.MMProj = m.Model, m.MMProj
	}
	cfg.MinPixels, cfg.MaxPixels = cmp.Or(m.MinPixels, cfg.MinPixels), cmp.Or(m.MaxPixels, cfg.MaxPixels)
	return openModel(e.ctx, cfg, e.options(p))
}

// located is a model with its files: one that is named and was pulled gets them.
// Without any it is the embedded demo model.
func located(m config.Model) (config.Model, error) {
	if m.Text != "" || m.Name == "" || m.Name == demoModel {
		return m, nil
	}
	s, err := models.Locate(m.Name, models.Dirs(os.Getenv))
	if err != nil {
		return m, codeError{exitUsage, err}
	}
	m.Text, m.MMProj = s.Text, s.MMProj
	return m, nil
}

// demoModel is the name of the embedded model.
const demoModel = "demo"

// openModel loads a model as a configuration names it; one without files is the
// embedded demo model. The flags in o win over it.
func openModel(ctx context.Context, m config.Model, o vlm.Options) (*vlm.Engine, error) {
	m, err := located(m)
	if err != nil {
		return nil, err
	}
	o.Threads = cmp.Or(o.Threads, m.Threads)
	o.Backend = cmp.Or(o.Backend, m.Backend)
	o.MinPixels, o.MaxPixels = m.MinPixels, m.MaxPixels
	o.CacheDir, o.Vision = m.Cache, cmp.Or(o.Vision, m.Vision)
	if m.Text == "" {
		return vlm.OpenBytes(ctx, demo.Text(), demo.MMProj(), o)
	}
	return vlm.Open(ctx, m.Text, m.MMProj, o)
}
