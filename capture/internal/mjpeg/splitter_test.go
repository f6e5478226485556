package mjpeg

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

const testMax = 1 << 20

// picture is a small JPEG; different n give different ones.
func picture(t testing.TB, n int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 33, 17))
	for i := range m.Pix {
		m.Pix[i] = byte(i*7*n + i/3)
	}
	m.Set(n%33, 5, color.RGBA{255, 0, 0, 255})
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func all(t *testing.T, s *Splitter) [][]byte {
	t.Helper()
	var out [][]byte
	for {
		p, err := s.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
}

func TestSplitterFindsEachPictureWhateverStandsBetween(t *testing.T) {
	a, b := picture(t, 1), picture(t, 2)
	for name, between := range map[string]string{
		"nothing":           "",
		"garbage":           "\x00\xFF\xFF\x00\xFF\xD8\x00garbage\xFF",
		"a part's header":   "\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 999999999999\r\n\r\n",
		"end markers":       "\xFF\xD9\xFF\xD9",
		"a header too long": strings.Repeat("X-Header: more\r\n", 20000),
	} {
		t.Run(name, func(t *testing.T) {
			in := strings.Join([]string{"", string(a), string(b), string(a), ""}, between)
			for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in))} {
				s := NewSplitter(r, testMax)
				got := all(t, s)
				if len(got) != 3 || !bytes.Equal(got[0], a) || !bytes.Equal(got[1], b) || !bytes.Equal(got[2], a) {
					t.Fatalf("%d pictures, want a, b, a", len(got))
				}
				if s.Broken() != 0 {
					t.Errorf("%d broken, want 0", s.Broken())
				}
			}
		})
	}
}

func TestSplitterIsNotMisledByAThumbnail(t *testing.T) {
	thumb := picture(t, 3)
	p := picture(t, 4)
	exif := append([]byte{0xFF, 0xE1, byte((len(thumb) + 2) >> 8), byte(len(thumb) + 2)}, thumb...)
	p = append(append([]byte{0xFF, 0xD8}, exif...), p[2:]...)
	if got := all(t, NewSplitter(bytes.NewReader(append(p, p...)), testMax)); len(got) != 2 || !bytes.Equal(got[1], p) {
		t.Errorf("%d pictures, want 2 with their thumbnails inside", len(got))
	}
}

func TestSplitterSkipsAndCountsWhatIsCutOff(t *testing.T) {
	a := picture(t, 1)
	for cut := 4; cut < len(a)-2; cut++ {
		s := NewSplitter(bytes.NewReader(slices.Concat(a[:cut], a, a)), testMax)
		got := all(t, s)
		// A cut inside a header segment takes the head of the next picture with it, never more.
		if len(got) < 1 || len(got) > 2 || !bytes.Equal(got[len(got)-1], a) {
			t.Fatalf("cut at %d: %d pictures, %d broken", cut, len(got), s.Broken())
		}
		if len(got) == 1 && s.Broken() == 0 {
			t.Fatalf("cut at %d: not counted", cut)
		}
	}
}

func TestSplitterEndsAPictureAtABoundaryWhenItsEndMarkerIsMissing(t *testing.T) {
	a := picture(t, 1)
	part := "\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n" + string(a[:len(a)-2])
	s := NewSplitter(strings.NewReader(strings.Repeat(part, 3)), testMax)
	got := all(t, s)
	if len(got) != 2 { // the last has no boundary after it
		t.Fatalf("%d pictures, want 2", len(got))
	}
	for _, p := range got {
		if !bytes.Equal(p, a) {
			t.Error("a picture differs from the one sent")
		}
	}
}

func TestSplitterSkipsAPictureThatNeverEnds(t *testing.T) {
	a := picture(t, 1)
	endless := append(append([]byte{}, a[:len(a)-2]...), bytes.Repeat([]byte{0x55}, 3*testMax/2)...)
	s := NewSplitter(io.MultiReader(bytes.NewReader(endless), bytes.NewReader(a)), testMax)
	got := all(t, s)
	if len(got) != 1 || s.Broken() != 1 {
		t.Errorf("%d pictures and %d broken, want 1 and 1", len(got), s.Broken())
	}
}

func TestSplitterGivesUpOnAStreamWithoutPictures(t *testing.T) {
	_, err := NewSplitter(zeros{}, testMax).Next()
	if err == nil || !strings.Contains(err.Error(), "no JPEG picture") {
		t.Errorf("got %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestStandardTablesAreThoseThatGoWrites(t *testing.T) {
	p := picture(t, 1)
	h, err := ParseHeader(p)
	if err != nil || !h.HasHuffman || h.Width != 33 || h.Height != 17 || h.Components != 3 {
		t.Fatalf("header %+v, %v", h, err)
	}
	if !bytes.Contains(p, standardDHT) {
		t.Error("image/jpeg writes the tables of annex K; ours differ")
	}
	at := bytes.Index(p, standardDHT) - 4
	without := append(append([]byte{}, p[:at]...), p[at+4+len(standardDHT):]...)
	if _, err := jpeg.Decode(bytes.NewReader(without)); err == nil {
		t.Skip("image/jpeg now knows the tables itself")
	}
	if got := AddHuffman(without); !bytes.Equal(got, append(append(append(append([]byte{}, without[:h.scan-len(standardDHT)-4]...),
		0xFF, 0xC4, 0x01, 0xA2), standardDHT...), without[h.scan-len(standardDHT)-4:]...)) {
		t.Error("tables went to the wrong place")
	}
	m, err := jpeg.Decode(bytes.NewReader(AddHuffman(without)))
	if err != nil || m.Bounds().Dx() != 33 {
		t.Errorf("can't be decoded: %v", err)
	}
}

func FuzzSplitter(f *testing.F) {
	a := picture(f, 1)
	f.Add(a)
	f.Add(append([]byte("--x\r\nContent-Length: 5\r\n\r\n"), a...))
	f.Add(append(a[:100:100], a...))
	f.Add([]byte("\xFF\xD8\xFF\xDA\x00\x02\xFF\xFF\xFF\xD9"))
	f.Add([]byte("\xFF\xD8\xFF\xFF\xFF\x01\xFF\xD0\xFF\xD8\xFF"))
	f.Fuzz(func(t *testing.T, in []byte) {
		s := NewSplitter(bytes.NewReader(in), 4096)
		total := 0
		for range len(in) + 1 {
			p, err := s.Next()
			if err != nil {
				return
			}
			total += len(p)
			if len(p) > 4096+2 || total > len(in)+2*len(in) {
				t.Fatalf("pictures of %d bytes out of %d", total, len(in))
			}
			if !bytes.HasPrefix(p, []byte{0xFF, 0xD8}) || !bytes.HasSuffix(p, []byte{0xFF, 0xD9}) {
				t.Fatal("a picture without start or end")
			}
			_, _ = ParseHeader(p)
			_ = AddHuffman(p)
		}
		t.Fatal("more pictures than bytes")
	})
}

func BenchmarkSplitter(b *testing.B) {
	data := bytes.Repeat(picture(b, 1), 100)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		s := NewSplitter(bytes.NewReader(data), testMax)
		for range 100 {
			if _, err := s.Next(); err != nil {
				b.Fatal(err)
			}
		}
	}
}
