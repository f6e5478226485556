//go:build linux

// Command soak runs a camera for a day in minutes and looks whether anything grows: go run ./hwtest/soak -hours 24.
//
// Frames at 2 a second, by their own clock, go as fast as the machine allows through all but the model: JPEG decoding, a privacy
// mask, the motion gate, the pipeline's window, the spool on disk, the publisher and a broker in this process; the model is a
// stand-in that answers at once. Each hour of that day a camera on HTTP is opened, hangs up, comes back and is closed, a camera
// that is a child process is started and ended, and the privacy switch is thrown. After each hour memory, file descriptors,
// goroutines and children are counted, and printed. Status 1 if they grow.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/capture/capturetest"
	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/broker"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

const fps = 2

func main() {
	hours := flag.Int("hours", 24, "how many hours of frames")
	width := flag.Int("width", 320, "width of a frame in pixels; its height is three quarters")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *hours, *width); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, hours, width int) (err error) {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := newSoak(ctx, dir, width)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	began := time.Now()
	var all []usage
	for hour := 1; hour <= hours; hour++ {
		if err := s.hour(ctx, uint64(hour*3600*fps)); err != nil {
			return err
		}
		if err := s.disturb(ctx); err != nil {
			return fmt.Errorf("hour %d: %w", hour, err)
		}
		u := measure()
		all = append(all, u)
		fmt.Printf("hour %2d: %v, %d frames, %d events, %d in the spool, %v\n", hour, u, s.frames.Load(), s.events.Load(), s.spool.Len(),
			time.Since(began).Round(time.Second))
	}
	return judge(all)
}

// soak is a daemon without a model.
type soak struct {
	dir     string
	broker  *broker.Broker
	spool   *mqtt.DiskSpool
	pub     *mqtt.Publisher
	camera  *capture.Camera
	frames  atomic.Uint64
	events  atomic.Uint64
	limit   atomic.Uint64 // frames up to which the camera may go
	cancel  context.CancelFunc
	stopped chan error
}

func newSoak(ctx context.Context, dir string, width int) (*soak, error) {
	clip, err := writeClip(dir, width)
	if err != nil {
		return nil, err
	}
	b, err := broker.Start(context.WithoutCancel(ctx), "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	spool, err := mqtt.OpenSpool(mqtt.SpoolConfig{Dir: filepath.Join(dir, "spool"), MaxBytes: 64 << 20})
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	topics, err := mqtt.NewTopics("soak")
	if err != nil {
		return nil, err
	}
	pub, err := mqtt.NewPublisher(mqtt.Config{URL: b.URL(), Formats: []string{mqtt.FormatJSON}}, topics, spool, nil)
	if err != nil {
		return nil, err
	}
	cam, err := capture.NewCamera(capture.CameraConfig{
		Spec:   capture.Spec{Source: "files:" + clip, Loop: true, FPS: fps, Unpaced: true},
		View:   capture.View{Masks: []capture.Mask{{{X: 0, Y: 0}, {X: 0.3, Y: 0}, {X: 0.2, Y: 0.4}}}},
		Motion: &capture.MotionConfig{},
	})
	if err != nil {
		return nil, err
	}
	s := &soak{dir: dir, broker: b, spool: spool, pub: pub, camera: cam, stopped: make(chan error, 2)}
	p, err := pipeline.New(model{}, []pipeline.Camera{{
		Name: "yard", FPS: fps, Frames: 8, Every: 2 * time.Second, Prompt: "What is happening?",
		Open: func(ctx context.Context, state func(bool, error)) (capture.Source, error) {
			src, err := cam.Open(ctx, state)
			if err != nil {
				return nil, err
			}
			return &counted{src, s}, nil
		},
	}}, s, pipeline.Options{})
	if err != nil {
		return nil, err
	}
	ctx, s.cancel = context.WithCancel(ctx)
	go func() { s.stopped <- pub.Run(ctx) }()
	go func() { s.stopped <- p.Run(ctx) }()
	return s, nil
}

func (s *soak) close() error {
	s.cancel()
	err := errors.Join(<-s.stopped, <-s.stopped)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, s.spool.Close(), s.broker.Close())
}

// hour lets the camera go on to n frames.
func (s *soak) hour(ctx context.Context, n uint64) error {
	s.limit.Store(n)
	for s.frames.Load() < n || s.spool.Len() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// counted counts a source's frames and holds them at the hour's end.
type counted struct {
	capture.Source
	s *soak
}

// Unpaced implements capture.Unpaced.
func (c *counted) Unpaced() bool { return true }

func (c *counted) Next(ctx context.Context) (capture.Frame, error) {
	for c.s.frames.Load() >= c.s.limit.Load() {
		select {
		case <-ctx.Done():
			return capture.Frame{}, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	f, err := c.Source.Next(ctx)
	if err == nil {
		c.s.frames.Add(1)
	}
	return f, err
}

// model answers at once.
type model struct{}

func (model) Generate(ctx context.Context, r vlm.Request, _ func(string)) (vlm.Result, error) {
	return vlm.Result{Text: fmt.Sprintf("%d frames", len(r.Media[0].Frames)), Backend: "none"}, ctx.Err()
}

// Description implements pipeline.Sink.
func (s *soak) Description(d pipeline.Description) error {
	s.events.Add(1)
	_, err := s.pub.Event(mqtt.Event{
		Camera: d.Camera, Text: d.Result.Text, Model: "none", Backend: d.Result.Backend, Dropped: d.Dropped,
		CapturedAt: mqtt.CapturedAt{First: d.First(), Last: d.Last()},
	})
	return err
}

// CameraState implements pipeline.Sink.
func (s *soak) CameraState(string, bool, error) {}

// writeClip writes a minute at 2 frames a second: a square that moves for a while and then stands still.
func writeClip(dir string, width int) (string, error) {
	path := filepath.Join(dir, "clip.mjpeg")
	var clip []byte
	for i := range 120 {
		clip = append(clip, capturetest.JPEG(width, width*3/4, min(i, 60))...)
	}
	return path, os.WriteFile(path, clip, 0o600)
}
