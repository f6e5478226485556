package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/edgevlm/edgevlm/demo"
	"github.com/edgevlm/edgevlm/mqtt/broker"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"edgevlm": main})
}

// TestScripts runs testdata/script: the program as its users call it. Beside
// testscript's own commands, and the folder $TINY of small random models, there are
//
//	exits N COMMAND...   the command must end with exit code N
//	fails N COMMAND...   and say why in one line on stderr, and nothing on stdout
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   filepath.Join("testdata", "script"),
		Setup: writeFixtures,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": func(ts *testscript.TestScript, neg bool, args []string) { exits(ts, args) },
			"fails": func(ts *testscript.TestScript, neg bool, args []string) {
				exits(ts, args)
				errText := ts.ReadFile("stderr")
				if strings.Count(errText, "\n") != 1 || !strings.HasPrefix(errText, "edgevlm: ") || len(errText) > 600 {
					ts.Fatalf("stderr is not one line: %q", errText)
				}
				if out := ts.ReadFile("stdout"); out != "" {
					ts.Fatalf("stdout: %q", out)
				}
			},
		},
	})
}

func exits(ts *testscript.TestScript, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d; stderr: %s", code, want, ts.ReadFile("stderr"))
	}
}

// writeFixtures puts models and pictures, good and bad, into the script's folder.
func writeFixtures(env *testscript.Env) error {
	b, err := broker.Start(context.Background(), "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Defer(func() { b.Close() })
	tiny, err := filepath.Abs("../../runtime/qwen2vl/testdata")
	if err != nil {
		return err
	}
	env.Setenv("TINY", tiny)
	nocamera := fmt.Sprintf("device: gate\ncameras: [{ name: yard, source: 'v4l2:/dev/video-none' }]\nmqtt: { url: %s }\n", b.URL())
	text, mmproj := demo.Text(), demo.MMProj()
	counts := bytes.Clone(text[:64])
	binary.LittleEndian.PutUint64(counts[8:], 1<<60)
	for name, data := range map[string][]byte{
		"text.gguf": text, "mmproj.gguf": mmproj, "cut.gguf": text[:len(text)/2], "head.gguf": text[:20], "counts.gguf": counts,
		"nocamera.yaml": []byte(nocamera), "not.gguf": []byte("hello\n"), "empty.gguf": nil,
		"red.png": picture(png.Encode, 112, 84), "red.jpg": picture(encodeJPEG, 112, 84), "other.jpg": picture(encodeJPEG, 84, 112),
		"broken.jpg": []byte("\xff\xd8\xff\xe0 no picture"), "huge.png": hugePNG(), "wide.png": picture(png.Encode, 4000, 10),
	} {
		if err := os.WriteFile(filepath.Join(env.WorkDir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func encodeJPEG(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) }

// picture encodes a red field with a gradient, w x h pixels.
func picture(encode func(io.Writer, image.Image) error, w, h int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		m.Set(i%w, i/w, color.RGBA{200, uint8(i % w), 30, 255})
	}
	var b bytes.Buffer
	if err := encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// hugePNG claims 60,000 x 60,000 pixels in a few bytes.
func hugePNG() []byte {
	ihdr := append([]byte("IHDR"), 0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60, 8, 2, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	b = append(b, ihdr...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(ihdr))
}
