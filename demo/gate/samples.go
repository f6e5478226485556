package gate

import (
	"fmt"
	"image"
)

// sampleSeed is one that neither training nor an evaluation draws scenes from.
const sampleSeed = 2026

// Story is a short film with its true description.
type Story struct {
	Name   string  // where the camera hangs: one MQTT topic level
	FPS    float64 // frames a second
	Frames []*image.RGBA
	Truth  string
	Tasks  []Task // questions about it
}

// sample is a story before it is rendered.
type sample struct {
	name string
	spec Spec
	seed uint64 // decides places, times, background and light
}

func object(c Class, o Colour, m Motion) Object { return Object{Class: c, Colour: o, Motion: m} }

// samples are the stories, in the order in which they are shown.
func samples() []sample {
	return []sample{
		{"front-door", Spec{
			Objects: []Object{object(Person, Red, Puts), object(Parcel, Blue, IsPut)},
			Door:    HouseDoor, State: Closed, Frames: 12, Rate: 2,
		}, 4},
		{"porch", Spec{
			Objects: []Object{object(Person, Green, Enters), object(Cat, White, Still)},
			Door:    HouseDoor, State: Closes, Light: Night, Frames: 16, Rate: 2,
		}, 8},
		{"driveway", Spec{
			Objects: []Object{object(Car, White, Arrives)},
			Door:    GardenGate, State: Opens, Frames: 12, Rate: 2,
		}, 11},
		{"doorstep", Spec{
			Objects: []Object{object(Person, Black, Takes), object(Parcel, Yellow, IsTaken)},
			Light:   Dusk, Frames: 12, Rate: 2,
		}, 9},
		{"back-gate", Spec{
			Objects: []Object{object(Dog, Orange, Crosses)},
			Door:    GardenGate, State: Open, Weather: Fog, Frames: 10, Rate: 2,
		}, 8},
		{"street", Spec{
			Objects: []Object{object(Person, Yellow, Left), object(Bicycle, Red, Right)},
			Weather: Rain, Frames: 10, Rate: 2,
		}, 2},
		{"side-door", Spec{
			Objects: []Object{object(Person, Blue, Exits), object(Parcel, Orange, Still)},
			Door:    HouseDoor, State: Opens, Light: Dusk, Frames: 16, Rate: 2,
		}, 8},
		{"yard", Spec{
			Objects: []Object{object(Person, White, Closer), object(Dog, Black, Away), object(Bicycle, Green, Still)},
			Frames:  10, Rate: 2,
		}, 7},
		{"car-park", Spec{
			Objects: []Object{object(Car, Purple, Leaves), object(Cat, Orange, Left)},
			Light:   Night, Weather: Rain, Frames: 12, Rate: 2,
		}, 11},
	}
}

// Stories renders the sample clips. None of them was in training: backgrounds
// and placings come from seeds that training never draws.
func Stories() ([]Story, error) {
	r := New(Test, sampleSeed)
	var out []Story
	for _, x := range samples() {
		s, err := r.Compose(x.spec, x.seed)
		if err != nil {
			return nil, fmt.Errorf("gate: story %s: %w", x.name, err)
		}
		out = append(out, Story{Name: x.name, FPS: s.Rate.FPS(), Frames: r.Images(s), Truth: s.Caption(), Tasks: s.Tasks})
	}
	return out, nil
}

// Images draws a scene as pictures.
func (r *Renderer) Images(s *Scene) []*image.RGBA {
	pix := make([]byte, s.Bytes())
	r.Render(s, pix)
	var out []*image.RGBA
	for t := range s.Frames {
		m := image.NewRGBA(image.Rect(0, 0, Size, Size))
		p := pix[t*FrameBytes : (t+1)*FrameBytes]
		for i := range Size * Size {
			copy(m.Pix[4*i:4*i+3], p[3*i:3*i+3])
			m.Pix[4*i+3] = 255
		}
		out = append(out, m)
	}
	return out
}
