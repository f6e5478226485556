package nputest

import (
	"context"
	"sync/atomic"

	"github.com/edgevlm/edgevlm/npu"
)

// Driver finds the devices of its delegates.
type Driver struct {
	DriverName string
	Delegates  []npu.Delegate // one for each device
	ProbeErr   error
	OpenErr    error
	// OpenModel, if set, opens a delegate for the model given; Delegates then only describe the devices.
	OpenModel func(ctx context.Context, d npu.Device, m npu.Model, o npu.Options) (npu.Delegate, error)
	Opened    atomic.Int64 // calls of Open
}

var _ npu.Driver = (*Driver)(nil)

// Name returns DriverName.
func (d *Driver) Name() string { return d.DriverName }

// Probe lists the delegates' devices.
func (d *Driver) Probe(context.Context) ([]npu.Device, error) {
	var out []npu.Device
	for _, x := range d.Delegates {
		out = append(out, x.Device())
	}
	return out, d.ProbeErr
}

// Open returns the delegate of that device.
func (d *Driver) Open(ctx context.Context, dev npu.Device, m npu.Model, o npu.Options) (npu.Delegate, error) {
	d.Opened.Add(1)
	if d.OpenErr != nil {
		return nil, d.OpenErr
	}
	if d.OpenModel != nil {
		return d.OpenModel(ctx, dev, m, o)
	}
	for _, x := range d.Delegates {
		if x.Device().ID == dev.ID && x.Device().Name == dev.Name {
			return x, nil
		}
	}
	return nil, npu.ErrUnsupported
}
