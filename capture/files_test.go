package capture_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/capture/capturetest"
)

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, s capture.Spec) capture.Source {
	t.Helper()
	src, err := capture.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	return src
}

// readAll reads to the end, at most 1000 frames.
func readAll(t *testing.T, src capture.Source) []capture.Frame {
	t.Helper()
	var out []capture.Frame
	for len(out) < 1000 {
		f, err := src.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
	t.Fatal("no end")
	return nil
}

// times are the frames' times since the first, in milliseconds.
func times(frames []capture.Frame) string {
	var out []string
	for _, f := range frames {
		out = append(out, fmt.Sprint(f.At.Sub(frames[0].At).Milliseconds()))
	}
	return strings.Join(out, " ")
}

func TestFolderPlaysInNaturalOrderAtItsRate(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []int{10, 9, 1} {
		write(t, dir, fmt.Sprintf("f%d.jpg", n), capturetest.JPEG(16+n, 16, n))
	}
	var b bytes.Buffer
	if err := png.Encode(&b, capturetest.Image(99, 16, 1)); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "f11.PNG", b.Bytes())
	write(t, dir, "f2.jpeg", capturetest.JPEG(18, 16, 2)[:300]) // cut off: skipped, keeps its place in time
	write(t, dir, ".f0.jpg", capturetest.JPEG(16, 16, 0))
	write(t, dir, "notes.txt", []byte("no picture"))
	for _, source := range []string{"files:" + dir, "files:" + dir + "/f*"} {
		src := open(t, capture.Spec{Source: source, FPS: 2, Unpaced: true})
		got := readAll(t, src)
		widths := ""
		for i, f := range got {
			widths += fmt.Sprint(f.Width, " ")
			if f.Seq != uint64(i) {
				t.Errorf("frame %d has number %d", i, f.Seq)
			}
		}
		if widths != "17 25 26 99 " || times(got) != "0 1000 1500 2000" && times(got) != "0 500 1000 1500" {
			t.Errorf("widths %s at %s", widths, times(got))
		}
		if got[3].Format != capture.RGB24 || len(got[3].Data) != 99*16*3 {
			t.Error("a PNG comes as RGB")
		}
		if s := capture.StatsOf(src); s.Frames != 4 || s.Broken != 1 {
			t.Errorf("stats %+v", s)
		}
		if _, err := src.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("after the end: %v", err)
		}
	}
}

func TestLoopedFilesGoOnInTime(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "clip.mjpeg", bytes.Join([][]byte{
		capturetest.JPEG(32, 24, 0), capturetest.JPEG(32, 24, 1), capturetest.JPEG(32, 24, 2)}, nil))
	src := open(t, capture.Spec{Source: "files:" + path, Loop: true, FileFPS: 10, FPS: 1, Unpaced: true})
	var got []capture.Frame
	for range 7 {
		f, err := src.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f)
	}
	if times(got) != "0 100 200 300 400 500 600" || !bytes.Equal(got[0].Data, got[6].Data) || got[6].Seq != 6 {
		t.Errorf("times %s", times(got))
	}
}

func TestPacedFilesComeAtTheirTime(t *testing.T) {
	dir := t.TempDir()
	for i := range 4 {
		write(t, dir, fmt.Sprintf("%d.jpg", i), capturetest.JPEG(16, 16, i))
	}
	synctest.Test(t, func(t *testing.T) {
		src := open(t, capture.Spec{Source: "files:" + dir, FPS: 2})
		time.Sleep(time.Minute) // the show starts with the first Next, not with Open
		begin := time.Now()
		for i := range 4 {
			if i == 2 { // a Next that gives up loses nothing
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				if _, err := src.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the deadline", err)
				}
				cancel()
			}
			f, err := src.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := begin.Add(time.Duration(i) * 500 * time.Millisecond)
			if !time.Now().Equal(want) || !f.At.Equal(want) || f.Seq != uint64(i) {
				t.Errorf("frame %d (number %d) came at %v, taken %v; want %v", i, f.Seq, time.Now(), f.At, want)
			}
		}
		src.Close()
	})
}

func TestCloseWakesAPacedNext(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.jpg", capturetest.JPEG(16, 16, 0))
	write(t, dir, "b.jpg", capturetest.JPEG(16, 16, 1))
	synctest.Test(t, func(t *testing.T) {
		src := open(t, capture.Spec{Source: "files:" + dir, FPS: 0.1})
		_, _ = src.Next(t.Context())
		done := make(chan error)
		go func() { _, err := src.Next(t.Context()); done <- err }()
		synctest.Wait()
		src.Close()
		if err := <-done; !errors.Is(err, capture.ErrClosed) {
			t.Errorf("got %v", err)
		}
		if _, err := src.Next(t.Context()); !errors.Is(err, capture.ErrClosed) {
			t.Errorf("later: %v", err)
		}
	})
}

func TestAnAVIPlaysAtTheRateInItsHeader(t *testing.T) {
	path := write(t, t.TempDir(), "clip.bin", aviOf(t, 8, capturetest.JPEG(32, 24, 0), capturetest.JPEG(32, 24, 1), nil, capturetest.JPEG(32, 24, 3)))
	src := open(t, capture.Spec{Source: "files:" + path, FPS: 1, Unpaced: true})
	got := readAll(t, src)
	if times(got) != "0 125 375" || got[0].Width != 32 {
		t.Errorf("times %s", times(got))
	}
}

func TestFilesErrorsSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken")
	if err := os.Mkdir(broken, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, broken, "a.jpg", []byte("no"))
	for source, want := range map[string]string{
		"files:" + empty:                      "no JPEG or PNG picture in the folder",
		"files:" + dir + "/nothing":           "no such file or folder; write files:DIR",
		"files:" + dir + "/*.jpg":             "no JPEG or PNG picture matches",
		"files:" + write(t, dir, "zero", nil): "the file is empty",
		"files:/dev/null":                     "not a regular file",
		dir:                                   "write files:" + dir,
		"/dev/video7":                         "write v4l2:/dev/video7",
		"ftp://host/x":                        "use files:, v4l2:",
		"files:" + broken:                     "no readable picture",
	} {
		src, err := capture.Open(t.Context(), capture.Spec{Source: source, Loop: true, Unpaced: true})
		if err == nil {
			_, err = src.Next(t.Context())
			src.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", source, err, want)
		}
	}
}

func TestNaturalOrder(t *testing.T) {
	for _, c := range [][2]string{{"f2", "f10"}, {"a9b", "a10a"}, {"f", "f1"}, {"a1", "b0"}, {"f09", "f10"}} {
		if !capture.NaturalLess(c[0], c[1]) || capture.NaturalLess(c[1], c[0]) {
			t.Errorf("%s is to stand before %s", c[0], c[1])
		}
	}
}

// aviOf makes a small MJPEG AVI; nil is a frame that was dropped when it was recorded.
func aviOf(t *testing.T, fps uint32, pictures ...[]byte) []byte {
	t.Helper()
	le := func(v ...uint32) []byte {
		var out []byte
		for _, x := range v {
			out = append(out, byte(x), byte(x>>8), byte(x>>16), byte(x>>24))
		}
		return out
	}
	chunk := func(id string, parts ...[]byte) []byte {
		body := bytes.Join(parts, nil)
		out := append(append([]byte(id), le(uint32(len(body)))...), body...)
		return append(out, make([]byte, len(body)%2)...)
	}
	strh := append([]byte("vidsMJPG"), le(0, 0, 0, 1, fps, 0, 0, 0, 0, 0, 0, 0)...)
	strf := append(le(40, 32, 24, 24<<16|1), append([]byte("MJPG"), le(0, 0, 0, 0, 0)...)...)
	movi := [][]byte{[]byte("movi")}
	for _, p := range pictures {
		movi = append(movi, chunk("00dc", p))
	}
	hdrl := chunk("LIST", []byte("hdrl"), chunk("avih", le(0, 0, 0, 0, 0, 0, 1, 0, 32, 24)),
		chunk("LIST", []byte("strl"), chunk("strh", strh), chunk("strf", strf)))
	return chunk("RIFF", []byte("AVI "), hdrl, chunk("LIST", movi...))
}
