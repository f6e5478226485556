// Package imageproc turns pictures into what a Qwen2-VL vision tower reads: it
// decodes, resizes to multiples of 28 pixels, normalises and cuts into patches.
//
// The reference is transformers 4.57.6. Its processors load, for stills and for
// video alike, the torchvision path by default (Qwen2VLImageProcessorFast,
// Qwen2VLVideoProcessor), and this package equals that path bit for bit: the
// uint8 bicubic resize of torch with its int16 weights, horizontal pass first.
// PIL's own resize, which the slow processor uses, rounds differently (about
// 0.6 % of the values differ by 1) and since Pillow 13 may run the vertical pass
// first, which differs by up to 22 levels on noise.
package imageproc

import (
	"fmt"
	"math"
)

// RGB is an 8-bit picture, row-major, 3 bytes a pixel: len(Pix) == 3*W*H.
type RGB struct {
	W, H int
	Pix  []byte
}

func (p RGB) check() error {
	if p.W <= 0 || p.H <= 0 {
		return fmt.Errorf("imageproc: picture is empty (%dx%d)", p.W, p.H)
	}
	if len(p.Pix) < 3 || (len(p.Pix)/3)/p.W != p.H || len(p.Pix) != 3*p.W*p.H {
		return fmt.Errorf("imageproc: picture of %dx%d has %d bytes, want 3 a pixel", p.W, p.H, len(p.Pix))
	}
	return nil
}

// Config says how pictures become patches. The pixel limits are those of one
// frame after resizing (area, in pixels).
type Config struct {
	PatchSize, MergeSize, TemporalPatchSize int
	ImageMinPixels, ImageMaxPixels          int
	VideoMinPixels, VideoMaxPixels          int
	Mean, Std                               [3]float32
}

// DefaultConfig is that of Qwen2-VL's processors in transformers 4.57.6.
func DefaultConfig() Config {
	return Config{
		PatchSize: 14, MergeSize: 2, TemporalPatchSize: 2,
		ImageMinPixels: 56 * 56, ImageMaxPixels: 1280 * 28 * 28,
		VideoMinPixels: 128 * 28 * 28, VideoMaxPixels: 768 * 28 * 28,
		Mean: [3]float32{0.48145466, 0.4578275, 0.40821073},
		Std:  [3]float32{0.26862954, 0.26130258, 0.27577711},
	}
}

func (c Config) check() error {
	const most = 1 << 10
	switch {
	case c.PatchSize < 1 || c.PatchSize > most:
		return fmt.Errorf("imageproc: patch size %d is out of range", c.PatchSize)
	case c.MergeSize < 1 || c.MergeSize > most:
		return fmt.Errorf("imageproc: merge size %d is out of range", c.MergeSize)
	case c.TemporalPatchSize < 1 || c.TemporalPatchSize > most:
		return fmt.Errorf("imageproc: temporal patch size %d is out of range", c.TemporalPatchSize)
	}
	for i, s := range c.Std {
		if !(s > 0) || math.IsInf(float64(s), 0) {
			return fmt.Errorf("imageproc: standard deviation %d is %v, want a positive number", i, s)
		}
	}
	return nil
}

// maxAspect is the largest ratio of the sides that SmartResize takes.
const maxAspect = 200

// SmartResize returns the size a picture of height x width pixels is resized
// to: both sides multiples of factor, the area between minPixels and maxPixels,
// the aspect ratio kept as well as that allows. It is smart_resize of
// transformers' image_processing_qwen2_vl.py, with Python's rounding of halves
// to even. A ratio of the sides above 200 is an error.
func SmartResize(height, width, factor, minPixels, maxPixels int) (h, w int, err error) {
	const mostSide = 1 << 24 // keeps every product below 2^53, so that floats are exact
	switch {
	case height < 1 || width < 1 || height > mostSide || width > mostSide:
		return 0, 0, fmt.Errorf("imageproc: cannot resize a picture of %dx%d pixels", width, height)
	case factor < 1 || factor > mostSide:
		return 0, 0, fmt.Errorf("imageproc: resize factor %d is out of range", factor)
	case minPixels < 0 || maxPixels < 1 || minPixels > maxPixels || maxPixels > 1<<48:
		return 0, 0, fmt.Errorf("imageproc: pixel limits %d to %d are not a range; set the minimum below the maximum", minPixels, maxPixels)
	}
	fh, fw, ff := float64(height), float64(width), float64(factor)
	if r := max(fh, fw) / min(fh, fw); r > maxAspect {
		return 0, 0, fmt.Errorf("imageproc: a picture of %dx%d is too long: its sides' ratio is %.1f, at most %d is possible; crop it", width, height, r, maxAspect)
	}
	h = int(math.RoundToEven(fh/ff)) * factor
	w = int(math.RoundToEven(fw/ff)) * factor
	switch {
	case h*w > maxPixels:
		beta := math.Sqrt(fh * fw / float64(maxPixels))
		h = max(factor, int(math.Floor(fh/beta/ff))*factor)
		w = max(factor, int(math.Floor(fw/beta/ff))*factor)
	case h*w < minPixels:
		beta := math.Sqrt(float64(minPixels) / (fh * fw))
		h = int(math.Ceil(fh*beta/ff)) * factor
		w = int(math.Ceil(fw*beta/ff)) * factor
	}
	if h < 1 || w < 1 { // only with a minimum so low that nothing was scaled up; transformers fails later
		return 0, 0, fmt.Errorf("imageproc: a picture of %dx%d is too small for a minimum of %d pixels; raise the minimum", width, height, minPixels)
	}
	return h, w, nil
}
