//go:build unix

package quant

import "golang.org/x/sys/unix"

// mapFrom is the size from which weights get a mapping of their own.
const mapFrom = 64 << 10

// allocate returns n zeroed bytes, aligned to 64, and how to free them. Large ones lie outside the Go heap: the
// collector neither scans nor counts them.
func allocate(n int) (b []byte, free func([]byte)) {
	if n >= mapFrom {
		if b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE); err == nil {
			return b, func(b []byte) { _ = unix.Munmap(b) }
		}
	}
	return aligned(n), nil
}
