package mjpeg

import "math/bits"

// convert turns the samples of a row of MCUs into pixels from line y0 on. A sample of colour stands for all pixels that share
// it, so that no pixel depends on another MCU's.
func (d *Decoder) convert(h Header, y0 int, pix []byte) {
	luma := &d.comps[0]
	for y := range min(8*luma.v, h.Height-y0) {
		out := pix[3*h.Width*(y0+y):][:3*h.Width]
		ys := luma.samples[y*luma.stride:][:h.Width]
		if d.n == 1 {
			for x, v := range ys {
				o := out[3*x:][:3:3]
				o[0], o[1], o[2] = v, v, v
			}
			continue
		}
		cb, cr := &d.comps[1], &d.comps[2]
		c := y * cb.v / luma.v * cb.stride
		shift := bits.TrailingZeros(uint(luma.h / cb.h))
		RGBRow(out, ys, cb.samples[c:][:cb.stride], cr.samples[c:][:cb.stride], shift)
	}
}

// RGBRow converts a row of pixels, len(ys) of them, as color.YCbCrToRGB does: out gets three bytes for each. 1<<shift pixels share
// a sample of cb and cr.
func RGBRow(out, ys, cb, cr []byte, shift int) {
	if shift == 1 {
		n := vecRGBRow(out, ys, cb, cr)
		ys, cb, cr, out = ys[n:], cb[n/2:], cr[n/2:], out[3*n:]
		// Two pixels at a time, without a branch or a bounds check.
		n = len(ys) / 2
		vs := cr[:n]
		for i, u := range cb[:n] {
			r, g, b := chroma(u, vs[i])
			y := ys[2*i:][:2:2]
			y0, y1 := int32(y[0])*0x10101, int32(y[1])*0x10101
			o := out[6*i:][:6:6]
			o[0], o[1], o[2] = clamped[(y0+r)>>16&1023], clamped[(y0+g)>>16&1023], clamped[(y0+b)>>16&1023]
			o[3], o[4], o[5] = clamped[(y1+r)>>16&1023], clamped[(y1+g)>>16&1023], clamped[(y1+b)>>16&1023]
		}
		ys, cb, cr, out = ys[2*n:], cb[n:], cr[n:], out[6*n:]
	}
	for x, y := range ys {
		r, g, b := chroma(cb[x>>shift], cr[x>>shift])
		y := int32(y) * 0x10101
		o := out[3*x:][:3:3]
		o[0], o[1], o[2] = clamped[(y+r)>>16&1023], clamped[(y+g)>>16&1023], clamped[(y+b)>>16&1023]
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
