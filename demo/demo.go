// Package demo carries the demo model and a few sample clips in the binary.
//
// The model is a small Qwen2-VL that was trained from scratch on the clips that
// package gate renders: it knows that world and nothing else. MODEL.md says
// what it can and cannot do; gate/train is how it was made.
package demo

import (
	_ "embed"

	"github.com/edgevlm/edgevlm/demo/gate"
)

//go:embed model/text-q4_0.gguf
var text []byte

//go:embed model/mmproj-q4_0.gguf
var mmproj []byte

//go:embed model/reference.json
var reference []byte

// Text is the decoder's GGUF file (qwen2vl, 4 bits). Callers must not change it.
func Text() []byte { return text }

// MMProj is the vision tower's GGUF file (clip, 4 bits). Callers must not
// change it.
func MMProj() []byte { return mmproj }

// Reference is what the same model did before its weights were rounded, in
// PyTorch: JSON for eval.ParseReference.
func Reference() []byte { return reference }

// Clip is a short film with its true description.
type Clip = gate.Story

// Clips renders the sample clips. None of them was in training.
func Clips() []Clip {
	clips, err := gate.Stories()
	if err != nil {
		panic(err) // they are constants, and a test composes them
	}
	return clips
}
