package boardtest

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/edgevlm/edgevlm/board"
)

// INA219 is a bus with one such chip, at Address, that measures what the test says. It does the arithmetic of the data sheet:
// current only comes out once the calibration register is written.
type INA219 struct {
	Address uint16
	Shunt   float64 // ohms

	mu          sync.Mutex
	regs        [6]uint16
	volts, amps float64
	fail        int // transfers that fail from now on; negative: all
	err         error
	transfers   int
	closed      bool
}

var _ board.Bus = (*INA219)(nil)

const powerOn = 0x399F // the configuration register after power came on

// NewINA219 is a chip at 0x40 with a shunt of 0.1 ohms, as it is when power came on.
func NewINA219() *INA219 {
	c := &INA219{Address: 0x40, Shunt: 0.1}
	c.BrownOut()
	return c
}

// Measure says what there is to measure.
func (c *INA219) Measure(volts, amps float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.volts, c.amps = volts, amps
}

// Fail makes the next n transfers fail with err; n < 0 is all from now on, 0 none.
func (c *INA219) Fail(n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail, c.err = n, err
}

// BrownOut makes the chip forget its set-up.
func (c *INA219) BrownOut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.regs = [6]uint16{powerOn}
}

// Register is a register's content, for a test to look at.
func (c *INA219) Register(n int) uint16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.regs[n]
}

// Closed says whether the bus was closed.
func (c *INA219) Closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Close implements board.Bus.
func (c *INA219) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}

// Tx implements board.Bus.
func (c *INA219) Tx(addr uint16, w, r []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.transfers++
	if c.fail != 0 {
		c.fail--
		return c.err
	}
	if addr != c.Address || len(w) == 0 || int(w[0]) >= len(c.regs) {
		return errors.New("no such device or address")
	}
	reg := w[0]
	if len(w) == 3 {
		v := binary.BigEndian.Uint16(w[1:])
		if reg == 5 {
			v &^= 1 // not a bit of the chip's
		}
		if reg == 0 || reg == 5 {
			c.regs[reg] = v
		}
	}
	if len(r) == 2 {
		c.measure()
		binary.BigEndian.PutUint16(r, c.regs[reg])
	}
	return nil
}

func (c *INA219) measure() {
	shunt := int(c.amps * c.Shunt / 10e-6)
	c.regs[1] = uint16(int16(shunt))
	current := shunt * int(c.regs[5]) / 4096
	c.regs[2] = uint16(c.volts/0.004)<<3 | 2
	if current > 32767 || current < -32768 {
		c.regs[2] |= 1
	}
	c.regs[4] = uint16(int16(current))
}
