package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/hwtest"
	"github.com/edgevlm/edgevlm/models"
	"github.com/edgevlm/edgevlm/mqtt"
)

// finder looks at the machine. Tests replace its parts.
type finder struct {
	hostname func() (string, error)
	devices  func() ([]capture.Device, error)
	formats  func(capture.Device) ([]string, error)
	byID     string // folder of links to cameras that keep their names
	csi      func(ctx context.Context) (list string, err error)
	check    func(ctx context.Context, c mqtt.Config) error
	brokers  []string
	memory   func() (free, total int64, err error)
	dirs     []string // of models
}

const brokerPatience = 3 * time.Second

func newFinder() *finder {
	return &finder{
		hostname: os.Hostname, devices: capture.Devices, formats: capture.Device.Formats, byID: "/dev/v4l/by-id", csi: listCSI,
		check: checkBroker, brokers: []string{"mqtt://127.0.0.1:1883", "mqtt://homeassistant.local:1883"},
		memory: func() (int64, int64, error) { return hwtest.Memory("") }, dirs: models.Dirs(os.Getenv),
	}
}

// topicLevel makes a topic level of any name.
func topicLevel(name, fallback string) string {
	name = strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(name), "-"), "-")
	if name = strings.Trim(name[:min(len(name), 32)], "-"); name == "" {
		return fallback
	}
	return name
}

func (f *finder) deviceName() string {
	name, err := f.hostname()
	if err != nil {
		name = ""
	}
	name, _, _ = strings.Cut(name, ".")
	return topicLevel(name, "board")
}

// cameras are those that give pictures, and notes on those that don't.
func (f *finder) cameras(ctx context.Context) (all []found, notes []string) {
	devices, err := f.devices()
	if err != nil {
		notes = append(notes, err.Error())
	}
	for _, d := range devices {
		if d.Index != 0 {
			continue // a second node of the same camera
		}
		formats, err := f.formats(d)
		switch {
		case errors.Is(err, fs.ErrPermission):
			notes = append(notes, fmt.Sprintf("%s (%s) may not be opened: join the group video, or run this as root", d.Path, d.Name))
		case err != nil || !delivers(formats):
			// A codec, an image processor, a raw sensor.
		default:
			all = append(all, found{topicLevel(d.Name, ""), "v4l2:" + f.steady(d.Path), d.Name})
		}
	}
	list, err := f.csi(ctx)
	if err != nil && !errors.Is(err, exec.ErrNotFound) {
		notes = append(notes, "rpicam-hello: "+err.Error())
	}
	for _, c := range parseCSI(list) {
		source := "exec:rpicam-vid -n -t 0 --codec mjpeg --width 640 --height 480 --camera " + c.number + " -o -"
		all = append(all, found{topicLevel(c.sensor, ""), source, "CSI camera " + c.sensor})
	}
	return all, notes
}

// delivers says whether a camera has a format that we read.
func delivers(formats []string) bool {
	for _, line := range formats {
		for _, ours := range []string{"MJPG", "JPEG", "YUYV"} {
			if strings.HasPrefix(line, ours) {
				return true
			}
		}
	}
	return false
}

// steady is the name of a device that stays the same when cameras are plugged
// into other ports; the path itself where there is none.
func (f *finder) steady(path string) string {
	links, _ := filepath.Glob(filepath.Join(f.byID, "*-video-index0"))
	for _, l := range links {
		if to, err := filepath.EvalSymlinks(l); err == nil && filepath.Base(to) == filepath.Base(path) {
			return l
		}
	}
	return path
}

// listCSI asks the Raspberry Pi's camera program.
func listCSI(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	program, err := exec.LookPath("rpicam-hello")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, "--list-cameras")
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &out
	err = cmd.Run()
	return out.String(), err
}

type csiCamera struct{ number, sensor string }

// parseCSI reads rpicam-hello --list-cameras: lines like
// `0 : imx708 [4608x2592 10-bit RGGB] (/base/...)`. USB cameras are listed there,
// too; their paths tell them.
func parseCSI(list string) []csiCamera {
	var all []csiCamera
	for _, m := range regexp.MustCompile(`(?m)^(\d+) : (\S+) \[.*\] \((.*)\)$`).FindAllStringSubmatch(list, -1) {
		if !strings.Contains(m[3], "usb") {
			all = append(all, csiCamera{m[1], m[2]})
		}
	}
	return all
}

// broker is the first that answers; login says that it refused us without one.
func (f *finder) broker(ctx context.Context, user, passwordFile string) (url string, login bool) {
	for _, url := range f.brokers {
		err := f.check(ctx, mqtt.Config{URL: url, User: user, PasswordFile: passwordFile})
		if err == nil {
			return url, false
		}
		if strings.Contains(err.Error(), "refused without a user") || strings.Contains(err.Error(), "refused user") {
			return url, true
		}
	}
	return "", false
}

// model is the one asked for, else the first of the catalogue that was pulled, else the
// first that fits.
func (f *finder) model(asked string) (name, what string, pulled bool) {
	all, err := models.Catalogue()
	if asked != "" || err != nil || len(all) == 0 {
		name = asked
		if name == "" {
			name = demoModel
		}
		_, err := models.Locate(name, f.dirs)
		if name == demoModel || err == nil {
			return name, "given to `edgevlm init`", true
		}
		return name, "given to `edgevlm init`, not on this machine yet", false
	}
	for _, m := range all {
		if s, err := models.Locate(m.Name, f.dirs); err == nil {
			return m.Name, "found in " + s.Dir, true
		}
	}
	first := all[0]
	need := models.MemoryNeeded(first.Bytes())
	_, total, err := f.memory()
	if err == nil && total < need {
		return demoModel, fmt.Sprintf("which knows a drawn world only: %s needs about %s of memory, this machine has %s",
			first.Name, models.Bytes(need), models.Bytes(total)), true
	}
	return first.Name, "not on this machine yet", false
}
