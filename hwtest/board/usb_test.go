//go:build board

package board_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/capture/capturetest"
)

// bare is a picture as webcams send it, without Huffman tables.
func bare(n int) []byte {
	p := capturetest.GrainyJPEG(camWidth, camHeight, n%8)
	for {
		at := bytes.Index(p, []byte{0xFF, 0xC4})
		if at < 0 {
			return p
		}
		p = append(bytes.Clone(p[:at]), p[at+2+int(p[at+2])<<8+int(p[at+3]):]...)
	}
}

func bares() (all [8][]byte) {
	for i := range all {
		all[i] = bare(i)
	}
	return all
}

func openUSB(t *testing.T, device string) (capture.Source, *heard) {
	t.Helper()
	h := &heard{}
	src, err := capture.Open(t.Context(), capture.Spec{Source: "v4l2:" + device, Width: camWidth, Height: camHeight, OnState: h.on})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	return src, h
}

func TestUSBCameraSendsMJPEG(t *testing.T) {
	pictures := bares()
	_, device := plugIn(t, func(n int) []byte { return pictures[n%8] })
	devices, err := capture.Devices()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		if d.Path == device {
			formats, err := d.Formats()
			t.Logf("measured: %s is %q, %q, %v", device, d.Name, formats, err)
		}
	}
	src, _ := openUSB(t, device)
	var first, last capture.Frame
	for i := range 20 {
		f := next(t, src)
		n := -1
		for k, p := range pictures {
			if bytes.Equal(p, f.Data) {
				n = k
			}
		}
		if f.Format != capture.JPEG || f.Width != camWidth || f.Height != camHeight || n < 0 {
			t.Fatalf("%v %dx%d of %d bytes: none of the camera's", f.Format, f.Width, f.Height, len(f.Data))
		}
		got, _, _, err := f.RGB()
		whole, _, _, err2 := capture.Frame{Format: capture.JPEG, Data: capturetest.GrainyJPEG(camWidth, camHeight, n)}.RGB()
		if err != nil || err2 != nil || !bytes.Equal(got, whole) {
			t.Fatalf("without its tables the picture is another: %v, %v", err, err2)
		}
		if i == 0 {
			first = f
		}
		last = f
	}
	period := last.At.Sub(first.At) / time.Duration(last.Seq-first.Seq)
	t.Logf("measured: %dx%d MJPEG over USB, a frame every %v", camWidth, camHeight, period.Round(time.Microsecond))
	if period < 90*time.Millisecond || period > 150*time.Millisecond {
		t.Errorf("a frame every %v; the camera sends one in %v", period, camPeriod)
	}
}

func TestUSBCameraThatSendsHalfPicturesGoesOn(t *testing.T) {
	pictures := bares()
	_, device := plugIn(t, func(n int) []byte {
		p := pictures[n%8]
		switch n % 4 {
		case 1:
			return p[:len(p)/2]
		case 3:
			return nil // an empty one
		}
		return p
	})
	src, _ := openUSB(t, device)
	good, bad := 0, 0
	for range 12 {
		switch _, _, _, err := next(t, src).RGB(); {
		case err == nil:
			good++
		case errors.Is(err, capture.ErrBadFrame):
			bad++
		default:
			t.Error(err)
		}
	}
	if s := capture.StatsOf(src); good < 6 || bad < 3 || s.Restarts > 0 {
		t.Errorf("%d whole pictures and %d halves, %+v", good, bad, s)
	}
}

func TestUSBCameraIsBackAfterReplug(t *testing.T) {
	pictures := bares()
	send := func(n int) []byte { return pictures[n%8] }
	cam, device := plugIn(t, send)
	src, h := openUSB(t, device)
	next(t, src)
	cam.pullOut()
	eventually(t, "the source says that it is gone", func() bool { _, n := h.last(); return n > 0 })
	time.Sleep(3 * time.Second) // it has been tried in vain meanwhile
	why, _ := h.last()
	frames := capture.StatsOf(src).Frames
	_, again := plugIn(t, send)
	if again != device {
		t.Skipf("the kernel calls it %s now, it was %s", again, device)
	}
	took := eventually(t, "frames after the replug", func() bool { return capture.StatsOf(src).Frames > frames })
	t.Logf("measured: frames again %v after a USB camera's replug; it was down with: %s", took.Round(time.Millisecond), why)
	if took > 3*time.Second {
		t.Errorf("frames again %v after the replug", took)
	}
}
