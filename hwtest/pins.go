package hwtest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/edgevlm/edgevlm/board"
)

// checkTemperature reads the thermal zones, and whether the board holds back.
func checkTemperature(root string) Check {
	zone, ok := board.Hottest(board.Zones(root))
	if !ok {
		return skipped("temperature", "this machine has no thermal zones", "")
	}
	c := Check{Name: "temperature", Status: OK, Detail: zone.String()}
	t := board.ReadThrottling(root)
	if t.Known {
		c.Detail += ", throttling: " + t.String()
	}
	switch {
	case t.UnderVoltage:
		c.Status, c.Fix = Warn, "the power supply or its cable is too weak: use the board's own supply"
	case t.Capped:
		c.Status, c.Fix = Warn, "the processor is held back: give it a heat sink or a fan"
	case zone.Celsius >= 75:
		c.Status, c.Fix = Warn, "hot before any work: give it a heat sink or a fan, or set power.max_temperature"
	}
	return c
}

// checkPins opens the configured pins without driving them, and names the chips
// that there are.
func checkPins(root string, g board.GPIO, open func(string) (board.Line, error)) Check {
	chips, _ := filepath.Glob(filepath.Join("/", root, "dev/gpiochip*"))
	for i := range chips {
		chips[i] = filepath.Base(chips[i])
	}
	there := "no GPIO chip"
	if len(chips) > 0 {
		there = strings.Join(chips, ", ")
	}
	var detail []string
	for _, p := range []struct{ use, pin string }{{"trigger", g.Trigger.Pin}, {"privacy", g.Privacy.Pin}, {"led", g.LED.Pin}} {
		if p.pin == "" {
			continue
		}
		_, err := open(p.pin)
		switch {
		case errors.Is(err, board.ErrNoPin), errors.Is(err, board.ErrNoGPIO):
			return Check{Name: "pins", Status: Missing, Detail: fmt.Sprintf("gpio.%s.pin %s: %s; this machine has %s", p.use, p.pin, line(err), there),
				Fix: "correct the pin in the config; `gpioinfo` lists them"}
		case err != nil:
			return Check{Name: "pins", Status: Fail, Detail: fmt.Sprintf("gpio.%s.pin %s: %s", p.use, p.pin, line(err)),
				Fix: "join the group gpio, and see that nothing else holds the pin"}
		}
		detail = append(detail, p.use+" "+p.pin)
	}
	if len(detail) == 0 {
		return skipped("pins", "none are configured; this machine has "+there, "")
	}
	return Check{Name: "pins", Status: OK, Detail: strings.Join(detail, ", ")}
}

// checkPower reads the power monitor once.
func checkPower(ctx context.Context, p board.INA219, open func(string) (board.Bus, error)) Check {
	if p.Bus == "" {
		return skipped("power", "no power monitor is configured", "")
	}
	c := Check{Name: "power", Status: Fail, Fix: "check the wiring and power.ina219.address; `i2cdetect -y 1` shows what answers"}
	bus, err := open(p.Bus)
	if errors.Is(err, board.ErrNoBus) {
		c.Status, c.Detail, c.Fix = Missing, line(err), "switch I2C on (raspi-config, or dtparam=i2c_arm=on), or correct power.ina219.bus"
		return c
	}
	if err == nil {
		defer bus.Close()
		var m *board.Monitor
		if m, err = board.NewMonitor(ctx, bus, p); err == nil {
			var r board.Reading
			if r, err = m.Read(ctx); err == nil {
				return Check{Name: "power", Status: OK, Detail: fmt.Sprintf("%.2f W, %.2f V", r.Watts, r.Volts)}
			}
		}
	}
	c.Detail = line(err)
	return c
}
