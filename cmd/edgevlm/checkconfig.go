package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
)

type checkConfigCmd struct {
	File string `arg:"" optional:"" help:"The configuration; the same as --config FILE."`
}

func (c *checkConfigCmd) Run(e *env) error {
	path := c.File
	if path == "" {
		path = e.Config
	}
	cfg, err := e.loadConfig(path)
	var bad *config.Errors
	if errors.As(err, &bad) && len(bad.Problems) > 1 {
		for _, p := range bad.Problems {
			fmt.Fprintf(e.stderr, "%s: %s\n", bad.File, p)
		}
		return usagef("config %s: %d problems", bad.File, len(bad.Problems))
	}
	if err != nil {
		return err
	}
	printSummary(e, path, cfg)
	return nil
}

// loadConfig reads the configuration; a file that can't be read is wrong usage.
func (e *env) loadConfig(path string) (*config.Config, error) {
	if path == "" {
		return nil, usagef("no configuration; give --config FILE")
	}
	cfg, err := config.Load(path)
	var bad *config.Errors
	if err != nil && !errors.As(err, &bad) {
		return nil, codeError{exitUsage, err}
	}
	return cfg, err
}

func printSummary(e *env, path string, c *config.Config) {
	out := e.stdout
	fmt.Fprintf(out, "%s is fine\n", path)
	fmt.Fprintf(out, "device   %s\n", c.Device)
	fmt.Fprintf(out, "model    %s\n", modelText(c.Model))
	for _, cam := range c.Cameras {
		fmt.Fprintf(out, "camera   %s: %s, %v fps, %d frames a description, one every %v at most%s\n",
			cam.Name, config.Redact(cam.Source), cam.FPS, cam.Frames(), cam.Publish.Every, streamText(cam))
		for _, w := range cam.Conditions.Watch() {
			fmt.Fprintf(out, "         %s: %s\n", w.Name, w)
		}
	}
	fmt.Fprintf(out, "broker   %s\n", config.Redact(c.MQTT.URL))
	fmt.Fprintf(out, "spool    %v in %s\n", c.Spool.MaxBytes, cmp.Or(spoolDir(c.Spool), "memory"))
}

// streamText says for people what is kept of a camera's window, and what is said of it.
func streamText(c config.Camera) string {
	s := "; every window runs anew"
	if p := c.Stream.Pipeline(); p != nil {
		s = "; " + p.Mode.String() + " window"
		if p.Savings.Any() {
			s += ", what did not change is left out"
		}
		if p.Latency > 0 {
			s += fmt.Sprintf(", answers within %v", p.Latency)
		}
	}
	if c.Publish.Changes {
		s += ", only news are published"
	}
	if c.Schema.Given() {
		s += ", as JSON by a schema"
	}
	return s
}

// modelText is a model for people. One that isn't here yet is no error of the
// configuration.
func modelText(m config.Model) string {
	if m.Name == demoModel {
		return "demo (embedded)"
	}
	files, err := located(m)
	switch {
	case err != nil:
		return "not ready: " + oneLine(err.Error())
	case m.Name != "":
		return fmt.Sprintf("%s in %s", m.Name, filepath.Dir(files.Text))
	}
	return m.Text + ", " + m.MMProj
}
