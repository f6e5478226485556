package stream_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/edgevlm/edgevlm/demo"
	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openDemo(t testing.TB, o vlm.Options) *vlm.Engine {
	t.Helper()
	e, err := vlm.OpenBytes(context.Background(), demo.Text(), demo.MMProj(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func newWindow(t testing.TB, e *vlm.Engine, c stream.Config) *stream.Window {
	t.Helper()
	w, err := stream.New(context.Background(), e, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func newPairs(t testing.TB, fps float64, length time.Duration) *stream.Pairs {
	t.Helper()
	p, err := stream.NewPairs(fps, length)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// clipFrames is how many frames each clip of a film has.
const clipFrames = 8

// film is clips of the demo's world one after the other: every frame differs from every other.
type film struct {
	r    *gate.Renderer
	pix  []byte
	clip int
}

func newFilm(seed uint64) *film { return &film{r: gate.New(gate.Test, seed), clip: -1} }

func (f *film) frame(i int) imageproc.RGB {
	if c := i / clipFrames; c != f.clip {
		s := f.r.SceneOf(uint64(c), gate.Normal, clipFrames)
		f.clip, f.pix = c, make([]byte, s.Bytes())
		f.r.Render(s, f.pix)
	}
	o := i % clipFrames * gate.FrameBytes
	return imageproc.RGB{W: gate.Size, H: gate.Size, Pix: f.pix[o : o+gate.FrameBytes : o+gate.FrameBytes]}
}

// begin is when tests start.
var begin = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
