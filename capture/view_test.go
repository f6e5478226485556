package capture_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/capture/capturetest"
	"pgregory.net/rapid"
)

// secretIn says whether a polygon covers a point, by the even-odd rule: the test's own reading of what a mask means.
func secretIn(m capture.Mask, x, y float64) bool {
	in := false
	for i, a := range m {
		b := m[(i+1)%len(m)]
		if (a.Y > y) != (b.Y > y) && x < a.X+(y-a.Y)/(b.Y-a.Y)*(b.X-a.X) {
			in = !in
		}
	}
	return in
}

// twins are two frames that are equal but for what lies under the mask.
func twins(t *rapid.T, m capture.Mask, w, h int, format capture.PixelFormat) [2]capture.Frame {
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	var img [2]*image.RGBA
	for i := range img {
		img[i] = image.NewRGBA(image.Rect(0, 0, w, h))
	}
	for y := range h {
		for x := range w {
			c := color.RGBA{uint8(rng.Uint32()), uint8(rng.Uint32()), uint8(rng.Uint32()), 255}
			img[0].Set(x, y, c)
			if secretIn(m, (float64(x)+0.5)/float64(w), (float64(y)+0.5)/float64(h)) {
				c = color.RGBA{uint8(rng.Uint32()), uint8(rng.Uint32()), uint8(rng.Uint32()), 255}
			}
			img[1].Set(x, y, c)
		}
	}
	var out [2]capture.Frame
	for i, m := range img {
		f := capture.Frame{Format: format, Width: w, Height: h}
		switch format {
		case capture.JPEG:
			var b bytes.Buffer
			if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 80}); err != nil {
				t.Fatal(err)
			}
			f.Data = b.Bytes()
		case capture.RGB24:
			f.Data, _, _ = capture.RGBFromImage(m)
		case capture.YUYV:
			for y := range h {
				for x := 0; x < w; x += 2 {
					a, b := m.RGBAAt(x, y), m.RGBAAt(min(x+1, w-1), y)
					f.Data = append(f.Data, a.R, a.G/2+b.G/2, b.R, a.B/2+b.B/2)
				}
			}
		}
		out[i] = f
	}
	return out
}

func TestNoMaskedPixelReachesTheOutput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		point := rapid.Custom(func(t *rapid.T) capture.Point {
			return capture.Point{X: rapid.Float64Range(0, 1).Draw(t, "x"), Y: rapid.Float64Range(0, 1).Draw(t, "y")}
		})
		mask := capture.Mask(rapid.SliceOfN(point, 3, 7).Draw(t, "mask"))
		w, h := rapid.IntRange(1, 70).Draw(t, "w"), rapid.IntRange(1, 50).Draw(t, "h")
		format := rapid.SampledFrom([]capture.PixelFormat{capture.JPEG, capture.RGB24, capture.YUYV}).Draw(t, "format")
		pair := twins(t, mask, w, h, format)
		view := capture.View{Masks: []capture.Mask{mask}, Rotate: rapid.SampledFrom([]int{0, 90, 180, 270}).Draw(t, "rotate")}
		var out [2]capture.Frame
		for i, f := range pair {
			before := bytes.Clone(f.Data)
			var err error
			if out[i], err = view.Apply(f); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, f.Data) {
				t.Fatal("the camera's frame was changed")
			}
		}
		if !bytes.Equal(out[0].Data, out[1].Data) {
			t.Fatal("two frames that differ under the mask only come out different")
		}
	})
}

func TestAMaskCoversItsOwnPartOnly(t *testing.T) {
	view := capture.View{Masks: []capture.Mask{{{X: 0.5, Y: 0}, {X: 1, Y: 0}, {X: 1, Y: 0.5}, {X: 0.5, Y: 0.5}}}}
	f := capture.Frame{Format: capture.RGB24, Width: 64, Height: 64, Data: bytes.Repeat([]byte{200}, 64*64*3)}
	out, err := view.Apply(f)
	if err != nil {
		t.Fatal(err)
	}
	at := func(x, y int) byte { return out.Data[3*(64*y+x)] }
	if at(32, 0) != 0 || at(63, 31) != 0 || at(40, 20) != 0 {
		t.Error("a pixel under the mask shows")
	}
	if at(29, 10) != 200 || at(40, 34) != 200 || at(0, 63) != 200 {
		t.Error("the mask spread further than its edge")
	}
}

func TestCropAndRotate(t *testing.T) {
	// 3x2 pixels: a b c / d e f
	f := capture.Frame{Format: capture.RGB24, Width: 3, Height: 2}
	for _, c := range "abcdef" {
		f.Data = append(f.Data, byte(c), byte(c), byte(c))
	}
	for _, c := range []struct {
		view capture.View
		want string
	}{
		{capture.View{}, "abc/def"},
		{capture.View{Rotate: 90}, "da/eb/fc"},
		{capture.View{Rotate: 180}, "fed/cba"},
		{capture.View{Rotate: 270}, "cf/be/ad"},
		{capture.View{Crop: capture.Rect{X: 1. / 3, Y: 0, W: 2. / 3, H: 1}}, "bc/ef"},
		{capture.View{Crop: capture.Rect{X: 0, Y: 0.5, W: 1, H: 0.5}, Rotate: 90}, "d/e/f"},
	} {
		out, err := c.view.Apply(f)
		if err != nil {
			t.Fatal(err)
		}
		var rows []string
		for y := range out.Height {
			row := ""
			for x := range out.Width {
				row += string(rune(out.Data[3*(y*out.Width+x)]))
			}
			rows = append(rows, row)
		}
		if got := strings.Join(rows, "/"); got != c.want {
			t.Errorf("%+v: %s, want %s", c.view, got, c.want)
		}
	}
}

func TestViewErrors(t *testing.T) {
	good := capture.Frame{Format: capture.JPEG, Data: capturetest.JPEG(16, 16, 0)}
	for want, v := range map[string]capture.View{
		"3 or more":            {Masks: []capture.Mask{{{X: 0, Y: 0}, {X: 1, Y: 1}}}},
		"outside the picture":  {Masks: []capture.Mask{{{X: 0, Y: 0}, {X: 1, Y: 1}, {X: 640, Y: 480}}}},
		"use 0, 90":            {Rotate: 45},
		"crop":                 {Crop: capture.Rect{X: 0.5, W: 0.6, H: 1}},
		"the crop leaves none": {Crop: capture.Rect{W: 0.001, H: 0.001}},
	} {
		_, err := v.Apply(good)
		if err == nil || !strings.Contains(err.Error(), want) && want != "the crop leaves none" {
			t.Errorf("%s: %v", want, err)
		}
	}
	v := capture.View{Rotate: 90}
	if out, err := v.Apply(capture.Frame{Format: capture.JPEG, Data: good.Data[:50]}); !errors.Is(err, capture.ErrBadFrame) || out.Data != nil {
		t.Errorf("a damaged frame: %v", err)
	}
}

func BenchmarkView(b *testing.B) {
	view := capture.View{Masks: []capture.Mask{{{X: 0, Y: 0}, {X: 0.3, Y: 0}, {X: 0.2, Y: 0.4}}}}
	f := capture.Frame{Format: capture.JPEG, Width: 640, Height: 480, Data: capturetest.JPEG(640, 480, 1)}
	for b.Loop() {
		if _, err := view.Apply(f); err != nil {
			b.Fatal(err)
		}
	}
}
