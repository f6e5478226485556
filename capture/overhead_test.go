package capture_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/capture/capturetest"
)

// BenchmarkOverhead is what a 640x480 frame costs from the stream to pixels that a model can take: cut out of the MJPEG stream,
// sampled, decoded, masked and checked for motion.
func BenchmarkOverhead(b *testing.B) {
	var clip []byte
	for i := range 20 {
		clip = append(clip, capturetest.JPEG(640, 480, i)...)
	}
	path := filepath.Join(b.TempDir(), "clip.mjpeg")
	if err := os.WriteFile(path, clip, 0o644); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		use  func(capture.Frame, *capture.View, *capture.MotionGate) error
	}{
		{"sample", func(capture.Frame, *capture.View, *capture.MotionGate) error { return nil }},
		{"decode", func(f capture.Frame, _ *capture.View, _ *capture.MotionGate) error {
			_, _, _, err := f.RGB()
			return err
		}},
		{"motion", func(f capture.Frame, _ *capture.View, g *capture.MotionGate) error {
			_, _, err := g.Add(f)
			return err
		}},
		{"mask+motion", func(f capture.Frame, v *capture.View, g *capture.MotionGate) error {
			f, err := v.Apply(f)
			if err != nil {
				return err
			}
			_, _, err = g.Add(f)
			return err
		}},
	} {
		b.Run(c.name+"/640x480", func(b *testing.B) {
			src, err := capture.Open(b.Context(), capture.Spec{Source: "files:" + path, Loop: true, FPS: 2, Unpaced: true})
			if err != nil {
				b.Fatal(err)
			}
			defer src.Close()
			sampler := capture.NewSampler(src, 2)
			defer sampler.Close()
			view := &capture.View{Masks: []capture.Mask{{{X: 0, Y: 0}, {X: 0.3, Y: 0}, {X: 0.2, Y: 0.4}}}}
			gate := capture.NewMotionGate(capture.MotionConfig{})
			b.ReportAllocs()
			for b.Loop() {
				f, err := sampler.Next(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if err := c.use(f, view, gate); err != nil {
					b.Fatal(err)
				}
			}
		})
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
