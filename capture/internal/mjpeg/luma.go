package mjpeg

// Luma is a picture's brightness at an eighth of its size: one mean, 0 to 255, for each block of 8x8 pixels, row-major.
type Luma struct {
	W, H int // in blocks, rounded up
	Mean []uint8
}

func (l *Luma) resize(h Header) {
	l.W, l.H = (h.Width+7)/8, (h.Height+7)/8
	l.Mean = resized(l.Mean, l.W*l.H)
}

// set notes a block of brightness by its first coefficient, which is eight times its mean.
func (l *Luma) set(x, y int, first int32) {
	if x < l.W && y < l.H {
		l.Mean[y*l.W+x] = uint8(min(max((first+4)>>3+128, 0), 255))
	}
}

func resized(s []byte, n int) []byte {
	if cap(s) < n {
		return make([]byte, n)
	}
	return s[:n]
}
