// Package board is what a daemon needs of the board it runs on beside its cameras: a motion sensor and other edges on GPIO
// pins, a privacy switch, a status LED, a power monitor on I2C, temperatures, and the pace that heat and power allow.
//
// Nothing here stops the daemon. A pin that is busy, a sensor that doesn't answer: each is tried again with growing waits, said
// once in the log and kept in Status. What can't heal (a pin that the board lacks) is said once and left alone. A privacy
// switch that can't be read means private.
package board

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

var (
	// ErrNoPin says that the board has no such pin. It does not heal.
	ErrNoPin = errors.New("no such pin")
	// ErrNoGPIO says that there is no GPIO chip, or none that this user may open. It may heal: a driver that loads, a right that
	// is given.
	ErrNoGPIO = errors.New("no GPIO chip")
	// ErrNoBus says that the I2C bus isn't there (yet).
	ErrNoBus = errors.New("no such I2C bus")
)

// Config says what is connected. The zero value is a board without anything: temperatures are still read, and the pace is
// always full.
type Config struct {
	GPIO  GPIO
	Power Power
}

// GPIO are the pins in use, top key `gpio`:
//
//	gpio:
//	  trigger: { pin: GPIO17, edge: rising, pull: down, debounce: 200ms, cameras: [yard] }
//	  privacy: { pin: GPIO27, active: low, pull: up }
//	  led: { pin: GPIO22, active: high }
//
// A pin is a line's name as `gpioinfo` shows it (GPIO17), or CHIP/NUMBER (gpiochip0/17) where lines have no names. "" is none.
type GPIO struct {
	Trigger Trigger
	Privacy Privacy
	LED     LED
}

// Power says how hot and how hungry the board may get, top key `power`:
//
//	power:
//	  ina219: { bus: 1, address: 0x40, shunt: 0.1, max_amps: 3.2 }   # ohms, amperes
//	  every: 2s
//	  max_temperature: 80      # °C; 0: 80
//	  max_watts: 12            # 0: no limit
type Power struct {
	INA219 INA219
	// Every is the time between readings; 0 is 2 s.
	Every time.Duration
	Pace  PaceConfig
}

// Validate says what is wrong with a configuration, in one line that names the key.
func (c Config) Validate() error {
	used := map[string]string{}
	for _, p := range []struct{ key, pin string }{
		{"gpio.trigger.pin", c.GPIO.Trigger.Pin}, {"gpio.privacy.pin", c.GPIO.Privacy.Pin}, {"gpio.led.pin", c.GPIO.LED.Pin},
	} {
		if p.pin == "" {
			continue
		}
		if _, _, err := parsePin(p.pin); err != nil {
			return fmt.Errorf("board: %s: %w", p.key, err)
		}
		if other, ok := used[p.pin]; ok {
			return fmt.Errorf("board: %s: pin %s is %s already; give each its own", p.key, p.pin, other)
		}
		used[p.pin] = p.key
	}
	for _, err := range []error{c.GPIO.Trigger.Validate(), c.GPIO.Privacy.Validate(), c.GPIO.LED.Validate(),
		c.Power.INA219.Validate(), c.Power.Pace.Validate()} {
		if err != nil {
			return err
		}
	}
	if c.Power.Every < 0 || c.Power.Every > time.Hour {
		return fmt.Errorf("board: power.every: %v; use 0 to 1h", c.Power.Every)
	}
	return nil
}

// Hooks are told of what happens. Each may be nil, is called from one of Run's goroutines and must return soon.
type Hooks struct {
	// Trigger is called on each edge of the trigger pin, and each second while a motion sensor's output stays active.
	Trigger func(at time.Time)
	// Private is called once at the start if a privacy switch is configured, with true until it has been read, and then on
	// each change: close every camera when private. Why is "" for the switch itself, else what is wrong with it.
	Private func(private bool, why string)
	// Pace is called when the pace changes.
	Pace func(Pace)
}

// Options are what a Board may be told beside its configuration. The zero value is the real board.
type Options struct {
	Log *slog.Logger // nil: silent
	// OpenPin opens a pin; nil: OpenPin. Tests have boardtest's.
	OpenPin func(spec string) (Line, error)
	// OpenBus opens an I2C bus; nil: OpenBus.
	OpenBus func(name string) (Bus, error)
	// Root stands before /sys: tests put fixtures there.
	Root string
}

// Status is what a board says of itself, for statistics.
type Status struct {
	Private     bool
	Triggers    uint64 // since the start
	Temperature float64
	HasTemp     bool
	Zone        string // the hottest zone's name
	Throttling  Throttling
	Power       Reading
	HasPower    bool
	Pace        Pace
	// Faults names what does not work now, by part: "gpio.trigger", "gpio.privacy", "gpio.led", "power.ina219".
	Faults map[string]string
}

// Board runs the parts of a configuration.
type Board struct {
	cfg   Config
	hooks Hooks
	o     Options
	log   *slog.Logger
	lamp  *lamp
	pacer *Pacer

	mu     sync.Mutex
	status Status
	follow func(Pace)
	// following is held while a pace is decided and told of, so that nobody hears of two in the wrong order.
	following sync.Mutex
}

// New checks the configuration; it opens nothing yet.
func New(c Config, h Hooks, o Options) (*Board, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.OpenPin == nil {
		o.OpenPin = OpenPin
	}
	if o.OpenBus == nil {
		o.OpenBus = OpenBus
	}
	if c.Power.Every == 0 {
		c.Power.Every = 2 * time.Second
	}
	pacer, err := NewPacer(c.Power.Pace)
	if err != nil {
		return nil, err
	}
	return &Board{
		cfg: c, hooks: h, o: o, log: o.Log, lamp: newLamp(), pacer: pacer,
		status: Status{Private: c.GPIO.Privacy.Pin != "", Pace: pacer.Pace(), Faults: map[string]string{}},
	}, nil
}

// Run works until ctx ends. All pins are let go and all goroutines gone when it returns.
func (b *Board) Run(ctx context.Context) {
	var wg sync.WaitGroup
	start := func(pin string, part func(context.Context)) {
		if pin != "" {
			wg.Go(func() { part(ctx) })
		}
	}
	start(b.cfg.GPIO.Privacy.Pin, b.runPrivacy)
	start(b.cfg.GPIO.Trigger.Pin, b.runTrigger)
	start(b.cfg.GPIO.LED.Pin, b.runLED)
	start(b.cfg.Power.INA219.Bus, b.runPower)
	wg.Go(func() { b.runMonitor(ctx) })
	wg.Wait()
}

// Light says what the status LED shows. While the privacy switch is on it stays dark. It returns at once, and does nothing
// without an LED.
func (b *Board) Light(l Light) { b.lamp.show(l) }

// Status is the newest state. Safe for concurrent use.
func (b *Board) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.status
	s.Faults = make(map[string]string, len(b.status.Faults))
	for k, v := range b.status.Faults {
		s.Faults[k] = v
	}
	return s
}

func (b *Board) update(f func(*Status)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.status)
}
