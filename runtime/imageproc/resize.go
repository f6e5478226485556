package imageproc

// Resize scales src to w x h pixels, bicubic with antialiasing (a = -0.5), in
// fixed point on uint8: torch's interpolate(mode="bicubic", antialias=True) on
// a uint8 tensor, bit for bit. The horizontal pass comes first, and its result
// is rounded to uint8. The same size, or an invalid size or picture, returns
// src's pixels as they are (an empty picture if invalid).
func Resize(src RGB, w, h int) RGB {
	if src.check() != nil || w < 1 || h < 1 {
		return RGB{}
	}
	if w != src.W {
		src = resizeRows(src, w)
	}
	if h != src.H {
		src = resizeColumns(src, h)
	}
	return src
}

// resizeRows is the horizontal pass. Two rows are worked on at once: a row's
// value sits in the low half of a 64-bit word and its neighbour's in the high
// half, so one multiplication serves both. Sums stay within 31 bits and a sign,
// as a tap's weights add up to 1 (1.3 in absolute value) of at most 2^15.
func resizeRows(src RGB, w int) RGB {
	f := newFilter(src.W, w)
	dst := RGB{W: w, H: src.H, Pix: make([]byte, 3*w*src.H)}
	row := make([]int64, 3*src.W)
	round := int64(1) << (f.bits - 1)
	for y := 0; y < src.H; y += 2 {
		y1 := min(y+1, src.H-1)
		a := src.Pix[3*y*src.W:][:3*src.W]
		b := src.Pix[3*y1*src.W:][:3*src.W]
		b = b[:len(row)]
		for i, v := range a {
			row[i] = int64(v) | int64(b[i])<<32
		}
		outA := dst.Pix[3*y*w:][:3*w]
		outB := dst.Pix[3*y1*w:][:3*w]
		for x := range w {
			wts := f.weights[x*f.stride:][:f.count[x]]
			in := row[3*f.first[x]:][:3*len(wts)]
			r, g, bl := round|round<<32, round|round<<32, round|round<<32
			for _, k := range wts {
				if len(in) < 3 {
					break
				}
				r += int64(k) * in[0]
				g += int64(k) * in[1]
				bl += int64(k) * in[2]
				in = in[3:]
			}
			// An odd last row is its own neighbour: both write the same.
			oA, oB := outA[3*x:][:3], outB[3*x:][:3]
			oA[0], oB[0] = unpack(r, f.bits)
			oA[1], oB[1] = unpack(g, f.bits)
			oA[2], oB[2] = unpack(bl, f.bits)
		}
	}
	return dst
}

func unpack(v int64, bits uint) (lo, hi byte) {
	l := int32(v)
	h := int32((v - int64(l)) >> 32) // takes back what a negative low half borrowed
	return clamp8(l >> bits), clamp8(h >> bits)
}

func clamp8(v int32) byte {
	if uint32(v) > 255 {
		if v < 0 {
			return 0
		}
		return 255
	}
	return byte(v)
}

// resizeColumns is the vertical pass: whole rows are weighted and added.
func resizeColumns(src RGB, h int) RGB {
	f := newFilter(src.H, h)
	n := 3 * src.W
	dst := RGB{W: src.W, H: h, Pix: make([]byte, n*h)}
	acc := make([]int32, n)
	round := int32(1) << (f.bits - 1)
	for y := range h {
		for i := range acc {
			acc[i] = round
		}
		wts := f.weights[y*f.stride:][:f.count[y]]
		rows := src.Pix[f.first[y]*n:][:len(wts)*n]
		for ; len(wts) >= 2; wts, rows = wts[2:], rows[2*n:] {
			k0, k1 := int32(wts[0]), int32(wts[1])
			r0, r1 := rows[:n], rows[n:2*n]
			r1, s := r1[:len(r0)], acc[:len(r0)]
			for i, v := range r0 {
				s[i] += k0*int32(v) + k1*int32(r1[i])
			}
		}
		if len(wts) == 1 {
			k, r := int32(wts[0]), rows[:n]
			s := acc[:len(r)]
			for i, v := range r {
				s[i] += k * int32(v)
			}
		}
		out := dst.Pix[y*n:][:n]
		for i, v := range acc[:len(out)] {
			out[i] = clamp8(v >> f.bits)
		}
	}
	return dst
}

// filter holds, for every output position, where its input begins, how many
// inputs it takes, and their weights scaled by 2^bits.
type filter struct {
	first, count []int
	weights      []int16 // stride a position
	stride       int
	bits         uint
}

// newFilter computes the weights as torch does (aten/src/ATen/native/cpu/
// UpSampleKernel.cpp: _compute_index_ranges_weights and
// _compute_index_ranges_int16_weights): in float64, normalised, then scaled by
// the largest power of two for which the greatest weight fits in an int16.
func newFilter(in, out int) filter {
	scale := float64(in) / float64(out)
	support, inv := 2.0, 1.0
	if scale >= 1 {
		support, inv = 2*scale, 1/scale
	}
	most := 2*ceil(support) + 1
	f := filter{first: make([]int, out), count: make([]int, out), stride: most}
	ws := make([]float64, out*most)
	var peak float64
	for i := range out {
		center := float64(scale * (float64(i) + 0.5))
		lo := max(int(center-support+0.5), 0)
		n := min(max(min(int(center+support+0.5), in)-lo, 0), most)
		w := ws[i*most:][:n]
		var sum float64
		for j := range w {
			w[j] = cubic((float64(j+lo) - center + 0.5) * inv)
			sum += w[j]
		}
		if sum != 0 {
			for j := range w {
				w[j] /= sum
				peak = max(peak, w[j])
			}
		}
		f.first[i], f.count[i] = lo, n
	}
	for f.bits = 0; f.bits < 22; f.bits++ {
		if int(0.5+peak*float64(int(1)<<(f.bits+1))) >= 1<<15 {
			break
		}
	}
	f.weights = make([]int16, len(ws))
	unit := float64(int(1) << f.bits)
	for i, w := range ws {
		if w < 0 {
			f.weights[i] = int16(w*unit - 0.5)
		} else {
			f.weights[i] = int16(w*unit + 0.5)
		}
	}
	return f
}

// cubic is Keys' kernel with a = -0.5.
func cubic(x float64) float64 {
	const a = -0.5
	if x < 0 {
		x = -x
	}
	switch {
	case x < 1: // products converted explicitly, so that no platform fuses them with the sum
		return float64(float64(float64((a+2)*x)-(a+3))*x*x) + 1
	case x < 2:
		return float64((float64((float64(a*x)-5*a)*x)+8*a)*x) - 4*a
	}
	return 0
}

func ceil(v float64) int {
	n := int(v)
	if float64(n) < v {
		n++
	}
	return n
}
