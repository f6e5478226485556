package capture_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/capture/capturetest"
)

// bare makes n frames without pictures, fps a second.
func bare(n int, fps float64) []capture.Frame {
	frames := make([]capture.Frame, n)
	for i := range frames {
		frames[i] = capture.Frame{Seq: uint64(i), At: capturetest.Start.Add(time.Duration(float64(i) / fps * 1e9))}
	}
	return frames
}

func seqs(t *testing.T, s *capture.Sampler) []uint64 {
	t.Helper()
	var out []uint64
	for {
		f, err := s.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f.Seq)
	}
}

func TestSamplerOfAnUnpacedSourcePicksByCaptureTime(t *testing.T) {
	for _, c := range []struct {
		name       string
		n          int
		from, fps  float64
		want       []uint64
		everyFrame bool
	}{
		{name: "10 to 2", n: 21, from: 10, fps: 2, want: []uint64{0, 5, 10, 15, 20}},
		{name: "30 to 1", n: 91, from: 30, fps: 1, want: []uint64{0, 30, 60, 90}},
		{name: "29.97 to 2", n: 61, from: 29.97, fps: 2, want: []uint64{0, 15, 30, 45, 60}},
		{name: "nearest of 7 to 2", n: 15, from: 7, fps: 2, want: []uint64{0, 4, 7, 11, 14}},
		{name: "slower than asked", n: 5, from: 1, fps: 2, want: []uint64{0, 1, 2, 3, 4}},
		{name: "same rate", n: 5, from: 2, fps: 2, want: []uint64{0, 1, 2, 3, 4}},
		{name: "one in ten seconds", n: 41, from: 2, fps: 0.1, want: []uint64{0, 20, 40}},
		{name: "no rate", n: 4, from: 10, fps: 0, want: []uint64{0, 1, 2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := capture.NewSampler(&capturetest.Source{Frames: bare(c.n, c.from)}, c.fps)
			defer s.Close()
			got := seqs(t, s)
			if len(got) != len(c.want) {
				t.Fatalf("frames %v, want %v", got, c.want)
			}
			for i := range got {
				if got[i] != c.want[i] && !(c.name == "nearest of 7 to 2" && got[i]+1 == c.want[i]) { // 3 and 4 are as near
					t.Fatalf("frames %v, want %v", got, c.want)
				}
			}
			if s.Dropped() != 0 {
				t.Errorf("%d dropped; thinning out is not dropping", s.Dropped())
			}
		})
	}
}

func TestSamplerLosesNothingToJitterOfASourceAtItsRate(t *testing.T) {
	frames := bare(40, 2)
	for i := range frames {
		frames[i].At = frames[i].At.Add(time.Duration(i*37%100-50) * time.Millisecond)
	}
	s := capture.NewSampler(&capturetest.Source{Frames: frames}, 2)
	defer s.Close()
	if got := seqs(t, s); len(got) != len(frames) {
		t.Errorf("%d of %d frames", len(got), len(frames))
	}
}

func TestSamplerGoesOnWhenTheClockGoesBack(t *testing.T) {
	frames := append(bare(4, 2), bare(4, 2)...)
	s := capture.NewSampler(&capturetest.Source{Frames: frames}, 2)
	defer s.Close()
	if got := seqs(t, s); len(got) != 8 {
		t.Errorf("%d of 8 frames", len(got))
	}
}

func TestSamplerGivesASlowCallerTheNewestFrameAndCountsWhatWasDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &capturetest.Source{Frames: bare(100, 10), Live: true}
		s := capture.NewSampler(src, 2)
		step := func(n int) {
			for range n {
				src.Step()
			}
			synctest.Wait()
		}
		step(1)
		if f, _ := s.Next(t.Context()); f.Seq != 0 {
			t.Errorf("first frame is %d", f.Seq)
		}
		step(13) // ticks at frames 5 and 10 pass while the caller is away
		f, err := s.Next(t.Context())
		if err != nil || f.Seq != 13 {
			t.Errorf("got frame %d, %v; want 13, the newest", f.Seq, err)
		}
		if s.Dropped() != 1 {
			t.Errorf("%d dropped, want 1: two were due, one was returned", s.Dropped())
		}
		// The next tick, frame 15, is too close to 13; frame 20 is next.
		got := make(chan uint64)
		go func() {
			f, _ := s.Next(t.Context())
			got <- f.Seq
		}()
		step(6)
		select {
		case n := <-got:
			t.Errorf("frame %d came early", n)
		default:
		}
		step(1)
		if n := <-got; n != 20 {
			t.Errorf("got frame %d, want 20", n)
		}
		src.End()
		synctest.Wait()
		if _, err := s.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("at the end: %v", err)
		}
		s.Close()
		src.Close()
	})
}

func TestSamplerNextObeysItsContextAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &capturetest.Source{Live: true}
		s := capture.NewSampler(src, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
		done := make(chan error)
		go func() { _, err := s.Next(t.Context()); done <- err }()
		synctest.Wait()
		s.Close()
		if err := <-done; !errors.Is(err, capture.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
		s.Close() // again does no harm
	})
}

func TestSamplerPassesTheSourcesErrorOn(t *testing.T) {
	want := errors.New("lens cap")
	s := capture.NewSampler(&capturetest.Source{Frames: bare(1, 1), Err: want}, 1)
	defer s.Close()
	if _, err := s.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(t.Context()); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}

func TestPairerPairsTwoByTwo(t *testing.T) {
	var p capture.Pairer
	var got [][2]uint64
	for _, f := range bare(7, 2) {
		if pair, ok := p.Add(f); ok {
			got = append(got, [2]uint64{pair[0].Seq, pair[1].Seq})
		}
	}
	if len(got) != 3 || got[0] != [2]uint64{0, 1} || got[2] != [2]uint64{4, 5} {
		t.Errorf("pairs %v", got)
	}
	if last, ok := p.Flush(); !ok || last[0].Seq != 6 || last[1].Seq != 6 {
		t.Error("the odd frame is to be paired with itself")
	}
	if _, ok := p.Flush(); ok {
		t.Error("nothing is left to flush")
	}
}

func TestPairerNeverSpansAHoleNorGoesBack(t *testing.T) {
	f := bare(20, 2)
	p := capture.Pairer{MaxGap: time.Second}
	var got [][2]uint64
	for _, i := range []int{0, 0, 1, 2, 9, 8, 10, 11, 12} { // 0 again, a hole after 2, 8 late
		if pair, ok := p.Add(f[i]); ok {
			got = append(got, [2]uint64{pair[0].Seq, pair[1].Seq})
		}
	}
	want := [][2]uint64{{0, 1}, {9, 10}, {11, 12}}
	if len(got) != len(want) {
		t.Fatalf("pairs %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("pairs %v, want %v", got, want)
		}
	}
	if p.Left() != 3 {
		t.Errorf("%d left out, want 3: 0 again, 2, 8", p.Left())
	}
}
