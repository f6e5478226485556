package capture_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/capture/capturetest"
)

var (
	mjpg = capture.NewFourCC("MJPG")
	yuyv = capture.NewFourCC("YUYV")
	bayr = capture.NewFourCC("BA81")
)

// fakeCamera is a V4L2 camera. Like the real ones it hands out its own memory and overwrites it once a buffer is given back.
type fakeCamera struct {
	formats map[capture.FourCC]string
	sizes   []capture.V4L2Size
	actual  capture.V4L2Format // overrides what was asked for, where set
	send    func(n int, f capture.V4L2Format) (data []byte, at time.Time, bad bool)
	period  time.Duration

	mu      sync.Mutex
	form    capture.V4L2Format
	rate    float64
	begun   time.Time
	n       int // frames handed out
	out     map[uint32][]byte
	gone    bool
	opened  int
	closed  int
	openErr error
}

func newFakeCamera() *fakeCamera {
	return &fakeCamera{
		formats: map[capture.FourCC]string{mjpg: "Motion-JPEG", yuyv: "YUYV 4:2:2"},
		period:  100 * time.Millisecond,
		send: func(n int, f capture.V4L2Format) ([]byte, time.Time, bool) {
			if f.Code == yuyv {
				return bytes.Repeat([]byte{byte(n), 128}, f.W*f.H), time.Time{}, false
			}
			return capturetest.JPEG(f.W, f.H, n), time.Time{}, false
		},
	}
}

func (c *fakeCamera) open() (capture.V4L2Camera, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.openErr != nil {
		return nil, c.openErr
	}
	c.opened++
	return c, nil
}

func (c *fakeCamera) Formats() map[capture.FourCC]string       { return c.formats }
func (c *fakeCamera) Sizes(capture.FourCC) []capture.V4L2Size  { return c.sizes }
func (c *fakeCamera) Rates(capture.FourCC, int, int) []float64 { return []float64{30, 15, 10, 5} }
func (c *fakeCamera) SetRate(fps float64) error                { c.rate = fps; return nil }
func (c *fakeCamera) Close() error                             { c.mu.Lock(); c.closed++; c.mu.Unlock(); return nil }
func (c *fakeCamera) Start(int) error {
	c.begun, c.n, c.out = time.Now(), 0, map[uint32][]byte{}
	return nil
}
func (c *fakeCamera) SetFormat(f capture.FourCC, w, h int) (capture.V4L2Format, error) {
	c.form = capture.V4L2Format{Code: f, W: w, H: h}
	if c.actual.W > 0 {
		c.form.W, c.form.H, c.form.Stride = c.actual.W, c.actual.H, c.actual.Stride
	}
	return c.form, nil
}

// waiting is how many frames the driver holds: at most 4 buffers, and one that nobody gave back is missing.
func (c *fakeCamera) waiting() int {
	due := int(time.Since(c.begun)/c.period) - c.n
	if due > 4 {
		c.n += due - 4 // the driver drops what finds no buffer
		due = 4
	}
	return min(due, 4-len(c.out))
}

func (c *fakeCamera) Wait(d time.Duration) (bool, error) {
	for end := time.Now().Add(d); ; time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		ready := c.gone || c.waiting() > 0
		c.mu.Unlock()
		if ready || !time.Now().Before(end) {
			return ready, nil
		}
	}
}

func (c *fakeCamera) Dequeue() (capture.V4L2Buffer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return capture.V4L2Buffer{}, syscall.ENODEV
	}
	if c.waiting() == 0 {
		return capture.V4L2Buffer{}, syscall.EAGAIN
	}
	data, at, bad := c.send(c.n, c.form)
	index := uint32(c.n % 4)
	c.out[index] = data
	c.n++
	return capture.V4L2Buffer{Index: index, Data: data, At: at, Bad: bad}, nil
}

func (c *fakeCamera) Release(index uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	data, ok := c.out[index]
	if !ok {
		return syscall.EINVAL
	}
	for i := range data {
		data[i] = 0xEE // the driver writes the next picture here
	}
	delete(c.out, index)
	return nil
}

func (c *fakeCamera) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func TestV4L2CopiesFramesAndTakesMJPEGAt640x480(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := newFakeCamera()
		cam.sizes = []capture.V4L2Size{{MinW: 320, MaxW: 320, MinH: 240, MaxH: 240}, {MinW: 1280, MaxW: 1280, MinH: 720, MaxH: 720}, {MinW: 640, MaxW: 640, MinH: 480, MaxH: 480}}
		taken := time.Now().Add(-30 * time.Millisecond)
		send := cam.send
		cam.send = func(n int, f capture.V4L2Format) ([]byte, time.Time, bool) {
			data, _, _ := send(n, f)
			return data, taken.Add(time.Duration(n+1) * cam.period), false
		}
		src, err := capture.OpenV4L2With(capture.Spec{FPS: 2}, "/dev/video0", cam.open)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			f, err := src.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if f.Format != capture.JPEG || f.Width != 640 || f.Height != 480 || !bytes.Equal(f.Data, capturetest.JPEG(640, 480, i)) {
				t.Errorf("frame %d: %v %dx%d", i, f.Format, f.Width, f.Height)
			}
			if want := taken.Add(time.Duration(i+1) * cam.period); !f.At.Equal(want) {
				t.Errorf("frame %d was taken at %v, want the driver's time %v", i, f.At, want)
			}
		}
		if cam.rate != 5 {
			t.Errorf("rate %v, want 5: the lowest that is not too low", cam.rate)
		}
		src.Close()
		if cam.closed != 1 {
			t.Errorf("closed %d times", cam.closed)
		}
	})
}

func TestV4L2DrainsToTheNewestBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := newFakeCamera()
		busy := make(chan bool, 1)
		first := true
		send := cam.send
		cam.send = func(n int, f capture.V4L2Format) ([]byte, time.Time, bool) {
			if first { // the process is held up while it takes the first frame
				first = false
				time.Sleep(350 * time.Millisecond)
				busy <- true
			}
			return send(n, f)
		}
		src, err := capture.OpenV4L2With(capture.Spec{}, "/dev/video0", cam.open)
		if err != nil {
			t.Fatal(err)
		}
		<-busy
		f, err := src.Next(t.Context())
		if err != nil || !bytes.Equal(f.Data, capturetest.JPEG(640, 480, 3)) {
			t.Errorf("not the newest of the four buffers: %v", err)
		}
		src.Close()
	})
}

func TestV4L2YUYVWithPaddedRowsAndAnotherSizeThanAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := newFakeCamera()
		delete(cam.formats, mjpg)
		cam.actual = capture.V4L2Format{W: 6, H: 3, Stride: 20}
		cam.send = func(int, capture.V4L2Format) ([]byte, time.Time, bool) {
			data := bytes.Repeat([]byte{0xAA}, 20*3)
			for y := range 3 {
				copy(data[20*y:], bytes.Repeat([]byte{byte(100 + y), 128}, 6))
			}
			return data, time.Time{}, false
		}
		src, err := capture.OpenV4L2With(capture.Spec{}, "/dev/video0", cam.open)
		if err != nil {
			t.Fatal(err)
		}
		f, err := src.Next(t.Context())
		if err != nil || f.Format != capture.YUYV || f.Width != 6 || f.Height != 3 || len(f.Data) != 36 || bytes.Contains(f.Data, []byte{0xAA}) {
			t.Errorf("%v %dx%d, %d bytes, %v", f.Format, f.Width, f.Height, len(f.Data), err)
		}
		if f.At.IsZero() || time.Since(f.At) > time.Second {
			t.Errorf("without a driver's time it is now, not %v", f.At)
		}
		src.Close()
	})
}

func TestV4L2ComesBackWithinThreeSecondsAfterReplug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := newFakeCamera()
		st := newStates()
		src, err := capture.OpenV4L2With(capture.Spec{OnState: st.on}, "/dev/video0", cam.open)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := src.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		cam.set(func() { cam.gone, cam.openErr = true, syscall.ENOENT })
		time.Sleep(10 * time.Minute) // long enough for any backoff to grow
		cam.set(func() { cam.gone, cam.openErr = false, nil })
		back := time.Now()
		if _, err := src.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(back); took > 3*time.Second {
			t.Errorf("back after %v", took)
		}
		src.Close()
		if cam.opened != cam.closed {
			t.Errorf("opened %d times, closed %d times", cam.opened, cam.closed)
		}
		if s := st.all[1]; !strings.Contains(s, "/dev/video0") || !strings.Contains(s, "no such device; plug the camera in") {
			t.Errorf("reason %q", s)
		}
	})
}

func TestV4L2CameraThatSendsNoPicturesIsTriedInItsOtherFormat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := newFakeCamera()
		send := cam.send
		cam.send = func(n int, f capture.V4L2Format) ([]byte, time.Time, bool) {
			data, at, _ := send(n, f)
			if f.Code == mjpg {
				data = []byte("this is no JPEG")
			}
			return data, at, n%3 == 2
		}
		st := newStates()
		src, err := capture.OpenV4L2With(capture.Spec{OnState: st.on}, "/dev/video0", cam.open)
		if err != nil {
			t.Fatal(err)
		}
		f, err := src.Next(t.Context())
		if err != nil || f.Format != capture.YUYV {
			t.Errorf("%v, %v", f.Format, err)
		}
		time.Sleep(time.Second)
		if s := capture.StatsOf(src); s.Broken < 30 || s.Frames < 5 {
			t.Errorf("stats %+v; bad buffers are skipped and counted", s)
		}
		if !strings.Contains(st.all[0], "30 damaged frames in a row as MJPG") {
			t.Errorf("reason %q", st.all[0])
		}
		src.Close()
	})
}

func TestV4L2OpenErrorsSayWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		formats map[capture.FourCC]string
		want    string
	}{
		"missing":   {err: syscall.ENOENT, want: "capture: open /dev/video0: no such device; plug the camera in, or list cameras with `edgevlm hwtest`"},
		"forbidden": {err: syscall.EACCES, want: "group video"},
		"busy":      {err: syscall.EBUSY, want: "another program"},
		"metadata":  {err: errors.New("Not a video capture device"), want: "try the camera's first one"},
		"bayer":     {formats: map[capture.FourCC]string{bayr: "raw"}, want: "it offers BA81, neither MJPG nor YUYV; for a CSI camera on a Raspberry Pi use exec:rpicam-vid"},
	} {
		cam := newFakeCamera()
		cam.openErr, cam.formats = c.err, c.formats
		_, err := capture.OpenV4L2With(capture.Spec{}, "/dev/video0", cam.open)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if errors.Is(err, capture.ErrNoDevice) != (name == "missing") {
			t.Errorf("%s: ErrNoDevice is for a camera that isn't there", name)
		}
		if cam.opened != cam.closed {
			t.Errorf("%s: left open", name)
		}
	}
}

func TestOpenOfAMissingDeviceIsErrNoDevice(t *testing.T) {
	_, err := capture.Open(t.Context(), capture.Spec{Source: "v4l2:" + filepath.Join(t.TempDir(), "video9")})
	if !errors.Is(err, capture.ErrNoDevice) {
		t.Errorf("got %v", err)
	}
	_, err = capture.Open(t.Context(), capture.Spec{Source: "v4l2:" + write(t, t.TempDir(), "video0", nil)})
	if err == nil || !strings.Contains(err.Error(), "not a camera") {
		t.Errorf("got %v", err)
	}
}

func TestChooseSizeAndRate(t *testing.T) {
	discrete := func(v ...int) (out []capture.V4L2Size) {
		for i := 0; i < len(v); i += 2 {
			out = append(out, capture.V4L2Size{MinW: v[i], MaxW: v[i], MinH: v[i+1], MaxH: v[i+1]})
		}
		return out
	}
	for _, c := range []struct {
		have         []capture.V4L2Size
		w, h, ww, wh int
	}{
		{nil, 640, 480, 640, 480},
		{discrete(1920, 1080, 800, 600, 320, 240), 640, 480, 800, 600},
		{discrete(160, 120, 352, 288, 320, 240), 640, 480, 352, 288},
		{[]capture.V4L2Size{{MinW: 32, MaxW: 1920, StepW: 16, MinH: 32, MaxH: 1080, StepH: 16}}, 630, 475, 640, 480},
		{[]capture.V4L2Size{{MinW: 2, MaxW: 100, StepW: 1, MinH: 2, MaxH: 100, StepH: 1}}, 640, 480, 100, 100},
		{[]capture.V4L2Size{{}}, 640, 480, 640, 480},
	} {
		if w, h := capture.ChooseSize(c.have, c.w, c.h); w != c.ww || h != c.wh {
			t.Errorf("%v for %dx%d: %dx%d, want %dx%d", c.have, c.w, c.h, w, h, c.ww, c.wh)
		}
	}
	for _, c := range []struct{ fps, want float64 }{{0, 0}, {1, 5}, {8, 10}, {10, 10}, {60, 0}} {
		if got := capture.ChooseRate([]float64{30, 5, 10}, c.fps); got != c.want {
			t.Errorf("rate for %v: %v, want %v", c.fps, got, c.want)
		}
	}
}

func TestDevicesAreReadFromSysfs(t *testing.T) {
	dir := t.TempDir()
	for n, name := range map[string]string{"video10": "Late Cam\n", "video0": "HD Webcam: HD Webcam\n", "video1": "HD Webcam: HD Webcam\n", "v4l-subdev0": "ov5647\n"} {
		if err := os.Mkdir(filepath.Join(dir, n), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, n), "name", []byte(name))
		write(t, filepath.Join(dir, n), "index", []byte{'0' + n[len(n)-1] - '0', '\n'})
	}
	got, err := capture.DevicesIn(dir)
	want := []capture.Device{{Path: "/dev/video0", Name: "HD Webcam: HD Webcam"}, {Path: "/dev/video1", Name: "HD Webcam: HD Webcam", Index: 1}, {Path: "/dev/video10", Name: "Late Cam"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := capture.DevicesIn(filepath.Join(dir, "none")); err != nil || got != nil {
		t.Errorf("without video: %v, %v", got, err)
	}
	cam := newFakeCamera()
	cam.sizes = []capture.V4L2Size{{MinW: 640, MaxW: 640, MinH: 480, MaxH: 480}, {MinW: 16, MaxW: 1920, StepW: 2, MinH: 16, MaxH: 1080, StepH: 2}}
	if lines := capture.FormatLines(cam); lines[0] != "MJPG (Motion-JPEG): 640x480, 16x16 to 1920x1080" {
		t.Errorf("%q", lines)
	}
}
