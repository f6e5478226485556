package systemd

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/unit"
)

func options(t *testing.T) map[string][]string {
	t.Helper()
	list, err := unit.DeserializeOptions(bytes.NewReader(Unit))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, o := range list {
		key := o.Section + "." + o.Name
		out[key] = append(out[key], o.Value)
	}
	return out
}

func TestUnitSaysWhatTheDaemonReliesOn(t *testing.T) {
	got := options(t)
	for key, want := range map[string]string{
		"Service.Type":                     "notify",
		"Service.ExecStart":                "/usr/bin/edgevlm run --config /etc/edgevlm/config.yaml $EDGEVLM_ARGS",
		"Unit.ConditionPathExists":         "/etc/edgevlm/config.yaml",
		"Service.LoadCredential":           "mqtt-password", // without a path: one that is not there is no failure
		"Service.MemoryMax":                "90%",
		"Service.OOMPolicy":                "kill",
		"Service.StateDirectory":           "edgevlm", // /var/lib/edgevlm: the spool
		"Service.CacheDirectory":           "edgevlm",
		"Service.WatchdogSec":              "90s",
		"Service.RestartPreventExitStatus": "2", // usage or configuration
		"Service.User":                     "edgevlm",
		"Service.NoNewPrivileges":          "yes",
		"Service.CapabilityBoundingSet":    "",
		"Install.WantedBy":                 "multi-user.target",
	} {
		if v, ok := got[key]; !ok || v[0] != want {
			t.Errorf("%s is %q, want %q", key, v, want)
		}
	}
}

func TestUnitLetsTheDaemonReachItsDevices(t *testing.T) {
	got := options(t)
	allowed := strings.Join(got["Service.DeviceAllow"], "\n")
	for _, class := range []string{"char-video4linux", "char-media", "char-gpiochip", "char-i2c", "char-drm"} {
		if !strings.Contains(allowed, class+" rw") {
			t.Errorf("%s is not allowed", class)
		}
	}
	// A supplementary group that does not exist keeps a service from starting: sysusers makes each.
	for _, group := range strings.Fields(got["Service.SupplementaryGroups"][0]) {
		found := false
		for line := range strings.Lines(string(SysUsers)) {
			f := strings.Fields(line)
			found = found || len(f) > 1 && f[0] == "g" && f[1] == group
		}
		if !found {
			t.Errorf("nobody makes group %s", group)
		}
	}
}

func TestUnitExposureIsLow(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed: the unit's exposure is not measured")
	}
	if out, err := exec.Command("systemd-analyze", "security", "--help").CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--offline")) {
		t.Skip("this systemd-analyze has no --offline (before systemd 250): the unit's exposure is not measured")
	}
	// The threshold is in tenths: 15 is 1.5.
	out, err := exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=15", "edgevlm.service").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	t.Log(lines[len(lines)-1])
}

func TestUdevRulesNameOnlyGroupsThatExist(t *testing.T) {
	for line := range strings.Lines(string(UdevRules)) {
		_, after, ok := strings.Cut(line, `GROUP="`)
		if !ok {
			continue
		}
		group, _, _ := strings.Cut(after, `"`)
		if !strings.Contains(string(SysUsers), "g "+group) {
			t.Errorf("group %s: %s", group, line)
		}
	}
}
