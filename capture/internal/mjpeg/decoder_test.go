package mjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// oracle is what image/jpeg makes of a picture, by image/color.
func oracle(data []byte) ([]byte, error) {
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	pix := make([]byte, 0, 3*w*h)
	for y := range h {
		for x := range w {
			switch m := img.(type) {
			case *image.YCbCr:
				c := m.YCbCrAt(x, y)
				r, g, b := color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
				pix = append(pix, r, g, b)
			case *image.Gray:
				v := m.GrayAt(x, y).Y
				pix = append(pix, v, v, v)
			default:
				return nil, fmt.Errorf("%T", img)
			}
		}
	}
	return pix, nil
}

// rgb decodes a picture into memory that is not blank, so that a pixel which nobody writes shows.
func rgb(d *Decoder, data []byte, l *Luma) ([]byte, error) {
	h, err := ParseHeader(data)
	if err != nil {
		return nil, err
	}
	pix := bytes.Repeat([]byte{0xA5}, 3*h.Width*h.Height)
	return pix, d.RGB(data, h, pix, l)
}

func encoded(t testing.TB, m image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sameAsImageJPEG compares pixels, and the means that come with them with those that come alone.
func sameAsImageJPEG(t *testing.T, d *Decoder, name string, data []byte) {
	t.Helper()
	whole := data
	if h, err := ParseHeader(data); err == nil && !h.HasHuffman {
		whole = AddHuffman(data)
	}
	want, err := oracle(whole)
	if err != nil {
		t.Fatalf("%s: image/jpeg: %v", name, err)
	}
	var with, alone Luma
	got, err := rgb(d, data, &with)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	differ, most := 0, 0
	for i := range want {
		if diff := max(int(got[i])-int(want[i]), int(want[i])-int(got[i])); diff > 0 {
			differ, most = differ+1, max(most, diff)
		}
	}
	if differ > 0 {
		t.Errorf("%s: %d of %d values differ from image/jpeg's, by up to %d", name, differ, len(want), most)
	}
	if err := luma(d, data, &alone); err != nil || !bytes.Equal(with.Mean, alone.Mean) || with.W != alone.W {
		t.Errorf("%s: other means without the picture, %v", name, err)
	}
}

// TestPixelsEqualThoseOfImageJPEG holds to the bit for the image/jpeg of Go 1.26, whose transform this is.
func TestPixelsEqualThoseOfImageJPEG(t *testing.T) {
	var d Decoder
	for _, size := range [][2]int{{64, 48}, {640, 480}, {17, 9}, {8, 8}, {1, 1}, {100, 33}, {31, 16}} {
		for _, quality := range []int{1, 30, 80, 100} {
			m := noisy(size[0], size[1], uint64(quality))
			sameAsImageJPEG(t, &d, fmt.Sprintf("%v quality %d", size, quality), encoded(t, m, quality))
			grey := image.NewGray(m.Rect)
			for i := range grey.Pix {
				grey.Pix[i] = m.Pix[4*i]
			}
			sameAsImageJPEG(t, &d, fmt.Sprintf("%v quality %d grey", size, quality), encoded(t, grey, quality))
		}
	}
}

func TestEverySamplingAndRestartIntervalEqualsImageJPEG(t *testing.T) {
	var d Decoder
	r := rand.New(rand.NewPCG(1, 2))
	one := [2]int{1, 1}
	for _, sampling := range [][][2]int{
		{one}, {{2, 2}}, {one, one, one}, {{2, 1}, one, one}, {{2, 2}, one, one}, {{1, 2}, one, one},
		{{4, 1}, one, one}, {{2, 2}, {2, 1}, {2, 1}}, {{2, 2}, {1, 2}, {1, 2}}, {{4, 2}, one, one},
	} {
		for _, restart := range []int{0, 1, 2, 3, 7, 1000} {
			for n := range 12 {
				c := coded{w: 1 + r.IntN(90), h: 1 + r.IntN(50), sampling: sampling, restart: restart, adobe: -1,
					sparse: []int{0, 1, 4, 20, 64}[n%5], size: 2 + n%9, wide: n%4 == 3, tables: n%3 > 0}
				if n%6 == 5 {
					c.adobe = 1
				}
				sameAsImageJPEG(t, &d, fmt.Sprintf("%+v", c), c.encode(r))
			}
		}
	}
}

// The files are those of testdata/make.py: libjpeg's, with tables of their own.
func TestFilesOfOtherEncodersEqualImageJPEG(t *testing.T) {
	var d Decoder
	files, err := filepath.Glob("testdata/*.jpg")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if name := filepath.Base(f); name == "progressive.jpg" || name == "cmyk.jpg" || name == "rgb.jpg" {
			if _, err := rgb(&d, data, nil); !errors.Is(err, ErrOther) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		sameAsImageJPEG(t, &d, f, data)
	}
}

func TestATruncatedPictureIsAnError(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var d Decoder
	for _, c := range []coded{
		{w: 40, h: 24, sampling: [][2]int{{2, 2}, {1, 1}, {1, 1}}, sparse: 12, size: 6, tables: true, adobe: -1},
		{w: 40, h: 24, sampling: [][2]int{{2, 1}, {1, 1}, {1, 1}}, sparse: 12, size: 6, restart: 2, adobe: -1},
	} {
		data := c.encode(r)
		for n := range len(data) - 2 { // without EOI nothing is missing
			if _, err := rgb(&d, data[:n], nil); err == nil {
				t.Fatalf("the first %d of %d bytes are a picture", n, len(data))
			}
			if err := luma(&d, data[:n], new(Luma)); err == nil {
				t.Fatalf("the first %d of %d bytes have means", n, len(data))
			}
		}
		sameAsImageJPEG(t, &d, "after all the damage", data)
	}
}

func TestALostRestartIntervalIsAnError(t *testing.T) {
	c := coded{w: 64, h: 64, sampling: [][2]int{{2, 2}, {1, 1}, {1, 1}}, sparse: 12, size: 6, restart: 2, adobe: -1}
	data := c.encode(rand.New(rand.NewPCG(5, 6)))
	from, to := bytes.Index(data, []byte{0xFF, 0xD1}), bytes.Index(data, []byte{0xFF, 0xD2})
	lost := append(bytes.Clone(data[:from]), data[to:]...)
	var d Decoder
	if _, err := rgb(&d, lost, nil); !errors.Is(err, errRestart) {
		t.Errorf("without the second interval: %v", err)
	}
	joined := append(bytes.Clone(data[:from]), data[from+2:]...)
	if _, err := rgb(&d, joined, nil); err == nil {
		t.Error("without a marker the picture is whole")
	}
}

func TestDecodingAllocatesNothingInSteadyState(t *testing.T) {
	data := encoded(t, noisy(320, 240, 1), 80)
	h, err := ParseHeader(data)
	if err != nil {
		t.Fatal(err)
	}
	bare := coded{w: 320, h: 240, sampling: [][2]int{{2, 1}, {1, 1}, {1, 1}}, sparse: 5, size: 5, restart: 20, adobe: -1}.
		encode(rand.New(rand.NewPCG(1, 1)))
	var d Decoder
	var l Luma
	pix := make([]byte, 3*320*240)
	if n := testing.AllocsPerRun(20, func() {
		for _, p := range [][]byte{data, bare} {
			h.HasHuffman = &p[0] == &data[0]
			if err := errors.Join(d.RGB(p, h, pix, &l), d.Luma(p, h, &l)); err != nil {
				t.Fatal(err)
			}
		}
	}); n > 0 {
		t.Errorf("%v allocations a picture", n)
	}
}

// FuzzDecoder: whatever comes, there is no panic, and what both decode is the same picture.
func FuzzDecoder(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, c := range []coded{
		{w: 20, h: 20, sampling: [][2]int{{2, 2}, {1, 1}, {1, 1}}, sparse: 8, size: 5, tables: true, adobe: -1},
		{w: 33, h: 9, sampling: [][2]int{{2, 1}, {1, 1}, {1, 1}}, sparse: 20, size: 9, restart: 1, adobe: 1},
		{w: 9, h: 17, sampling: [][2]int{{1, 1}}, sparse: 3, size: 3, restart: 2, tables: true, adobe: -1},
		{w: 40, h: 8, sampling: [][2]int{{4, 1}, {1, 1}, {1, 1}}, sparse: 64, size: 10, wide: true, tables: true, adobe: 0},
	} {
		data := c.encode(r)
		f.Add(data)
		f.Add(data[:2*len(data)/3])
		data = bytes.Clone(data)
		data[len(data)-20] ^= 0x55
		f.Add(data)
	}
	files, _ := filepath.Glob("testdata/*.jpg")
	for _, name := range files {
		if data, err := os.ReadFile(name); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ParseHeader(data)
		if err != nil || h.Width > 128 || h.Height > 128 {
			return
		}
		var d Decoder
		var with, alone Luma
		got, err := rgb(&d, data, &with)
		if lumaErr := luma(&d, data, &alone); (lumaErr == nil) != (err == nil) {
			t.Fatalf("picture: %v, means: %v", err, lumaErr)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(with.Mean, alone.Mean) {
			t.Fatal("other means without the picture")
		}
		if bytes.Count(data, []byte{0xFF, markSOS}) != 1 || !h.HasHuffman {
			return // image/jpeg would read later scans, and perhaps no picture without tables
		}
		if want, err := oracle(data); err == nil && !bytes.Equal(got, want) {
			t.Fatal("image/jpeg decodes another picture")
		}
	})
}

func BenchmarkRGB(b *testing.B) {
	data := encoded(b, noisy(640, 480, 1), 80)
	h, err := ParseHeader(data)
	if err != nil {
		b.Fatal(err)
	}
	pix := make([]byte, 3*h.Width*h.Height)
	b.Run("decoder", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		var d Decoder
		for b.Loop() {
			if err := d.RGB(data, h, pix, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("image/jpeg", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
