package capture_test

import (
	"bytes"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/capture/capturetest"
)

// stage is a way that a frame goes after it was sampled.
type stage struct {
	name   string
	view   capture.View
	use    func(capture.Frame, *capture.View, *capture.MotionGate) error
	camera bool // in a Camera, which has the gate and the view itself
}

func decode(f capture.Frame, _ *capture.View, _ *capture.MotionGate) error {
	_, _, _, err := f.RGB()
	return err
}

// watch is what a camera with a motion gate does with a frame in which something moves.
func watch(f capture.Frame, v *capture.View, g *capture.MotionGate) error {
	if _, _, err := g.Add(f); err != nil {
		return err
	}
	f, err := v.Apply(f)
	if err != nil {
		return err
	}
	return decode(f, v, g)
}

var (
	overMask = []capture.Mask{{{X: 0, Y: 0}, {X: 0.3, Y: 0}, {X: 0.2, Y: 0.4}}}
	stages   = []stage{
		{name: "sample", use: func(capture.Frame, *capture.View, *capture.MotionGate) error { return nil }},
		{name: "motion", use: func(f capture.Frame, _ *capture.View, g *capture.MotionGate) error {
			_, _, err := g.Add(f)
			return err
		}},
		{name: "decode", use: decode},
		{name: "decode by image/jpeg", use: func(f capture.Frame, _ *capture.View, _ *capture.MotionGate) error {
			img, err := jpeg.Decode(bytes.NewReader(f.Data))
			if err == nil {
				capture.RGBFromImage(img)
			}
			return err
		}},
		{name: "motion, mask", view: capture.View{Masks: overMask}, use: watch},
		{name: "a camera with motion and mask", view: capture.View{Masks: overMask}, use: decode, camera: true},
		{name: "motion, mask, turned", view: capture.View{Masks: overMask, Rotate: 90}, use: watch},
		{name: "motion, mask, cropped", use: watch,
			view: capture.View{Masks: overMask, Crop: capture.Rect{X: 0.1, Y: 0.1, W: 0.8, H: 0.8}}},
		{name: "motion, mask, half the pixels", view: capture.View{Masks: overMask}, use: func(f capture.Frame, v *capture.View, g *capture.MotionGate) error {
			if _, _, err := g.Add(f); err != nil {
				return err
			}
			f, err := v.Apply(f)
			if err != nil {
				return err
			}
			_, err = capture.Shrink(f, 0.5)
			return err
		}},
	}
	looks = []struct {
		name string
		make func(w, h, n int) []byte
	}{{"plain", capturetest.JPEG}, {"grainy", capturetest.GrainyJPEG}}
)

// overhead samples frames of a stream and puts each through a stage; next returns after each.
func overhead(tb testing.TB, picture func(w, h, n int) []byte, s stage) (next func()) {
	var clip []byte
	for i := range 6 {
		clip = append(clip, picture(640, 480, i)...)
	}
	path := filepath.Join(tb.TempDir(), "clip.mjpeg")
	if err := os.WriteFile(path, clip, 0o644); err != nil {
		tb.Fatal(err)
	}
	src, err := capture.Open(tb.Context(), capture.Spec{Source: "files:" + path, Loop: true, FPS: 2, Unpaced: true})
	if err != nil {
		tb.Fatal(err)
	}
	if s.camera {
		cam, err := capture.NewCamera(capture.CameraConfig{Spec: capture.Spec{FPS: 2}, View: s.view, Motion: &capture.MotionConfig{}})
		if err != nil {
			tb.Fatal(err)
		}
		src = cam.Prepare(src)
	}
	take := src.Next
	if !s.camera { // which has a sampler of its own
		sampler := capture.NewSampler(src, 2)
		tb.Cleanup(func() { sampler.Close() })
		take = sampler.Next
	}
	tb.Cleanup(func() { src.Close() })
	gate := capture.NewMotionGate(capture.MotionConfig{})
	return func() {
		f, err := take(tb.Context())
		if err != nil {
			tb.Fatal(err)
		}
		if err := s.use(f, &s.view, gate); err != nil {
			tb.Fatal(err)
		}
	}
}

// BenchmarkOverhead is what a 640x480 frame costs from the stream to pixels that a model can take: cut out of the MJPEG stream,
// sampled, checked for motion, decoded, masked. A plain picture has 6 KiB, a grainy one 52.
func BenchmarkOverhead(b *testing.B) {
	for _, p := range looks {
		for _, s := range stages {
			b.Run(p.name+"/"+s.name, func(b *testing.B) {
				next := overhead(b, p.make, s)
				for range 10 { // with the first motion come frames from before
					next()
				}
				b.ReportAllocs()
				for b.Loop() {
					next()
				}
			})
		}
	}
}

func TestSourcesGiveEachFrameItsOwnMemory(t *testing.T) {
	path := write(t, t.TempDir(), "clip.mjpeg", append(capturetest.JPEG(32, 24, 0), capturetest.JPEG(32, 24, 1)...))
	src := open(t, capture.Spec{Source: "files:" + path, Unpaced: true})
	got := readAll(t, src)
	want := bytes.Clone(got[1].Data)
	clear(got[0].Data[:cap(got[0].Data)])
	if !bytes.Equal(got[1].Data, want) {
		t.Error("two frames share memory")
	}
}
