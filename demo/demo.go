// Package demo carries the demo model and a few sample clips in the binary.
//
// The model is a small Qwen2-VL that was trained from scratch on the clips that
// package world renders: it knows that world and nothing else. MODEL.md says
// what it can and cannot do; train/ is how it was made.
package demo

import (
	_ "embed"
	"image"

	"github.com/edgevlm/edgevlm/demo/world"
)

//go:embed model/text-q4_0.gguf
var text []byte

//go:embed model/mmproj-q4_0.gguf
var mmproj []byte

// Text is the decoder's GGUF file (qwen2vl, 4 bits). Callers must not change it.
func Text() []byte { return text }

// MMProj is the vision tower's GGUF file (clip, 4 bits). Callers must not
// change it.
func MMProj() []byte { return mmproj }

// Clip is a short film with its true description.
type Clip struct {
	Name   string  // where the camera hangs: one MQTT topic level
	FPS    float64 // frames a second
	Frames []*image.RGBA
	Truth  string
}

// Clips renders the sample clips. None of them was in training: backgrounds and
// placings come from seeds that training never draws.
func Clips() []Clip {
	r := world.New(world.Test, sampleSeed)
	var out []Clip
	for _, s := range samples() {
		sc := r.Compose(s.spec, s.seed)
		out = append(out, Clip{Name: s.name, FPS: world.FPS, Frames: Frames(r, sc), Truth: sc.Caption()})
	}
	return out
}

// Frames draws a scene as pictures.
func Frames(r *world.Renderer, s *world.Scene) []*image.RGBA {
	pix := make([]byte, world.ClipBytes)
	r.Render(s, pix)
	var out []*image.RGBA
	for t := range world.Frames {
		m := image.NewRGBA(image.Rect(0, 0, world.Size, world.Size))
		p := pix[t*world.FrameBytes : (t+1)*world.FrameBytes]
		for i := range world.Size * world.Size {
			copy(m.Pix[4*i:4*i+3], p[3*i:3*i+3])
			m.Pix[4*i+3] = 255
		}
		out = append(out, m)
	}
	return out
}
