package board

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Line is one GPIO line, as periph.io has it, with two things that periph's lacks. One goroutine uses it at a time.
type Line interface {
	In(pull gpio.Pull, edge gpio.Edge) error
	// Out makes the line an output. An output is never read: in periph.io that would turn it into an input.
	Out(l gpio.Level) error
	Read() gpio.Level
	WaitForEdge(timeout time.Duration) bool
	// Alive says whether the chip that the line belongs to is still there.
	Alive() error
	// Close lets go of the line.
	Close()
}

// parsePin takes a pin's name apart: chip is "" for a line's name, else line is a number on that chip.
func parsePin(spec string) (chip, line string, err error) {
	bad := fmt.Errorf("pin %q can't be read; write a line's name like GPIO17, or gpiochip0/17", spec)
	if spec == "" || strings.ContainsAny(spec, " \t\n") {
		return "", "", bad
	}
	chip, line, ok := strings.Cut(spec, "/")
	if !ok {
		return "", spec, nil
	}
	if n, err := strconv.Atoi(line); err != nil || n < 0 || chip == "" {
		return "", "", bad
	}
	return chip, line, nil
}

// pullOf is a configuration's word for a resistor.
func pullOf(word string) (gpio.Pull, error) {
	switch word {
	case "":
		return gpio.PullNoChange, nil
	case "up":
		return gpio.PullUp, nil
	case "down":
		return gpio.PullDown, nil
	case "none":
		return gpio.Float, nil
	}
	return 0, fmt.Errorf("pull %q; use up, down or none", word)
}

// levelOf is a configuration's word for the level that means yes; otherwise is the one meant by "".
func levelOf(word string, otherwise gpio.Level) (gpio.Level, error) {
	switch word {
	case "":
		return otherwise, nil
	case "high":
		return gpio.High, nil
	case "low":
		return gpio.Low, nil
	}
	return false, fmt.Errorf("active %q; use high or low", word)
}

const (
	// pollEvery bounds how long an edge may go unseen, and how soon the end of a context is noticed.
	pollEvery = 250 * time.Millisecond
	// A wait that returns without an edge and far too soon is a line that has failed: periph.io has no error there. So many in
	// a row are believed.
	maxEarly = 3
)

// watcher waits for edges on an input line and tells a quiet line from a dead one.
type watcher struct {
	line  Line
	early int
}

// wait waits for an edge, at most pollEvery. An error says that the line is of no use any more.
func (w *watcher) wait(ctx context.Context) (edge bool, err error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	began := time.Now()
	edge = w.line.WaitForEdge(pollEvery)
	if err := w.line.Alive(); err != nil {
		return false, err
	}
	if edge || time.Since(began) > pollEvery/2 {
		w.early = 0
		return edge, nil
	}
	if w.early++; w.early >= maxEarly {
		return false, errors.New("the pin can't be waited for; does its chip support interrupts on it")
	}
	return false, nil
}
