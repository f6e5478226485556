package stream_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

func TestMemoryIsFlatOverTenThousandPairs(t *testing.T) {
	e := openDemo(t, vlm.Options{MinPixels: 28 * 28, MaxPixels: 28 * 28, Threads: 1})
	f := newFilm(2)
	var frames []imageproc.RGB
	for i := range 48 {
		frames = append(frames, imageproc.Resize(f.frame(i), 28, 28))
	}
	for _, c := range []struct {
		name string
		n    int
		cfg  stream.Config
	}{
		{"exact", 10_000, stream.Config{Length: 4 * time.Second, FPS: 2}},
		{"rolling, with savings", 2_000, stream.Config{Mode: stream.Rolling, Length: 4 * time.Second, FPS: 2, Savings: stream.DefaultSavings()}},
	} {
		l := &live{t: t, w: newWindow(t, e, c.cfg)}
		heap := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		var first, last uint64
		n := c.n
		for i := range n {
			l.pair(frames[i%24*2], frames[i%24*2+1])
			switch i {
			case n/10 - 1:
				first = heap()
			case n - 1:
				last = heap()
			}
		}
		t.Logf("%s: %d kB in use after a tenth, %d kB at the end", c.name, first>>10, last>>10)
		if float64(last) > 1.02*float64(first) {
			t.Errorf("%s: %d bytes in use after a tenth, %d at the end", c.name, first, last)
		}
		if p := l.w.Counters().Pairs; p != uint64(n) {
			t.Errorf("%d pairs", p)
		}
		if err := l.w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
