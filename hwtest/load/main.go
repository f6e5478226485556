//go:build linux

// Command load measures what watching a camera costs beside the model: go run ./hwtest/load.
//
// A child process serves MJPEG over HTTP, 640x480 at 15 frames a second; this one takes 2 a second through everything but the
// model: the stream is cut up, frames are decoded, masked, looked at for motion, put into the pipeline's window and handed to a
// model that answers at once. Printed is the processor time of this process, in percent of one core and per frame taken: for a
// picture in which something moves, and for one that stands still (idle).
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/capture/capturetest"
	"github.com/edgevlm/edgevlm/runtime/pipeline"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

const fps = 2

func main() {
	serve := flag.String("serve", "", "be the camera: moving or still")
	mask := flag.Bool("mask", true, "with a privacy mask")
	seconds := flag.Int("seconds", 20, "how long each measurement takes")
	flag.Parse()
	if *serve != "" {
		camera(*serve)
		return
	}
	for _, scene := range []string{"moving", "still"} {
		if err := measure(scene, *mask, time.Duration(*seconds)*time.Second); err != nil {
			fmt.Fprintln(os.Stderr, "load:", err)
			os.Exit(1)
		}
	}
}

// camera serves until its standard input ends.
func camera(scene string) {
	pictures := [][]byte{capturetest.GrainyJPEG(640, 480, 0)}
	for i := 1; scene == "moving" && i < 60; i++ {
		pictures = append(pictures, capturetest.GrainyJPEG(640, 480, i))
	}
	s := capturetest.NewMJPEGServer(&capturetest.MJPEG{Pictures: pictures, Period: time.Second / 15})
	defer s.Close()
	fmt.Println(s.URL)
	_, _ = os.Stdin.Read(make([]byte, 1))
}

func measure(scene string, mask bool, d time.Duration) error {
	child := exec.Command("/proc/self/exe", "-serve", scene)
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		return err
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	defer func() { in.Close(); _ = child.Wait() }()
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the camera did not start: %w", err)
	}

	c := capture.CameraConfig{Spec: capture.Spec{Source: strings.TrimSpace(url), FPS: fps}, Motion: &capture.MotionConfig{}}
	if mask {
		c.View.Masks = []capture.Mask{{{X: 0, Y: 0}, {X: 0.3, Y: 0}, {X: 0.2, Y: 0.4}}}
	}
	cam, err := capture.NewCamera(c)
	if err != nil {
		return err
	}
	s := &sink{}
	p, err := pipeline.New(s, []pipeline.Camera{{Name: "yard", FPS: fps, Frames: 8, Every: 2 * time.Second, Prompt: "?",
		Open: cam.Open}}, s, pipeline.Options{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	defer cancel()
	time.Sleep(3 * time.Second) // connected, background learnt
	frames, cpu, began := p.Stats()[0].Frames, processorTime(), time.Now()
	time.Sleep(d)
	took, used := time.Since(began), processorTime()-cpu
	frames = p.Stats()[0].Frames - frames
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		return err
	}
	looked := took.Seconds() * fps
	fmt.Printf("%-6s  %.2f %% of a core, %.2f ms for each of %.0f frames looked at; %d of them reached the window, %d descriptions\n",
		scene, 100*used.Seconds()/took.Seconds(), 1000*used.Seconds()/looked, looked, frames, s.n.Load())
	return nil
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sink is a model that answers at once, and takes its answers.
type sink struct{ n atomic.Int64 }

func (s *sink) Generate(ctx context.Context, _ vlm.Request, _ func(string)) (vlm.Result, error) {
	return vlm.Result{Text: "?"}, ctx.Err()
}
func (s *sink) Description(pipeline.Description) error { s.n.Add(1); return nil }
func (s *sink) CameraState(string, bool, error)        {}
