package capture

import "math"

// shrink scales a frame down to a share of its pixels, keeping its shape, by averaging what each new pixel covers. 1 or more
// leaves it as it is.
func shrink(f Frame, share float64) (Frame, error) {
	if share >= 1 || !(share > 0) {
		return f, nil
	}
	pix, w, h, err := f.RGB()
	if err != nil {
		return Frame{}, err
	}
	side := math.Sqrt(share)
	nw, nh := max(1, int(math.Round(float64(w)*side))), max(1, int(math.Round(float64(h)*side)))
	out := make([]byte, 3*nw*nh)
	for y := range nh {
		y0, y1 := y*h/nh, max((y+1)*h/nh, y*h/nh+1)
		for x := range nw {
			x0, x1 := x*w/nw, max((x+1)*w/nw, x*w/nw+1)
			var r, g, b int
			for sy := y0; sy < y1; sy++ {
				for p := 3 * (sy*w + x0); p < 3*(sy*w+x1); p += 3 {
					r, g, b = r+int(pix[p]), g+int(pix[p+1]), b+int(pix[p+2])
				}
			}
			n := (x1 - x0) * (y1 - y0)
			o := 3 * (y*nw + x)
			out[o], out[o+1], out[o+2] = byte((r+n/2)/n), byte((g+n/2)/n), byte((b+n/2)/n)
		}
	}
	f.Format, f.Data, f.Width, f.Height = RGB24, out, nw, nh
	return f, nil
}
