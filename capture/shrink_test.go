package capture_test

import (
	"math/rand/v2"
	"testing"

	"github.com/edgevlm/edgevlm/capture"
)

func TestShrinkingAveragesWhatEachPixelCovers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		w, h := 1+r.IntN(60), 1+r.IntN(40)
		f := capture.Frame{Format: capture.RGB24, Width: w, Height: h, Data: make([]byte, 3*w*h)}
		for i := range f.Data {
			f.Data[i] = byte(r.Uint32() | r.Uint32()) // bright ones too
		}
		out, err := capture.Shrink(f, r.Float64())
		if err != nil || len(out.Data) != 3*out.Width*out.Height || out.Width > w || out.Height > h || out.Width < 1 || out.Height < 1 {
			t.Fatalf("%dx%d of %dx%d, %d bytes, %v", out.Width, out.Height, w, h, len(out.Data), err)
		}
		for y := range out.Height {
			for x := range out.Width {
				for c := range 3 {
					sum, n := 0, 0
					for sy := y * h / out.Height; sy < (y+1)*h/out.Height; sy++ {
						for sx := x * w / out.Width; sx < (x+1)*w/out.Width; sx++ {
							sum, n = sum+int(f.Data[3*(sy*w+sx)+c]), n+1
						}
					}
					if got, want := int(out.Data[3*(y*out.Width+x)+c]), (sum+n/2)/n; got != want {
						t.Fatalf("%dx%d to %dx%d: %d at %d,%d, want %d", w, h, out.Width, out.Height, got, x, y, want)
					}
				}
			}
		}
	}
}
