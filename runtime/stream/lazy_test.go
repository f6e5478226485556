package stream_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

func TestPicturesAreMadeWhenAPairIsTakenAndADamagedOneIsReplaced(t *testing.T) {
	made := 0
	lazy := func(i int, err error) stream.Frame {
		f := tick(i)
		whole := f.RGB
		f.RGB.Pix = nil
		f.Decode = func() (imageproc.RGB, error) { made++; return whole, err }
		return f
	}
	broken := errors.New("broken JPEG")
	for _, c := range []struct {
		name    string
		errs    [2]error
		damaged int
		seqs    [2]uint64
	}{
		{"fine", [2]error{}, 0, [2]uint64{0, 1}},
		{"the first", [2]error{broken, nil}, 1, [2]uint64{1, 1}},
		{"the second", [2]error{nil, broken}, 1, [2]uint64{0, 0}},
		{"both", [2]error{broken, broken}, 2, [2]uint64{}},
	} {
		made = 0
		pairs := newPairs(t, 2, 16*time.Second)
		pairs.Add(lazy(0, c.errs[0]))
		p, ok, note := pairs.Add(lazy(1, c.errs[1]))
		if !ok || note != "" || made != 0 {
			t.Fatalf("%s: %v, %q, %d pictures made before anybody took the pair", c.name, ok, note, made)
		}
		damaged, err := p.Decode()
		if len(damaged) != c.damaged || made != 2 {
			t.Errorf("%s: %v, %d pictures made", c.name, damaged, made)
		}
		if c.damaged == 2 {
			if !errors.Is(err, stream.ErrPair) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil || [2]uint64{p.Frames[0].Seq, p.Frames[1].Seq} != c.seqs || p.Frames[0].RGB.Pix == nil || p.Frames[1].RGB.Pix == nil {
			t.Errorf("%s: %v, %+v", c.name, err, p)
		}
		if _, err := p.Decode(); err != nil || made != 2 {
			t.Errorf("%s: twice: %v, %d pictures made", c.name, err, made)
		}
	}
	// The last frame of a stream is paired with itself and made once.
	made = 0
	pairs := newPairs(t, 2, 16*time.Second)
	pairs.Add(lazy(0, nil))
	p, _ := pairs.Flush()
	if _, err := p.Decode(); err != nil || made != 1 || p.Frames[1].RGB.Pix == nil {
		t.Errorf("%v, %d pictures made", err, made)
	}
}

func TestAWindowMayTakeSmallerPicturesThanItsModel(t *testing.T) {
	e := openDemo(t, vlm.Options{MinPixels: 224 * 224, MaxPixels: 224 * 224})
	for _, c := range []struct{ most, cells int }{{0, 64}, {112 * 112, 16}, {1 << 30, 64}} {
		w := newWindow(t, e, stream.Config{Length: 4 * time.Second, FPS: 2, MaxPixels: c.most})
		f := newFilm(1)
		st, err := w.Add(t.Context(), stream.Pair{At: begin, Frames: [2]stream.Frame{{RGB: f.frame(0)}, {RGB: f.frame(1)}}})
		if err != nil || st.Cells != c.cells || st.Tokens != c.cells {
			t.Errorf("at most %d pixels: %+v, %v", c.most, st, err)
		}
		if _, err := w.Describe(t.Context(), gate.Prompts()[0], 4, vlm.Sampling{}, nil); err != nil {
			t.Error(err)
		}
	}
	if _, err := stream.New(t.Context(), e, stream.Config{MaxPixels: -1}); err == nil || !strings.Contains(err.Error(), "0 or more") {
		t.Errorf("%v", err)
	}
}

func TestCountersAddUp(t *testing.T) {
	var a, b stream.Counters
	for i, c := range []*stream.Counters{&a, &b} {
		v := reflect.ValueOf(c).Elem()
		for j := range v.NumField() {
			if f := v.Field(j); f.CanUint() {
				f.SetUint(uint64(10*i + j + 1))
			} else {
				f.SetInt(int64(10*i + j + 1))
			}
		}
	}
	sum := reflect.ValueOf(a.Plus(b))
	for j := range sum.NumField() {
		want, f := uint64(2*(j+1)+10), sum.Field(j)
		if f.CanUint() && f.Uint() != want || f.CanInt() && uint64(f.Int()) != want {
			t.Errorf("%s is %v, want %d", sum.Type().Field(j).Name, f, want)
		}
	}
	if d := a.Plus(b).Since(a); d != b {
		t.Errorf("%+v, want %+v", d, b)
	}
}
