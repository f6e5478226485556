package board_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/edgevlm/edgevlm/board"
)

func write(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestZonesLeaveOutSensorsThatAreOff(t *testing.T) {
	root := t.TempDir()
	for zone, v := range map[string][2]string{
		"thermal_zone0": {"bigcore0-thermal", "61234"}, "thermal_zone1": {"gpu-thermal", "0"},
		"thermal_zone2": {"npu-thermal", "-274000"}, "thermal_zone10": {"soc-thermal", "59000"}, "thermal_zone3": {"broken", "x"},
	} {
		write(t, root, "sys/class/thermal/"+zone+"/type", v[0]+"\n")
		write(t, root, "sys/class/thermal/"+zone+"/temp", v[1]+"\n")
	}
	zones := board.Zones(root)
	if len(zones) != 2 || zones[0].Name != "bigcore0-thermal" || zones[1].Name != "soc-thermal" {
		t.Errorf("%v", zones)
	}
	if hot, ok := board.Hottest(zones); !ok || hot.String() != "bigcore0-thermal 61.2 °C" {
		t.Errorf("%v %v", hot, ok)
	}
	if _, ok := board.Hottest(board.Zones(t.TempDir())); ok {
		t.Error("a board without sensors has a hottest one")
	}
}

func TestThrottling(t *testing.T) {
	const pi = "sys/devices/platform/soc/soc:firmware/get_throttled"
	for want, files := range map[string]map[string]string{
		"unknown":                       {},
		"none":                          {pi: "0\n"},
		"under-voltage":                 {pi: "50001\n"},
		"throttled":                     {pi: "0x80008\n"},
		"under-voltage, throttled":      {pi: "50005\n"},
		"none now, but since the start": {pi: "50000\n"},
	} {
		root := t.TempDir()
		for name, text := range files {
			write(t, root, name, text)
		}
		if got := board.ReadThrottling(root).String(); got != want {
			t.Errorf("%v: %q, want %q", files, got, want)
		}
	}
	root := t.TempDir()
	write(t, root, "sys/class/thermal/cooling_device0/type", "pwm-fan\n")
	write(t, root, "sys/class/thermal/cooling_device0/cur_state", "3\n")
	write(t, root, "sys/class/thermal/cooling_device1/type", "cpufreq-cpu0\n")
	write(t, root, "sys/class/thermal/cooling_device1/cur_state", "0\n")
	if got := board.ReadThrottling(root); got.Now() || !got.Known {
		t.Errorf("a fan that runs is no throttling: %+v", got)
	}
	write(t, root, "sys/class/thermal/cooling_device1/cur_state", "2\n")
	write(t, root, "sys/class/hwmon/hwmon1/name", "rpi_volt\n")
	write(t, root, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n")
	if got := board.ReadThrottling(root); !got.Capped || !got.UnderVoltage {
		t.Errorf("%+v", got)
	}
}
