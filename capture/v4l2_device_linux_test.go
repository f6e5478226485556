package capture_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/capture"
)

// The tests of this file need a camera: set EDGEVLM_TEST_V4L2 to its path (/dev/video0), and EDGEVLM_TEST_V4L2_DRIVER to a folder
// such as /sys/bus/platform/drivers/vivid to have it unplugged and plugged in. They ran on the kernel's virtual camera, vivid.
func realCamera(t *testing.T) string {
	t.Helper()
	path := os.Getenv("EDGEVLM_TEST_V4L2")
	if path == "" {
		t.Skip("no camera to test with; set EDGEVLM_TEST_V4L2=/dev/video0")
	}
	return path
}

func TestRealCameraDeliversWhatItSays(t *testing.T) {
	path := realCamera(t)
	for _, size := range [][2]int{{0, 0}, {320, 180}, {1280, 720}} {
		began := time.Now()
		src := open(t, capture.Spec{Source: "v4l2:" + path, Width: size[0], Height: size[1], FPS: 2})
		var last capture.Frame
		for i := range 10 {
			f, err := src.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, w, h, err := f.RGB(); err != nil || w != f.Width || h != f.Height {
				t.Errorf("frame %d: %dx%d says %dx%d, %v", i, w, h, f.Width, f.Height, err)
			}
			if i == 0 {
				t.Logf("%v %dx%d %d bytes, first frame after %v, %v old", f.Format, f.Width, f.Height, len(f.Data),
					time.Since(began).Round(time.Millisecond), time.Since(f.At).Round(time.Microsecond))
			} else if d := f.At.Sub(last.At); d <= 0 {
				t.Errorf("frame %d is %v after the one before", i, d)
			}
			last = f
		}
		t.Logf("stats %+v", capture.StatsOf(src))
		src.Close()
	}
}

func TestRealCameraComesBackAfterReplug(t *testing.T) {
	path, driver := realCamera(t), os.Getenv("EDGEVLM_TEST_V4L2_DRIVER")
	if driver == "" {
		t.Skip("no driver to unbind; set EDGEVLM_TEST_V4L2_DRIVER")
	}
	devices, _ := filepath.Glob(driver + "/*.[0-9]*")
	if len(devices) == 0 {
		t.Fatalf("no device below %s", driver)
	}
	name := filepath.Base(devices[0])
	st := newStates()
	src := open(t, capture.Spec{Source: "v4l2:" + path, OnState: st.on})
	st.wait(t, "up")
	for range 3 {
		if err := os.WriteFile(driver+"/unbind", []byte(name), 0); err != nil {
			t.Fatal(err)
		}
		if why := st.wait(t, "trying again"); !strings.Contains(why, path) {
			t.Errorf("reason %q", why)
		} else {
			t.Log(why)
		}
		time.Sleep(3 * time.Second)
		if err := os.WriteFile(driver+"/bind", []byte(name), 0); err != nil {
			t.Fatal(err)
		}
		back := time.Now()
		st.wait(t, "up")
		took := time.Since(back)
		t.Logf("back after %v", took.Round(time.Millisecond))
		if took > 3*time.Second {
			t.Errorf("back after %v", took)
		}
	}
	src.Close()
}

func TestRealDevicesAreListed(t *testing.T) {
	path := realCamera(t)
	devices, err := capture.Devices()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		lines, err := d.Formats()
		t.Logf("%+v: %d formats, %v", d, len(lines), err)
		if d.Path == path && (err != nil || len(lines) == 0) {
			t.Errorf("%s: no formats: %v", path, err)
		}
	}
}
