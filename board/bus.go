package board

import (
	"fmt"
	"strconv"
	"strings"
)

// busNumber reads 1 or /dev/i2c-1.
func busNumber(name string) (int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(name, "/dev/i2c-"))
	if err != nil || n < 0 || n > 255 {
		return 0, fmt.Errorf("bus %q can't be read; write its number, 1 for /dev/i2c-1", name)
	}
	return n, nil
}
