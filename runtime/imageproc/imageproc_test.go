package imageproc

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"image/png"
	"math"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type goldenCase struct {
	Name         string
	W, H, Frames int
	Video        bool
	Min, Max     int
	Grid         [3]int
	Shape        [2]int
	SHA256       string
	Full         bool
	Samples      [][6]int
}

type goldens struct {
	Cases       []goldenCase
	SmartResize [][6]int `json:"smart_resize"`
}

func loadGoldens(t testing.TB) (g goldens) {
	data, err := os.ReadFile("testdata/pixels.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// testPicture is picture() of testdata/make_goldens.py.
func testPicture(w, h int, seed uint32) RGB {
	p := RGB{W: w, H: h, Pix: make([]byte, 3*w*h)}
	for y := range uint32(h) {
		for x := range uint32(w) {
			for c := range uint32(3) {
				v := x*73856093 ^ y*19349663 ^ c*83492791 ^ seed*2654435761
				v ^= v >> 13
				v *= 0x5bd1e995
				val := v >> 24
				if (x>>4+y>>4)&1 == 0 {
					val = x*(2+c) + y*(3-c) + seed*5
				}
				p.Pix[3*(int(y)*w+int(x))+int(c)] = byte(val)
			}
		}
	}
	return p
}

// frame undoes patch order and normalisation.
func (p Patches) frame(c Config, f int) RGB {
	gh, gw := p.Grid[1], p.Grid[2]
	out := RGB{W: gw * 14, H: gh * 14}
	out.Pix = make([]byte, 3*out.W*out.H)
	for y := range out.H {
		for x := range out.W {
			gy, gx := y/14, x/14
			row := ((f/2*(gh/2)+gy/2)*(gw/2)+gx/2)*4 + gy%2*2 + gx%2
			for ch := range 3 {
				v := p.Data[row*1176+(ch*2+f%2)*196+y%14*14+x%14]
				out.Pix[3*(y*out.W+x)+ch] = byte(math.Round(float64(v*c.Std[ch]+c.Mean[ch]) * 255))
			}
		}
	}
	return out
}

func TestPatchesEqualTransformersBitForBit(t *testing.T) {
	for _, g := range loadGoldens(t).Cases {
		t.Run(g.Name, func(t *testing.T) {
			if testing.Short() && g.W*g.H > 1<<22 {
				t.Skip("large picture")
			}
			c := DefaultConfig()
			var p Patches
			var err error
			if g.Video {
				c.VideoMinPixels, c.VideoMaxPixels = g.Min, g.Max
				var fs []RGB
				for i := range g.Frames {
					fs = append(fs, testPicture(g.W, g.H, uint32(i)))
				}
				p, err = c.Video(fs)
			} else {
				c.ImageMinPixels, c.ImageMaxPixels = g.Min, g.Max
				p, err = c.Image(testPicture(g.W, g.H, 0))
			}
			if err != nil {
				t.Fatal(err)
			}
			if p.Grid != g.Grid || len(p.Data) != g.Shape[0]*g.Shape[1] {
				t.Fatalf("grid %v with %d values, want %v with %v", p.Grid, len(p.Data), g.Grid, g.Shape)
			}
			frames := make([]RGB, 2*g.Grid[0])
			for i := range frames {
				frames[i] = p.frame(c, i)
			}
			wrong := 0
			for _, s := range g.Samples {
				f := frames[s[0]]
				got := f.Pix[3*(s[1]*f.W+s[2]):][:3]
				if int(got[0]) != s[3] || int(got[1]) != s[4] || int(got[2]) != s[5] {
					wrong++
				}
			}
			if wrong > 0 {
				t.Errorf("%d of %d sampled pixels differ", wrong, len(g.Samples))
			}
			if g.Full {
				comparePixels(t, frames[0], readPNG(t, "testdata/full/"+g.Name+".png"), 0, 0)
			}
			h := sha256.New()
			if err := binary.Write(h, binary.LittleEndian, p.Data); err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(h.Sum(nil)); got != g.SHA256 {
				t.Errorf("the patches' SHA-256 is %s, want %s", got, g.SHA256)
			}
		})
	}
}

func readPNG(t testing.TB, path string) RGB {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return FromImage(img)
}

// comparePixels fails if a value differs by more than most, or more than share
// of them differ at all.
func comparePixels(t testing.TB, got, want RGB, most int, share float64) {
	t.Helper()
	if got.W != want.W || got.H != want.H {
		t.Fatalf("size %dx%d, want %dx%d", got.W, got.H, want.W, want.H)
	}
	worst, n := 0, 0
	for i, v := range want.Pix {
		d := int(v) - int(got.Pix[i])
		worst = max(worst, d, -d)
		if d != 0 {
			n++
		}
	}
	if worst > most || float64(n) > share*float64(len(want.Pix)) {
		t.Errorf("%d of %d values differ, by at most %d", n, len(want.Pix), worst)
	}
}

func TestSmartResizeEqualsPython(t *testing.T) {
	for _, s := range loadGoldens(t).SmartResize {
		h, w, err := SmartResize(s[0], s[1], 28, s[2], s[3])
		if s[4] == 0 {
			if err == nil {
				t.Errorf("%v: no error for a ratio above 200", s)
			}
		} else if err != nil || h != s[4] || w != s[5] {
			t.Errorf("%v: got %d, %d, %v", s, h, w, err)
		}
	}
}

func TestSmartResizeKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, w := rapid.IntRange(-2, 1<<17).Draw(t, "h"), rapid.IntRange(-2, 1<<17).Draw(t, "w")
		lo := rapid.IntRange(0, 1<<20).Draw(t, "lo")
		hi := rapid.IntRange(-1, 1<<22).Draw(t, "hi")
		rh, rw, err := SmartResize(h, w, 28, lo, hi)
		if err == nil && (rh < 28 || rw < 28 || rh%28 != 0 || rw%28 != 0) {
			t.Fatalf("SmartResize(%d, %d) = %d, %d", h, w, rh, rw)
		}
	})
}

func TestBadPicturesAreErrors(t *testing.T) {
	c := DefaultConfig()
	for name, p := range map[string]RGB{
		"empty":     {},
		"too short": {W: 4, H: 4, Pix: make([]byte, 47)},
		"overflow":  {W: 1 << 40, H: 1 << 40, Pix: make([]byte, 12)},
		"negative":  {W: -1, H: -3, Pix: make([]byte, 9)},
		"too long":  testPicture(201, 1, 0),
	} {
		if _, err := c.Image(p); err == nil || !strings.HasPrefix(err.Error(), "imageproc: ") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := c.Video(nil); err == nil {
		t.Error("a video without frames is no error")
	}
	if _, err := c.Video([]RGB{testPicture(30, 30, 0), testPicture(30, 31, 0)}); err == nil {
		t.Error("frames of two sizes are no error")
	}
	for _, bad := range []func(*Config){
		func(c *Config) { c.PatchSize = 0 }, func(c *Config) { c.MergeSize = -1 }, func(c *Config) { c.TemporalPatchSize = 0 },
		func(c *Config) { c.Std[1] = 0 }, func(c *Config) { c.ImageMinPixels = c.ImageMaxPixels + 1 },
	} {
		c := DefaultConfig()
		bad(&c)
		if _, err := c.Image(testPicture(30, 30, 0)); err == nil {
			t.Errorf("no error with %+v", c)
		}
	}
}

func BenchmarkResize1080pTo448(b *testing.B) {
	src := testPicture(1920, 1080, 0)
	for b.Loop() {
		Resize(src, 448, 448)
	}
}

func BenchmarkImage448(b *testing.B) {
	src := testPicture(448, 448, 0)
	c := DefaultConfig()
	for b.Loop() {
		if _, err := c.Image(src); err != nil {
			b.Fatal(err)
		}
	}
}
