package capture_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/capture/capturetest"
)

// scene makes frames of a textured wall, 2 a second, with noise, a light level and a dark box where one is wanted.
type scene struct {
	rng  *rand.Rand
	n    int
	wall []byte
}

const sceneW, sceneH = 160, 120

func newScene() *scene {
	s := &scene{rng: rand.New(rand.NewPCG(1, 2)), wall: make([]byte, sceneW*sceneH)}
	for i := range s.wall {
		s.wall[i] = byte(90 + s.rng.IntN(60))
	}
	return s
}

func (s *scene) frame(light, noise, boxX int) capture.Frame {
	pix := make([]byte, 3*sceneW*sceneH)
	for i, v := range s.wall {
		x, y := i%sceneW, i/sceneW
		l := int(v) + light + s.rng.IntN(2*noise+1) - noise
		if boxX >= 0 && x >= boxX && x < boxX+16 && y >= 60 && y < 100 {
			l = 20
		}
		l = min(max(l, 0), 255)
		pix[3*i], pix[3*i+1], pix[3*i+2] = byte(l), byte(l), byte(l)
	}
	f := capture.Frame{
		Seq: uint64(s.n), At: capturetest.Start.Add(time.Duration(s.n) * 500 * time.Millisecond),
		Format: capture.RGB24, Width: sceneW, Height: sceneH, Data: pix,
	}
	s.n++
	return f
}

// add returns the numbers of the frames that pass.
func add(t *testing.T, g *capture.MotionGate, f capture.Frame) []uint64 {
	t.Helper()
	pass, _, err := g.Add(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []uint64
	for _, f := range pass {
		out = append(out, f.Seq)
	}
	return out
}

func TestMotionOpensTheGateWithTheFramesBeforeIt(t *testing.T) {
	s, g := newScene(), capture.NewMotionGate(capture.MotionConfig{Before: 3, Hold: 2 * time.Second})
	for range 20 {
		if got := add(t, g, s.frame(0, 6, -1)); got != nil {
			t.Fatalf("frames %v pass while nothing moves", got)
		}
	}
	if got := fmt.Sprint(add(t, g, s.frame(0, 6, 10))); got != "[17 18 19 20]" {
		t.Errorf("at first motion %s pass", got)
	}
	if got := fmt.Sprint(add(t, g, s.frame(0, 6, 30))); got != "[21]" || !g.Open() {
		t.Errorf("then %s", got)
	}
	passed := 0
	for range 20 { // the box has gone; the gate stays open for Hold
		passed += len(add(t, g, s.frame(0, 6, -1)))
	}
	if g.Open() || passed < 4 || passed > 8 {
		t.Errorf("%d frames passed after the motion, open %v; want 2 s of them, then a shut gate", passed, g.Open())
	}
}

func TestLightThatChangesIsNoMotion(t *testing.T) {
	s, g := newScene(), capture.NewMotionGate(capture.MotionConfig{})
	add(t, g, s.frame(0, 4, -1))
	for i := range 40 { // a cloud goes by, and the camera's exposure jumps
		light := i
		if i > 20 {
			light = -30
		}
		if got := add(t, g, s.frame(light, 4, -1)); got != nil {
			t.Fatalf("frame %v passes for a change of light by %d", got, light)
		}
	}
}

func TestWhatStaysBecomesBackground(t *testing.T) {
	s, g := newScene(), capture.NewMotionGate(capture.MotionConfig{})
	for range 5 {
		add(t, g, s.frame(0, 4, -1))
	}
	if add(t, g, s.frame(0, 4, 50)) == nil {
		t.Error("a car arrives: motion")
	}
	for range 400 { // and is parked for 200 s
		add(t, g, s.frame(0, 4, 50))
	}
	if g.Open() {
		t.Error("the parked car still counts as motion")
	}
	if add(t, g, s.frame(0, 4, -1)) == nil {
		t.Error("the car leaves: motion")
	}
}

func TestTheGateCanBeTriggered(t *testing.T) {
	s, g := newScene(), capture.NewMotionGate(capture.MotionConfig{Before: 1, Hold: time.Second})
	add(t, g, s.frame(0, 0, -1))
	add(t, g, s.frame(0, 0, -1))
	g.Trigger()
	if got := fmt.Sprint(add(t, g, s.frame(0, 0, -1))); got != "[1 2]" {
		t.Errorf("%s pass", got)
	}
}

func TestMotionIsSeenInEachFormat(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(n int) capture.Frame
	}{
		{"JPEG", func(n int) capture.Frame {
			return capture.Frame{Format: capture.JPEG, Data: capturetest.JPEG(320, 240, n)}
		}},
		{"YUYV", func(n int) capture.Frame {
			f := capture.Frame{Format: capture.YUYV, Width: 321, Height: 240, Data: make([]byte, 322*2*240)}
			for i := range 20000 {
				f.Data[2*(i+n*10000)] = 200
			}
			return f
		}},
		{"smaller than the grid", func(n int) capture.Frame {
			return capture.Frame{Format: capture.RGB24, Width: 2, Height: 1, Data: []byte{byte(n * 20), 0, 0, 0, byte(n * 50), 0}}
		}},
	} {
		g := capture.NewMotionGate(capture.MotionConfig{})
		for i, n := range []int{0, 0, 4} {
			f := c.make(n)
			f.At = capturetest.Start.Add(time.Duration(i) * time.Second)
			pass, moved, err := g.Add(f)
			if err != nil || (pass != nil) != (i == 2) {
				t.Errorf("%s, frame %d: %d pass, %.3f moved, %v", c.name, i, len(pass), moved, err)
			}
		}
	}
	if _, _, err := capture.NewMotionGate(capture.MotionConfig{}).Add(capture.Frame{Format: capture.JPEG, Data: []byte("no")}); !errors.Is(err, capture.ErrBadFrame) {
		t.Errorf("damaged: %v", err)
	}
}

func TestTheRingIsBoundedInBytes(t *testing.T) {
	s, g := newScene(), capture.NewMotionGate(capture.MotionConfig{Before: 64, BeforeBytes: 5 * sceneW * sceneH * 3})
	for range 30 {
		add(t, g, s.frame(0, 0, -1))
	}
	g.Trigger()
	if got := len(add(t, g, s.frame(0, 0, -1))); got != 6 {
		t.Errorf("%d frames pass, want 5 kept and this one", got)
	}
}

func BenchmarkMotionGate(b *testing.B) {
	g := capture.NewMotionGate(capture.MotionConfig{})
	f := capture.Frame{Format: capture.JPEG, Data: capturetest.JPEG(640, 480, 1)}
	pix, w, h, _ := f.RGB()
	rgb := capture.Frame{Format: capture.RGB24, Width: w, Height: h, Data: pix}
	for name, f := range map[string]capture.Frame{"JPEG": f, "RGB24": rgb} {
		b.Run(name+"/640x480", func(b *testing.B) {
			for b.Loop() {
				if _, _, err := g.Add(f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestTheMedianIsTheValueInTheMiddle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		v := make([]float32, 1+r.IntN(50))
		for i := range v {
			v[i] = float32(r.IntN(1 + r.IntN(20)))
		}
		sorted := slices.Sorted(slices.Values(v))
		if got := capture.Median(v); got != sorted[len(v)/2] {
			t.Fatalf("%v of %v", got, sorted)
		}
	}
}
