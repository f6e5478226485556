package capture

import (
	"context"
	"fmt"
)

// openV4L2 opens a camera of this machine. Once it has been there, it may be unplugged and come back: its path, or the one a
// link such as /dev/v4l/by-id/... points to then, is tried again every second.
func openV4L2(_ context.Context, s Spec, path string) (Source, error) {
	return openV4L2With(s, path, func() (v4l2Camera, error) { return openWebcam(path) })
}

// Formats returns what a camera offers, one line each ("MJPG 640x480, 1280x720"), for reports to people.
func (d Device) Formats() ([]string, error) {
	cam, err := openWebcam(d.Path)
	if err != nil {
		return nil, fmt.Errorf("capture: open %s: %w", d.Path, v4l2Error(err))
	}
	defer cam.Close()
	return formatLines(cam), nil
}
