package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
	"github.com/edgevlm/edgevlm/mqtt"
)

// emptyBoard has nothing.
func emptyBoard(t *testing.T) *finder {
	return &finder{
		hostname: func() (string, error) { return "Front Gate.lan", nil },
		devices:  func() ([]capture.Device, error) { return nil, nil },
		formats:  func(capture.Device) ([]string, error) { return nil, errors.New("no camera") },
		byID:     t.TempDir(),
		csi:      func(context.Context) (string, error) { return "", exec.ErrNotFound },
		check:    func(context.Context, mqtt.Config) error { return errors.New("connection refused") },
		brokers:  []string{"mqtt://127.0.0.1:1883", "mqtt://homeassistant.local:1883"},
		memory:   func() (int64, int64, error) { return 3 << 30, 4 << 30, nil },
	}
}

// fullBoard has cameras of every kind, nodes that are none, and a broker.
func fullBoard(t *testing.T) *finder {
	f := emptyBoard(t)
	f.devices = func() ([]capture.Device, error) {
		return []capture.Device{
			{Path: "/dev/video0", Name: "HD Pro Webcam C920"}, {Path: "/dev/video1", Name: "HD Pro Webcam C920", Index: 1},
			{Path: "/dev/video2", Name: "HD Pro Webcam C920"}, {Path: "/dev/video3", Name: "secret"}, {Path: "/dev/video10", Name: "bcm2835-codec-decode"},
		}, nil
	}
	f.formats = func(d capture.Device) ([]string, error) {
		switch d.Path {
		case "/dev/video3":
			return nil, fs.ErrPermission
		case "/dev/video10":
			return []string{"YU12 (Planar)"}, nil
		}
		return []string{"H264 (H.264)", "MJPG (Motion-JPEG): 640x480"}, nil
	}
	f.csi = func(context.Context) (string, error) {
		return "Available cameras\n-----------------\n0 : imx708 [4608x2592 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx708@1a)\n" +
			"    Modes: 'SRGGB10_CSI2P' : 1536x864 [120.13 fps]\n1 : c920 [1280x720] (/base/usb@1/c920)\n", nil
	}
	f.check = func(_ context.Context, c mqtt.Config) error {
		if c.URL == "mqtt://homeassistant.local:1883" {
			return nil
		}
		return errors.New("connection refused")
	}
	return f
}

// initialize runs init and reads what it wrote.
func initialize(t *testing.T, c initCmd, f *finder, answers string) (cfg *config.Config, text, said string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	if c.Out == "" {
		c.Out = filepath.Join(t.TempDir(), "edgevlm.yaml")
	}
	var ask *asker
	if answers != "" {
		ask = &asker{bufio.NewReader(strings.NewReader(answers)), &out}
	}
	err = c.run(&env{ctx: t.Context(), stdout: &out, stderr: &errs}, f, ask)
	data, _ := os.ReadFile(c.Out)
	if err == nil {
		if cfg, err = config.Load(c.Out); err != nil {
			t.Fatalf("check-config would refuse it: %v\n%s", err, data)
		}
	}
	return cfg, string(data), out.String() + errs.String(), err
}

func TestInitWritesWhatItFinds(t *testing.T) {
	f := fullBoard(t)
	if err := os.Symlink("/dev/video2", filepath.Join(f.byID, "usb-046d_C920_1234-video-index0")); err != nil {
		t.Fatal(err)
	}
	cfg, _, said, err := initialize(t, initCmd{}, f, "")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"hd-pro-webcam-c920": "v4l2:/dev/video0", "hd-pro-webcam-c920-2": "v4l2:/dev/video2",
		"imx708": "exec:rpicam-vid -n -t 0 --codec mjpeg --width 640 --height 480 --camera 0 -o -",
	}
	for _, c := range cfg.Cameras {
		// The link's target is looked up on the real machine, where /dev/video2 may not be.
		if c.Name == "hd-pro-webcam-c920-2" && strings.HasSuffix(c.Source, "-video-index0") {
			c.Source = "v4l2:/dev/video2"
		}
		if want[c.Name] != c.Source {
			t.Errorf("camera %s: %s", c.Name, c.Source)
		}
	}
	if len(cfg.Cameras) != len(want) || cfg.Device != "front-gate" || cfg.MQTT.URL != "mqtt://homeassistant.local:1883" || cfg.Model.Name != "qwen2-vl-2b" {
		t.Errorf("%+v", cfg)
	}
	for _, part := range []string{"/dev/video3 (secret) may not be opened", "edgevlm pull qwen2-vl-2b", "edgevlm hwtest"} {
		if !strings.Contains(said, part) {
			t.Errorf("nothing is said of %s:\n%s", part, said)
		}
	}
}

func TestASteadyLinkIsPreferred(t *testing.T) {
	f := emptyBoard(t)
	node := filepath.Join(t.TempDir(), "video7")
	if err := os.WriteFile(node, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(f.byID, "usb-cam-video-index0")
	if err := os.Symlink(node, link); err != nil {
		t.Fatal(err)
	}
	if got := f.steady("/dev/video7"); got != link {
		t.Error(got)
	}
	if got := f.steady("/dev/video8"); got != "/dev/video8" {
		t.Error(got)
	}
}

func TestInitAsksOnlyWhatItCanNotFind(t *testing.T) {
	if _, _, said, err := initialize(t, initCmd{}, fullBoard(t), "x\n"); err != nil || strings.Contains(said, "]: ") {
		t.Errorf("asked although all was found: %v\n%s", err, said)
	}
	cfg, _, said, err := initialize(t, initCmd{}, emptyBoard(t), "rtsp://10.0.0.5/stream\n\n")
	if err != nil || cfg.Cameras[0].Source != "rtsp://10.0.0.5/stream" || cfg.MQTT.URL != "mqtt://127.0.0.1:1883" {
		t.Errorf("%v: %+v", err, cfg)
	}
	if !strings.Contains(said, "No camera was found") || !strings.Contains(said, "No MQTT broker was found") {
		t.Error(said)
	}
}

func TestInitWithoutACameraEndsWithCode3(t *testing.T) {
	c := initCmd{Out: filepath.Join(t.TempDir(), "x.yaml")}
	_, text, _, err := initialize(t, c, emptyBoard(t), "")
	var coded codeError
	if !errors.As(err, &coded) || coded.code != exitNoDevice || text != "" {
		t.Errorf("%v, wrote %q", err, text)
	}
}

func TestInitTakesEverythingFromFlags(t *testing.T) {
	c := initCmd{Device: "shed", Camera: []string{`exec:cam "a b" # not a comment`, "rtsp://u:p@10.0.0.5/x"}, Broker: "mqtts://broker.lan", MQTTUser: "gate", PasswordFile: "pw", Model: "demo"}
	cfg, text, said, err := initialize(t, c, emptyBoard(t), "")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Device != "shed" || cfg.Cameras[0].Source != c.Camera[0] || cfg.Cameras[1].Name != "camera-2" || cfg.MQTT.URL != c.Broker ||
		cfg.MQTT.User != "gate" || filepath.Base(cfg.MQTT.PasswordFile) != "pw" || cfg.Model.Name != "demo" {
		t.Errorf("%+v\n%s", cfg, text)
	}
	if strings.Contains(said, "u:p@") || !strings.Contains(said, "did not answer") {
		t.Error(said)
	}
}

func TestABrokerThatWantsALoginIsFound(t *testing.T) {
	f := fullBoard(t)
	f.check = func(context.Context, mqtt.Config) error {
		return errors.New("mqtt: broker: refused without a user name: set mqtt.user and mqtt.password_file")
	}
	cfg, _, said, err := initialize(t, initCmd{}, f, "gate\n")
	if err != nil || cfg.MQTT.User != "gate" || filepath.Base(cfg.MQTT.PasswordFile) != "mqtt-password" || !strings.Contains(said, "mqtt-password beside") {
		t.Errorf("%v, %+v\n%s", err, cfg.MQTT, said)
	}
}

func TestASmallBoardGetsTheDemoModelAndIsToldWhy(t *testing.T) {
	f := fullBoard(t)
	f.memory = func() (int64, int64, error) { return 400 << 20, 900 << 20, nil }
	cfg, text, said, err := initialize(t, initCmd{}, f, "")
	if err != nil || cfg.Model.Name != "demo" || !strings.Contains(text, "qwen2-vl-2b needs about") || strings.Contains(said, "edgevlm pull") {
		t.Errorf("%v\n%s\n%s", err, text, said)
	}
}

func TestInitOverwritesOnlyWithForce(t *testing.T) {
	c := initCmd{Out: filepath.Join(t.TempDir(), "edgevlm.yaml")}
	if err := os.WriteFile(c.Out, []byte("mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, text, _, err := initialize(t, c, fullBoard(t), "")
	if text != "mine\n" || err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("%v, the file is %q", err, text)
	}
	c.Force = true
	if _, text, _, err := initialize(t, c, fullBoard(t), ""); err != nil || text == "mine\n" {
		t.Errorf("%v, the file is %q", err, text)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(c.Out), ".edgevlm-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestNamesOfDevicesBecomeTopicLevels(t *testing.T) {
	for name, want := range map[string]string{
		"UVC Camera (046d:0825)": "uvc-camera-046d-0825", "Камера": "board", "": "board", "a": "a",
		strings.Repeat("long ", 20): "long-long-long-long-long-long-lo",
	} {
		if got := topicLevel(name, "board"); got != want || mqtt.ValidateName(got) != nil {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
