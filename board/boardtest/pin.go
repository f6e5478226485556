// Package boardtest has stand-ins for what a board carries: GPIO lines and an INA219 on an I2C bus.
package boardtest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"

	"github.com/edgevlm/edgevlm/board"
)

// Pins are lines by name. Open is a board.Options.OpenPin.
type Pins map[string]*Pin

// Open finds a line; another name is board.ErrNoPin.
func (p Pins) Open(spec string) (board.Line, error) {
	pin, ok := p[spec]
	if !ok {
		return nil, fmt.Errorf("%w: %s", board.ErrNoPin, spec)
	}
	pin.mu.Lock()
	defer pin.mu.Unlock()
	if pin.busy != nil {
		return nil, pin.busy
	}
	pin.opened++
	return pin, nil
}

// Pin is one line. The test drives it with Set and Fail, and looks at it with Level.
type Pin struct {
	mu     sync.Mutex
	level  gpio.Level
	output bool
	edge   gpio.Edge
	edges  chan struct{}
	gone   error
	dead   bool
	busy   error
	opened int
	writes []gpio.Level
	reads  int // of an output, which must not be
}

var _ board.Line = (*Pin)(nil)

// NewPin is an input at a level.
func NewPin(level gpio.Level) *Pin { return &Pin{level: level, edges: make(chan struct{}, 64)} }

// Set is what happens outside: the line goes to a level.
func (p *Pin) Set(l gpio.Level) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rises, falls := bool(!p.level && l), bool(p.level && !l)
	p.level = l
	if rises && (p.edge == gpio.RisingEdge || p.edge == gpio.BothEdges) ||
		falls && (p.edge == gpio.FallingEdge || p.edge == gpio.BothEdges) {
		select {
		case p.edges <- struct{}{}:
		default:
		}
	}
}

// Fail makes the chip vanish with an error; nil brings it back.
func (p *Pin) Fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = err
}

// Deaf makes waits for edges return at once, as they do on a line that can't be waited for.
func (p *Pin) Deaf(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = deaf
}

// Busy makes Open fail; nil ends that.
func (p *Pin) Busy(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = err
}

// Level is the line's level, and whether it is an output.
func (p *Pin) Level() (l gpio.Level, output bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.level, p.output
}

// Writes are the levels that were written, and how often an output was read.
func (p *Pin) Writes() (levels []gpio.Level, reads int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]gpio.Level(nil), p.writes...), p.reads
}

// Opened is how often the line was opened.
func (p *Pin) Opened() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened
}

// In implements board.Line.
func (p *Pin) In(_ gpio.Pull, edge gpio.Edge) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.output, p.edge = false, edge
	return p.gone
}

// Out implements board.Line.
func (p *Pin) Out(l gpio.Level) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone != nil {
		return p.gone
	}
	p.output, p.level = true, l
	p.writes = append(p.writes, l)
	return nil
}

// Read implements board.Line: as periph.io's does, it makes an input of an output, and is low when it fails.
func (p *Pin) Read() gpio.Level {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.output {
		p.reads++
		p.output = false
	}
	return p.level && gpio.Level(p.gone == nil)
}

// WaitForEdge implements board.Line.
func (p *Pin) WaitForEdge(timeout time.Duration) bool {
	p.mu.Lock()
	dead := p.dead
	p.mu.Unlock()
	if dead {
		return false
	}
	select {
	case <-p.edges:
		return true
	case <-time.After(timeout):
		return false
	}
}

// Alive implements board.Line.
func (p *Pin) Alive() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gone
}

// Close implements board.Line.
func (p *Pin) Close() {}

// ErrUnplugged is an error to fail with.
var ErrUnplugged = errors.New("unplugged")
