package demo

import "github.com/edgevlm/edgevlm/demo/world"

const sampleSeed = 2026

type sample struct {
	name string
	spec world.Spec
	seed uint64 // decides places, background and light
}

func object(c world.Class, o world.Colour, m world.Motion) world.Object {
	return world.Object{Class: c, Colour: o, Motion: m}
}

// samples are the sample clips: different things, times of day and motions.
func samples() []sample {
	return []sample{
		{"front-door", world.Spec{
			Objects: []world.Object{object(world.Person, world.Red, world.Closer)},
			Door:    world.HouseDoor, State: world.Opens,
		}, 1},
		{"driveway", world.Spec{
			Objects: []world.Object{object(world.Car, world.Blue, world.Arrives)},
			Door:    world.GardenGate, State: world.Open,
		}, 9},
		{"yard", world.Spec{
			Objects: []world.Object{
				object(world.Dog, world.White, world.Right),
				object(world.Parcel, world.Yellow, world.Still),
			},
		}, 5},
		{"porch", world.Spec{
			Objects: []world.Object{
				object(world.Person, world.Green, world.Away),
				object(world.Parcel, world.Blue, world.Still),
			},
			Door: world.HouseDoor, State: world.Closed,
		}, 3},
		{"street", world.Spec{
			Objects: []world.Object{
				object(world.Car, world.Yellow, world.Left),
				object(world.Dog, world.Black, world.Still),
			},
		}, 2},
		{"back-gate", world.Spec{
			Objects: []world.Object{object(world.Person, world.Yellow, world.Left)},
			Door:    world.GardenGate, State: world.Closes,
			Night: true,
		}, 6},
		{"car-park", world.Spec{
			Objects: []world.Object{object(world.Car, world.White, world.Leaves)},
			Night:   true,
		}, 3},
		{"shed", world.Spec{Door: world.HouseDoor, State: world.Opens}, 2},
	}
}
