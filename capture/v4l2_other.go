//go:build !linux

package capture

import (
	"context"
	"errors"
)

var errNoV4L2 = errors.New("capture: v4l2: works on Linux only; use files:, http://, rtsp:// or exec:")

func openV4L2(context.Context, Spec, string) (Source, error) { return nil, errNoV4L2 }

// Formats returns what a camera offers; on this system that can't be found out.
func (d Device) Formats() ([]string, error) { return nil, errNoV4L2 }
