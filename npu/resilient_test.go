package npu_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/npu/nputest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick gives up early, so that tests of hanging devices are fast.
var quick = npu.Limits{Base: 30 * time.Millisecond, PerRow: time.Millisecond, Grace: 10 * time.Millisecond}

// story is what a user does with a delegate: looks at a picture, reads a prompt, generates, forks, goes back.
// It returns every token that came out.
func story(ctx context.Context, d npu.Delegate, m nputest.Model) ([]int, error) {
	in := npu.VisionInput{Patches: make([]float32, 2*4*6*m.PatchDim), GridTHW: [3]int{2, 4, 6}}
	for i := range in.Patches {
		in.Patches[i] = float32(i%31) / 31
	}
	rows := make([]float32, 12*m.Hidden)
	if err := d.EncodeVision(ctx, in, rows); err != nil {
		return nil, err
	}
	s, err := d.NewSession(ctx, 200)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	logits := make([]float32, m.Vocab)
	p := int32(0)
	var out []int
	text := func(s npu.Session, ids ...int32) error {
		c := npu.Chunk{Tokens: ids}
		for range ids {
			c.Pos = append(c.Pos, [3]int32{p, p, p})
			p++
		}
		return s.Append(ctx, c, logits)
	}
	generate := func(s npu.Session, n int) error {
		for range n {
			best := argmax(logits)
			out = append(out, best)
			if err := text(s, int32(best)); err != nil {
				return err
			}
		}
		return nil
	}
	picture := npu.Chunk{Embeds: rows, Pos: make([][3]int32, 12)}
	for i := range picture.Pos {
		picture.Pos[i] = [3]int32{4 + int32(i/6), 4 + int32(i/3%2), 4 + int32(i%3)}
	}
	steps := []func() error{
		func() error { return text(s, 5, 6, 7, 8) },
		func() error { return s.Append(ctx, picture, nil) },
		func() error { p = 7; return text(s, 9, 10) },
		func() error { return generate(s, 4) },
		func() error {
			f, err := s.(npu.Forker).Fork(ctx)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			at := p
			if err := text(f, 11, 12); err != nil {
				return err
			}
			if err := generate(f, 3); err != nil {
				return err
			}
			p = at
			return f.Truncate(f.Len() - 2)
		},
		func() error { return s.Truncate(18) },
		func() error { return text(s, 13) },
		func() error { return generate(s, 4) },
		func() error { return s.Truncate(10) }, // inside the picture
		func() error { return text(s, 14, 15) },
		func() error { return generate(s, 3) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return append(out, s.Len()), nil
}

func argmax(x []float32) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}

func cpuStory(t interface{ Fatal(...any) }) []int {
	want, err := story(context.Background(), nputest.New(nputest.Small, "cpu"), nputest.Small)
	if err != nil {
		t.Fatal(err)
	}
	return want
}

var (
	ops   = []nputest.Op{nputest.OpVision, nputest.OpNewSession, nputest.OpAppend, nputest.OpTruncate, nputest.OpFork, nputest.OpLen, nputest.OpClose}
	kinds = []nputest.Kind{nputest.Error, nputest.DeviceLost, nputest.Panic, nputest.NaN, nputest.Inf, nputest.Zero, nputest.Unwritten, nputest.Half, nputest.WrongLen}
)

func TestWhateverFailsAtEveryCallTheTokensStayTheSame(t *testing.T) {
	want := cpuStory(t)
	for _, fork := range []bool{true, false} {
		healthy := nputest.Wrap(primary(fork))
		if _, err := story(context.Background(), resilient(healthy), nputest.Small); err != nil {
			t.Fatal(err)
		}
		for _, op := range ops {
			calls := healthy.Calls(op)
			if calls == 0 && (op != nputest.OpFork || fork) {
				t.Fatalf("%s: the story does not get there", op)
			}
			for n := 1; n <= calls; n++ {
				for _, kind := range kinds {
					f := nputest.Fault{Op: op, N: n, Kind: kind}
					cpu, faulty := nputest.New(nputest.Small, "cpu"), nputest.Wrap(primary(fork), f)
					d := npu.Resilient(faulty, cpu, nil)
					got, err := story(context.Background(), d, nputest.Small)
					if err != nil {
						t.Fatalf("%s: %v", f, err)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("%s: tokens differ (-cpu +got):\n%s", f, diff)
					}
					if faulty.Hits() != 1 {
						t.Fatalf("%s: hit %d times, want once: a quarantined device is left alone", f, faulty.Hits())
					}
					if err := d.Close(); err != nil {
						t.Fatal(err)
					}
					if cpu.Sessions.Load() != 0 || cpu.Closed.Load() != 1 {
						t.Fatalf("%s: %d CPU sessions left open, CPU closed %d times", f, cpu.Sessions.Load(), cpu.Closed.Load())
					}
				}
			}
		}
	}
}

func primary(fork bool) *nputest.Delegate {
	d := nputest.New(nputest.Small, "fake")
	d.NoFork = !fork
	return d
}

func resilient(primary npu.Delegate) npu.Delegate {
	return npu.Resilient(primary, nputest.New(nputest.Small, "cpu"), nil)
}

func TestAHangAtAnyKindOfCallGivesTheSameTokens(t *testing.T) {
	want := cpuStory(t)
	for _, op := range ops {
		for _, kind := range []nputest.Kind{nputest.Hang, nputest.Deaf} {
			f := nputest.Fault{Op: op, N: 1, Kind: kind}
			t.Run(f.String(), func(t *testing.T) {
				t.Parallel()
				under := primary(true)
				faulty := nputest.Wrap(under, f)
				d := npu.ResilientWithin(quick, faulty, nputest.New(nputest.Small, "cpu"), nil)
				got, err := story(context.Background(), d, nputest.Small)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("tokens differ (-cpu +got):\n%s", diff)
				}
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
				faulty.Release()
				// The call that was left behind cleans up. A session whose Close failed is lost with its device.
				for under.Closed.Load() != 1 || op != nputest.OpClose && under.Sessions.Load() != 0 {
					time.Sleep(time.Millisecond)
				}
			})
		}
	}
}

func TestAnyScriptOfFaultsGivesTheSameTokens(t *testing.T) {
	want := cpuStory(t)
	rapid.Check(t, func(t *rapid.T) {
		var faults []nputest.Fault
		for range rapid.IntRange(1, 4).Draw(t, "faults") {
			faults = append(faults, nputest.Fault{
				Op:   rapid.SampledFrom(ops).Draw(t, "op"),
				N:    rapid.IntRange(0, 20).Draw(t, "n"),
				Kind: rapid.SampledFrom(kinds).Draw(t, "kind"),
			})
		}
		got, err := story(context.Background(), resilient(nputest.Wrap(primary(rapid.Bool().Draw(t, "fork")), faults...)), nputest.Small)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%v: tokens differ (-cpu +got):\n%s", faults, diff)
		}
	})
}

func TestTheFirstFaultQuarantinesAndIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	p, cpu := nputest.New(nputest.Small, "fake"), nputest.New(nputest.Small, "cpu")
	d := npu.Resilient(nputest.Wrap(p, nputest.Fault{Op: nputest.OpAppend, N: 3, Kind: nputest.NaN}), cpu, slog.New(slog.NewTextHandler(&log, nil)))
	if got := d.Device().Driver; got != "fake" {
		t.Fatalf("device %q before any fault", got)
	}
	for range 2 {
		if _, err := story(context.Background(), d, nputest.Small); err != nil {
			t.Fatal(err)
		}
	}
	h, ok := npu.HealthOf(d)
	if !ok || !h.Quarantined || h.Faults != 1 || !strings.Contains(h.Last.Error(), "append 2 rows at 16") {
		t.Errorf("health %+v, want one fault, quarantined, saying where", h)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d log lines, want 1:\n%s", n, log.String())
	}
	if got := d.Device().Driver; got != "cpu" {
		t.Errorf("device %q after the fault, want cpu", got)
	}
	if p.Sessions.Load() != 0 {
		t.Errorf("%d sessions are open on the failed device", p.Sessions.Load())
	}
}

func TestSessionsThatWereOpenMoveToTheCPUWhenAnotherFails(t *testing.T) {
	ctx := context.Background()
	p, cpu := nputest.New(nputest.Small, "fake"), nputest.New(nputest.Small, "cpu")
	d := npu.Resilient(nputest.Wrap(p, nputest.Fault{Op: nputest.OpVision, N: 1, Kind: nputest.DeviceLost}), cpu, nil)
	s, err := d.NewSession(ctx, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Append(ctx, npu.Chunk{Tokens: []int32{1, 2}, Pos: make([][3]int32, 2)}, nil); err != nil {
		t.Fatal(err)
	}
	if err := d.EncodeVision(ctx, npu.VisionInput{Patches: make([]float32, 4*nputest.Small.PatchDim), GridTHW: [3]int{1, 2, 2}}, make([]float32, nputest.Small.Hidden)); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(ctx, npu.Chunk{Tokens: []int32{3}, Pos: make([][3]int32, 1)}, nil); err != nil {
		t.Fatal(err)
	}
	if got := cpu.Appended.Load(); got != 3 {
		t.Errorf("%d rows on the CPU, want all 3", got)
	}
}

func TestCancellingIsNoFault(t *testing.T) {
	cpu := nputest.New(nputest.Small, "cpu")
	faulty := nputest.Wrap(nputest.New(nputest.Small, "fake"), nputest.Fault{Op: nputest.OpAppend, N: 2, Kind: nputest.Hang})
	d := npu.Resilient(faulty, cpu, nil)
	s, err := d.NewSession(context.Background(), 10)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	one := func(ctx context.Context) error {
		return s.Append(ctx, npu.Chunk{Tokens: []int32{1}, Pos: make([][3]int32, 1)}, nil)
	}
	if err := one(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go cancelIn(faulty, 2, cancel)
	if err := one(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want the caller's own error", err)
	}
	if err := one(context.Background()); err != nil || s.Len() != 2 {
		t.Fatalf("after a cancelled call: %v, %d rows; want the session to go on with 2", err, s.Len())
	}
	if h, _ := npu.HealthOf(d); h.Faults != 0 || cpu.Appended.Load() != 0 {
		t.Errorf("cancelling counted as a fault: %+v", h)
	}
}

// cancelIn cancels once the n-th append has reached the device.
func cancelIn(d *nputest.Faulty, n int, cancel func()) {
	for d.Calls(nputest.OpAppend) < n {
		time.Sleep(time.Millisecond)
	}
	cancel()
}

func TestCancellingADeviceThatIgnoresItReturnsAndQuarantines(t *testing.T) {
	faulty := nputest.Wrap(nputest.New(nputest.Small, "fake"), nputest.Fault{Op: nputest.OpAppend, N: 1, Kind: nputest.Deaf})
	defer faulty.Release()
	d := npu.ResilientWithin(npu.Limits{Base: time.Hour, Grace: 5 * time.Millisecond}, faulty, nputest.New(nputest.Small, "cpu"), nil)
	s, err := d.NewSession(context.Background(), 10)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go cancelIn(faulty, 1, cancel)
	if err := s.Append(ctx, npu.Chunk{Tokens: []int32{1}, Pos: make([][3]int32, 1)}, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	if h, _ := npu.HealthOf(d); !h.Quarantined {
		t.Error("a device that can't be stopped is still trusted")
	}
	_ = s.Close()
}

func TestTheCPUsErrorsComeBackAndTheSessionCanGoOn(t *testing.T) {
	ctx := context.Background()
	cpu := nputest.Wrap(nputest.New(nputest.Small, "cpu"), nputest.Fault{Op: nputest.OpAppend, N: 1, Kind: nputest.Error})
	d := npu.Resilient(nputest.Wrap(nputest.New(nputest.Small, "fake"), nputest.Fault{Op: nputest.OpAppend, N: 2, Kind: nputest.Error}), cpu, nil)
	s, err := d.NewSession(ctx, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	one := func() error { return s.Append(ctx, npu.Chunk{Tokens: []int32{1}, Pos: make([][3]int32, 1)}, nil) }
	if err := one(); err != nil {
		t.Fatal(err)
	}
	if err := one(); err == nil {
		t.Fatal("the replay failed, yet the append did not")
	}
	if err := one(); err != nil || s.Len() != 2 {
		t.Fatalf("second try: %v, %d rows, want 2", err, s.Len())
	}
}

func TestASessionTakesNoMoreThanItsBound(t *testing.T) {
	ctx := context.Background()
	for name, d := range map[string]npu.Delegate{"resilient": resilient(nputest.New(nputest.Small, "fake")), "cpu": nputest.New(nputest.Small, "cpu")} {
		s, err := d.NewSession(ctx, 3)
		if err != nil {
			t.Fatal(err)
		}
		chunk := func(n int) npu.Chunk { return npu.Chunk{Tokens: make([]int32, n), Pos: make([][3]int32, n)} }
		if err := s.Append(ctx, chunk(2), nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Append(ctx, chunk(2), nil); !errors.Is(err, npu.ErrFull) {
			t.Errorf("%s: got %v, want ErrFull", name, err)
		}
		if err := s.Append(ctx, chunk(1), nil); err != nil {
			t.Errorf("%s: a full session must still take what fits: %v", name, err)
		}
	}
}

func TestContradictoryChunksAreRefusedAndAreNoFault(t *testing.T) {
	d := resilient(nputest.New(nputest.Small, "fake"))
	s, err := d.NewSession(context.Background(), 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []npu.Chunk{
		{},
		{Pos: make([][3]int32, 1)},
		{Tokens: []int32{1, 2}, Pos: make([][3]int32, 1)},
		{Tokens: []int32{1}, Embeds: []float32{1}, Pos: make([][3]int32, 1)},
		{Embeds: make([]float32, 3), Pos: make([][3]int32, 2)},
	} {
		if err := s.Append(context.Background(), c, nil); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	for _, n := range []int{-1, 1} {
		if err := s.Truncate(n); err == nil {
			t.Errorf("truncate to %d of 0 rows was taken", n)
		}
	}
	if h, _ := npu.HealthOf(d); h.Faults != 0 {
		t.Errorf("the device was blamed for the caller's mistakes: %+v", h)
	}
}

func TestStagesThatADeviceLacksRunOnTheCPU(t *testing.T) {
	for _, stages := range []npu.Stage{npu.StageVision, npu.StageDecoder} {
		p := nputest.New(nputest.Small, "fake")
		p.Dev.Stages = stages
		cpu := nputest.New(nputest.Small, "cpu")
		got, err := story(context.Background(), npu.Resilient(p, cpu, nil), nputest.Small)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(cpuStory(t), got); diff != "" {
			t.Errorf("%s: %s", stages, diff)
		}
		if onDevice := p.Appended.Load() > 0; onDevice != (stages == npu.StageDecoder) {
			t.Errorf("%s: decoder on the device: %v", stages, onDevice)
		}
	}
}

func ExampleResilient() {
	ctx := context.Background()
	failing := nputest.Wrap(nputest.New(nputest.Small, "gpu"), nputest.Fault{Op: nputest.OpAppend, N: 3, Kind: nputest.DeviceLost})
	d := npu.Resilient(failing, nputest.New(nputest.Small, "cpu"), nil)
	s, _ := d.NewSession(ctx, 10)
	for i := range int32(4) {
		err := s.Append(ctx, npu.Chunk{Tokens: []int32{i}, Pos: [][3]int32{{i, i, i}}}, nil)
		fmt.Println(s.Len(), d.Device().Driver, err)
	}
	// Output:
	// 1 gpu <nil>
	// 2 gpu <nil>
	// 3 cpu <nil>
	// 4 cpu <nil>
}
