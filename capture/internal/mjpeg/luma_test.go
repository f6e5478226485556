package mjpeg

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"
)

// noisy is a picture with detail in every block.
func noisy(w, h int, seed uint64) *image.RGBA {
	r := rand.New(rand.NewPCG(seed, 7))
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			o := m.PixOffset(x, y)
			base := 70 + (x*100/max(w, 1)+y)%100 // far from 0 and 255, where pixels are clamped
			for k := range 3 {
				m.Pix[o+k] = uint8(min(max(base+r.IntN(60)-30, 0), 255))
			}
			m.Pix[o+3] = 255
		}
	}
	return m
}

// means are a decoded picture's block means. Go's decoder keeps whole blocks: the edges are filled as they were coded.
func means(t testing.TB, data []byte) ([]float64, int, int) {
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Skip(err)
	}
	var pix []uint8
	stride := 0
	switch m := img.(type) {
	case *image.YCbCr:
		pix, stride = m.Y, m.YStride
	case *image.Gray:
		pix, stride = m.Pix, m.Stride
	default:
		t.Skipf("%T", img)
	}
	w, h := (img.Bounds().Dx()+7)/8, (img.Bounds().Dy()+7)/8
	out := make([]float64, w*h)
	for by := range h {
		for bx := range w {
			for y := range 8 {
				for x := range 8 {
					out[by*w+bx] += float64(pix[(8*by+y)*stride+8*bx+x]) / 64
				}
			}
		}
	}
	return out, w, h
}

func luma(d *Decoder, data []byte, l *Luma) error {
	h, err := ParseHeader(data)
	if err != nil {
		return err
	}
	return d.Luma(data, h, l)
}

func TestLumaIsTheMeanOfEachBlock(t *testing.T) {
	var l Luma
	var d Decoder
	for _, size := range [][2]int{{64, 48}, {640, 480}, {17, 9}, {8, 8}, {1, 1}, {100, 33}} {
		for _, quality := range []int{30, 80, 100} {
			for _, grey := range []bool{false, true} {
				m := noisy(size[0], size[1], uint64(quality))
				var img image.Image = m
				if grey {
					g := image.NewGray(m.Rect)
					for i := range g.Pix {
						g.Pix[i] = m.Pix[4*i]
					}
					img = g
				}
				var b bytes.Buffer
				if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
					t.Fatal(err)
				}
				want, w, h := means(t, b.Bytes())
				if err := luma(&d, b.Bytes(), &l); err != nil {
					t.Fatalf("%v quality %d grey %v: %v", size, quality, grey, err)
				}
				if l.W != w || l.H != h {
					t.Fatalf("%dx%d blocks, want %dx%d", l.W, l.H, w, h)
				}
				for i := range want {
					if d := math.Abs(float64(l.Mean[i]) - want[i]); d > 1 {
						t.Errorf("%v quality %d grey %v: block %d is %d, its pixels' mean %.2f", size, quality, grey, i, l.Mean[i], want[i])
					}
				}
			}
		}
	}
}

func TestLumaOfADamagedPictureIsAnError(t *testing.T) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, noisy(64, 48, 1), nil); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	var l Luma
	decodeLuma := func(data []byte, l *Luma) error { return luma(new(Decoder), data, l) }
	for _, n := range []int{0, 3, 20, 300, len(data) / 2, len(data) - 40} {
		if err := decodeLuma(data[:n], &l); err == nil {
			t.Errorf("the first %d of %d bytes are a picture", n, len(data))
		}
	}
	progressive := bytes.Replace(data, []byte{0xFF, 0xC0}, []byte{0xFF, 0xC2}, 1)
	if err := decodeLuma(progressive, &l); !errors.Is(err, ErrOther) {
		t.Errorf("progressive: %v", err)
	}
}

func FuzzLuma(f *testing.F) {
	for _, q := range []int{20, 90} {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, noisy(24, 20, uint64(q)), &jpeg.Options{Quality: q}); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
		f.Add(b.Bytes()[:b.Len()/2])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ParseHeader(data)
		if err != nil || h.Width > 256 || h.Height > 256 {
			return
		}
		var l Luma
		if err := luma(new(Decoder), data, &l); err == nil && len(l.Mean) != l.W*l.H {
			t.Errorf("%d means of %dx%d", len(l.Mean), l.W, l.H)
		}
	})
}

func BenchmarkLuma(b *testing.B) {
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, noisy(640, 480, 1), &jpeg.Options{Quality: 80}); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(buf.Len()))
	var l Luma
	var d Decoder
	for b.Loop() {
		if err := luma(&d, buf.Bytes(), &l); err != nil {
			b.Fatal(err)
		}
	}
}
