package hwtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		OpenModel: func(context.Context) (*vlm.Engine, error) { return nil, errors.New("no such model") },
		Broker:    "mqtt://host", Connect: fails,
	}, nil)
	want := map[string]Status{"cpu": OK, "kernels": OK, "memory": OK, "camera gone": Missing, "camera odd": Fail, "model": Fail, "broker": Fail}
	if quant.ISA() == "generic" {
		want["cpu"] = Warn
	}
	if len(all) != len(want) {
		t.Fatalf("%d checks", len(all))
	}
	for _, c := range all {
		if c.Status != want[c.Name] || (c.Status != OK) != (c.Fix != "") || strings.Contains(c.Detail, "\n") {
			t.Errorf("%+v, want %s", c, want[c.Name])
		}
	}
	if w := Worst(all); w != Fail {
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
