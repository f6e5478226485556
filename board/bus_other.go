//go:build !linux

package board

import "fmt"

// OpenBus works on Linux only.
func OpenBus(string) (Bus, error) { return nil, fmt.Errorf("%w: I2C works on Linux only", ErrNoBus) }
