package imageproc

import "image"

// fromYCbCr converts as libjpeg's default settings do (jdsample.c, jdcolor.c):
// chroma halved across or down is interpolated linearly between samples, other
// subsampling is repeated; then the 16-bit fixed-point conversion. Go's own
// At repeats all chroma, which differs by tens of levels at coloured edges.
func fromYCbCr(out RGB, m *image.YCbCr) {
	b := m.Rect
	cw, ch := out.W, out.H // the size of the chroma planes
	halfW, halfH := false, false
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		halfW = true
	case image.YCbCrSubsampleRatio420:
		halfW, halfH = true, true
	case image.YCbCrSubsampleRatio440:
		halfH = true
	}
	exact := b.Min.X%2 == 0 && b.Min.Y%2 == 0 && (halfW || halfH || m.SubsampleRatio == image.YCbCrSubsampleRatio444)
	if halfW {
		cw = (cw + 1) / 2
	}
	if halfH {
		ch = (ch + 1) / 2
	}
	// libjpeg interpolates nothing in planes of one or two columns.
	exact = exact && (!halfW || cw > 2)
	cb, cr := make([]int32, out.W+1), make([]int32, out.W+1)
	sums := make([]int32, cw)
	for y := range out.H {
		if exact {
			off := m.COffset(b.Min.X, b.Min.Y)
			upsampleRow(cb, sums, m.Cb[off:], m.CStride, cw, ch, y, halfW, halfH)
			upsampleRow(cr, sums, m.Cr[off:], m.CStride, cw, ch, y, halfW, halfH)
		} else {
			for x := range out.W {
				i := m.COffset(b.Min.X+x, b.Min.Y+y)
				cb[x], cr[x] = int32(m.Cb[i]), int32(m.Cr[i])
			}
		}
		lum := m.Y[m.YOffset(b.Min.X, b.Min.Y+y):][:out.W]
		dst := out.Pix[3*y*out.W:][:3*out.W]
		for x, v := range lum {
			l, u, v := int32(v), cb[x]-128, cr[x]-128
			p := dst[3*x:][:3]
			p[0] = clamp8(l + (91881*v+1<<15)>>16)
			p[1] = clamp8(l + (-22554*u-46802*v+1<<15)>>16)
			p[2] = clamp8(l + (116130*u+1<<15)>>16)
		}
	}
}

// upsampleRow writes output row y of a chroma plane of cw x ch samples: three
// parts of the nearer sample and one of the farther in each halved direction.
func upsampleRow(dst, sums []int32, plane []byte, stride, cw, ch, y int, halfW, halfH bool) {
	cy, far := y, y
	if halfH {
		cy = y / 2
		far = min(max(cy-1+2*(y&1), 0), ch-1)
	}
	near, other := plane[cy*stride:][:cw], plane[far*stride:][:cw]
	switch {
	case halfH && !halfW: // h1v2
		bias := int32(1 + y&1)
		for x, v := range near {
			dst[x] = (3*int32(v) + int32(other[x]) + bias) >> 2
		}
	case !halfW: // 4:4:4
		for x, v := range near {
			dst[x] = int32(v)
		}
	case !halfH: // h2v1
		last := cw - 1
		dst[0] = int32(near[0])
		dst[1] = (3*int32(near[0]) + int32(near[1]) + 2) >> 2
		for x := 1; x < last; x++ {
			v := 3 * int32(near[x])
			dst[2*x] = (v + int32(near[x-1]) + 1) >> 2
			dst[2*x+1] = (v + int32(near[x+1]) + 2) >> 2
		}
		dst[2*last] = (3*int32(near[last]) + int32(near[last-1]) + 1) >> 2
		dst[2*last+1] = int32(near[last])
	default: // h2v2
		last := cw - 1
		for x, v := range near {
			sums[x] = 3*int32(v) + int32(other[x])
		}
		dst[0] = (4*sums[0] + 8) >> 4
		dst[1] = (3*sums[0] + sums[1] + 7) >> 4
		for x := 1; x < last; x++ {
			v := 3 * sums[x]
			dst[2*x] = (v + sums[x-1] + 8) >> 4
			dst[2*x+1] = (v + sums[x+1] + 7) >> 4
		}
		dst[2*last] = (3*sums[last] + sums[last-1] + 8) >> 4
		dst[2*last+1] = (4*sums[last] + 7) >> 4
	}
}
