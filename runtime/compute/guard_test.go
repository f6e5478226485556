//go:build linux

package compute

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// guarded returns n elements that end where an unreadable page begins, or begin where one ends.
func guarded[T any](t *testing.T, n int, atEnd bool) []T {
	t.Helper()
	var z T
	size, page := n*int(unsafe.Sizeof(z)), os.Getpagesize()
	body := (size + page - 1) / page * page
	m, err := unix.Mmap(-1, 0, body+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(m) })
	for _, guard := range [][]byte{m[:page], m[page+body:]} {
		if err := unix.Mprotect(guard, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	from := page
	if atEnd {
		from += body - size
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&m[from])), n)
}

// No operator touches memory outside its slices: a fault here ends the test binary.
func TestOperatorsStayInsideTheirSlices(t *testing.T) {
	bothForms(t, stayInside)
}

func stayInside(t *testing.T) {
	for _, end := range []bool{true, false} {
		for _, n := range lengths {
			f := func() []float32 { return guarded[float32](t, n, end) }
			x, y, z, w := f(), f(), f(), f()
			h := guarded[uint16](t, n, end)
			RMSNorm(x, y, z, 1, 1e-6)
			LayerNorm(x, y, z, w, 1, 1e-6)
			SiLUMul(x, y)
			QuickGELU(x)
			GELU(x)
			Softmax(x)
			ToF16(h, x)
			FromF16(x, h)
			if n%2 == 0 {
				RotateHalves(x, y[:n/2], z[:n/2])
			}
			RotateHalves(guarded[float32](t, 2*n, end), y, z)
		}
		for _, m := range []int{1, 2, 3, 5, 7, 9, 14} {
			for _, n := range []int{1, 4, 8, 12, 17, 24, 32, 56} {
				for _, k := range []int{1, 3, 4, 7} {
					a, b, c := guarded[float32](t, m*k, end), guarded[float32](t, k*n, end), guarded[float32](t, m*n, end)
					gemm(c, n, a, k, b, n, m, n, k, true)
				}
			}
		}
		for _, c := range [][3]int{{1, 1, 4}, {3, 65, 20}, {9, 130, 16}, {3, 131, 80}} {
			m, n, hd := c[0], c[1], c[2]
			g := func(n int) []float32 { return guarded[float32](t, n, end) }
			if hd%16 == 0 {
				ld := (n + 15) &^ 15
				kp, vp := guarded[uint32](t, hd/2*ld, end), guarded[uint32](t, (n+1)/2*hd, end)
				AttendBF16(g(m*hd), hd, g(m*hd), hd, kp, ld, vp, hd, m, n, hd, 1)
			}
			Attend(g(m*hd), hd, g(m*hd), hd, g(hd*n), n, g(n*hd), hd, m, n, hd, 1)
			span := KVSpan{K: guarded[uint16](t, hd*64, end), V: guarded[uint16](t, 64*hd, end), Lo: 3, Hi: 64}
			AttendSpans(g(hd), hd, g(hd), hd, 1, 1, hd, 1, 60, []KVSpan{span})
		}
	}
}
