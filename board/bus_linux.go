package board

import (
	"errors"
	"fmt"
	"os"

	"periph.io/x/host/v3/sysfs"
)

// OpenBus opens an I2C bus of this machine, by its number or its device's path. ErrNoBus says that it isn't there.
func OpenBus(name string) (Bus, error) {
	n, err := busNumber(name)
	if err != nil {
		return nil, err
	}
	path := fmt.Sprintf("/dev/i2c-%d", n)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%w: %s; switch I2C on (raspi-config, or a device tree overlay) and load the module i2c-dev", ErrNoBus, path)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%w: %w; add the user to the group i2c (udev rules: 70-edgevlm.rules)", ErrNoBus, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNoBus, err)
	}
	f.Close()
	return sysfs.NewI2C(n)
}
