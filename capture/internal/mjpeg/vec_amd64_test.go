//go:build linux

package mjpeg

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// fenced is n bytes that end where an unreadable page begins, or begin where one ends.
func fenced(t *testing.T, n int, atEnd bool) []byte {
	t.Helper()
	page := os.Getpagesize()
	body := (n + page - 1) / page * page
	m, err := unix.Mmap(-1, 0, body+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(m) })
	for _, fence := range [][]byte{m[:page], m[page+body:]} {
		if err := unix.Mprotect(fence, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	if atEnd {
		return m[page+body-n : page+body : page+body]
	}
	return m[page : page+n : page+n]
}

func needVector(t *testing.T) {
	if !vector {
		t.Skip("this machine has no AVX2, or EDGEVLM_ISA turns it off: the vector forms are not run")
	}
}

func TestTheVectorTransformIsThePortableOne(t *testing.T) {
	needVector(t)
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 20000 {
		var a [64]int32
		set := uint64(1)
		a[0] = int32(r.Uint32()) >> r.IntN(32)
		for range r.IntN(64) {
			at := r.IntN(64)
			a[at] = int32(r.Uint32()) >> r.IntN(32) // any bits at all, small ones more often
			set |= 1 << at
		}
		b := a
		const stride = 13
		want, got := make([]byte, 7*stride+8), fenced(t, 7*stride+8, n%2 == 0)
		if n > 50 {
			got = make([]byte, len(want)) // a few fences are enough
		}
		portableIDCT(&a, set, want, stride)
		if !vecIDCT(&b, got, stride) {
			t.Fatal("not used")
		}
		if !bytes.Equal(got, want) || a != b || a != [64]int32{} {
			t.Fatalf("block %d: %v\nwant %v; left %v, %v", n, got, want, b, a)
		}
	}
}

func TestTheVectorColoursAreThePortableOnes(t *testing.T) {
	needVector(t)
	r := rand.New(rand.NewPCG(3, 4))
	fill := func(s []byte) {
		for i := range s {
			s[i] = byte(r.Uint32())
		}
	}
	for n := range 200 {
		w := 1 + n
		ys, cb, cr := fenced(t, w, n%2 == 0), fenced(t, (w+1)/2, n%2 == 0), fenced(t, (w+1)/2, n%2 == 0)
		fill(ys)
		fill(cb)
		fill(cr)
		got, want := fenced(t, 3*w, n%2 == 0), make([]byte, 3*w)
		RGBRow(got, ys, cb, cr, 1)
		for x, y := range ys { // each alone, which no vector takes
			RGBRow(want[3*x:][:3], []byte{y}, cb[x/2:], cr[x/2:], 0)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%d pixels: %v, want %v", w, got, want)
		}
	}
}
