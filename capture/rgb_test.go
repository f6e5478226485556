package capture_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"testing"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/capture/capturetest"
)

// subsampled is a YCbCr image with the given ratio and odd sides. Go's encoder writes 4:2:0 only, so other ratios are tested
// through the exported conversion below.
func subsampled(r image.YCbCrSubsampleRatio, w, h int) *image.YCbCr {
	m := image.NewYCbCr(image.Rect(0, 0, w, h), r)
	for i := range m.Y {
		m.Y[i] = byte(i * 37)
	}
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = byte(i*91), byte(255-i*53)
	}
	return m
}

func TestRGBOfYCbCrEqualsImageColorToTheBit(t *testing.T) {
	for _, r := range []image.YCbCrSubsampleRatio{
		image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
		image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410,
	} {
		m := subsampled(r, 37, 11)
		pix, w, h := capture.RGBFromImage(m)
		if w != 37 || h != 11 {
			t.Fatalf("%v: %dx%d", r, w, h)
		}
		for y := range h {
			for x := range w {
				c := m.YCbCrAt(x, y)
				r0, g0, b0 := color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
				if got := pix[3*(y*w+x):]; got[0] != r0 || got[1] != g0 || got[2] != b0 {
					t.Fatalf("%v at %d,%d: %v, want %v", r, x, y, got[:3], []byte{r0, g0, b0})
				}
			}
		}
	}
}

func TestRGBDecodesGreyAndOddJPEG(t *testing.T) {
	grey := image.NewGray(image.Rect(0, 0, 9, 5))
	for i := range grey.Pix {
		grey.Pix[i] = 120
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, grey, nil); err != nil {
		t.Fatal(err)
	}
	pix, w, h, err := capture.Frame{Format: capture.JPEG, Data: b.Bytes()}.RGB()
	if err != nil || w != 9 || h != 5 || len(pix) != 9*5*3 || pix[0] != 120 || pix[2] != 120 {
		t.Errorf("%dx%d, %d bytes, %v", w, h, len(pix), err)
	}
}

func TestRGBOfYUYVIsBT601(t *testing.T) {
	// Video black, white, grey and pure red of limited range, in a row of odd width (the last pair has one pixel to show).
	data := []byte{16, 128, 235, 128, 81, 90, 126, 240, 126, 128, 0, 128}
	pix, w, h, err := capture.Frame{Format: capture.YUYV, Width: 5, Height: 1, Data: data}.RGB()
	if err != nil || w != 5 || h != 1 {
		t.Fatal(w, h, err)
	}
	for i, want := range [][3]byte{{0, 0, 0}, {255, 255, 255}, {255, 0, 0}, {255, 53, 53}, {128, 128, 128}} {
		for c := range 3 {
			if d := int(pix[3*i+c]) - int(want[c]); d < -2 || d > 2 {
				t.Errorf("pixel %d is %v, want %v", i, pix[3*i:3*i+3], want)
				break
			}
		}
	}
}

func TestRGBRefusesDamagedFrames(t *testing.T) {
	good := capturetest.JPEG(64, 48, 1)
	huge := bytes.Clone(good)
	sof := bytes.Index(huge, []byte{0xFF, 0xC0})
	copy(huge[sof+5:], []byte{0xFF, 0xFF, 0xFF, 0xFF}) // 65535x65535
	for name, f := range map[string]capture.Frame{
		"cut off":         {Format: capture.JPEG, Data: good[:len(good)/2]},
		"cut in header":   {Format: capture.JPEG, Data: good[:40]},
		"empty":           {Format: capture.JPEG},
		"too many pixels": {Format: capture.JPEG, Data: huge},
		"short RGB":       {Format: capture.RGB24, Width: 4, Height: 4, Data: make([]byte, 47)},
		"short YUYV":      {Format: capture.YUYV, Width: 3, Height: 2, Data: make([]byte, 15)},
		"negative":        {Format: capture.RGB24, Width: -4, Height: -4, Data: make([]byte, 48)},
		"overflow":        {Format: capture.RGB24, Width: 1 << 62, Height: 4, Data: make([]byte, 48)},
		"format":          {Format: 77, Width: 4, Height: 4, Data: make([]byte, 48)},
	} {
		if _, _, _, err := f.RGB(); !errors.Is(err, capture.ErrBadFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkRGB(b *testing.B) {
	frames := map[string]capture.Frame{
		"JPEG": {Format: capture.JPEG, Data: capturetest.JPEG(640, 480, 1)},
		"YUYV": {Format: capture.YUYV, Width: 640, Height: 480, Data: make([]byte, 640*480*2)},
	}
	for name, f := range frames {
		b.Run(name+"/640x480", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, _, err := f.RGB(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzRGB(f *testing.F) {
	f.Add(uint8(0), 0, 0, capturetest.JPEG(17, 9, 1))
	f.Add(uint8(2), 3, 2, make([]byte, 16))
	f.Fuzz(func(t *testing.T, format uint8, w, h int, data []byte) {
		pix, w, h, err := capture.Frame{Format: capture.PixelFormat(format % 3), Width: w, Height: h, Data: data}.RGB()
		if err == nil && len(pix) != 3*w*h {
			t.Fatalf("%d bytes for %dx%d", len(pix), w, h)
		}
	})
}
