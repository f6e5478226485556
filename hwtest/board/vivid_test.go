//go:build board

package board_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ioctls and structures of linux/videodev2.h.
const (
	vidiocSCtrl     = 3<<30 | 8<<16 | 'V'<<8 | 28
	vidiocQueryCtrl = 3<<30 | 68<<16 | 'V'<<8 | 36
	flagNextCtrl    = 0x80000000
)

// control sets a control of the camera by its name: vivid has buttons that inject errors.
func control(t *testing.T, name string, value int32) {
	t.Helper()
	f, err := os.OpenFile(camera, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var names []string
	for id := uint32(flagNextCtrl); ; {
		var q [68]byte
		binary.NativeEndian.PutUint32(q[:], id)
		if err := ioctl(f, vidiocQueryCtrl, unsafe.Pointer(&q)); err != nil {
			t.Fatalf("no control %q; there are %q", name, names)
		}
		id = binary.NativeEndian.Uint32(q[:])
		got, _, _ := strings.Cut(string(q[8:40]), "\x00")
		names = append(names, got)
		if got == name {
			var c [8]byte
			binary.NativeEndian.PutUint32(c[:], id)
			binary.NativeEndian.PutUint32(c[4:], uint32(value))
			if err := ioctl(f, vidiocSCtrl, unsafe.Pointer(&c)); err != nil {
				t.Fatalf("set %s: %v", name, err)
			}
			return
		}
		id |= flagNextCtrl
	}
}

func ioctl(f *os.File, op uintptr, arg unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), op, uintptr(arg))
	if errno != 0 {
		return fmt.Errorf("ioctl %#x: %w", op, errno)
	}
	return nil
}
