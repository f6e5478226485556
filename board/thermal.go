package board

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Zone is one of the board's temperature sensors.
type Zone struct {
	Name    string // the kernel's name for it, such as cpu-thermal
	Celsius float64
}

// Zones reads the thermal zones below root (+"/sys/class/thermal"), in order of their numbers. Sensors that are off or answer
// nonsense are left out; a machine without any has none.
func Zones(root string) []Zone {
	dirs, _ := filepath.Glob(filepath.Join(root, "/sys/class/thermal/thermal_zone*"))
	slices.SortFunc(dirs, func(a, b string) int { return zoneNumber(a) - zoneNumber(b) })
	var out []Zone
	for _, d := range dirs {
		milli, err := strconv.ParseFloat(readLine(filepath.Join(d, "temp")), 64)
		c := milli / 1000
		// 0 is what some drivers report of a part that is switched off.
		if err != nil || math.IsNaN(c) || c <= -40 || c == 0 || c >= 200 {
			continue
		}
		name := readLine(filepath.Join(d, "type"))
		if name == "" {
			name = filepath.Base(d)
		}
		out = append(out, Zone{name, c})
	}
	return out
}

func zoneNumber(path string) int {
	n, _ := strconv.Atoi(path[strings.LastIndex(path, "zone")+len("zone"):])
	return n
}

// Hottest is the zone that decides, false if there is none.
func Hottest(zones []Zone) (Zone, bool) {
	if len(zones) == 0 {
		return Zone{}, false
	}
	return slices.MaxFunc(zones, func(a, b Zone) int {
		switch {
		case a.Celsius < b.Celsius:
			return -1
		case a.Celsius > b.Celsius:
			return 1
		}
		return 0
	}), true
}

// Throttling says what slows the board down now, or did since it was started.
type Throttling struct {
	UnderVoltage bool // now: the supply or its cable is too weak
	Capped       bool // now: the processor's frequency is held down
	// Occurred says that a Raspberry Pi's firmware saw either since the start.
	Occurred bool
	// Known says that the board has a way to tell at all.
	Known bool
}

// Now says whether anything slows the board down at the moment.
func (t Throttling) Now() bool { return t.UnderVoltage || t.Capped }

func (t Throttling) String() string {
	switch {
	case !t.Known:
		return "unknown"
	case t.UnderVoltage && t.Capped:
		return "under-voltage, throttled"
	case t.UnderVoltage:
		return "under-voltage"
	case t.Capped:
		return "throttled"
	case t.Occurred:
		return "none now, but since the start"
	}
	return "none"
}

// Bits of the Raspberry Pi firmware's get_throttled.
const (
	piUnderVoltage = 1 << 0
	piCapped       = 1 << 1
	piThrottled    = 1 << 2
	piSoftLimit    = 1 << 3
	piOccurred     = 0xF << 16
)

// ReadThrottling asks a Raspberry Pi's firmware where there is one, and the kernel's cooling devices everywhere: a processor
// that thermal management has slowed down has a state above 0.
func ReadThrottling(root string) Throttling {
	var t Throttling
	for _, pattern := range []string{"/sys/devices/platform/*/*firmware/get_throttled", "/sys/devices/platform/*firmware/get_throttled"} {
		files, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, f := range files {
			flags, err := strconv.ParseUint(strings.TrimPrefix(readLine(f), "0x"), 16, 32)
			if err != nil {
				continue
			}
			t.Known = true
			t.UnderVoltage = t.UnderVoltage || flags&piUnderVoltage != 0
			t.Capped = t.Capped || flags&(piCapped|piThrottled|piSoftLimit) != 0
			t.Occurred = t.Occurred || flags&piOccurred != 0
		}
	}
	alarms, _ := filepath.Glob(filepath.Join(root, "/sys/class/hwmon/hwmon*/in0_lcrit_alarm"))
	for _, f := range alarms {
		if readLine(filepath.Join(filepath.Dir(f), "name")) == "rpi_volt" {
			t.Known = true
			t.UnderVoltage = t.UnderVoltage || readLine(f) == "1"
		}
	}
	coolers, _ := filepath.Glob(filepath.Join(root, "/sys/class/thermal/cooling_device*"))
	for _, d := range coolers {
		kind := strings.ToLower(readLine(filepath.Join(d, "type")))
		if !strings.Contains(kind, "cpufreq") && !strings.Contains(kind, "processor") {
			continue // a fan cools, it doesn't slow down
		}
		if state, err := strconv.Atoi(readLine(filepath.Join(d, "cur_state"))); err == nil {
			t.Known = true
			t.Capped = t.Capped || state > 0
		}
	}
	return t
}

// String is the zone as people read it.
func (z Zone) String() string { return fmt.Sprintf("%s %.1f °C", z.Name, z.Celsius) }

func readLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}
