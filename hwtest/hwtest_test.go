package hwtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edgevlm/edgevlm/board"
	"github.com/edgevlm/edgevlm/board/boardtest"
	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// fixture is the root of a made-up board, relative to /.
func fixture(t *testing.T, board string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("testdata", board))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTheCPUIsNamedAsTheBoardNamesItself(t *testing.T) {
	for board, want := range map[string]string{"pi": "Raspberry Pi 5 Model B Rev 1.0, ", "small": "Some CPU @ 1 GHz, "} {
		c := checkCPU(fixture(t, board))
		if !strings.HasPrefix(c.Detail, want) || !strings.HasSuffix(c.Detail, "kernels: "+quant.ISA()) {
			t.Errorf("%s: %q", board, c.Detail)
		}
	}
}

func TestMemoryIsComparedWithWhatTheModelTakes(t *testing.T) {
	for _, c := range []struct {
		board string
		bytes int64
		want  Status
	}{
		{"pi", 0, OK},         // 6.7 GiB free
		{"pi", 2 << 30, OK},   // a 2B model
		{"pi", 7 << 30, Fail}, // a 7B model in F16
		{"small", 0, Warn},    // the demo model only
		{"small", 1 << 30, Fail},
		{"nowhere", 0, Warn},
	} {
		got := checkMemory(fixture(t, c.board), c.bytes)
		if got.Status != c.want || (got.Fix == "") != (c.want == OK) {
			t.Errorf("%s, %d bytes: %+v, want %s", c.board, c.bytes, got, c.want)
		}
	}
}

func TestKernelsOfThisMachineEqualThePortableOnes(t *testing.T) {
	before := quant.ISA()
	if c := checkKernels(); c.Status != OK {
		t.Errorf("%+v", c)
	}
	if quant.ISA() != before {
		t.Errorf("the check left %s chosen, it was %s", quant.ISA(), before)
	}
}

func TestWhatIsMissingOrBrokenIsSaidWithWhatToDo(t *testing.T) {
	fails := func(context.Context) error { return errors.New("connection\nrefused") }
	all := Run(t.Context(), Options{
		Root: fixture(t, "pi"),
		Cameras: []Camera{
			{Name: "gone", Source: "v4l2:/dev/video-none"},
			{Name: "odd", Source: "files:" + filepath.Join(t.TempDir(), "none")},
		},
		Board: board.Config{
			GPIO:  board.GPIO{Privacy: board.Privacy{Pin: "no-such-line"}},
			Power: board.Power{INA219: board.INA219{Bus: "/dev/i2c-99", Shunt: 0.1}},
		},
		OpenModel: func(context.Context) (*vlm.Engine, error) { return nil, errors.New("no such model") },
		Broker:    "mqtt://host", Connect: fails,
	}, nil)
	want := map[string]Status{
		"cpu": OK, "kernels": OK, "memory": OK, "disk": Skip, "temperature": Skip, "cameras": Skip, "camera gone": Missing, "camera odd": Fail,
		"pins": Missing, "power": Missing, "model": Fail, "broker": Fail,
	}
	if devices, _ := capture.Devices(); len(devices) > 0 {
		want["cameras"] = OK
	}
	if quant.ISA() == "generic" {
		want["cpu"] = Warn
	}
	if len(all) != len(want) {
		t.Fatalf("%d checks", len(all))
	}
	for _, c := range all {
		if c.Status != want[c.Name] || c.Status != Skip && (c.Status != OK) != (c.Fix != "") || strings.Contains(c.Detail, "\n") {
			t.Errorf("%+v, want %s", c, want[c.Name])
		}
	}
	if w := Worst(all); w != Fail {
		t.Errorf("worst is %s", w)
	}
	if w := Worst([]Check{{Status: Skip}, {Status: OK}}); w == Warn || w == Fail {
		t.Errorf("worst is %s", w)
	}
	if w := Worst([]Check{{Status: Warn}, {Status: Missing}}); w != Missing {
		t.Errorf("worst is %s", w)
	}
}

func TestACameraThatWorksIsShownWithItsFormat(t *testing.T) {
	dir := t.TempDir()
	jpg, err := os.ReadFile(filepath.Join("testdata", "grey.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "1.jpg"), jpg, 0o600); err != nil {
		t.Fatal(err)
	}
	c := checkCamera(t.Context(), Camera{Name: "yard", Source: "files:" + dir})
	if c.Status != OK || c.Detail != "32x24 JPEG" {
		t.Errorf("%+v", c)
	}
}

func TestTheDiskIsWrittenAndLeftAsItWas(t *testing.T) {
	dir := t.TempDir()
	c := checkDisk(filepath.Join(dir, "not", "there", "yet"))
	if c.Status != OK && c.Status != Warn || !strings.HasPrefix(c.Detail, dir+": ") {
		t.Errorf("%+v", c)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if c := checkDisk("/proc/1"); c.Status == OK || c.Status == Warn {
		t.Errorf("a folder that can't be written: %+v", c)
	}
}

func TestHeatAndThrottlingAreSaid(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if c := checkTemperature(root); c.Status != Skip {
		t.Errorf("no zones: %+v", c)
	}
	write("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
	write("sys/class/thermal/thermal_zone0/temp", "51500\n")
	if c := checkTemperature(root); c.Status != OK || c.Detail != "cpu-thermal 51.5 °C" {
		t.Errorf("warm: %+v", c)
	}
	write("sys/class/thermal/thermal_zone0/temp", "81000\n")
	if c := checkTemperature(root); c.Status != Warn || !strings.Contains(c.Fix, "heat sink") {
		t.Errorf("hot: %+v", c)
	}
	write("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n")
	if c := checkTemperature(root); c.Status != Warn || !strings.Contains(c.Detail, "under-voltage") || !strings.Contains(c.Fix, "supply") {
		t.Errorf("a weak supply: %+v", c)
	}
}

func TestConfiguredPinsMustBeThere(t *testing.T) {
	g := board.GPIO{Trigger: board.Trigger{Pin: "GPIO17"}, LED: board.LED{Pin: "GPIO18"}}
	pins := boardtest.Pins{"GPIO17": boardtest.NewPin(false), "GPIO18": boardtest.NewPin(false)}
	if c := checkPins(t.TempDir(), g, pins.Open); c.Status != OK || c.Detail != "trigger GPIO17, led GPIO18" {
		t.Errorf("%+v", c)
	}
	if c := checkPins(t.TempDir(), g, boardtest.Pins{}.Open); c.Status != Missing || !strings.Contains(c.Detail, "gpio.trigger.pin GPIO17") {
		t.Errorf("%+v", c)
	}
	held := func(string) (board.Line, error) { return nil, os.ErrPermission }
	if c := checkPins(t.TempDir(), g, held); c.Status != Fail || !strings.Contains(c.Fix, "group gpio") {
		t.Errorf("%+v", c)
	}
	if c := checkPins(t.TempDir(), board.GPIO{}, held); c.Status != Skip {
		t.Errorf("%+v", c)
	}
}

func TestAPowerMonitorIsReadOnce(t *testing.T) {
	chip := boardtest.NewINA219()
	chip.Measure(5, 0.8)
	open := func(string) (board.Bus, error) { return chip, nil }
	if c := checkPower(t.Context(), board.INA219{Bus: "/dev/i2c-1"}, open); c.Status != OK || !strings.HasPrefix(c.Detail, "4.") || !chip.Closed() {
		t.Errorf("%+v", c)
	}
	chip = boardtest.NewINA219()
	chip.Fail(100, errors.New("no acknowledge"))
	if c := checkPower(t.Context(), board.INA219{Bus: "/dev/i2c-1"}, open); c.Status != Fail || !strings.Contains(c.Detail, "no acknowledge") {
		t.Errorf("%+v", c)
	}
	if c := checkPower(t.Context(), board.INA219{}, open); c.Status != Skip {
		t.Errorf("%+v", c)
	}
}
