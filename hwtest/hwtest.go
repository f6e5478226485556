// Package hwtest finds out what a board can do: each check says what is there
// and, where something is wrong, what to do about it. The command `edgevlm
// hwtest` prints its report.
package hwtest

import (
	"context"
	"time"

	"github.com/edgevlm/edgevlm/board"
	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// Status is a check's outcome.
type Status string

// The outcomes. Missing is a device that the configuration needs and that isn't
// there; it is apart from Fail so that scripts can tell them from each other.
const (
	OK      Status = "ok"
	Warn    Status = "warn"
	Fail    Status = "fail"
	Missing Status = "missing"
	// Skip is a check that could not or need not be made; Detail says why.
	Skip Status = "skip"
)

// Check is one line of the report.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Detail string `json:"detail"`           // what was found
	Fix    string `json:"fix,omitempty"`    // what to do about it
	TookMS int64  `json:"took_ms,omitzero"` // how long the check took
}

// Camera is a camera that must work.
type Camera struct {
	Name, Source  string
	Width, Height int
}

// Options say what to check beside the board itself.
type Options struct {
	// Cameras that must give a frame. Empty: those that are plugged in.
	Cameras []Camera
	// Dir is where the queue lies: its disk is measured. "" is memory.
	Dir string
	// Board are the pins and the power monitor that must be there.
	Board board.Config
	// OpenModel opens the model that must describe a picture; nil: skipped.
	OpenModel func(ctx context.Context) (*vlm.Engine, error)
	// ModelBytes is the size of the model's files; 0: the embedded one.
	ModelBytes int64
	// Broker names the broker and Connect reaches it; Connect nil: skipped.
	Broker  string
	Connect func(ctx context.Context) error
	// Root stands before /proc and /sys: tests put fixtures there.
	Root string
}

// Run makes all checks, one after the other, and calls each with every one as it
// is done; each may be nil. A check that takes too long fails.
func Run(ctx context.Context, o Options, each func(Check)) []Check {
	var all []Check
	add := func(f func(context.Context) Check, limit time.Duration) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		start := time.Now()
		c := f(ctx)
		c.TookMS = time.Since(start).Milliseconds()
		all = append(all, c)
		if each != nil {
			each(c)
		}
	}
	const short = 10 * time.Second
	add(func(context.Context) Check { return checkCPU(o.Root) }, short)
	add(func(context.Context) Check { return checkKernels() }, short)
	add(func(context.Context) Check { return checkMemory(o.Root, o.ModelBytes) }, short)
	add(func(context.Context) Check { return checkDisk(o.Dir) }, time.Minute)
	add(func(context.Context) Check { return checkTemperature(o.Root) }, short)
	devices, err := capture.Devices()
	add(func(context.Context) Check { return checkDevices(devices, err, len(o.Cameras) > 0) }, short)
	cameras := o.Cameras
	if len(cameras) == 0 {
		cameras = pluggedIn(devices)
	}
	for _, cam := range cameras {
		add(func(ctx context.Context) Check { return checkCamera(ctx, cam) }, 20*time.Second)
	}
	if len(cameras) == 0 {
		add(func(context.Context) Check {
			return skipped("frame", "there is no camera to take one from", "give --config with a camera in it")
		}, short)
	}
	add(func(context.Context) Check { return checkPins(o.Root, o.Board.GPIO, board.OpenPin) }, short)
	add(func(ctx context.Context) Check { return checkPower(ctx, o.Board.Power.INA219, board.OpenBus) }, short)
	if o.OpenModel != nil {
		add(func(ctx context.Context) Check { return checkModel(ctx, o.OpenModel) }, 10*time.Minute)
	} else {
		add(func(context.Context) Check { return skipped("model", "none was asked for", "") }, short)
	}
	if o.Connect != nil {
		add(func(ctx context.Context) Check { return checkBroker(ctx, o.Broker, o.Connect) }, short)
	} else {
		add(func(context.Context) Check {
			return skipped("broker", "no configuration names one", "give --config; `edgevlm init` writes one")
		}, short)
	}
	return all
}

func skipped(name, why, fix string) Check {
	return Check{Name: name, Status: Skip, Detail: why, Fix: fix}
}

// Worst is the gravest status: Fail, then Missing, Warn, OK. What was skipped
// counts as OK.
func Worst(all []Check) Status {
	rank := map[Status]int{Skip: 0, OK: 0, Warn: 1, Missing: 2, Fail: 3}
	worst := OK
	for _, c := range all {
		if rank[c.Status] > rank[worst] {
			worst = c.Status
		}
	}
	return worst
}
