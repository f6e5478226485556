//go:build board

package board_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/capture"
)

// heard is what a source said of itself.
type heard struct {
	mu  sync.Mutex
	why []string
	ups int
}

func (h *heard) on(up bool, why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if up {
		h.ups++
	} else if why != nil {
		h.why = append(h.why, why.Error())
	}
}

func (h *heard) last() (why string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.why) == 0 {
		return "", 0
	}
	return h.why[len(h.why)-1], len(h.why)
}

func openCamera(t *testing.T, s capture.Spec) (capture.Source, *heard) {
	t.Helper()
	h := &heard{}
	s.Source, s.OnState = "v4l2:"+camera, h.on
	src, err := capture.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	return src, h
}

func next(t *testing.T, src capture.Source) capture.Frame {
	t.Helper()
	f, err := src.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestCameraFramesComeAtTheDriversRateWithTheDriversTimes(t *testing.T) {
	for _, size := range [][2]int{{320, 180}, {640, 360}, {1280, 720}} {
		src, _ := openCamera(t, capture.Spec{Width: size[0], Height: size[1], FPS: 5})
		var frames []capture.Frame
		for range 12 {
			f := next(t, src)
			if f.Format != capture.YUYV || f.Width != size[0] || f.Height != size[1] {
				t.Fatalf("%v %dx%d, asked for %v", f.Format, f.Width, f.Height, size)
			}
			if _, _, _, err := f.RGB(); err != nil {
				t.Fatal(err)
			}
			frames = append(frames, f)
		}
		first, last := frames[1], frames[len(frames)-1]
		period := last.At.Sub(first.At) / time.Duration(last.Seq-first.Seq)
		t.Logf("measured: %dx%d YUYV, a frame every %v, newest %v old", size[0], size[1], period.Round(time.Microsecond), time.Since(last.At).Round(time.Microsecond))
		if period < 15*time.Millisecond || period > 210*time.Millisecond {
			t.Errorf("a frame every %v; vivid has 5 to 60 a second", period)
		}
		for i := 2; i < len(frames); i++ {
			n := frames[i].Seq - frames[i-1].Seq
			if d := frames[i].At.Sub(frames[i-1].At); d < period*time.Duration(n)/2 || d > period*time.Duration(n)*2 {
				t.Errorf("frames %d and %d are %v apart by the driver's clock, their period is %v", frames[i-1].Seq, frames[i].Seq, d, period)
			}
		}
		src.Close()
	}
}

func TestCameraMJPEG(t *testing.T) {
	devices, err := capture.Devices()
	if err != nil || len(devices) == 0 {
		t.Fatalf("%v, %v", devices, err)
	}
	formats, err := devices[0].Formats()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range formats {
		if strings.HasPrefix(f, "MJPG") || strings.HasPrefix(f, "JPEG") {
			return // then the other tests use it
		}
	}
	t.Skip("vivid has no MJPEG; the tests of a USB camera have")
}

// Each of vivid's injected errors while frames flow; the camera must be back by itself.
func TestCameraBearsInjectedErrors(t *testing.T) {
	for _, c := range []struct {
		name    string
		buttons []string
		restart bool // the source has to open the camera anew
	}{
		{"disconnect", []string{"Disconnect"}, true},
		{"fatal streaming error", []string{"Inject Fatal Streaming Error"}, true},
		{"REQBUFS fails once on the way back", []string{"Inject VIDIOC_REQBUFS Error", "Inject Fatal Streaming Error"}, true},
		{"STREAMON fails once on the way back", []string{"Inject VIDIOC_STREAMON Error", "Inject Fatal Streaming Error"}, true},
		{"QBUF fails", []string{"Inject VIDIOC_QBUF Error"}, true},
		{"a damaged buffer", []string{"Inject V4L2_BUF_FLAG_ERROR"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			src, h := openCamera(t, capture.Spec{FPS: 5})
			next(t, src)
			before := capture.StatsOf(src)
			for _, b := range c.buttons {
				control(t, b, 1)
			}
			began := time.Now()
			if c.restart {
				eventually(t, "a restart", func() bool { return capture.StatsOf(src).Restarts > before.Restarts })
			} else {
				eventually(t, "a damaged frame is counted", func() bool { return capture.StatsOf(src).Broken > before.Broken })
			}
			frames := capture.StatsOf(src).Frames
			eventually(t, "frames flow again", func() bool { return capture.StatsOf(src).Frames > frames+3 })
			next(t, src)
			why, n := h.last()
			t.Logf("measured: frames again %v after the error; %d times down, last: %s", time.Since(began).Round(time.Millisecond), n, why)
			if c.restart && (n == 0 || !strings.Contains(why, "trying again")) {
				t.Errorf("down %d times, %q", n, why)
			}
		})
	}
}

func TestCameraThatCantBeStartedIsAnErrorOfOpen(t *testing.T) {
	for _, button := range []string{"Inject VIDIOC_REQBUFS Error", "Inject VIDIOC_STREAMON Error"} {
		control(t, button, 1)
		src, err := capture.Open(t.Context(), capture.Spec{Source: "v4l2:" + camera})
		if err == nil {
			src.Close()
			t.Errorf("%s: opened", button)
			continue
		}
		if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), camera) {
			t.Errorf("%s: %v", button, err)
		}
	}
	src, _ := openCamera(t, capture.Spec{})
	next(t, src)
}

func TestASecondProgramIsToldThatTheCameraIsBusy(t *testing.T) {
	src, _ := openCamera(t, capture.Spec{})
	next(t, src)
	_, err := capture.Open(t.Context(), capture.Spec{Source: "v4l2:" + camera})
	if err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("the second one: %v", err)
	}
	if errors.Is(err, capture.ErrNoDevice) {
		t.Error("a camera that is busy is not missing")
	}
}
