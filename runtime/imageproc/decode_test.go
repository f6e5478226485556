package imageproc

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestDecodeEqualsPIL(t *testing.T) {
	files, err := filepath.Glob("testdata/decode/*.rgb.png")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d goldens, %v", len(files), err)
	}
	for _, want := range files {
		name := strings.TrimSuffix(want, ".rgb.png")
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			comparePixels(t, got, readPNG(t, want), 0, 0)
		})
	}
}

// hugePNG is a PNG whose header claims w x h pixels.
func hugePNG(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR")
	b = binary.BigEndian.AppendUint32(b, w)
	b = binary.BigEndian.AppendUint32(b, h)
	b = append(b, 8, 2, 0, 0, 0)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[12:]))
}

func TestDecodeRefusesBadImagesInOneLine(t *testing.T) {
	whole, err := os.ReadFile("testdata/decode/420.jpg")
	if err != nil {
		t.Fatal(err)
	}
	hugeJPEG := bytes.Clone(whole)
	sof := bytes.Index(hugeJPEG, []byte{0xff, 0xc0})
	copy(hugeJPEG[sof+5:], "\xff\xff\xff\xff")
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":        {nil, "is empty"},
		"text":         {[]byte("hello"), "not a JPEG"},
		"two bytes":    {[]byte{0xff, 0xd8}, "broken JPEG"},
		"cut JPEG":     {whole[:len(whole)/2], "broken JPEG"},
		"huge PNG":     {hugePNG(60000, 60000), "too large"},
		"huge JPEG":    {hugeJPEG, "too large"},
		"absurd PNG":   {hugePNG(1<<31-1, 1<<31-1), "PNG"},
		"PNG, no data": {hugePNG(60, 60), "broken PNG"},
		"cut GIF":      {[]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00"), "broken GIF"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decode(c.data)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", name, err, c.want)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
			t.Errorf("%s: %d bytes allocated before the refusal", name, used)
		}
	}
}

func TestFromImageTakesSubImagesAndAnyColourModel(t *testing.T) {
	rect := image.Rect(0, 0, 9, 7)
	gray16 := image.NewGray16(rect)
	gray16.SetGray16(4, 5, color.Gray16{Y: 0x1234})
	nrgba64 := image.NewNRGBA64(rect)
	nrgba64.SetNRGBA64(4, 5, color.NRGBA64{R: 0xab00, G: 0xcdff, B: 0x1200, A: 0x10})
	rgba := image.NewRGBA(rect)
	rgba.SetRGBA(4, 5, color.RGBA{R: 50, G: 100, B: 25, A: 100})
	for _, c := range []struct {
		img interface {
			SubImage(image.Rectangle) image.Image
		}
		want [3]byte
	}{
		{gray16, [3]byte{0x12, 0x12, 0x12}},
		{nrgba64, [3]byte{0xab, 0xcd, 0x12}},
		{rgba, [3]byte{127, 255, 63}},
	} {
		p := FromImage(c.img.SubImage(image.Rect(3, 4, 8, 7)))
		if p.W != 5 || p.H != 3 || [3]byte(p.Pix[3*(1*5+1):][:3]) != c.want {
			t.Errorf("%T: %dx%d, pixel %v, want %v", c.img, p.W, p.H, p.Pix[3*(1*5+1):][:3], c.want)
		}
	}
	if p := FromImage(image.NewYCbCr(image.Rect(1, 1, 8, 6), image.YCbCrSubsampleRatio420)); p.W != 7 || p.H != 5 {
		t.Errorf("an oddly placed YCbCr picture came out as %dx%d", p.W, p.H)
	}
	if p := FromImage(image.NewYCbCr(image.Rect(0, 0, 50, 9), image.YCbCrSubsampleRatio410)); p.W != 50 {
		t.Errorf("4:1:0 came out as %dx%d", p.W, p.H)
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/decode/*[^b].[jpg][pni][gf]")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(hugePNG(1<<20, 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		if cfg, _, err := image.DecodeConfig(bytes.NewReader(data)); err == nil && cfg.Width*cfg.Height > 1<<22 {
			t.Skip("slow, not wrong")
		}
		p, err := Decode(data)
		if err == nil && p.check() != nil {
			t.Fatalf("a decoded picture is inconsistent: %v", p.check())
		}
		if err != nil && !strings.HasPrefix(err.Error(), "imageproc: ") {
			t.Fatalf("error %q does not name the package", err)
		}
	})
}

func BenchmarkDecodeJPEG1080p(b *testing.B) {
	var buf bytes.Buffer
	src := testPicture(1920, 1080, 0)
	img := image.NewNRGBA(image.Rect(0, 0, src.W, src.H))
	for i := range src.W * src.H {
		copy(img.Pix[4*i:], src.Pix[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: 30}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Decode(buf.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkYCbCrToRGB1080p(b *testing.B) {
	img := image.NewYCbCr(image.Rect(0, 0, 1920, 1080), image.YCbCrSubsampleRatio420)
	for b.Loop() {
		FromImage(img)
	}
}
