package imageproc

import (
	"image"
	"image/color"
)

// FromImage converts to 8-bit RGB as PIL's convert("RGB") does (see Decode).
func FromImage(img image.Image) RGB {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if w <= 0 || h <= 0 {
		return RGB{}
	}
	out := RGB{W: w, H: h, Pix: make([]byte, 3*w*h)}
	switch m := img.(type) {
	case *image.YCbCr:
		fromYCbCr(out, m)
	case *image.NRGBA:
		for y := range h {
			row := m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):]
			dst := out.Pix[3*y*w:][:3*w]
			for x := range w {
				copy(dst[3*x:3*x+3], row[4*x:])
			}
		}
	case *image.Gray:
		for y := range h {
			row := m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):]
			dst := out.Pix[3*y*w:][:3*w]
			for x := range w {
				dst[3*x], dst[3*x+1], dst[3*x+2] = row[x], row[x], row[x]
			}
		}
	case *image.Paletted:
		var table [256][3]byte
		for i, c := range m.Palette[:min(256, len(m.Palette))] {
			table[i] = straight(c)
		}
		for y := range h {
			row := m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):]
			dst := out.Pix[3*y*w:][:3*w]
			for x := range w {
				copy(dst[3*x:3*x+3], table[row[x]][:])
			}
		}
	case *image.RGBA:
		for y := range h {
			row := m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):]
			dst := out.Pix[3*y*w:][:3*w]
			for x := range w {
				if p := row[4*x:][:4]; p[3] == 255 {
					copy(dst[3*x:3*x+3], p)
				} else {
					c := straight(color.RGBA{R: p[0], G: p[1], B: p[2], A: p[3]})
					copy(dst[3*x:3*x+3], c[:])
				}
			}
		}
	case *image.CMYK:
		for y := range h {
			for x := range w {
				c := m.CMYKAt(b.Min.X+x, b.Min.Y+y)
				p := out.Pix[3*(y*w+x):][:3]
				k := 255 - int32(c.K)
				p[0], p[1], p[2] = clamp8(k-mulDiv255(c.C, k)), clamp8(k-mulDiv255(c.M, k)), clamp8(k-mulDiv255(c.Y, k))
			}
		}
	default:
		for y := range h {
			for x := range w {
				c := straight(img.At(b.Min.X+x, b.Min.Y+y))
				copy(out.Pix[3*(y*w+x):], c[:])
			}
		}
	}
	return out
}

// straight is a colour without its alpha, not multiplied by it.
func straight(c color.Color) [3]byte {
	switch v := c.(type) {
	case color.NRGBA:
		return [3]byte{v.R, v.G, v.B}
	case color.NRGBA64:
		return [3]byte{byte(v.R >> 8), byte(v.G >> 8), byte(v.B >> 8)}
	}
	n := color.NRGBA64Model.Convert(c).(color.NRGBA64)
	return [3]byte{byte(n.R >> 8), byte(n.G >> 8), byte(n.B >> 8)}
}

// mulDiv255 is PIL's rounded a*b/255.
func mulDiv255(a uint8, b int32) int32 {
	t := int32(a)*b + 128
	return (t>>8 + t) >> 8
}
