package gate

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"testing"
)

var show = flag.Bool("show", false, "print the pixels' hash instead of checking it")

// goldenPixels is the SHA-256 of 18 clips' pixels, words and labels. A change
// of it makes the trained model wrong about what it sees: train again. Print a
// new one with: go test ./demo/gate -run Golden -v -args -show
const goldenPixels = "08c52da13bb706bb4444fbf97421611124ce596bd2af8604e9a641b398cb359c"

func TestGoldenPixelsAreTheSameEverywhere(t *testing.T) {
	h := sha256.New()
	pix := make([]byte, MaxFrames*FrameBytes)
	labels, offsets := make([]int8, 256*NumLabels), make([]float32, 512)
	for _, split := range []Split{Train, Test, Held} {
		r := New(split, 7)
		for i := range uint64(6) {
			kind := Kind(i % 3)
			if split == Held {
				kind = Normal
			}
			s := r.Scene(i, kind)
			r.Render(s, pix)
			h.Write(pix[:s.Bytes()])
			s.Targets(labels, offsets)
			for _, v := range labels[:s.Cells()*NumLabels] {
				h.Write([]byte{byte(v)})
			}
			h.Write([]byte(s.Caption() + s.Reversed().Caption() + s.Prompt))
			for _, k := range s.Tasks {
				h.Write([]byte(string(k.Kind) + k.Q + k.A))
			}
		}
	}
	got := hex.EncodeToString(h.Sum(nil))
	if *show {
		t.Log(got)
		return
	}
	if got != goldenPixels {
		t.Errorf("pixels or words have changed: %s", got)
	}
}
