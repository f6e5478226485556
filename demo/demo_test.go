package demo

import (
	"bytes"
	"strings"
	"testing"

	"github.com/edgevlm/edgevlm/demo/world"
)

func TestModelFilesAreGGUFAndSmall(t *testing.T) {
	for name, data := range map[string][]byte{"text": Text(), "mmproj": MMProj()} {
		if !bytes.HasPrefix(data, []byte("GGUF\x03\x00\x00\x00")) {
			t.Errorf("%s is not a GGUF v3 file", name)
		}
	}
	if n := len(Text()) + len(MMProj()); n > 8<<20 {
		t.Errorf("the model is %d bytes, more than 8 MiB", n)
	}
}

func TestClipsAreWholeAndTellDifferentThings(t *testing.T) {
	names, truths := map[string]bool{}, map[string]bool{}
	clips := Clips()
	if len(clips) < 6 || len(clips) > 8 {
		t.Errorf("%d clips, want 6 to 8", len(clips))
	}
	for _, c := range clips {
		if names[c.Name] || truths[c.Truth] {
			t.Errorf("%s: %q comes twice", c.Name, c.Truth)
		}
		names[c.Name], truths[c.Truth] = true, true
		if c.FPS != 2 || len(c.Frames) != 8 {
			t.Errorf("%s: %d frames at %g fps, want 8 at 2", c.Name, len(c.Frames), c.FPS)
		}
		if !strings.HasSuffix(c.Truth, ".") {
			t.Errorf("%s: truth %q is no sentence", c.Name, c.Truth)
		}
		for i, f := range c.Frames {
			if f.Bounds().Dx() != world.Size || f.Bounds().Dy() != world.Size {
				t.Errorf("%s: frame %d is %v", c.Name, i, f.Bounds())
			}
		}
	}
}

func TestSamplesAreInTheTrainedWorld(t *testing.T) {
	for _, s := range samples() {
		for _, o := range s.spec.Objects {
			if world.HeldOut(o.Class, o.Colour, o.Motion) {
				t.Errorf("%s: %s %s is a held-out combination", s.name, o.Phrase(), o.Motion)
			}
		}
	}
}
