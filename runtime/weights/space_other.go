//go:build unix && !linux

package weights

import "errors"

// reserveSpace has no portable form, and a mapping of a file without its space can crash on a full disk.
func reserveSpace(int, int64) error { return errors.New("disk space can't be reserved on this system") }
