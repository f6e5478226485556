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
	// Pixel x of a row stands for those from ends[x-1] to ends[x] of the rows that are averaged.
	ends := make([]int, nw)
	for x := range ends {
		ends[x] = (x + 1) * w / nw
	}
	out := make([]byte, 3*nw*nh)
	sums := make([]uint32, 3*nw)
	for y := range nh {
		clear(sums)
		y0, y1 := y*h/nh, (y+1)*h/nh
		for sy := y0; sy < y1; sy++ {
			addRow(sums, pix[3*w*sy:][:3*w], ends)
		}
		// A part has one of two widths, and so its mean needs no division.
		narrow := w / nw
		n := [2]uint64{uint64(narrow * (y1 - y0)), uint64((narrow + 1) * (y1 - y0))}
		share := [2]uint64{1<<meanBits/n[0] + 1, 1<<meanBits/n[1] + 1}
		row, from := out[3*nw*y:][:3*nw], 0
		for x, to := range ends {
			i := to - from - narrow
			s, o, half, share := sums[3*x:][:3:3], row[3*x:][:3:3], n[i&1]/2, share[i&1]
			o[0] = byte((uint64(s[0]) + half) * share >> meanBits)
			o[1] = byte((uint64(s[1]) + half) * share >> meanBits)
			o[2] = byte((uint64(s[2]) + half) * share >> meanBits)
			from = to
		}
	}
	f.Format, f.Data, f.Width, f.Height = RGB24, out, nw, nh
	return f, nil
}

// meanBits are the bits behind the point of a part's share in its mean: 256 times the pixels of a part, times its share, fits 64 bits.
const meanBits = 55

// addRow adds the colours of a row's pixels to the sums of the parts that end at ends.
func addRow(sums []uint32, row []byte, ends []int) {
	p := 0
	for x, end := range ends {
		var r, g, b uint32
		for ; p < 3*end; p += 3 {
			q := row[p:][:3:3]
			r, g, b = r+uint32(q[0]), g+uint32(q[1]), b+uint32(q[2])
		}
		s := sums[3*x:][:3:3]
		s[0], s[1], s[2] = s[0]+r, s[1]+g, s[2]+b
	}
}
