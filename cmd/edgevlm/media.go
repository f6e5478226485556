package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

const (
	maxPictureBytes = 64 << 20 // of one picture's file
	maxClipFrames   = 256
)

// readStill reads one picture.
func readStill(path string) (vlm.Media, error) {
	rgb, err := readPicture(path)
	if err != nil {
		return vlm.Media{}, err
	}
	return vlm.Media{Frames: []imageproc.RGB{rgb}}, nil
}

func readPicture(path string) (imageproc.RGB, error) {
	f, err := os.Open(path)
	if err != nil {
		return imageproc.RGB{}, err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return imageproc.RGB{}, fmt.Errorf("%s is a folder; name its pictures, or give --video to see it as one clip", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPictureBytes+1))
	if err != nil {
		return imageproc.RGB{}, err
	}
	if len(data) > maxPictureBytes {
		return imageproc.RGB{}, fmt.Errorf("%s: more than %d MiB; a JPEG or PNG picture is needed", path, maxPictureBytes>>20)
	}
	rgb, err := imageproc.Decode(data)
	if err != nil {
		return imageproc.RGB{}, fmt.Errorf("%s: %w", path, err)
	}
	return rgb, nil
}

// readClip reads one clip: pictures are its frames at fps; anything else is one
// file or folder that capture reads, thinned out to fps.
func readClip(ctx context.Context, files []string, fps float64) (vlm.Media, error) {
	m := vlm.Media{Video: true}
	if len(files) == 1 && !isPicture(files[0]) {
		return readVideo(ctx, files[0], fps)
	}
	if len(files) > maxClipFrames {
		return m, fmt.Errorf("%d frames; at most %d make a clip", len(files), maxClipFrames)
	}
	for i, f := range files {
		if !isPicture(f) {
			return m, fmt.Errorf("%s is not a JPEG or PNG; a video or a folder must be the only file", f)
		}
		rgb, err := readPicture(f)
		if err != nil {
			return m, err
		}
		if i > 0 && (rgb.W != m.Frames[0].W || rgb.H != m.Frames[0].H) {
			return m, fmt.Errorf("%s is %dx%d pixels, the clip's first frame %dx%d; all must be of one size",
				f, rgb.W, rgb.H, m.Frames[0].W, m.Frames[0].H)
		}
		m.Frames = append(m.Frames, rgb)
		m.Times = append(m.Times, time.Duration(float64(i)/fps*float64(time.Second)))
	}
	return m, nil
}

func isPicture(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".jpg", ".jpeg", ".png":
		return true
	}
	return false
}

func readVideo(ctx context.Context, path string, fps float64) (m vlm.Media, err error) {
	m.Video = true
	src, err := capture.Open(ctx, capture.Spec{Source: "files:" + path, FPS: fps, Unpaced: true})
	if err != nil {
		return m, err
	}
	s := capture.NewSampler(src, fps)
	defer s.Close()
	var first time.Time
	for {
		f, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return m, err
		}
		pix, w, h, err := f.RGB()
		if err != nil {
			return m, fmt.Errorf("%s: frame %d: %w", path, f.Seq, err)
		}
		if len(m.Frames) == 0 {
			first = f.At
		}
		if len(m.Frames) == maxClipFrames {
			return m, fmt.Errorf("%s: more than %d frames at %v fps; give a lower --fps or a shorter clip", path, maxClipFrames, fps)
		}
		m.Frames = append(m.Frames, imageproc.RGB{W: w, H: h, Pix: pix})
		m.Times = append(m.Times, f.At.Sub(first))
	}
	if len(m.Frames) == 0 {
		return m, fmt.Errorf("%s holds no frames", path)
	}
	return m, nil
}
