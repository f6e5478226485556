package capture_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/capture/capturetest"
)

// makeVideo has ffmpeg write its moving test picture, or skips the test where there is no ffmpeg that can.
func makeVideo(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg is not installed; apt install ffmpeg")
	}
	out := filepath.Join(t.TempDir(), name)
	cmd := exec.Command(path, append(append([]string{"-nostdin", "-loglevel", "error", "-f", "lavfi"}, args...), out)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(text), "Unknown encoder") {
			t.Skipf("this ffmpeg can't encode the test's video: %s", text)
		}
		t.Fatalf("ffmpeg: %v: %s", err, text)
	}
	return out
}

// h264 are arguments for a small H.264 clip.
func h264(seconds, rate int) []string {
	return []string{
		"-i", fmt.Sprintf("testsrc=size=160x120:rate=%d:duration=%d", rate, seconds),
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", fmt.Sprint(rate),
	}
}

func TestH264InMP4PlaysByTheContainersTimes(t *testing.T) {
	path := makeVideo(t, "clip.mp4", h264(3, 10)...)
	for _, c := range []struct {
		fps  float64
		want string
	}{
		{2, "0 500 1000 1500 2000 2500"},
		{0, "0 100 200 300 400 500 600 700 800 900 1000 1100 1200 1300 1400 1500 1600 1700 1800 1900 2000 2100 2200 2300 2400 2500 2600 2700 2800 2900"},
	} {
		src := open(t, capture.Spec{Source: "files:" + path, FPS: c.fps, Unpaced: true})
		got := readAll(t, src)
		if times(got) != c.want {
			t.Errorf("at %v fps: times %s, want %s", c.fps, times(got), c.want)
		}
		if got[0].Width != 160 || got[0].Height != 120 {
			t.Errorf("%dx%d", got[0].Width, got[0].Height)
		}
		if _, _, _, err := got[len(got)-1].RGB(); err != nil {
			t.Error(err)
		}
		if c.fps == 0 && bytes.Equal(got[3].Data, got[4].Data) {
			t.Error("the picture stands still")
		}
		src.Close()
	}
}

func TestWhatComesThroughFFmpegIsScaledToFit(t *testing.T) {
	path := makeVideo(t, "clip.mp4", h264(1, 2)...) // 160x120
	for box, want := range map[[2]int][2]int{{80, 80}: {80, 60}, {100, 30}: {40, 30}, {640, 480}: {160, 120}} {
		src := open(t, capture.Spec{Source: "files:" + path, Unpaced: true, Width: box[0], Height: box[1]})
		f, err := src.Next(t.Context())
		if err != nil || f.Width != want[0] || f.Height != want[1] {
			t.Errorf("in %v: %dx%d, %v; want %v", box, f.Width, f.Height, err, want)
		}
		src.Close()
	}
}

func TestAContainerLoopsAndClosesInTheMiddle(t *testing.T) {
	path := makeVideo(t, "clip.mkv", h264(1, 5)...)
	src := open(t, capture.Spec{Source: "files:" + path, Unpaced: true, Loop: true})
	var got []capture.Frame
	for range 12 {
		f, err := src.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f)
	}
	if times(got) != "0 200 400 600 800 1000 1200 1400 1600 1800 2000 2200" {
		t.Errorf("times %s", times(got))
	}
	src.Close()
}

func TestAFileThatNobodyCanReadIsAnErrorOfOpen(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("ffmpeg is not installed; apt install ffmpeg")
	}
	path := write(t, t.TempDir(), "clip.mp4", bytes.Repeat([]byte("no video "), 1000))
	_, err := capture.Open(t.Context(), capture.Spec{Source: "files:" + path})
	if err == nil || !strings.Contains(err.Error(), "Invalid data") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	// A playlist must not make ffmpeg ask the network.
	list := write(t, t.TempDir(), "list.m3u8", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n"))
	if _, err := capture.Open(t.Context(), capture.Spec{Source: "files:" + list}); err == nil {
		t.Error("a playlist was opened")
	}
}

func TestWithoutFFmpegTheErrorSaysWhatToInstall(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "clip.mp4", []byte("anything but a picture"))
	t.Setenv("PATH", dir)
	for _, source := range []string{"files:" + path, "rtsp://ann:secret@127.0.0.1/x"} {
		_, err := capture.Open(t.Context(), capture.Spec{Source: source})
		if err == nil || !strings.Contains(err.Error(), "apt install ffmpeg") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func TestPassthroughByVersion(t *testing.T) {
	for version, want := range map[string]string{
		"ffmpeg version 4.3.6-0+deb11u1 Copyright": "-vsync",
		"ffmpeg version 5.0.1 Copyright":           "-vsync",
		"ffmpeg version 5.1.9-0+deb12u1 Copyright": "-fps_mode",
		"ffmpeg version 7.1 Copyright":             "-fps_mode",
		"ffmpeg version N-113007-g8d24a28d06":      "-fps_mode",
	} {
		if got := capture.FFmpegPassthrough(version); got[0] != want {
			t.Errorf("%s: %s", version, got[0])
		}
	}
}

// rtspCamera starts an RTSP camera that plays a clip which ffmpeg made.
func rtspCamera(t *testing.T, cam *capturetest.RTSP) {
	t.Helper()
	var err error
	if cam.H264, err = os.ReadFile(makeVideo(t, "clip.h264", h264(4, 10)...)); err != nil {
		t.Fatal(err)
	}
	cam.FPS = 10
	if err := cam.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cam.Close)
}

func TestRTSPCameraIsReadThinnedOutWithItsTimes(t *testing.T) {
	cam := &capturetest.RTSP{User: "ann", Password: "secret"}
	rtspCamera(t, cam)
	var log safeBuffer
	src := open(t, capture.Spec{Source: "rtsp://ann:secret@" + cam.Addr() + "/live?x=hidden", FPS: 5, Log: debugLog(&log)})
	var got []capture.Frame
	for range 6 {
		f, err := src.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f)
	}
	for i := 1; i < len(got); i++ {
		n := float64(got[i].Seq - got[i-1].Seq)
		if d := got[i].At.Sub(got[i-1].At).Seconds(); n < 1 || math.Abs(d-0.2*n) > 0.15 {
			t.Errorf("frames %d and %d are %.3f s apart; the camera took them %.1f s apart", got[i-1].Seq, got[i].Seq, d, 0.2*n)
		}
	}
	if got[0].Width != 160 {
		t.Errorf("%dx%d", got[0].Width, got[0].Height)
	}
	if _, _, _, err := got[3].RGB(); err != nil {
		t.Error(err)
	}
	if age := time.Since(got[5].At); age > 5*time.Second || age < 0 {
		t.Errorf("the newest frame is %v old", age)
	}
	src.Close()
	if strings.Contains(log.String(), "secret") || strings.Contains(log.String(), "hidden") {
		t.Errorf("a secret was logged: %s", log.String())
	}
}

func TestRTSPCameraThatHangsUpIsCalledAgain(t *testing.T) {
	cam := &capturetest.RTSP{HangUp: 40, NoSets: true}
	rtspCamera(t, cam)
	st := newStates()
	src := open(t, capture.Spec{Source: "rtsp://" + cam.Addr() + "/live", OnState: st.on})
	st.wait(t, "up")
	why := st.wait(t, "trying again")
	if !strings.HasPrefix(why, "capture: rtsp://"+cam.Addr()+"/live: ") {
		t.Errorf("reason %q", why)
	}
	st.wait(t, "up")
	if n := cam.Plays.Load(); n < 2 {
		t.Errorf("%d plays", n)
	}
	src.Close()
}

func TestRTSPErrorsSayWhatToDo(t *testing.T) {
	cam := &capturetest.RTSP{User: "ann", Password: "right"}
	rtspCamera(t, cam)
	for source, want := range map[string]string{
		"rtsp://ann:secret@" + cam.Addr() + "/live": "check user and password",
		"rtsp://ann:secret@127.0.0.1:9/live":        "check address and port",
	} {
		st := newStates()
		var log safeBuffer
		src := open(t, capture.Spec{Source: source, OnState: st.on, Log: debugLog(&log)})
		why := st.wait(t, want)
		src.Close()
		if all := why + log.String(); strings.Contains(all, "secret") || strings.Contains(why, "\n") {
			t.Errorf("%s", all)
		}
	}
}
