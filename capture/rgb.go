package capture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"sync"

	"github.com/edgevlm/edgevlm/capture/internal/mjpeg"
)

// RGB returns the picture as w*h*3 bytes, row-major. JPEG is decoded to the pixels that image/jpeg gives; YUYV is converted by
// BT.601. The result of an RGB24 frame is its Data, not a copy. The error wraps ErrBadFrame.
func (f Frame) RGB() (pix []byte, w, h int, err error) { return f.rgb(nil) }

// rgb is RGB. Where l is not nil it gets the means of the picture's blocks, if the frame is a JPEG that has them; else its size is 0.
func (f Frame) rgb(l *mjpeg.Luma) (pix []byte, w, h int, err error) {
	if l != nil {
		l.W, l.H = 0, 0
	}
	switch f.Format {
	case JPEG:
		return rgbFromJPEG(f.Data, l)
	case RGB24:
		if err := f.checkSize(3 * f.Width); err != nil {
			return nil, 0, 0, err
		}
		return f.Data[:3*f.Width*f.Height], f.Width, f.Height, nil
	case YUYV:
		if err := f.checkSize(yuyvStride(f.Width)); err != nil {
			return nil, 0, 0, err
		}
		return rgbFromYUYV(f.Data, f.Width, f.Height), f.Width, f.Height, nil
	}
	return nil, 0, 0, fmt.Errorf("capture: %w: pixel format %v is not known", ErrBadFrame, f.Format)
}

func (f Frame) checkSize(stride int) error {
	if err := checkDims(f.Width, f.Height); err != nil {
		return err
	}
	if len(f.Data) < stride*f.Height {
		return fmt.Errorf("capture: %w: %dx%d %v needs %d bytes, has %d",
			ErrBadFrame, f.Width, f.Height, f.Format, stride*f.Height, len(f.Data))
	}
	return nil
}

func checkDims(w, h int) error {
	if w <= 0 || h <= 0 || w > maxSide || h > maxSide || w*h > MaxPixels {
		return fmt.Errorf("capture: %w: %dx%d pixels; at most %d are decoded", ErrBadFrame, w, h, MaxPixels)
	}
	return nil
}

// decoders keep their memory and a camera's tables.
var decoders = sync.Pool{New: func() any { return new(mjpeg.Decoder) }}

// rgbFromJPEG decodes what cameras send by package mjpeg, and what it doesn't know (progressive, CMYK) by image/jpeg.
func rgbFromJPEG(data []byte, l *mjpeg.Luma) (pix []byte, w, h int, err error) {
	head, err := jpegHeader(data)
	if err != nil {
		return nil, 0, 0, err
	}
	d := decoders.Get().(*mjpeg.Decoder)
	defer decoders.Put(d)
	pix = make([]byte, 3*head.Width*head.Height)
	switch err = d.RGB(data, head, pix, l); {
	case err == nil:
		return pix, head.Width, head.Height, nil
	case !errors.Is(err, mjpeg.ErrOther):
		return nil, 0, 0, fmt.Errorf("capture: %w: %w", ErrBadFrame, err)
	}
	img, err := decodeJPEG(data) // l was not touched
	if err != nil {
		return nil, 0, 0, err
	}
	pix, w, h = rgbFromImage(img)
	return pix, w, h, nil
}

// jpegHeader reads a header and checks the size in it.
func jpegHeader(data []byte) (mjpeg.Header, error) {
	h, err := mjpeg.ParseHeader(data)
	if err != nil {
		return h, fmt.Errorf("capture: %w: %w", ErrBadFrame, err)
	}
	return h, checkDims(h.Width, h.Height)
}

// decodeJPEG decodes by image/jpeg, with the standard Huffman tables where a camera left them out (as AVI's and UVC's MJPEG may).
func decodeJPEG(data []byte) (image.Image, error) {
	h, err := jpegHeader(data)
	if err != nil {
		return nil, err
	}
	if !h.HasHuffman {
		data = mjpeg.AddHuffman(data)
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("capture: %w: %w", ErrBadFrame, err)
	}
	return img, nil
}

func rgbFromImage(img image.Image) (pix []byte, w, h int) {
	b := img.Bounds()
	w, h = b.Dx(), b.Dy()
	pix = make([]byte, 3*w*h)
	switch m := img.(type) {
	case *image.YCbCr:
		rgbFromYCbCr(pix, m)
	case *image.Gray:
		for y := 0; y < h; y++ {
			row := m.Pix[y*m.Stride : y*m.Stride+w]
			out := pix[3*w*y : 3*w*(y+1)]
			for x, v := range row {
				out[3*x], out[3*x+1], out[3*x+2] = v, v, v
			}
		}
	default:
		o := 0
		for y := b.Min.Y; y < b.Max.Y; y++ {
			for x := b.Min.X; x < b.Max.X; x++ {
				// The alpha channel is ignored, not blended: color.NRGBA undoes the premultiplication.
				c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
				pix[o], pix[o+1], pix[o+2] = c.R, c.G, c.B
				o += 3
			}
		}
	}
	return pix, w, h
}

func rgbFromYCbCr(pix []byte, m *image.YCbCr) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	shift := 0
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420:
		shift = 1
	case image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410:
		shift = 2
	}
	for y := range h {
		at, c := m.YOffset(m.Rect.Min.X, m.Rect.Min.Y+y), m.COffset(m.Rect.Min.X, m.Rect.Min.Y+y)
		mjpeg.RGBRow(pix[3*w*y:][:3*w], m.Y[at:][:w], m.Cb[c:], m.Cr[c:], shift)
	}
}

func yuyvStride(w int) int { return (w + 1) / 2 * 4 }

// rgbFromYUYV converts by ITU-R BT.601 with limited range (Y 16-235, C 16-240), which V4L2 says is YUYV's default.
func rgbFromYUYV(data []byte, w, h int) []byte {
	pix := make([]byte, 3*w*h)
	stride := yuyvStride(w)
	for y := 0; y < h; y++ {
		in := data[y*stride : (y+1)*stride]
		out := pix[3*w*y : 3*w*(y+1)]
		for x := 0; x < w; x += 2 {
			q := in[2*x : 2*x+4 : 2*x+4]
			d, e := int32(q[1])-128, int32(q[3])-128
			r, g, b := 409*e+128, -100*d-208*e+128, 516*d+128
			y0 := 298 * (int32(q[0]) - 16)
			o := out[3*x:]
			o[0], o[1], o[2] = clamp8((y0+r)>>8), clamp8((y0+g)>>8), clamp8((y0+b)>>8)
			if x+1 < w {
				y1 := 298 * (int32(q[2]) - 16)
				o[3], o[4], o[5] = clamp8((y1+r)>>8), clamp8((y1+g)>>8), clamp8((y1+b)>>8)
			}
		}
	}
	return pix
}

func clamp8(v int32) uint8 { return uint8(min(max(v, 0), 255)) }
