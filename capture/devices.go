package capture

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Device is a V4L2 device node.
type Device struct {
	Path  string // /dev/videoN
	Name  string // the driver's name for it
	Index int    // 0 is a camera's main node; the others often carry metadata only
}

// Devices lists the video devices of this machine, in order of their numbers.
func Devices() ([]Device, error) { return DevicesIn("/sys/class/video4linux") }

// DevicesIn is Devices with another place for the kernel's list, for tests. A machine without video has no such folder; that
// is no error.
func DevicesIn(sysfs string) ([]Device, error) {
	entries, err := os.ReadDir(sysfs)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("capture: list cameras: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "video") {
			names = append(names, e.Name())
		}
	}
	sortNatural(names)
	devices := make([]Device, 0, len(names))
	for _, n := range names {
		d := Device{Path: "/dev/" + n, Name: readLine(filepath.Join(sysfs, n, "name"))}
		d.Index, _ = strconv.Atoi(readLine(filepath.Join(sysfs, n, "index")))
		devices = append(devices, d)
	}
	return devices, nil
}

func readLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}

// formatLines says what a camera offers.
func formatLines(cam v4l2Camera) []string {
	var lines []string
	for f, name := range cam.Formats() {
		var sizes []string
		for _, s := range cam.Sizes(f) {
			if s.MinW == s.MaxW && s.MinH == s.MaxH {
				sizes = append(sizes, fmt.Sprintf("%dx%d", s.MaxW, s.MaxH))
			} else {
				sizes = append(sizes, fmt.Sprintf("%dx%d to %dx%d", s.MinW, s.MinH, s.MaxW, s.MaxH))
			}
		}
		line := fmt.Sprintf("%v (%s)", f, name)
		if len(sizes) > 0 {
			line += ": " + strings.Join(sizes, ", ")
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}
