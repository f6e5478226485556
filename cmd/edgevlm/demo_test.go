package main

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/demo"
	"github.com/edgevlm/edgevlm/mqtt"
)

func TestTheDemoTellsTheTruthAboutEveryClip(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"demo", "--once"}, &out, &errs); code != exitOK || errs.Len() > 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	lines := strings.Split(out.String(), "\n")
	for _, c := range demo.Clips() {
		if !slices.ContainsFunc(lines, func(l string) bool {
			return strings.HasPrefix(l, c.Name+" ") && strings.HasSuffix(l, " "+c.Truth)
		}) {
			t.Errorf("%s: %q is not in\n%s", c.Name, c.Truth, out.String())
		}
	}
}

func TestTheEndlessDemoEndsWhenItIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := writerFunc(func(p []byte) (int, error) {
		if bytes.Contains(p, []byte(demo.Clips()[0].Name)) {
			cancel()
		}
		return len(p), nil
	})
	var errs bytes.Buffer
	if code := run(ctx, []string{"demo"}, out, &errs); code != exitOK || errs.Len() > 0 {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestAClipKeepsItsOwnTimesHoweverFastItPlays(t *testing.T) {
	c := demo.Clips()[0]
	s := newClipSource(c, 0)
	var first time.Time
	for i := range c.Frames {
		f, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = f.At
		}
		if got, want := f.At.Sub(first), time.Duration(float64(i)/c.FPS*float64(time.Second)); got != want || f.Seq != uint64(i) {
			t.Errorf("frame %d is number %d at %v, want %v", i, f.Seq, got, want)
		}
	}
	if _, err := s.Next(t.Context()); err != io.EOF {
		t.Errorf("after the last frame: %v", err)
	}
	if d := time.Since(first); d < time.Duration(float64(len(c.Frames)-1)/c.FPS*float64(time.Second)) {
		t.Errorf("the clip begins %v ago: its end lies in the future", d)
	}
}

func TestEveryClipNameIsATopicLevel(t *testing.T) {
	for _, name := range []string{"yard", "Front Door", "höhe/+#", "", "stats"} {
		if err := mqtt.ValidateCamera(topicName(name)); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestTheDemoFitsIntoItsTime(t *testing.T) {
	clips := demo.Clips()
	frames := 0
	for _, c := range clips {
		frames += len(c.Frames)
	}
	p := newPace(clips, true, true)
	if d := time.Duration(frames)*p.frame + time.Duration(len(clips))*p.pause; d > 12*time.Second {
		t.Errorf("--once waits %v in all", d)
	}
	if p := newPace(clips, true, false); p != (pace{}) {
		t.Errorf("--once in a pipe waits: %v", p)
	}
}
