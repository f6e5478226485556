package eval

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/edgevlm/edgevlm/demo"
	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

func open(t *testing.T, threads int) *vlm.Engine {
	t.Helper()
	e, err := vlm.OpenBytes(context.Background(), demo.Text(), demo.MMProj(), vlm.Options{Backend: "cpu", Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// TestAViewOfEverythingIsTheClip holds that explicit positions are those of the
// engine, and that forked questions don't know of one another.
func TestAViewOfEverythingIsTheClip(t *testing.T) {
	e := open(t, 2)
	r := gate.New(gate.Test, 1)
	for i := range uint64(4) {
		frames := draw(r, r.SceneOf(i, gate.Normal, 8))
		all := make([]bool, 4*cells)
		for k := range all {
			all[k] = true
		}
		q := gate.Prompts()[0]
		got, err := Engine(e).Ask(context.Background(), frames, []Round{{Questions: []string{q, "Is it day or night?", q}}, {View{Keep: all}, []string{q}}})
		if err != nil {
			t.Fatal(err)
		}
		want, err := e.Generate(context.Background(), vlm.Request{Media: []vlm.Media{{Frames: frames, Video: true}}, Prompt: q, MaxTokens: maxTokens}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range []Answer{got[0][0], got[0][2], got[1][0]} {
			if a.Text != want.Text {
				t.Errorf("clip %d: %q, want %q", i, a.Text, want.Text)
			}
		}
	}
}

var sentences = flag.String("sentences", "", "write the descriptions of 50 clips into this file")

// TestSentences writes what the embedded model says, to be compared between
// platforms: go test ./demo/gate/eval -run Sentences -args -sentences FILE
func TestSentences(t *testing.T) {
	if *sentences == "" {
		t.Skip("give -sentences")
	}
	a, r, out := Engine(open(t, 1)), gate.New(gate.Test, 1), ""
	for i := range uint64(50) {
		s := r.Scene(i, gate.Normal)
		qs := []string{gate.Prompts()[0]}
		for _, k := range s.Tasks {
			qs = append(qs, k.Q)
		}
		said, err := a.Ask(context.Background(), draw(r, s), []Round{{Questions: qs}})
		if err != nil {
			t.Fatal(err)
		}
		for k, x := range said[0] {
			out += fmt.Sprintf("%d %s %s %v\n", i, qs[k], x.Text, x.Boxes)
		}
	}
	if err := os.WriteFile(*sentences, []byte(out), 0o644); err != nil {
		t.Fatal(err)
	}
}

var clips = flag.Int("clips", 0, "clips on which to measure the embedded model")

// TestEmbeddedModel prints the table: go test ./demo/gate/eval -run EmbeddedModel -v -args -clips 1000
func TestEmbeddedModel(t *testing.T) {
	if *clips == 0 {
		t.Skip("give -clips")
	}
	r, err := Run(context.Background(), Options{N: *clips, Seed: 1}, Engine(open(t, 1)), Engine(open(t, 1)))
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + r.Table())
}
