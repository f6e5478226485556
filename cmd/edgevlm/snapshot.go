package main

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
)

// maxSnapshotSide bounds a published picture, in pixels.
const maxSnapshotSide = 1280

// snapshotJPEG encodes a frame anew: cameras leave tables out of their JPEGs, and
// put more into them than a picture.
func snapshotJPEG(f capture.Frame) ([]byte, error) {
	pix, w, h, err := f.RGB()
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	p := imageproc.RGB{W: w, H: h, Pix: pix}
	if side := max(w, h); side > maxSnapshotSide {
		p = imageproc.Resize(p, max(1, w*maxSnapshotSide/side), max(1, h*maxSnapshotSide/side))
	}
	m := image.NewRGBA(image.Rect(0, 0, p.W, p.H))
	for i := range p.W * p.H {
		copy(m.Pix[4*i:4*i+3], p.Pix[3*i:3*i+3])
		m.Pix[4*i+3] = 255
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 80}); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return b.Bytes(), nil
}

// picture is a frame to be published.
type snap struct {
	camera string
	frame  capture.Frame
}

// offerSnapshot hands a described frame to publishSnapshots, where the camera's
// pictures may leave the device; while that is busy, the frame is passed over.
func (d *daemon) offerSnapshot(camera string, f capture.Frame) {
	if c := d.cams[camera]; c == nil || !c.Publish.Snapshot || f.Data == nil {
		return
	}
	select {
	case d.snaps <- snap{camera, f}:
	default:
	}
}

// publishSnapshots encodes and publishes until done is closed.
func (d *daemon) publishSnapshots(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case s := <-d.snaps:
			b, err := snapshotJPEG(s.frame)
			if err != nil {
				d.log.Warn("no snapshot", "camera", s.camera, "err", err)
				continue
			}
			d.mu.Lock()
			if d.cams[s.camera].set.Enabled {
				d.pub.SetRetained(d.topics.Snapshot(s.camera), b)
			}
			d.mu.Unlock()
		}
	}
}
