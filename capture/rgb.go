package capture

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"

	"github.com/edgevlm/edgevlm/capture/internal/mjpeg"
)

// RGB returns the picture as w*h*3 bytes, row-major. JPEG is decoded, with Go's own conversion of YCbCr; YUYV is converted by
// BT.601. The result of an RGB24 frame is its Data, not a copy. The error wraps ErrBadFrame.
func (f Frame) RGB() (pix []byte, w, h int, err error) {
	switch f.Format {
	case JPEG:
		img, err := decodeJPEG(f.Data)
		if err != nil {
			return nil, 0, 0, err
		}
		pix, w, h = rgbFromImage(img)
		return pix, w, h, nil
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

// decodeJPEG checks the size in the header before the decoder allocates anything, and puts in the standard Huffman tables
// where a camera left them out (as AVI's and UVC's MJPEG may).
func decodeJPEG(data []byte) (image.Image, error) {
	h, err := mjpeg.ParseHeader(data)
	if err != nil {
		return nil, fmt.Errorf("capture: %w: %w", ErrBadFrame, err)
	}
	if err := checkDims(h.Width, h.Height); err != nil {
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

// rgbFromYCbCr equals color.YCbCrToRGB, pixel for pixel, without a call for each.
func rgbFromYCbCr(pix []byte, m *image.YCbCr) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	shift := uint(0)
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420:
		shift = 1
	case image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410:
		shift = 2
	}
	for y := 0; y < h; y++ {
		ys := m.Y[m.YOffset(m.Rect.Min.X, m.Rect.Min.Y+y):]
		c := m.COffset(m.Rect.Min.X, m.Rect.Min.Y+y)
		cb, cr := m.Cb[c:], m.Cr[c:]
		out := pix[3*w*y : 3*w*(y+1)]
		// The chroma terms are worked out once for the pixels that share them.
		if shift == 1 {
			// 4:2:0 and 4:2:2, which cameras send: two pixels at a time, without a branch or a bounds check.
			n := w / 2
			for c, u := range cb[:n] {
				r, g, b := chroma(u, cr[c])
				y0, y1 := int32(ys[2*c])*0x10101, int32(ys[2*c+1])*0x10101
				o := out[6*c : 6*c+6 : 6*c+6]
				o[0], o[1], o[2] = clamped[(y0+r)>>16&1023], clamped[(y0+g)>>16&1023], clamped[(y0+b)>>16&1023]
				o[3], o[4], o[5] = clamped[(y1+r)>>16&1023], clamped[(y1+g)>>16&1023], clamped[(y1+b)>>16&1023]
			}
			if w%2 == 0 {
				continue
			}
			ys, cb, cr, out = ys[2*n:], cb[n:], cr[n:], out[6*n:]
		}
		for x := range len(out) / 3 {
			r, g, b := chroma(cb[x>>shift], cr[x>>shift])
			yy := int32(ys[x]) * 0x10101
			o := out[3*x : 3*x+3 : 3*x+3]
			o[0], o[1], o[2] = clamped[(yy+r)>>16&1023], clamped[(yy+g)>>16&1023], clamped[(yy+b)>>16&1023]
		}
	}
}

// chroma is what Cb and Cr add to red, green and blue, in 16.16 fixed point.
func chroma(cb, cr uint8) (r, g, b int32) {
	u, v := int32(cb)-128, int32(cr)-128
	return 91881 * v, -22554*u - 46802*v, 116130 * u
}

// clamped takes a sum modulo 1024 to 0-255: sums lie between -180 and 435, so those from 512 on are negative.
var clamped = func() (t [1024]uint8) {
	for i := range t {
		if i < 512 {
			t[i] = uint8(min(i, 255))
		}
	}
	return t
}()

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
