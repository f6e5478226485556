package capture_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/draw"
	"image/jpeg"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/capture/capturetest"
)

// ticking is a live source of one-pixel frames, one each second of the bubble's clock.
type ticking struct {
	n      uint64
	closed chan struct{}
	open   *atomic.Int64
}

func tickingCamera(open *atomic.Int64) *ticking {
	open.Add(1)
	return &ticking{closed: make(chan struct{}), open: open}
}

func (s *ticking) Next(ctx context.Context) (capture.Frame, error) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return capture.Frame{}, ctx.Err()
	case <-s.closed:
		return capture.Frame{}, capture.ErrClosed
	}
	s.n++
	return capture.Frame{Seq: s.n, At: time.Now(), Format: capture.RGB24, Width: 1, Height: 1, Data: []byte{1, 2, 3}}, nil
}

func (s *ticking) Close() error {
	close(s.closed)
	s.open.Add(-1)
	return nil
}

func TestAValveThatIsShutHasTheCameraClosedAndLetsNothingOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open, got atomic.Int64
		v := capture.NewValve(nil)
		src := v.Source(func(context.Context) (capture.Source, error) { return tickingCamera(&open), nil })
		ended := make(chan error, 1)
		go func() {
			for {
				if _, err := src.Next(t.Context()); err != nil {
					ended <- err
					return
				}
				got.Add(1)
			}
		}()
		time.Sleep(5500 * time.Millisecond)
		if got.Load() != 5 || open.Load() != 1 {
			t.Fatalf("%d frames, %d open", got.Load(), open.Load())
		}
		v.Shut("privacy", true)
		v.Shut("user", true)
		v.Closed()
		if open.Load() != 0 {
			t.Fatal("the camera is open")
		}
		time.Sleep(time.Hour)
		v.Shut("privacy", false)
		time.Sleep(time.Hour)
		if got.Load() != 5 || open.Load() != 0 {
			t.Fatalf("shut: %d frames, %d open", got.Load(), open.Load())
		}
		v.Shut("user", false)
		time.Sleep(3500 * time.Millisecond)
		if got.Load() != 8 || open.Load() != 1 {
			t.Fatalf("opened again: %d frames, %d open", got.Load(), open.Load())
		}
		src.Close()
		if err := <-ended; !errors.Is(err, capture.ErrClosed) || open.Load() != 0 {
			t.Errorf("%v, %d open", err, open.Load())
		}
	})
}

// A consumer that is busy with a frame does not keep a camera open.
func TestShuttingClosesTheCameraThoughNobodyAsksForFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int64
		v := capture.NewValve(nil)
		src := v.Source(func(context.Context) (capture.Source, error) { return tickingCamera(&open), nil })
		if _, err := src.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		v.Shut("privacy", true)
		v.Closed()
		if open.Load() != 0 {
			t.Error("the camera is open")
		}
		src.Close()
	})
}

func TestAScheduleOpensAndClosesTheCamera(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := capture.ParseSchedule([]string{"07:00-08:00"})
		began := time.Now()
		v := capture.NewValve(s)
		v.SetNow(func() time.Time { return at(1, 6, 30).Add(time.Since(began)) })
		var open, got atomic.Int64
		src := v.Source(func(context.Context) (capture.Source, error) { return tickingCamera(&open), nil })
		go func() {
			for {
				if _, err := src.Next(t.Context()); err != nil {
					return
				}
				got.Add(1)
			}
		}()
		for _, step := range []struct {
			minutes int
			open    int64
		}{{29, 0}, {31, 1}, {89, 1}, {91, 0}, {24*60 + 29, 0}, {24*60 + 31, 1}} {
			time.Sleep(time.Until(began.Add(time.Duration(step.minutes) * time.Minute)))
			if open.Load() != step.open {
				t.Errorf("after %d minutes: %d open", step.minutes, open.Load())
			}
		}
		if n := got.Load(); n < 3600 || n > 3680 {
			t.Errorf("%d frames in an hour and a minute", n)
		}
		src.Close()
	})
}

func TestAValvesSourcePassesTheErrorOfOpeningOn(t *testing.T) {
	v := capture.NewValve(nil)
	src := v.Source(func(context.Context) (capture.Source, error) { return nil, capture.ErrNoDevice })
	if _, err := src.Next(t.Context()); !errors.Is(err, capture.ErrNoDevice) {
		t.Error(err)
	}
	src.Close()
	if _, err := src.Next(t.Context()); !errors.Is(err, capture.ErrClosed) {
		t.Error(err)
	}
}

// cameraOf is a Camera whose source is given.
func outputs(t interface {
	Fatal(...any)
	Context() context.Context
}, c capture.CameraConfig, frames []capture.Frame, each func(i int, c *capture.Camera)) []capture.Frame {
	cam, err := capture.NewCamera(c)
	if err != nil {
		t.Fatal(err)
	}
	src := cam.Prepare(&capturetest.Source{Frames: frames})
	defer src.Close()
	var out []capture.Frame
	for i := 0; ; i++ {
		if each != nil {
			each(i, cam)
		}
		f, err := src.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
}

// The proof that no masked pixel reaches any output: two clips that differ under the mask only, wildly and from frame to frame,
// come out the same to the last bit, whatever else is done to them: which frames pass the motion gate, how many from before,
// their pixels after crop, rotation and scaling.
func TestNoMaskedPixelLeavesACamera(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(16, 60).Draw(t, "w"), rapid.IntRange(16, 50).Draw(t, "h")
		format := rapid.SampledFrom([]capture.PixelFormat{capture.JPEG, capture.RGB24, capture.YUYV}).Draw(t, "format")
		mask := capture.Mask{{X: 0.1, Y: 0}, {X: rapid.Float64Range(0.3, 0.9).Draw(t, "x"), Y: 0.2}, {X: 0.3, Y: rapid.Float64Range(0.3, 1).Draw(t, "y")}}
		c := capture.CameraConfig{View: capture.View{Masks: []capture.Mask{mask}, Rotate: rapid.SampledFrom([]int{0, 90}).Draw(t, "rotate")}}
		if rapid.Bool().Draw(t, "crop") {
			c.View.Crop = capture.Rect{X: 0.05, Y: 0.05, W: 0.9, H: 0.9}
		}
		if rapid.Bool().Draw(t, "motion") {
			c.Motion = &capture.MotionConfig{Before: 2, Hold: time.Second}
		}
		pixels := rapid.SampledFrom([]float64{1, 0.5, 0.25}).Draw(t, "pixels")
		trigger := rapid.IntRange(0, 6).Draw(t, "trigger")
		var clips [2][]capture.Frame
		for i := range 6 {
			pair := twins(t, mask, w, h, format)
			for k := range pair {
				pair[k].Seq, pair[k].At = uint64(i), capturetest.Start.Add(time.Duration(i)*time.Second)
				clips[k] = append(clips[k], pair[k])
			}
		}
		var out [2][]capture.Frame
		for k := range clips {
			out[k] = outputs(t, c, clips[k], func(i int, cam *capture.Camera) {
				cam.SetPace(0, pixels)
				if i == trigger {
					cam.Trigger()
				}
			})
		}
		if len(out[0]) != len(out[1]) {
			t.Fatalf("%d and %d frames passed: the mask's inside decides what moves", len(out[0]), len(out[1]))
		}
		for i := range out[0] {
			if a, b := out[0][i], out[1][i]; a.Seq != b.Seq || !bytes.Equal(a.Data, b.Data) {
				t.Fatalf("frame %d comes out different", i)
			}
		}
	})
}

// While the gate is open pictures are decoded once, for the view and for the gate: neither may notice.
func TestAnOpenGateShowsWhatTheViewShowsAndShutsInTime(t *testing.T) {
	frames := capturetest.Frames(20, 128, 96, 2)
	var wall bytes.Buffer
	if err := jpeg.Encode(&wall, image.NewGray(image.Rect(0, 0, 128, 96)), nil); err != nil {
		t.Fatal(err)
	}
	for i := range frames {
		if i == 0 || i > 8 {
			frames[i].Data = wall.Bytes()
			continue
		}
		bright := image.NewGray(image.Rect(0, 0, 128, 96)) // a square that jumps by its own width
		draw.Draw(bright, image.Rect(i%4*32, 32, i%4*32+32, 64), image.White, image.Point{}, draw.Src)
		var b bytes.Buffer
		if err := jpeg.Encode(&b, bright, nil); err != nil {
			t.Fatal(err)
		}
		frames[i].Data = b.Bytes()
	}
	for name, view := range map[string]capture.View{
		"nothing": {},
		"mask":    {Masks: []capture.Mask{{{X: 0, Y: 0.6}, {X: 1, Y: 0.6}, {X: 1, Y: 1}, {X: 0, Y: 1}}}},
		"turned":  {Rotate: 90},
	} {
		c := capture.CameraConfig{View: view, Motion: &capture.MotionConfig{Before: -1, Hold: 2 * time.Second}}
		out := outputs(t, c, frames, func(int, *capture.Camera) {})
		// Frame 1 is the first with motion, 8 the last; the hold is two seconds, four frames.
		if len(out) != 12 || out[0].Seq != 1 || out[11].Seq != 12 {
			t.Errorf("%s: %d frames, %d to %d", name, len(out), out[0].Seq, out[len(out)-1].Seq)
		}
		for _, f := range out {
			want, err := view.Apply(frames[f.Seq])
			if err != nil || want.Width != f.Width || !bytes.Equal(want.Data, f.Data) {
				t.Fatalf("%s: frame %d is not what the view shows; %v", name, f.Seq, err)
			}
		}
	}
}

func TestATriggerBringsTheFramesFromBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frames := capturetest.Frames(12, 64, 48, 1)
		for i := range frames { // nothing moves
			frames[i].Data = frames[0].Data
		}
		c := capture.CameraConfig{Motion: &capture.MotionConfig{Before: 3, Hold: 2 * time.Second}}
		cam, err := capture.NewCamera(c)
		if err != nil {
			t.Fatal(err)
		}
		live := &capturetest.Source{Frames: frames, Live: true}
		src := cam.Prepare(live)
		got := make(chan capture.Frame, 20)
		go func() {
			for {
				f, err := src.Next(t.Context())
				if err != nil {
					close(got)
					return
				}
				got <- f
			}
		}()
		for range 7 {
			live.Step()
			synctest.Wait() // it is through the gate
		}
		cam.Trigger()
		for range 5 {
			live.Step()
			synctest.Wait() // it is through the gate
		}
		src.Close()
		var seqs []uint64
		for f := range got {
			seqs = append(seqs, f.Seq)
		}
		// Frame 7 is the trigger's; 4, 5, 6 come from before, 8 and 9 within the hold.
		want := []uint64{4, 5, 6, 7, 8, 9}
		if len(seqs) != len(want) {
			t.Fatalf("frames %v, want %v", seqs, want)
		}
		for i := range want {
			if seqs[i] != want[i] {
				t.Fatalf("frames %v, want %v", seqs, want)
			}
		}
	})
}

func TestAPaceMakesFramesFewerAndSmaller(t *testing.T) {
	frames := capturetest.Frames(40, 64, 48, 10)
	out := outputs(t, capture.CameraConfig{Spec: capture.Spec{FPS: 10}}, frames, func(i int, c *capture.Camera) {
		if i == 10 {
			c.SetPace(5, 0.25)
		}
	})
	if n := len(out); n < 24 || n > 26 {
		t.Errorf("%d frames of 10 at 10 fps and 30 at 5", n)
	}
	if f := out[9]; f.Width != 64 || f.Format != capture.JPEG {
		t.Errorf("at full pace: %v %dx%d", f.Format, f.Width, f.Height)
	}
	if f := out[len(out)-1]; f.Width != 32 || f.Height != 24 || len(f.Data) != 32*24*3 {
		t.Errorf("at a quarter of the pixels: %v %dx%d", f.Format, f.Width, f.Height)
	}
}

func TestACameraThatIsShutFromTheStartIsNotOpened(t *testing.T) {
	cam, err := capture.NewCamera(capture.CameraConfig{Spec: capture.Spec{Source: "v4l2:/dev/video-none"}})
	if err != nil {
		t.Fatal(err)
	}
	cam.Shut("privacy", true)
	src, err := cam.Open(t.Context(), nil)
	if err != nil {
		t.Fatalf("opened: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := src.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	cam.Shut("privacy", false)
	if _, err := src.Next(t.Context()); !errors.Is(err, capture.ErrNoDevice) {
		t.Error(err)
	}
	src.Close()
	if _, err := cam.Open(t.Context(), nil); !errors.Is(err, capture.ErrNoDevice) {
		t.Error(err)
	}
}

func TestACameraThatSendsHalfPicturesIsCountedAndGoesOn(t *testing.T) {
	whole := capturetest.JPEG(640, 480, 1)
	half := append(bytes.Clone(whole[:len(whole)/2]), 0xFF, 0xD9)
	cam := &capturetest.MJPEG{Pictures: [][]byte{whole, half}, Period: 5 * time.Millisecond}
	server := capturetest.NewMJPEGServer(cam)
	defer server.Close()
	c, err := capture.NewCamera(capture.CameraConfig{Spec: capture.Spec{Source: server.URL}, Motion: &capture.MotionConfig{Hold: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	src, err := c.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	good, bad := 0, 0
	for good < 5 || bad < 5 {
		c.Trigger()
		f, err := src.Next(t.Context())
		switch {
		case errors.Is(err, capture.ErrBadFrame):
			if bad++; strings.Contains(err.Error(), "\n") {
				t.Error(err)
			}
		case err != nil:
			t.Fatal(err)
		default:
			if good++; f.Width != 640 {
				t.Errorf("%dx%d", f.Width, f.Height)
			}
		}
	}
}

func TestAnEndlessRTSPStallIsEndedAndTriedAgain(t *testing.T) {
	needFFmpeg(t)
	server := silentServer(t)
	st := newStates()
	src := open(t, capture.Spec{Source: "rtsp://" + server + "/live", Stall: 200 * time.Millisecond, OnState: st.on})
	for range 2 { // and again
		if why := st.wait(t, "no frame for"); !strings.Contains(why, "is the camera on and reachable") {
			t.Errorf("reason %q", why)
		}
	}
	src.Close()
}

func needFFmpeg(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("ffmpeg is not installed")
	}
}

// silentServer takes connections and never says a word.
func silentServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var conns []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				for _, c := range conns {
					c.Close()
				}
				return
			}
			conns = append(conns, c)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}
