//go:build !linux

package board

import "fmt"

// OpenPin works on Linux only.
func OpenPin(string) (Line, error) { return nil, fmt.Errorf("%w: pins work on Linux only", ErrNoGPIO) }
