package mjpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func chunk(id string, data ...[]byte) []byte {
	body := bytes.Join(data, nil)
	out := binary.LittleEndian.AppendUint32([]byte(id), uint32(len(body)))
	out = append(out, body...)
	if len(body)%2 == 1 {
		out = append(out, 0)
	}
	return out
}

func list(kind string, data ...[]byte) []byte {
	return chunk("LIST", append([][]byte{[]byte(kind)}, data...)...)
}

func le(v ...uint32) []byte {
	var out []byte
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, x)
	}
	return out
}

// aviFile has a sound stream 0 and a video stream 1 of the given kind at 25/2 frames a second.
func aviFile(codec string, movi ...[]byte) []byte {
	strl := func(kind string, scale, rate uint32, strf []byte) []byte {
		strh := append([]byte(kind+"\x00\x00\x00\x00"), le(0, 0, 0, scale, rate, 0, 0, 0, 0, 0, 0)...)
		return list("strl", chunk("strh", strh), chunk("strf", strf))
	}
	bmp := append(le(40, 33, 17, 24<<16|1), append([]byte(codec), le(0, 0, 0, 0, 0)...)...)
	hdrl := list("hdrl", chunk("avih", le(80000, 0, 0, 0, 3, 0, 2, 0, 33, 17)),
		strl("auds", 1, 8000, make([]byte, 18)), strl("vids", 2, 25, bmp))
	return chunk("RIFF", []byte("AVI "), hdrl, chunk("JUNK", make([]byte, 33)), list("INFO", chunk("ISFT", []byte("x"))),
		list("movi", movi...), chunk("idx1", make([]byte, 32)))
}

func TestAVIPlaysTheVideoStreamAlone(t *testing.T) {
	a, b := picture(t, 1), picture(t, 2)
	in := aviFile("MJPG", chunk("01dc", a), chunk("00wb", make([]byte, 7)), list("rec ", chunk("01dc")), chunk("ix01", make([]byte, 8)), chunk("01db", b))
	// OpenDML: what does not fit the first RIFF goes into another.
	in = append(in, chunk("RIFF", []byte("AVIX"), list("movi", chunk("01dc", a)))...)
	avi, err := NewAVI(bytes.NewReader(in), testMax)
	if err != nil {
		t.Fatal(err)
	}
	if avi.Period() != 80*time.Millisecond {
		t.Errorf("period %v, want 80ms", avi.Period())
	}
	for i, want := range [][]byte{a, nil, b, a} {
		got, err := avi.Next()
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("picture %d: %d bytes, %v; want %d", i, len(got), err, len(want))
		}
	}
	if _, err := avi.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestAVICutOffPlaysAsFarAsItGoes(t *testing.T) {
	a := picture(t, 1)
	in := aviFile("MJPG", chunk("01dc", a), chunk("01dc", a))
	avi, err := NewAVI(bytes.NewReader(in[:bytes.Index(in, []byte("01dc"))+8+len(a)+20]), testMax)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := avi.Next(); err != nil || !bytes.Equal(got, a) {
		t.Fatalf("first: %v", err)
	}
	if _, err := avi.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("second: %v, want EOF", err)
	}
}

func TestAVIErrorsNameWhatIsWrong(t *testing.T) {
	a := picture(t, 1)
	huge := append([]byte("01dc"), le(0xFFFFFFF0)...)
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"not avi":       {[]byte("RIFF\x00\x00\x00\x00WAVEfmt "), "not an AVI"},
		"other codec":   {aviFile("H264", chunk("01dc", a)), "not MJPEG"},
		"cut in header": {aviFile("MJPG")[:60], "ends in its header"},
		"huge header": {append([]byte("RIFF\x00\x00\x00\x00AVI LIST\x00\x00\x00\x00hdrlavih"), le(0xFFFFFFFF)...),
			`chunk "avih" of 4294967295 bytes`},
		"huge picture": {aviFile("MJPG", huge), "a picture of 4294967280 bytes"},
		"garbage":      {aviFile("MJPG", []byte{1, 2, 3, 4, 5, 6, 7, 8}), "damaged at byte"},
	} {
		t.Run(name, func(t *testing.T) {
			avi, err := NewAVI(bytes.NewReader(c.in), testMax)
			if err == nil {
				_, err = avi.Next()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func FuzzAVI(f *testing.F) {
	a := picture(f, 1)
	f.Add(aviFile("MJPG", chunk("01dc", a), chunk("00wb", a), chunk("01db", a)))
	f.Add(aviFile("H264", chunk("01dc", a)))
	f.Add(append([]byte("RIFF\x00\x00\x00\x00AVI LIST\x00\x00\x00\x00hdrlavih"), le(0xFFFFFFFF)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		avi, err := NewAVI(bytes.NewReader(in), 1<<16)
		if err != nil {
			return
		}
		for n := 0; ; n++ {
			p, err := avi.Next()
			if err != nil {
				return
			}
			if len(p) > 1<<16 || n > len(in) {
				t.Fatal("more than was put in")
			}
		}
	})
}

func TestSMJPEGCarriesTimesPastTheirWrap(t *testing.T) {
	be := func(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
	part := func(id string, ms uint32, data []byte) []byte {
		return bytes.Join([][]byte{[]byte(id), be(ms), be(uint32(len(data))), data}, nil)
	}
	in := bytes.Join([][]byte{[]byte("\x00\nSMJPEG\x00\x00\x00\x00\x00\x00\x00\x00_TXT"), be(3), []byte("abcHEND"),
		part("vidD", 0xFFFFFFF6, []byte("a")), part("sndD", 1, []byte("noise")), part("vidD", 10, []byte("b")), []byte("DONE")}, nil)
	s, err := NewSMJPEG(bytes.NewReader(in), testMax)
	if err != nil {
		t.Fatal(err)
	}
	a, ta, err1 := s.Next()
	b, tb, err2 := s.Next()
	if err1 != nil || err2 != nil || string(a) != "a" || string(b) != "b" || tb-ta != 20*time.Millisecond {
		t.Errorf("got %q at %v and %q at %v; %v, %v", a, ta, b, tb, err1, err2)
	}
	if _, _, err := s.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func FuzzSMJPEG(f *testing.F) {
	f.Add([]byte("\x00\nSMJPEG\x00\x00\x00\x00\x00\x00\x00\x00HENDvidD\x00\x00\x00\x01\x00\x00\x00\x01aDONE"))
	f.Add([]byte("\x00\nSMJPEG\x00\x00\x00\x00\x00\x00\x00\x00HENDvidD\x00\x00\x00\x01\xFF\x00\x00\x01a"))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := NewSMJPEG(bytes.NewReader(in), 1<<16)
		if err != nil {
			return
		}
		for n := 0; ; n++ {
			if _, _, err := s.Next(); err != nil {
				return
			}
			if n > len(in) {
				t.Fatal("more than was put in")
			}
		}
	})
}
