package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/edgevlm/edgevlm/board"
	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
	"github.com/edgevlm/edgevlm/metrics"
	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/commands"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/schema"
	"github.com/edgevlm/edgevlm/runtime/vlm"
	"github.com/edgevlm/edgevlm/systemd"
)

// model is what the daemon needs of an engine.
type model interface {
	pipeline.Describer
	Info() vlm.Info
	Close() error
}

// daemon carries descriptions from the cameras to the broker. It is the
// pipeline's sink.
type daemon struct {
	cfg    *config.Config
	log    *slog.Logger
	spool  mqtt.Spool
	pub    *mqtt.Publisher
	sd     *systemd.Notifier
	pulse  *modelPulse
	topics mqtt.Topics
	cmds   *commands.Server
	snaps  chan snap
	board  *board.Board
	figures
	start time.Time
	stop  context.CancelCauseFunc
	info  vlm.Info
	waits bool // for a camera, at the start: true under a service manager

	mu      sync.Mutex
	cams    map[string]*cameraState // the map itself never changes
	missing map[string]error        // cameras without a device, until one has delivered
	anyUp   bool
	schemas map[string]*schema.Schema // of cameras that have one; never changes
	latency map[string]time.Duration
}

const statsEvery = 30 * time.Second

func newDaemon(cfg *config.Config, log *slog.Logger) (*daemon, error) {
	topics, err := mqtt.NewTopics(cfg.Device)
	if err != nil {
		return nil, err
	}
	spool, err := openSpool(cfg.Spool, log)
	if err != nil {
		return nil, err
	}
	pub, err := mqtt.NewPublisher(cfg.MQTT.Config(), topics, spool, log)
	if err != nil {
		return nil, errors.Join(err, spool.Close())
	}
	sd := systemd.New(log)
	d := &daemon{
		cfg: cfg, log: log, spool: spool, pub: pub, sd: sd, pulse: &modelPulse{n: sd}, start: time.Now(),
		topics: topics, cams: newCameraStates(cfg), snaps: make(chan snap, len(cfg.Cameras)),
		waits: os.Getenv("NOTIFY_SOCKET") != "", missing: map[string]error{}, latency: map[string]time.Duration{},
	}
	d.metrics = metrics.New(d.snapshot)
	if d.schemas, err = schemas(cfg); err != nil {
		return nil, errors.Join(err, spool.Close())
	}
	for name, c := range d.cams {
		source, err := d.newSource(c.Camera)
		if err != nil {
			return nil, errors.Join(err, spool.Close())
		}
		c.source = eye{source, func() { d.wake(name) }}
		d.sayConditions(c)
		if cfg.GPIO.Privacy.Pin != "" { // until the switch has been read
			d.cams[name].private = true
			c.source.Shut("privacy", true)
		}
	}
	if d.board, err = d.newBoard(); err == nil {
		d.cmds, err = d.newCommands()
	}
	if err == nil {
		err = d.announce()
	}
	if err != nil {
		return nil, errors.Join(err, spool.Close())
	}
	return d, nil
}

// openSpool opens the queue where the configuration says.
func openSpool(c config.Spool, log *slog.Logger) (mqtt.Spool, error) {
	dir := spoolDir(c)
	if dir == "" {
		log.Warn("the queue is in memory: what the broker has not got is lost when the daemon ends; set spool.dir")
		return mqtt.NewMemorySpool(int64(c.MaxBytes)), nil
	}
	// Not mqtt.OpenSpool's result itself: a nil *DiskSpool is no nil Spool.
	s, err := mqtt.OpenSpool(mqtt.SpoolConfig{
		Dir: dir, MaxBytes: int64(c.MaxBytes), MaxAge: c.MaxAge.Std(), Sync: c.SyncEvery(), Log: log,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// spoolDir is the queue's folder: the configuration's, else one in systemd's
// StateDirectory; "" is memory.
func spoolDir(c config.Spool) string {
	if state := os.Getenv("STATE_DIRECTORY"); c.Dir == "" && state != "" {
		return filepath.Join(state, "spool")
	}
	return c.Dir
}

// run loads the model and describes until ctx ends or every camera has. The
// publisher runs from the first moment to the last, so that a broker that is
// away delays nothing.
func (d *daemon) run(ctx context.Context, open func(context.Context) (model, error)) (err error) {
	d.log.Info("starting", "version", version(), "device", d.cfg.Device, "config", summary(d.cfg))
	pubCtx, stopPublisher := context.WithCancel(context.WithoutCancel(ctx))
	published := make(chan error, 1)
	go func() { published <- d.pub.Run(pubCtx) }()
	defer d.serveMetrics()()
	defer func() {
		d.sd.Stopping()
		d.allDown()
		stopPublisher() // says offline after it has delivered what it can
		err = errors.Join(err, <-published, d.spool.Close())
		d.log.Info("stopped")
	}()
	ctx, d.stop = context.WithCancelCause(ctx)
	defer d.stop(nil)
	watchdog := make(chan struct{})
	go func() { defer close(watchdog); d.sd.Run(ctx) }()
	defer func() { d.stop(nil); <-watchdog }()
	defer d.serveCommands(ctx)()
	defer d.runBoard(ctx)()

	d.sd.Status("loading the model")
	loaded := d.pulse.begin()
	m, err := open(ctx)
	loaded()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	d.info = m.Info()
	d.setInfo()
	d.log.Info("model is ready", "model", d.info.Name, "quant", d.info.Quant, "backend", d.info.Backend, "took", d.info.LoadTime.Round(time.Millisecond))

	p, err := pipeline.New(watch(m, d.pulse), d.cameras(), d, pipeline.Options{Log: d.log})
	if err != nil {
		return err
	}
	d.setPipeline(p)
	d.sd.Ready()
	d.sd.Status("describing with %s, %d cameras", d.info.Name, len(d.cfg.Cameras))
	return d.describe(ctx, p)
}

func (d *daemon) describe(ctx context.Context, p *pipeline.Pipeline) error {
	g, gctx := errgroup.WithContext(ctx)
	ended := errors.New("every camera has come to its end")
	g.Go(func() error {
		if err := p.Run(gctx); err != nil {
			return err
		}
		return ended
	})
	g.Go(func() error { return d.reportStats(gctx, p) })
	err := g.Wait()
	cause := context.Cause(ctx)
	switch {
	case errors.Is(err, ended):
		d.log.Info(ended.Error())
		return nil
	case cause != nil:
		return cause
	}
	return err
}

// cameras are the pipeline's, from the configuration.
func (d *daemon) cameras() []pipeline.Camera {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []pipeline.Camera
	for _, c := range d.cfg.Cameras {
		x := pipelineCamera(c, d.cams[c.Name].settings(), d.schemas[c.Name])
		x.Open = func(ctx context.Context, state func(bool, error)) (capture.Source, error) {
			return d.openCamera(ctx, c.Name, state)
		}
		x.Ends = strings.HasPrefix(c.Source, "files:") && !c.Loop
		all = append(all, x)
	}
	return all
}

// pipelineCamera is a camera of the configuration without its source.
func pipelineCamera(c config.Camera, set pipeline.Settings, s *schema.Schema) pipeline.Camera {
	return pipeline.Camera{
		Name: c.Name, FPS: set.FPS, Frames: set.Frames, Every: c.Publish.Every.Std(), Disabled: set.Disabled,
		System: c.System, Prompt: set.Prompt, MaxTokens: c.MaxTokens, Schema: s,
		Questions: questions(c), Conditions: c.Conditions.Watch(),
		Changes: c.Publish.Changes, Heartbeat: c.Stream.Beat(), Stream: c.Stream.Pipeline(),
	}
}

// Description implements pipeline.Sink: into the spool it goes.
func (d *daemon) Description(x pipeline.Description) error {
	e, err := d.pub.Event(newEvent(x, d.info))
	if err != nil {
		return err
	}
	d.offerSnapshot(x.Camera, x.Newest)
	if x.Condition != nil {
		d.condition(x, e)
		return nil
	}
	d.observe(x)
	latency := max(0, x.Ready.Sub(x.Last()))
	d.mu.Lock()
	d.latency[x.Camera] = latency
	d.mu.Unlock()
	d.log.Info("description", "camera", x.Camera, "seq", e.Seq, "text", e.Text, "latency", latency.Round(time.Millisecond), "dropped", e.Dropped, "why", string(x.Why))
	return nil
}

func newEvent(x pipeline.Description, info vlm.Info) mqtt.Event {
	t := x.Result.Timings
	e := mqtt.Event{
		Camera:     x.Camera,
		CapturedAt: mqtt.CapturedAt{First: x.First(), Last: x.Last()},
		Text:       strings.TrimSpace(x.Result.Text),
		Model:      info.Name, Quant: info.Quant, Backend: x.Result.Backend,
		TimingsMS: mqtt.Timings{
			Preprocess: mqtt.MS(t.Preprocess), Vision: mqtt.MS(t.Vision), Prefill: mqtt.MS(t.Prefill), Decode: mqtt.MS(t.Decode), Questions: mqtt.MS(x.Asked),
			Total: mqtt.MS(max(0, x.Ready.Sub(x.Last()))),
		},
		Dropped: x.Dropped,
	}
	for _, f := range x.Frames {
		e.FrameSeqs = append(e.FrameSeqs, f.Seq)
	}
	for _, a := range x.Answers {
		e.Answers = append(e.Answers, mqtt.Answer{Name: a.Name, Kind: string(a.Kind), Value: a.Value, Probability: a.Probability})
	}
	if c := x.Condition; c != nil {
		e.Condition = &mqtt.Condition{Name: c.Condition, Message: c.Message, State: mqtt.ConditionEnd, HeldS: c.Held.Seconds()}
		if c.Start {
			e.Condition.State = mqtt.ConditionStart
		}
		e.Backend = info.Backend
	}
	for _, b := range x.Result.Boxes {
		e.Boxes = append(e.Boxes, mqtt.Box(b))
	}
	return e
}

// CameraState implements pipeline.Sink.
func (d *daemon) CameraState(camera string, up bool, why error) {
	if up {
		d.log.Info("camera is delivering", "camera", camera)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.setUp(camera, up)
	d.anyUp = d.anyUp || up
	if d.anyUp || d.waits || !errors.Is(why, capture.ErrNoDevice) {
		return
	}
	// No camera at all at the start: a person at a terminal wants to read that,
	// a service waits until one is plugged in, and later one may come and go.
	d.missing[camera] = why
	if len(d.missing) == len(d.cfg.Cameras) {
		d.stop(fmt.Errorf("camera %s: %w", camera, why))
	}
}

func (d *daemon) setInfo() {
	d.pub.SetInfo(mqtt.Info{
		Version: version(), Model: d.info.Name, Quant: d.info.Quant, Backend: d.info.Backend,
		Cameras: cameraInfos(d.cfg), Config: map[string]any{"set": setSchema(d.cfg.MQTT.Commands.Allow)},
	})
}

// setPipeline lets commands reach the pipeline, and brings what was set since it
// was made.
func (d *daemon) setPipeline(p *pipeline.Pipeline) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pipe.Store(p)
	for name, c := range d.cams {
		if err := p.Set(name, c.settings()); err != nil {
			d.log.Warn("settings not applied", "camera", name, "err", err)
		}
	}
}

// questions are a camera's, as the model takes them.
func questions(c config.Camera) (all []vlm.Question) {
	for _, q := range c.Questions {
		all = append(all, vlm.Question{Name: q.Name, Text: q.Text, Kind: vlm.Kind(q.Kind), Choices: q.Choices})
	}
	return all
}

// serveCommands answers requests and publishes snapshots until the function that
// it returns is called.
func (d *daemon) serveCommands(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = d.cmds.Run(ctx) }) // it ends with ctx only
	wg.Go(func() { d.publishSnapshots(ctx.Done()) })
	return func() { cancel(); wg.Wait() }
}
