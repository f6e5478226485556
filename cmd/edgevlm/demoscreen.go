package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/demo"
	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
)

// clipSource plays a clip as a camera would deliver it. It may wait between
// frames for the viewer's sake; the frames' times are the clip's.
type clipSource struct {
	frames []imageproc.RGB
	fps    float64
	wait   time.Duration
	start  time.Time
	next   int
}

var (
	_ capture.Source  = (*clipSource)(nil)
	_ capture.Unpaced = (*clipSource)(nil)
)

func newClipSource(c demo.Clip, wait time.Duration) *clipSource {
	s := &clipSource{fps: c.FPS, wait: wait}
	for _, f := range c.Frames {
		s.frames = append(s.frames, imageproc.FromImage(f))
	}
	// As if it had just been filmed.
	s.start = time.Now().Add(-s.at(len(s.frames)))
	return s
}

func (s *clipSource) at(i int) time.Duration {
	return time.Duration(float64(i) / s.fps * float64(time.Second))
}

// Unpaced says that no frame is to be left out, however slow the reader is.
func (s *clipSource) Unpaced() bool { return true }

// Next implements capture.Source.
func (s *clipSource) Next(ctx context.Context) (capture.Frame, error) {
	i := s.next
	if i == len(s.frames) {
		return capture.Frame{}, io.EOF
	}
	if i > 0 {
		if err := sleep(ctx, s.wait); err != nil {
			return capture.Frame{}, err
		}
	}
	s.next++
	f := s.frames[i]
	return capture.Frame{
		Seq: uint64(i), At: s.start.Add(s.at(i)), Format: capture.RGB24, Width: f.W, Height: f.H, Data: f.Pix,
	}, nil
}

// Close implements capture.Source.
func (s *clipSource) Close() error { return nil }

// topicName makes one topic level of a clip's name.
func topicName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	if mqtt.ValidateCamera(s) != nil {
		return "clip"
	}
	return s
}

// screen prints what the demo's subscriber receives. On a terminal with colours
// the clip plays in place, and its last frame stays beside the sentence.
type screen struct {
	w        io.Writer
	pictures bool
	width    int
	name     string
	picture  []string
	drawn    int // lines that the next drawing replaces
}

func newScreen(w io.Writer) *screen {
	return &screen{w: w, pictures: showsPictures(w), width: textWidth(w)}
}

func (s *screen) begin(name string) {
	s.name, s.picture, s.drawn = name, nil, 0
}

func (s *screen) frame(f capture.Frame) {
	if !s.pictures {
		return
	}
	pix, w, h, err := f.RGB()
	if err != nil {
		return
	}
	s.picture = halfBlocks(imageproc.RGB{W: w, H: h, Pix: pix}, pictureCols, pictureRows)
	s.draw([]string{bold(s.name), dim("watching ...")})
}

func (s *screen) description(e mqtt.Event) {
	if !s.pictures {
		fmt.Fprintf(s.w, "%-16s %s\n", e.Camera, oneLine(e.Text))
		return
	}
	text := []string{bold(e.Camera), ""}
	text = append(text, wrap(oneLine(e.Text), s.width)...)
	text = append(text, "", dim(fmt.Sprintf("event %d, %d frames, %.0f ms in the model", e.Seq, len(e.FrameSeqs),
		e.TimingsMS.Preprocess+e.TimingsMS.Vision+e.TimingsMS.Prefill+e.TimingsMS.Decode)))
	s.draw(text)
	fmt.Fprintln(s.w)
}

// draw replaces what draw has drawn before for this clip.
func (s *screen) draw(text []string) {
	out := beside(s.picture, text)
	if s.drawn > 0 {
		fmt.Fprintf(s.w, "\x1b[%dA", s.drawn)
	}
	s.drawn = strings.Count(out, "\n")
	io.WriteString(s.w, out)
}

func bold(s string) string { return "\x1b[1m" + s + "\x1b[0m" }
func dim(s string) string  { return "\x1b[2m" + s + "\x1b[0m" }
