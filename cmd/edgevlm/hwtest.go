package main

import (
	"context"
	"fmt"
	"os"

	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
	"github.com/edgevlm/edgevlm/hwtest"
	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

type hwtestCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *hwtestCmd) Run(e *env) error {
	o := hwtest.Options{Dir: "."}
	model := config.Model{Name: "demo"}
	if e.Config != "" {
		cfg, err := e.loadConfig(e.Config)
		if err != nil {
			return err
		}
		model = cfg.Model
		for _, cam := range cfg.Cameras {
			o.Cameras = append(o.Cameras, hwtest.Camera{Name: cam.Name, Source: cam.Source, Width: cam.Width, Height: cam.Height})
		}
		o.Broker = config.Redact(cfg.MQTT.URL)
		o.Dir = spoolDir(cfg.Spool)
		o.Board = config.BoardConfig(cfg.GPIO, cfg.Power)
		o.Connect = func(ctx context.Context) error { return mqtt.Check(ctx, cfg.MQTT.Config()) }
	}
	if files, err := located(model); err == nil { // else opening it says so
		o.ModelBytes = sizeOf(files.Text) + sizeOf(files.MMProj)
	}
	p := newProgress(e.stderr)
	o.OpenModel = func(ctx context.Context) (*vlm.Engine, error) {
		defer p.clear()
		return openModel(ctx, model, e.options(p))
	}
	each := func(ch hwtest.Check) {
		fmt.Fprintf(e.stdout, "%-8s%-16s%s\n", ch.Status, ch.Name, oneLine(ch.Detail))
		if ch.Fix != "" {
			fmt.Fprintf(e.stdout, "%-24s-> %s\n", "", ch.Fix)
		}
	}
	if c.JSON {
		each = nil
	}
	all := hwtest.Run(e.ctx, o, each)
	if c.JSON {
		if err := printJSON(e.stdout, map[string]any{"version": version(), "worst": hwtest.Worst(all), "checks": all}); err != nil {
			return err
		}
	}
	if err := e.ctx.Err(); err != nil {
		return err
	}
	switch hwtest.Worst(all) {
	case hwtest.Fail:
		return codeError{exitCheck, fmt.Errorf("hwtest: %s", named(all, hwtest.Fail))}
	case hwtest.Missing:
		return codeError{exitNoDevice, fmt.Errorf("hwtest: %s", named(all, hwtest.Missing))}
	}
	return nil
}

// named lists the checks of one status.
func named(all []hwtest.Check, s hwtest.Status) string {
	text := ""
	for _, c := range all {
		if c.Status == s {
			if text != "" {
				text += ", "
			}
			text += c.Name
		}
	}
	return string(s) + ": " + text
}

func sizeOf(path string) int64 {
	if st, err := os.Stat(path); err == nil {
		return st.Size()
	}
	return 0
}
