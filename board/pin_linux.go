package board

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"periph.io/x/conn/v3/driver/driverreg"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/host/v3/gpioioctl"
)

// OpenPin finds a line among the machine's GPIO chips. It is not requested before In or Out. A name that no line has is
// ErrNoPin, a machine without GPIO chips ErrNoGPIO.
func OpenPin(spec string) (Line, error) {
	chipName, lineName, err := parsePin(spec)
	if err != nil {
		return nil, err
	}
	chips, err := chips()
	if err != nil {
		return nil, err
	}
	for _, c := range chips {
		if chipName != "" && chipName != c.Name() && chipName != c.Label() && chipName != filepath.Base(c.Path()) {
			continue
		}
		for i, l := range c.Lines() {
			// periph.io puts the chip's name before a line's where another chip has one of that name.
			if chipName != "" && strconv.Itoa(i) == lineName ||
				chipName == "" && (l.Name() == lineName || l.Name() == c.Name()+"-"+lineName) {
				node, err := os.Stat(c.Path())
				if err != nil {
					return nil, gone(c, err)
				}
				return &chipLine{l, c, node}, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: %s; the board has %s", ErrNoPin, spec, describe(chips))
}

// periph.io looks for chips once in a process's life, so it must not look before there are some.
var chipsOnce struct {
	sync.Mutex
	done bool
}

func chips() ([]*gpioioctl.GPIOChip, error) {
	chipsOnce.Lock()
	defer chipsOnce.Unlock()
	if !chipsOnce.done {
		if err := chipsReady(); err != nil {
			return nil, err
		}
		if _, err := driverreg.Init(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoGPIO, err)
		}
		chipsOnce.done = true
	}
	if len(gpioioctl.Chips) == 0 {
		return nil, fmt.Errorf("%w that answers; restart the daemon once there is one", ErrNoGPIO)
	}
	return gpioioctl.Chips, nil
}

// chipsReady says whether all chips can be opened.
func chipsReady() error {
	nodes, _ := filepath.Glob("/dev/gpiochip*")
	if len(nodes) == 0 {
		return fmt.Errorf("%w: no /dev/gpiochip*; is the board's GPIO driver loaded", ErrNoGPIO)
	}
	for _, n := range nodes {
		f, err := os.Open(n)
		switch {
		case errors.Is(err, os.ErrPermission):
			return fmt.Errorf("%w: %w; add the user to the group gpio (udev rules: 70-edgevlm.rules)", ErrNoGPIO, err)
		case err != nil:
			return fmt.Errorf("%w: %w", ErrNoGPIO, err)
		}
		f.Close()
	}
	return nil
}

// describe names what there is, briefly.
func describe(chips []*gpioioctl.GPIOChip) string {
	var out []string
	for _, c := range chips {
		var names []string
		for _, l := range c.Lines() {
			if l.Name() != "" && len(names) < 4 {
				names = append(names, l.Name())
			}
		}
		s := fmt.Sprintf("%s with %d lines", c.Name(), c.LineCount())
		if len(names) > 0 {
			s += " (" + strings.Join(names, ", ") + " ...)"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func gone(c *gpioioctl.GPIOChip, err error) error {
	return fmt.Errorf("%w: %s is gone (%w); restart the daemon once it is back", ErrNoGPIO, c.Name(), err)
}

// chipLine is periph.io's line.
type chipLine struct {
	*gpioioctl.GPIOLine
	chip *gpioioctl.GPIOChip
	node os.FileInfo // of the chip's device, to see whether it is still the same
}

// In implements Line. A line that could not be had must not look open afterwards: periph.io remembers it as an input without
// a file descriptor, and would then use descriptor 0.
func (l *chipLine) In(pull gpio.Pull, edge gpio.Edge) error {
	err := l.GPIOLine.In(pull, edge)
	if err != nil {
		l.Close()
	}
	return busy(err)
}

// Out implements Line.
func (l *chipLine) Out(level gpio.Level) error {
	err := l.GPIOLine.Out(level)
	if err != nil {
		l.Close()
	}
	return busy(err)
}

func (l *chipLine) Alive() error {
	node, err := os.Stat(l.chip.Path())
	if err != nil {
		return gone(l.chip, err)
	}
	if !os.SameFile(node, l.node) {
		return gone(l.chip, errors.New("another chip took its place"))
	}
	return nil
}

func busy(err error) error {
	if err != nil && strings.Contains(err.Error(), "busy") {
		return fmt.Errorf("%w; another program or driver holds the pin, `gpioinfo` says which", err)
	}
	return err
}
