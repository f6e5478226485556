package capture

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestALiveSourceComesBackByItselfAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var states []string
		tries := 0
		began := time.Now()
		l := newLive(Spec{OnState: func(up bool, why error) {
			s := "up"
			if !up {
				s = why.Error()
			}
			states = append(states, s)
		}}, liveConfig{name: "test", session: func(ctx context.Context, emit func(Frame)) error {
			tries++
			if tries == 2 {
				return errors.New("cable out")
			}
			emit(Frame{})
			if tries == 1 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}})
		for i := range 2 {
			f, err := l.Next(t.Context())
			if err != nil || f.Seq != uint64(i) || f.At.IsZero() {
				t.Errorf("frame %d: %+v, %v", i, f, err)
			}
		}
		if took := time.Since(began); took < time.Second || took > 2*time.Second {
			t.Errorf("back after %v; two waits, of half a second and a second, are due", took)
		}
		l.Close()
		want := "up|capture: test: the stream ended; trying again|capture: test: cable out; trying again|up|" + ErrClosed.Error()
		if got := strings.Join(states, "|"); got != want {
			t.Errorf("states:\n%s\nwant:\n%s", got, want)
		}
		if s := l.Stats(); s.Restarts != 2 || s.Frames != 2 {
			t.Errorf("stats %+v", s)
		}
		if _, err := l.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestASourceThatFailsAtOnceIsNotTriedInASpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int64
		l := newLive(Spec{}, liveConfig{name: "test", session: func(_ context.Context, emit func(Frame)) error {
			tries.Add(1)
			emit(Frame{}) // one frame each time must not count as health
			return errors.New("no")
		}})
		time.Sleep(10 * time.Minute)
		if n := tries.Load(); n < 15 || n > 40 {
			t.Errorf("%d tries in ten minutes; the waits are to reach half a minute", n)
		}
		l.Close()
	})
}

func TestASessionThatStallsIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var why error
		began := time.Now()
		var ended time.Duration
		l := newLive(Spec{OnState: func(up bool, err error) {
			if !up && why == nil {
				why, ended = err, time.Since(began)
			}
		}}, liveConfig{name: "test", stall: 5 * time.Second, session: func(ctx context.Context, emit func(Frame)) error {
			for range 3 {
				time.Sleep(4 * time.Second)
				emit(Frame{})
			}
			<-ctx.Done()
			return ctx.Err()
		}})
		time.Sleep(18 * time.Second)
		l.Close()
		if why == nil || !strings.Contains(why.Error(), "no frame for 5s") || ended != 17*time.Second {
			t.Errorf("ended after %v: %v", ended, why)
		}
	})
}

func TestAChildThatHangsIsQuoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := make(chan error, 100)
		l := newLive(Spec{OnState: func(_ bool, err error) { why <- err }}, liveConfig{name: "test",
			session: func(ctx context.Context, _ func(Frame)) error {
				<-ctx.Done()
				return &stoppedError{ctx.Err(), "sensor timed out"}
			}})
		if err := <-why; !strings.Contains(err.Error(), "no frame for 20s; it last said: sensor timed out") {
			t.Error(err)
		}
		l.Close()
	})
}

func TestASlowReaderOfALiveSourceGetsTheNewestFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(Spec{}, liveConfig{name: "test", session: func(ctx context.Context, emit func(Frame)) error {
			for range 5 {
				emit(Frame{})
			}
			<-ctx.Done()
			return ctx.Err()
		}})
		synctest.Wait()
		if f, err := l.Next(t.Context()); err != nil || f.Seq != 4 {
			t.Errorf("frame %d, %v; want 4", f.Seq, err)
		}
		l.Close()
	})
}

func TestStreamClockTrustsTheLeastDelayedFrame(t *testing.T) {
	var c streamClock
	start := time.Now()
	delay := []int{80, 200, 20, 90, 300, 21, 25} // milliseconds from taking to arrival
	for i, d := range delay {
		pts := time.Duration(i) * 500 * time.Millisecond
		arrived := start.Add(pts + time.Duration(d)*time.Millisecond)
		at := c.at(pts+time.Hour, arrived)
		if at.After(arrived) {
			t.Fatalf("frame %d was taken after it arrived", i)
		}
		if i >= 2 {
			if e := at.Sub(start.Add(pts)) - 20*time.Millisecond; e < 0 || e > 5*time.Millisecond {
				t.Errorf("frame %d is off by %v beyond the least delay", i, e)
			}
		}
	}
	// The camera restarts its clock.
	now := start.Add(time.Minute)
	if at := c.at(0, now); !at.Equal(now) {
		t.Errorf("after a new clock: %v, want %v", at, now)
	}
}

func TestStreamClockKnowsTheFirstBurst(t *testing.T) {
	var c streamClock
	start := time.Now()
	got := ""
	for i, arrived := range []int{1300, 1301, 1303, 1310, 1400, 1610, 1611} { // frames of 0, 200, 400 ms and so on
		if c.live(time.Duration(i)*200*time.Millisecond, start.Add(time.Duration(arrived)*time.Millisecond)) {
			got += "+"
		} else {
			got += "-"
		}
	}
	if got != "-----++" {
		t.Errorf("live: %s", got)
	}
}

func TestBackoffDoublesToItsMost(t *testing.T) {
	b := backoff{min: time.Second, max: 4 * time.Second}
	for _, want := range []time.Duration{1, 2, 4, 4} {
		if d := b.wait(); d < want*time.Second*3/4 || d > want*time.Second*5/4 {
			t.Errorf("waited %v, want about %ds", d, want)
		}
	}
	b.reset()
	if d := b.wait(); d > 2*time.Second {
		t.Errorf("after reset %v", d)
	}
}
