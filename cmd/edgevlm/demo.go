package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
	"github.com/edgevlm/edgevlm/demo"
	"github.com/edgevlm/edgevlm/demo/gate/eval"
	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/broker"
	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

type demoCmd struct {
	modelFlags
	Once bool   `help:"Play every clip once and end."`
	Eval bool   `help:"Play nothing: measure the model on clips that it has never seen."`
	N    int    `name:"n" default:"1000" placeholder:"N" help:"With --eval: how many clips."`
	Seed uint64 `default:"1" placeholder:"N" help:"With --eval: which clips."`
	JSON bool   `name:"json" help:"With --eval: print JSON."`
}

// demoDevice is the demo's device in the topics.
const demoDevice = "demo"

func (c *demoCmd) Run(e *env) error {
	switch {
	case c.modelFlags.check() != nil:
		return c.modelFlags.check()
	case c.N < 1:
		return usagef("--n %d: give at least 1", c.N)
	case c.JSON && !c.Eval:
		return usagef("--json goes with --eval")
	case c.Eval:
		return c.evaluate(e)
	}
	err := c.play(e)
	if !c.Once && e.ctx.Err() != nil {
		fmt.Fprintln(e.stdout)
		return nil // it was meant to be ended so
	}
	return err
}

// play sends the sample clips down the daemon's path: a source, the sampler, the
// model, the publisher, a broker on loopback, and back through a subscriber.
func (c *demoCmd) play(e *env) error {
	b, err := broker.Start(context.WithoutCancel(e.ctx), "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer b.Close()
	p := newProgress(e.stderr)
	eng, err := c.open(e, p)
	p.stop()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer eng.Close()
	printDemoHeader(e, eng.Info(), b.Addr())

	clips := demo.Clips()
	s, err := newStage(e, b.URL(), eng, newPace(clips, c.Once, showsPictures(e.stdout)))
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer s.close()
	for {
		for i, clip := range clips {
			if err := s.show(clip); err != nil {
				return fmt.Errorf("demo: clip %s: %w", clip.Name, err)
			}
			if c.Once && i == len(clips)-1 {
				fmt.Fprintf(e.stdout, "\n%d clips described. With a camera and a Qwen2-VL model of your own: edgevlm run --config FILE\n", len(clips))
				return nil
			}
			if err := sleep(e.ctx, s.pace.pause); err != nil {
				return err
			}
		}
	}
}

// evaluate scores the model on rendered clips; a bar that is missed is a failed
// check.
func (c *demoCmd) evaluate(e *env) error {
	askers, done, err := c.askers(e)
	defer done()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	p := newProgress(e.stderr)
	o := eval.Options{N: c.N, Seed: c.Seed, Progress: func(done, total int) { p.update("clips", int64(done), int64(total)) }}
	if c.embedded(e) {
		if o.Reference, err = eval.ParseReference(demo.Reference()); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	r, err := eval.Run(e.ctx, o, askers...)
	p.stop()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if c.JSON {
		err = printJSON(e.stdout, r)
	} else {
		_, err = fmt.Fprint(e.stdout, r.Table())
	}
	if err == nil && !r.Passed() {
		err = codeError{exitCheck, errors.New("demo: the model misses a bar")}
	}
	return err
}

// embedded says that the model is the one in the binary.
func (c *demoCmd) embedded(e *env) bool { return c.Model == "" && e.Config == "" }

// askers open the model. The embedded one is so small that each thread does best with clips and a model of its own.
func (c *demoCmd) askers(e *env) (all []eval.Asker, done func(), err error) {
	loading := newProgress(e.stderr)
	defer loading.stop()
	var open []*vlm.Engine
	done = func() {
		for _, eng := range open {
			eng.Close()
		}
	}
	n := 1
	if c.embedded(e) {
		n = cmp.Or(e.Threads, runtime.GOMAXPROCS(0))
		one := *e
		one.Threads, e = 1, &one
	}
	for range n {
		eng, err := c.open(e, loading)
		if err != nil {
			return nil, done, err
		}
		open, all = append(open, eng), append(all, eval.Engine(eng))
	}
	return all, done, nil
}

func printDemoHeader(e *env, info vlm.Info, addr string) {
	_, port, _ := net.SplitHostPort(addr) // the broker's own address is well formed
	fmt.Fprintf(e.stdout, "edgevlm demo: drawn clips, described on this machine, sent to an MQTT broker and received back.\n")
	fmt.Fprintf(e.stdout, "model   %s, %s weights, %s, on %s (%s)\n", info.Name, count(info.Params), info.Quant, info.Backend, quant.ISA())
	fmt.Fprintf(e.stdout, "broker  mqtt://%s   listen too: mosquitto_sub -p %s -v -t 'edgevlm/#'\n\n", addr, port)
}

// pace is how fast clips are shown; capture times stay those of the clip.
type pace struct{ frame, pause time.Duration }

// newPace plays for a person at a readable speed. --once fits all clips into
// some 10 seconds on a terminal, and does not wait at all in a pipe.
func newPace(clips []demo.Clip, once, pictures bool) pace {
	switch {
	case !once:
		return pace{200 * time.Millisecond, 2 * time.Second}
	case !pictures:
		return pace{}
	}
	frames := 0
	for _, c := range clips {
		frames += len(c.Frames)
	}
	return pace{
		min(150*time.Millisecond, 6*time.Second/time.Duration(max(frames, 1))),
		min(time.Second, 4*time.Second/time.Duration(max(len(clips), 1))),
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stage plays clips and shows what comes back from the broker.
type stage struct {
	ctx    context.Context
	eng    *vlm.Engine
	info   vlm.Info
	pub    *mqtt.Publisher
	events chan mqtt.Event
	screen *screen
	pace   pace
	close  func()
}

// newStage connects a publisher and a subscriber to the broker.
func newStage(e *env, url string, eng *vlm.Engine, pace pace) (*stage, error) {
	topics, err := mqtt.NewTopics(demoDevice)
	if err != nil {
		return nil, err
	}
	log := e.logger("warn", "text")
	spool := mqtt.NewMemorySpool(1 << 20)
	pub, err := mqtt.NewPublisher(mqtt.Config{URL: url}, topics, spool, log)
	if err != nil {
		return nil, err
	}
	s := &stage{ctx: e.ctx, eng: eng, info: eng.Info(), pub: pub, events: make(chan mqtt.Event, 16), screen: newScreen(e.stdout), pace: pace}
	sub, err := mqtt.NewSubscriber(mqtt.Config{URL: url}, []string{topics.Event("+")}, s.receive, log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(e.ctx))
	done := make(chan error, 2)
	go func() { done <- sub.Run(ctx) }()
	go func() { done <- pub.Run(ctx) }()
	s.close = func() {
		cancel()
		<-done
		<-done
		spool.Close()
	}
	select {
	case <-sub.Ready():
		return s, nil
	case <-e.ctx.Done():
		err = e.ctx.Err()
	case <-time.After(10 * time.Second):
		err = fmt.Errorf("no subscription at %s", url)
	}
	s.close()
	return nil, err
}

func (s *stage) receive(m mqtt.Message) {
	if e, err := mqtt.DecodeEvent(m.Topic, m.Payload); err == nil {
		select {
		case s.events <- e:
		default: // nobody waits for it
		}
	}
}

// show plays one clip as a camera of its own and waits for its description.
func (s *stage) show(clip demo.Clip) error {
	name := topicName(clip.Name)
	cam := pipeline.Camera{
		Name: name,
		Open: func(context.Context, func(bool, error)) (capture.Source, error) {
			return newClipSource(clip, s.pace.frame), nil
		},
		Ends: true, Patient: true, FPS: clip.FPS, Frames: len(clip.Frames),
		Prompt: config.DefaultCamera().Prompt, MaxTokens: 64,
		Stream: &pipeline.Stream{Least: len(clip.Frames) / 2}, // said once, at its end
	}
	s.screen.begin(name)
	watch := func(_ string, f capture.Frame) { s.screen.frame(f) }
	p, err := pipeline.New(pipeline.Engine{Engine: s.eng}, []pipeline.Camera{cam}, s, pipeline.Options{Watch: watch})
	if err != nil {
		return err
	}
	if err := p.Run(s.ctx); err != nil {
		return err
	}
	if st := p.Stats()[0]; st.Descriptions == 0 {
		return fmt.Errorf("no description: %s", st.LastError)
	}
	select {
	case e := <-s.events:
		s.screen.description(e)
		return nil
	case <-time.After(10 * time.Second):
		return fmt.Errorf("its description did not come back from the broker; %s", s.pub.Status().LastError)
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// Description implements pipeline.Sink.
func (s *stage) Description(d pipeline.Description) error {
	_, err := s.pub.Event(newEvent(d, s.info))
	return err
}

// CameraState implements pipeline.Sink.
func (s *stage) CameraState(camera string, up bool, _ error) {
	state := mqtt.Offline
	if up {
		state = mqtt.Online
	}
	_ = s.pub.SetCamera(camera, state) // topicName has made it valid
}
