package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
)

type runCmd struct{}

func (runCmd) Run(e *env) error {
	cfg, err := e.loadConfig(e.Config)
	if err != nil {
		return err
	}
	log := e.logger(cfg.Log.Level, cfg.Log.Format)
	// A terminal that closes or an old reload script must not end the daemon.
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	go func() {
		for {
			select {
			case <-hup:
				log.Warn("SIGHUP: reloading is not supported; restart to read the configuration again")
			case <-ctx.Done():
				return
			}
		}
	}()
	d, err := newDaemon(cfg, log)
	if err != nil {
		return err
	}
	o := e.options(nil)
	o.Log = log
	o.Progress = d.pulse.progress
	err = d.run(ctx, d.paced(func(ctx context.Context) (model, error) {
		eng, err := openModel(ctx, cfg.Model, o)
		if err != nil {
			return nil, err
		}
		return pipeline.Engine{Engine: eng}, nil
	}))
	if e.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // told to stop
	}
	return err
}

// summary is one line about a configuration, for the log.
func summary(c *config.Config) string {
	return fmt.Sprintf("%d cameras, broker %s", len(c.Cameras), config.Redact(c.MQTT.URL))
}
