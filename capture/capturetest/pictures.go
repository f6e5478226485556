package capturetest

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"time"

	"github.com/edgevlm/edgevlm/capture"
)

// Start is the capture time of the first frame that Frames makes.
var Start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// Image is a grey picture with a bright square that stands n steps of 8 pixels from the left.
func Image(w, h, n int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{60, 60, 60, 255})
		}
	}
	x0 := n * 8 % max(w, 1)
	for y := h / 4; y < h/2; y++ {
		for x := x0; x < min(x0+w/4, w); x++ {
			m.SetRGBA(x, y, color.RGBA{230, 200, 40, 255})
		}
	}
	return m
}

// Grainy is Image with as much detail everywhere as a camera's picture has, in each the same.
func Grainy(w, h, n int) *image.RGBA {
	m := Image(w, h, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < len(m.Pix); i += 4 {
		d := uint8(r.IntN(24))
		m.Pix[i], m.Pix[i+1], m.Pix[i+2] = m.Pix[i]+d, m.Pix[i+1]+d, m.Pix[i+2]+d
	}
	return m
}

// GrainyJPEG is Grainy as a JPEG file: of 640x480 some 50 KiB.
func GrainyJPEG(w, h, n int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, Grainy(w, h, n), &jpeg.Options{Quality: 80}); err != nil {
		panic(err) // only for sizes that no JPEG can have
	}
	return b.Bytes()
}

// JPEG is Image as a JPEG file.
func JPEG(w, h, n int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, Image(w, h, n), &jpeg.Options{Quality: 90}); err != nil {
		panic(err) // only for sizes that no JPEG can have
	}
	return b.Bytes()
}

// Frames makes n JPEG frames of the moving square, fps a second from Start on.
func Frames(n, w, h int, fps float64) []capture.Frame {
	frames := make([]capture.Frame, n)
	for i := range frames {
		frames[i] = capture.Frame{
			Seq: uint64(i), At: Start.Add(time.Duration(float64(i) / fps * float64(time.Second))),
			Format: capture.JPEG, Width: w, Height: h, Data: JPEG(w, h, i),
		}
	}
	return frames
}
