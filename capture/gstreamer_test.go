package capture_test

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/capture"
)

// gst is the source of a Jetson's CSI camera (see capture.Spec), with GStreamer's test picture in the place of nvarguscamerasrc and
// its own encoder in that of nvjpegenc: the rest of the command, and the program, are the real ones.
func gst(t *testing.T, source string) string {
	t.Helper()
	for _, element := range []string{"videotestsrc", "jpegenc"} {
		if exec.Command("gst-inspect-1.0", element).Run() != nil {
			t.Skipf("GStreamer, or its %s, is not installed; apt install gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good", element)
		}
	}
	return "exec:gst-launch-1.0 -q " + source + " ! jpegenc ! fdsink"
}

const gstLive = "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=20/1"

func TestGStreamersFramesComeInTimeAndAreDecoded(t *testing.T) {
	src := open(t, capture.Spec{Source: gst(t, gstLive)})
	var last capture.Frame
	began := time.Time{}
	for i := range 30 {
		f, err := src.Next(t.Context())
		if err != nil || f.Width != 320 || f.Height != 240 || f.Format != capture.JPEG {
			t.Fatalf("frame %d: %dx%d %v, %v", i, f.Width, f.Height, f.Format, err)
		}
		if i > 0 && (!f.At.After(last.At) || bytes.Equal(f.Data, last.Data)) {
			t.Errorf("frame %d at %v after one at %v, %d bytes", i, f.At, last.At, len(f.Data))
		}
		if last = f; i == 4 { // those before may have waited for the program to start
			began = f.At
		}
	}
	if d := last.At.Sub(began); d < time.Second || d > 20*time.Second { // a busy machine takes its time
		t.Errorf("25 frames of 20 a second took %v", d)
	}
	img, err := jpeg.Decode(bytes.NewReader(last.Data))
	if err != nil {
		t.Fatal(err)
	}
	want, _, _ := capture.RGBFromImage(img)
	if got, _, _, err := last.RGB(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("its picture is not image/jpeg's: %v", err)
	}
}

func TestAGStreamerThatEndsIsStartedAgain(t *testing.T) {
	st := newStates()
	src := open(t, capture.Spec{Source: gst(t, strings.Replace(gstLive, "is-live=true", "is-live=true num-buffers=6", 1)), OnState: st.on})
	for capture.StatsOf(src).Restarts == 0 {
		if _, err := src.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if why := st.wait(t, "trying again"); !strings.Contains(why, "exec:gst-launch-1.0") {
		t.Error(why)
	}
	if _, err := src.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := capture.StatsOf(src); s.Broken > 0 {
		t.Errorf("%+v", s)
	}
}

// On a board without the camera's daemon GStreamer ends at once, and its own words are the reason that is told.
func TestWhatGStreamerSaysOfAMissingCameraIsTold(t *testing.T) {
	source := gst(t, gstLive)
	st := newStates()
	src := open(t, capture.Spec{Source: strings.Replace(source, "videotestsrc is-live=true pattern=ball", "nvarguscamerasrc", 1), OnState: st.on})
	defer src.Close()
	if why := st.wait(t, "trying again"); !strings.Contains(why, "nvarguscamerasrc") || strings.Contains(why, "\n") {
		t.Error(why)
	}
}

// A program that stops sending, as argus does when its daemon dies, is ended and started again.
func TestAGStreamerThatStallsIsEnded(t *testing.T) {
	st := newStates()
	stalls := fmt.Sprintf("%s ! identity sleep-time=%d", gstLive, time.Minute/time.Microsecond)
	src := open(t, capture.Spec{Source: gst(t, stalls), Stall: 500 * time.Millisecond, OnState: st.on})
	if why := st.wait(t, "no frame for"); !strings.Contains(why, "exec:gst-launch-1.0") {
		t.Error(why)
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
}
