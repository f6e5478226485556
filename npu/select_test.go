package npu_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/npu/nputest"
)

// slowCPU is a CPU that every fake device beats.
func slowCPU() npu.Delegate {
	return nputest.Wrap(nputest.New(nputest.Small, "cpu"),
		nputest.Fault{Op: nputest.OpAppend, Kind: nputest.Slow, Delay: 15 * time.Millisecond},
		nputest.Fault{Op: nputest.OpVision, Kind: nputest.Slow, Delay: 80 * time.Millisecond})
}

func fake(name string, faults ...nputest.Fault) (*nputest.Driver, *nputest.Delegate) {
	d := nputest.New(nputest.Small, name)
	return &nputest.Driver{DriverName: name, Delegates: []npu.Delegate{nputest.Wrap(d, faults...)}}, d
}

func TestAutoTakesTheFirstDeviceThatPasses(t *testing.T) {
	broken, _ := fake("broken")
	broken.OpenErr = errors.New("library is too old")
	wrong, wrongDev := fake("wrong", nputest.Fault{Op: nputest.OpAppend, N: 5, Kind: nputest.Wrong}, nputest.Fault{Op: nputest.OpVision, Kind: nputest.NaN})
	good, _ := fake("good")
	never, _ := fake("never")
	absent := &nputest.Driver{DriverName: "absent"}
	d, r, err := npu.Select(context.Background(), nputest.Small, []npu.Driver{absent, broken, wrong, good, never}, "auto", npu.Options{}, slowCPU())
	if err != nil {
		t.Fatal(err)
	}
	if d.Device().Driver != "good" || d.Supports() != npu.StageVision|npu.StageDecoder || r.Chosen.Driver != "good" {
		t.Errorf("chose %+v for %s\n%s", d.Device(), d.Supports(), r)
	}
	if wrongDev.Closed.Load() != 1 || never.Opened.Load() != 0 {
		t.Errorf("wrong device closed %d times, device after the chosen one opened %d times", wrongDev.Closed.Load(), never.Opened.Load())
	}
	lines := r.Lines()
	for i, want := range []string{"absent: not used; npu: no such device", "broken (broken fake): not used; library is too old", "wrong (wrong fake): not used; vision NMSE", "good (good fake): used for vision+decoder; vision NMSE 0.0e+00", "backend: good"} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("line %d of the report should begin %q:\n%s", i, want, r)
		}
	}
	if !errors.Is(r.Tried[2].Err, npu.ErrNumeric) {
		t.Errorf("the wrong device's error is %v, want ErrNumeric", r.Tried[2].Err)
	}
}

func TestAutoLeavesTheJobToAFasterCPU(t *testing.T) {
	slow, _ := fake("slow", nputest.Fault{Op: nputest.OpAppend, Kind: nputest.Slow, Delay: 15 * time.Millisecond}, nputest.Fault{Op: nputest.OpVision, Kind: nputest.Slow, Delay: 50 * time.Millisecond})
	cpu := nputest.New(nputest.Small, "cpu")
	d, r, err := npu.Select(context.Background(), nputest.Small, []npu.Driver{slow}, "", npu.Options{}, cpu)
	if err != nil || d != npu.Delegate(cpu) {
		t.Fatalf("got %v, %v, want the CPU itself", d, err)
	}
	if line := r.Lines()[0]; !strings.Contains(line, "vision stays on the CPU") || !strings.Contains(line, "decoder stays on the CPU") {
		t.Errorf("the report does not say why: %s", line)
	}
	d, _, err = npu.Select(context.Background(), nputest.Small, []npu.Driver{slow}, "slow", npu.Options{}, cpu)
	if err != nil || d.Device().Driver != "slow" {
		t.Errorf("asked for by name: got %v, %v", d, err)
	}
}

func TestEachStageIsJudgedByItself(t *testing.T) {
	drv, _ := fake("half", nputest.Fault{Op: nputest.OpVision, Kind: nputest.Wrong})
	d, r, err := npu.Select(context.Background(), nputest.Small, []npu.Driver{drv}, "auto", npu.Options{}, slowCPU())
	if err != nil {
		t.Fatal(err)
	}
	if d.Supports() != npu.StageDecoder {
		t.Errorf("supports %s, want the decoder only", d.Supports())
	}
	if lines := r.Lines(); !strings.Contains(lines[0], "used for decoder") || !strings.Contains(lines[0], "; vision: NMSE") || lines[1] != "backend: half for decoder, cpu for the rest" {
		t.Errorf("report:\n%s", r)
	}
}

func TestFaultsInTheSelfCheckNeverReachTheCaller(t *testing.T) {
	for _, op := range []nputest.Op{nputest.OpVision, nputest.OpNewSession, nputest.OpAppend} {
		for _, kind := range []nputest.Kind{nputest.Error, nputest.Panic, nputest.DeviceLost} {
			drv, dev := fake("bad", nputest.Fault{Op: op, N: 1, Kind: kind})
			cpu := nputest.New(nputest.Small, "cpu")
			d, r, err := npu.Select(context.Background(), nputest.Small, []npu.Driver{drv}, "auto", npu.Options{}, cpu)
			if err != nil || d != npu.Delegate(cpu) {
				t.Errorf("%s at %s: %v, %v", kind, op, d, err)
			}
			if line := r.Lines()[0]; !strings.Contains(line, "bad (bad fake): not used; ") || strings.Contains(line, "\n") {
				t.Errorf("%s at %s: report: %s", kind, op, line)
			}
			if dev.Closed.Load() != 1 {
				t.Errorf("%s at %s: device was closed %d times", kind, op, dev.Closed.Load())
			}
		}
	}
}

func TestANameIsAnOrder(t *testing.T) {
	ctx := context.Background()
	cpu := nputest.New(nputest.Small, "cpu")
	good, _ := fake("good")
	wrong, _ := fake("wrong", nputest.Fault{Op: nputest.OpAppend, Kind: nputest.NaN}, nputest.Fault{Op: nputest.OpVision, Kind: nputest.Wrong})
	drivers := []npu.Driver{good, wrong, &nputest.Driver{DriverName: "absent"}, &nputest.Driver{DriverName: "odd", ProbeErr: errors.New("no permission for /dev/odd")}}
	for pref, want := range map[string]string{
		"good":    "",
		"cpu":     "",
		"vulkan9": "npu: unknown backend \"vulkan9\": choose one of auto, cpu, good, wrong, absent, odd",
		"absent":  "npu: backend absent can't be used: npu: no such device",
		"odd":     "npu: backend odd can't be used: no permission for /dev/odd",
		"wrong":   "npu: backend wrong can't be used: npu: self-check mismatch",
	} {
		d, r, err := npu.Select(ctx, nputest.Small, drivers, pref, npu.Options{}, cpu)
		switch {
		case r == nil:
			t.Errorf("%s: no report", pref)
		case want == "" && (err != nil || d.Device().Driver != pref):
			t.Errorf("%s: got %v, %v", pref, d, err)
		case want != "" && (err == nil || d != nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: got %v, want %s", pref, err, want)
		}
	}
	_, _, err := npu.Select(ctx, nputest.Small, drivers, "absent", npu.Options{}, cpu)
	if !errors.Is(err, npu.ErrNoDevice) {
		t.Errorf("%v is not ErrNoDevice", err)
	}
}

func TestADeviceThatIsASoftwareCPUIsTakenOnlyByName(t *testing.T) {
	drv, dev := fake("soft")
	dev.Dev.Software = true
	d, _, err := npu.Select(context.Background(), nputest.Small, []npu.Driver{drv}, "auto", npu.Options{}, slowCPU())
	if err != nil || d.Device().Driver != "cpu" {
		t.Errorf("auto: %v, %v", d.Device(), err)
	}
	d, _, err = npu.Select(context.Background(), nputest.Small, []npu.Driver{drv}, "soft", npu.Options{}, slowCPU())
	if err != nil || d.Device().Driver != "soft" {
		t.Errorf("by name: %v, %v", d, err)
	}
}

func TestAnEightBitVisionEncoderIsAllowedMore(t *testing.T) {
	rough := func(noise float32, int8, cpuInt8 bool) npu.Stage {
		dev := &noisy{nputest.New(nputest.Small, "rough"), noise}
		dev.Dev.VisionInt8 = int8
		cpu := nputest.New(nputest.Small, "cpu")
		cpu.Dev.VisionInt8 = cpuInt8
		drv := &nputest.Driver{DriverName: "rough", Delegates: []npu.Delegate{dev}}
		d, _, err := npu.Select(context.Background(), nputest.Small, []npu.Driver{drv}, "rough", npu.Options{}, cpu)
		if err != nil {
			t.Fatal(err)
		}
		return d.Supports()
	}
	const both = npu.StageVision | npu.StageDecoder
	for _, c := range []struct {
		noise         float32
		int8, cpuInt8 bool
		want          npu.Stage
	}{
		{1e-3, false, false, npu.StageDecoder},
		{1e-3, true, false, both},
		{2e-2, true, false, npu.StageDecoder},
		{2e-2, false, true, both}, // the error may be the CPU's
		{1e-1, true, true, npu.StageDecoder},
	} {
		if got := rough(c.noise, c.int8, c.cpuInt8); got != c.want {
			t.Errorf("%+v: takes %s", c, got)
		}
	}
}

// noisy makes relative errors in its embeddings.
type noisy struct {
	*nputest.Delegate
	noise float32
}

func (d *noisy) EncodeVision(ctx context.Context, in npu.VisionInput, dst []float32) error {
	err := d.Delegate.EncodeVision(ctx, in, dst)
	for i := range dst {
		dst[i] *= 1 + d.noise*float32(1-2*(i%2))
	}
	return err
}

func TestVerdictsAreRememberedByDeviceAndModel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	o := npu.Options{CacheDir: dir}
	drv, _ := fake("slow", nputest.Fault{Op: nputest.OpAppend, Kind: nputest.Slow, Delay: 15 * time.Millisecond}, nputest.Fault{Op: nputest.OpVision, Kind: nputest.Slow, Delay: 50 * time.Millisecond})
	choose := func(m npu.Model, pref string) *npu.Report {
		t.Helper()
		_, r, err := npu.Select(context.Background(), m, []npu.Driver{drv}, pref, o, nputest.New(nputest.Small, "cpu"))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := choose(nputest.Small, "auto"); r.Tried[0].Cached || drv.Opened.Load() != 1 {
		t.Fatalf("first time: %s", r)
	}
	if r := choose(nputest.Small, "auto"); !r.Tried[0].Cached || drv.Opened.Load() != 1 {
		t.Errorf("second time: opened %d times: %s", drv.Opened.Load(), r)
	}
	if r := choose(nputest.Small, "slow"); !r.Tried[0].Cached || r.Chosen.Driver != "slow" {
		t.Errorf("slowness is no reason when asked by name: %s", r)
	}
	if r := choose(other{nputest.Small}, "auto"); r.Tried[0].Cached {
		t.Errorf("another model: %s", r)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 2 {
		t.Fatalf("cache holds %v, want two verdicts and no temporary file", files)
	}
	for _, f := range files {
		if err := os.WriteFile(f, []byte("{\"Key\":"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if r := choose(nputest.Small, "auto"); r.Tried[0].Cached {
		t.Errorf("a broken file counted as a verdict: %s", r)
	}
}

type other struct{ nputest.Model }

func (other) Fingerprint() string { return "other" }

func TestFaultsAreNotRememberedAndAnUnwritableCacheIsNoError(t *testing.T) {
	dir := t.TempDir()
	drv, _ := fake("flaky", nputest.Fault{Op: nputest.OpAppend, N: 1, Kind: nputest.DeviceLost})
	for i, want := range []string{"cpu", "flaky"} {
		d, r, err := npu.Select(context.Background(), nputest.Small, []npu.Driver{drv}, "auto", npu.Options{CacheDir: dir}, slowCPU())
		if err != nil || d.Device().Driver != want {
			t.Fatalf("try %d: %v, %v\n%s", i, d, err, r)
		}
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	good, _ := fake("good")
	d, _, err := npu.Select(context.Background(), nputest.Small, []npu.Driver{good}, "auto", npu.Options{CacheDir: file}, slowCPU())
	if err != nil || d.Device().Driver != "good" {
		t.Errorf("cache that can't be written: %v, %v", d, err)
	}
}

func TestSelectStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	drv, _ := fake("good")
	if _, _, err := npu.Select(ctx, nputest.Small, []npu.Driver{drv}, "auto", npu.Options{}, slowCPU()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
