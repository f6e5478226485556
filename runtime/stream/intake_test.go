package stream_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/stream"
)

func tick(i int) stream.Frame {
	return stream.Frame{Seq: uint64(i), At: begin.Add(time.Duration(i) * 500 * time.Millisecond), RGB: imageproc.RGB{W: 1, H: 1, Pix: make([]byte, 3)}}
}

func TestASlowModelIsAlwaysAtTheNewestMomentAndWhatItSkippedIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := stream.NewIntake(newPairs(t, 2, 16*time.Second), 3)
		go func() {
			for i := range 200 {
				if note := in.Add(tick(i)); note != "" {
					t.Error(note)
				}
				time.Sleep(500 * time.Millisecond)
			}
			in.End()
		}()
		start := time.Now()
		fetched := 0
		for {
			p, ok, err := in.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			// At most as old as the pair that is being filled.
			if age := time.Since(start) - p.At.Sub(begin); age > 1500*time.Millisecond && p.Frames[0].Seq < 198 { // the last one waits
				t.Errorf("pair %d is %v old", p.Frames[0].Seq, age)
			}
			fetched++
			time.Sleep(7 * time.Second) // the model
			if n := in.Waiting(); n > 1 {
				t.Errorf("%d pairs wait", n)
			}
		}
		if skipped, late, left := in.Skipped(); int(skipped)+fetched != 100 || late != 0 || left != 0 || fetched > 16 {
			t.Errorf("%d fetched, %d skipped, %d late, %d left", fetched, skipped, late, left)
		}
	})
}

func TestATriggerBringsWhatPassedWhileTheModelWasBusy(t *testing.T) {
	in := stream.NewIntake(newPairs(t, 2, 16*time.Second), 3)
	seqs := func() (s []uint64) {
		for in.Waiting() > 0 {
			p, _, err := in.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s = append(s, p.Frames[0].Seq)
		}
		return s
	}
	add := func(from, to int) {
		for i := from; i < to; i++ {
			in.Add(tick(i))
		}
	}
	add(0, 2)
	if got := seqs(); !slices.Equal(got, []uint64{0}) {
		t.Errorf("%v", got)
	}
	add(2, 12) // pairs 2 to 10: the newest, and the last three before it
	in.Trigger()
	if n := in.Queued(); n != 3 {
		t.Errorf("%d queued", n)
	}
	if got := seqs(); !slices.Equal(got, []uint64{4, 6, 8, 10}) || in.Queued() != 0 {
		t.Errorf("%v", got)
	}
	add(12, 20)
	if got := seqs(); !slices.Equal(got, []uint64{18}) { // no trigger, no past
		t.Errorf("%v", got)
	}
	in.Trigger() // what is older than the model's newest never comes
	if got := seqs(); got != nil {
		t.Errorf("%v", got)
	}
	if skipped, late, _ := in.Skipped(); skipped != 4 || late != 3 {
		t.Errorf("%d skipped, %d late", skipped, late)
	}
}

func TestASkippedBeginningStillBeginsANewWindow(t *testing.T) {
	in := stream.NewIntake(newPairs(t, 2, 16*time.Second), 3)
	for i := range 4 {
		in.Add(tick(i))
	}
	for i := 4; i < 8; i++ {
		f := tick(i)
		f.At = f.At.Add(-time.Hour)
		in.Add(f)
	}
	in.Trigger()
	p, _, err := in.Next(t.Context())
	if err != nil || p.Frames[0].Seq != 6 || p.Restart == "" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestWaitingForAPairEndsWithItsContext(t *testing.T) {
	in := stream.NewIntake(newPairs(t, 2, 16*time.Second), 3)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	if _, _, err := in.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	in.Add(tick(0))
	in.End()
	if p, ok, err := in.Next(t.Context()); !ok || err != nil || p.Frames[1].Seq != 0 {
		t.Errorf("the last frame, alone: %+v, %v, %v", p, ok, err)
	}
	if _, ok, err := in.Next(t.Context()); ok || err != nil {
		t.Errorf("after the end: %v, %v", ok, err)
	}
}
