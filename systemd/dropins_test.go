package systemd

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/unit"
)

// mostExposure is what each drop-in may bring the unit to, in tenths as systemd-analyze counts.
const mostExposure = "15"

func TestDropInsKeepTheUnitsExposureLow(t *testing.T) {
	entries, err := fs.ReadDir(DropIns, "edgevlm.service.d")
	if err != nil || len(entries) == 0 {
		t.Fatalf("%d drop-ins, %v", len(entries), err)
	}
	analyze, lookErr := exec.LookPath("systemd-analyze")
	for _, e := range entries {
		text, err := DropIns.ReadFile("edgevlm.service.d/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		options, err := unit.DeserializeOptions(bytes.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", e.Name(), err)
		}
		for _, o := range options {
			if o.Section != "Service" {
				t.Errorf("%s: section %s", e.Name(), o.Section)
			}
		}
		if lookErr != nil {
			continue
		}
		// A drop-in's settings count as if they stood at the unit's end.
		service := append(bytes.Clone(Unit[:bytes.Index(Unit, []byte("[Install]"))]), text...)
		path := filepath.Join(t.TempDir(), "edgevlm.service")
		if err := os.WriteFile(path, service, 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(analyze, "security", "--no-pager", "--offline=true", "--threshold="+mostExposure, path).CombinedOutput()
		if strings.Contains(string(out), "unrecognized option") {
			t.Skip("this systemd-analyze has no --offline: the drop-ins' exposure is not measured")
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Logf("%s: %s", e.Name(), lines[len(lines)-1])
		if err != nil {
			t.Errorf("%s: %v\n%s", e.Name(), err, out)
		}
	}
	if lookErr != nil {
		t.Skip("systemd-analyze is not installed: the drop-ins' exposure is not measured")
	}
}
