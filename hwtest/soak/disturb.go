//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/capture/capturetest"
)

// disturb does what a day brings: cameras that come, hang up and go, and a privacy switch.
func (s *soak) disturb(ctx context.Context) error {
	server := capturetest.NewMJPEGServer(&capturetest.MJPEG{
		Pictures: [][]byte{capturetest.JPEG(64, 48, 1)}, Period: 2 * time.Millisecond, Limit: 10,
	})
	defer server.Close()
	picture := filepath.Join(s.dir, "one.jpeg")
	if err := os.WriteFile(picture, capturetest.JPEG(64, 48, 2), 0o600); err != nil {
		return err
	}
	for _, source := range []string{server.URL, "exec:sh -c 'while cat " + picture + "; do sleep 0.01; echo noise >&2; done'"} {
		if err := watch(ctx, source); err != nil {
			return fmt.Errorf("%.20s: %w", source, err)
		}
	}
	s.camera.Shut("privacy", true)
	s.camera.Closed()
	s.camera.Shut("privacy", false)
	return nil
}

// watch takes frames until the camera has hung up and come back, or 30 of them.
func watch(ctx context.Context, source string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cam, err := capture.NewCamera(capture.CameraConfig{Spec: capture.Spec{Source: source}})
	if err != nil {
		return err
	}
	src, err := cam.Open(ctx, nil)
	if err != nil {
		return err
	}
	defer src.Close()
	for range 15 {
		if _, err := src.Next(ctx); err != nil {
			return err
		}
	}
	return nil
}
