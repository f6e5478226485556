package imageproc

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/gif"
	"image/png"
	"io"

	"github.com/edgevlm/edgevlm/runtime/imageproc/internal/jpeg"
)

// MaxPixels is the largest picture that Decode reads: its header is checked
// before memory is taken for it.
const MaxPixels = 64 << 20

// maxSide bounds one side, so that width and height multiply safely.
const maxSide = 1 << 16

// Decode reads a JPEG, a PNG or a GIF's first frame. Colours become 8-bit RGB
// the way PIL's convert("RGB") does it: alpha is dropped, not composited; grey
// and palettes are spread; of 16-bit samples the high byte counts. A JPEG's pixels
// are those of libjpeg's default settings, which PIL has (CMYK apart), and its
// EXIF orientation is applied.
func Decode(data []byte) (RGB, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8")):
		if err := checkHeader("JPEG", data, jpeg.DecodeConfig); err != nil {
			return RGB{}, err
		}
		img, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			return RGB{}, decodeError("JPEG", err)
		}
		return orient(FromImage(img), exifOrientation(data)), nil
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		if err := checkHeader("PNG", data, png.DecodeConfig); err != nil {
			return RGB{}, err
		}
		img, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			return RGB{}, decodeError("PNG", err)
		}
		return FromImage(img), nil
	case bytes.HasPrefix(data, []byte("GIF8")):
		return decodeGIF(data)
	case len(data) == 0:
		return RGB{}, fmt.Errorf("imageproc: the image is empty (0 bytes)")
	}
	return RGB{}, fmt.Errorf("imageproc: not a JPEG, PNG or GIF image (it begins with % x); convert it first", data[:min(4, len(data))])
}

func checkHeader(kind string, data []byte, config func(io.Reader) (image.Config, error)) error {
	cfg, err := config(bytes.NewReader(data))
	if err != nil {
		return decodeError(kind, err)
	}
	w, h := cfg.Width, cfg.Height
	if w < 1 || h < 1 {
		return fmt.Errorf("imageproc: broken %s image: its header says %dx%d pixels", kind, w, h)
	}
	if w > maxSide || h > maxSide || w*h > MaxPixels {
		return fmt.Errorf("imageproc: the %s image is too large: %dx%d pixels, at most %d megapixels are read; scale it down first", kind, w, h, MaxPixels>>20)
	}
	return nil
}

func decodeError(kind string, err error) error {
	return fmt.Errorf("imageproc: broken %s image: %w", kind, err)
}

func decodeGIF(data []byte) (RGB, error) {
	if err := checkHeader("GIF", data, gif.DecodeConfig); err != nil {
		return RGB{}, err
	}
	cfg, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return RGB{}, decodeError("GIF", err)
	}
	img, err := gif.Decode(bytes.NewReader(data))
	if err != nil {
		return RGB{}, decodeError("GIF", err)
	}
	canvas := image.Rect(0, 0, cfg.Width, cfg.Height)
	if img.Bounds() == canvas {
		return FromImage(img), nil
	}
	full := image.NewNRGBA(canvas) // a first frame smaller than its canvas stands on black
	draw.Draw(full, img.Bounds(), img, img.Bounds().Min, draw.Src)
	return FromImage(full), nil
}
