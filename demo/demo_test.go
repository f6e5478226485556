package demo_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/edgevlm/edgevlm/demo"
	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/demo/gate/eval"
)

func TestModelFilesAreGGUFAndSmall(t *testing.T) {
	for name, data := range map[string][]byte{"text": demo.Text(), "mmproj": demo.MMProj()} {
		if !bytes.HasPrefix(data, []byte("GGUF\x03\x00\x00\x00")) {
			t.Errorf("%s is not a GGUF v3 file", name)
		}
	}
	if n := len(demo.Text()) + len(demo.MMProj()); n > 8<<20 {
		t.Errorf("the model is %d bytes, more than 8 MiB", n)
	}
}

func TestClipsAreWholeAndTellDifferentThings(t *testing.T) {
	names, truths := map[string]bool{}, map[string]bool{}
	clips := demo.Clips()
	for _, c := range clips {
		if names[c.Name] || truths[c.Truth] {
			t.Errorf("%s: %q comes twice", c.Name, c.Truth)
		}
		names[c.Name], truths[c.Truth] = true, true
		if len(c.Frames)%2 != 0 || c.FPS <= 0 {
			t.Errorf("%s: %d frames at %g fps, want an even number of them", c.Name, len(c.Frames), c.FPS)
		}
		if !strings.HasSuffix(c.Truth, ".") {
			t.Errorf("%s: truth %q is no sentence", c.Name, c.Truth)
		}
		for i, f := range c.Frames {
			if f.Bounds().Dx() != gate.Size || f.Bounds().Dy() != gate.Size {
				t.Errorf("%s: frame %d is %v", c.Name, i, f.Bounds())
			}
		}
	}
}

func TestTheReferenceIsOfTheSameEvaluation(t *testing.T) {
	r, err := eval.ParseReference(demo.Reference())
	if err != nil {
		t.Fatal(err)
	}
	if r.N < 1000 || r.Note == "" || r.Rows[eval.RowExact][1] != r.N {
		t.Errorf("%d clips, %q, %v", r.N, r.Note, r.Rows[eval.RowExact])
	}
}
