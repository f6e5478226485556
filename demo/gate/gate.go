// Package gate renders the small world of the demo model: what a camera at a
// house door or a garden gate sees. People, cars, dogs, cats, bicycles and
// parcels come and go by day, at dusk and at night, in rain and fog.
//
// Every scene follows from (split, seed, index, kind, frames) alone. All
// arithmetic is on integers, so a scene has the same pixels on every platform.
// Everything is symmetric in time: a clip played backwards is again a clip of
// this world, and its description follows from [Scene.Reversed]. What is said
// of a scene can be seen in its pictures; which way a thing faces, and how its
// legs stand, says nothing about where it goes.
//
// Coordinates are in 1/256 pixel (the constant unit) at 112x112 pixels.
package gate

const (
	Size      = 112       // width and height in pixels
	Grid      = Size / 28 // merged vision cells along an edge
	MaxFrames = 32        // of a clip; all clips have an even number

	FrameBytes = Size * Size * 3 // RGB, row-major
)

// unit is one pixel in scene coordinates.
const unit = 256

// edge is the picture's width and height in scene coordinates.
const edge = Size * unit

// Class is what an object is.
type Class uint8

const (
	Person Class = iota
	Car
	Dog
	Cat
	Bicycle
	Parcel
	NumClasses = 6
)

// Colour is an object's main colour; a person's is that of the clothes.
type Colour uint8

const (
	Red Colour = iota
	Blue
	Green
	Yellow
	Orange
	Purple
	White
	Black
	NumColours = 8
)

// Motion is what an object does in a clip.
type Motion uint8

const (
	Still Motion = iota
	Left
	Right
	Closer
	Away
	Arrives // from outside the picture, and stays
	Leaves
	Crosses    // from outside to outside
	Puts       // a person leaves a parcel
	Takes      // a person takes a parcel
	Enters     // a person goes in at the door
	Exits      // a person comes out of the door
	IsPut      // the parcel of Puts
	IsTaken    // the parcel of Takes
	NumMotions = 14
)

// freeMotions is how many of the motions an object does by itself.
const freeMotions = 8

// Reversed is the motion seen when the clip is played backwards.
func (m Motion) Reversed() Motion {
	return [NumMotions]Motion{Still, Right, Left, Away, Closer, Leaves, Arrives, Crosses, Takes, Puts, Exits, Enters, IsTaken, IsPut}[m]
}

// DoorKind tells a house door from a garden gate.
type DoorKind uint8

const (
	NoDoor DoorKind = iota
	HouseDoor
	GardenGate
)

// DoorState is what the door or gate does in a clip.
type DoorState uint8

const (
	Closed DoorState = iota
	Open
	Opens
	Closes
	NumDoorStates = 4
)

// Reversed is the state seen when the clip is played backwards.
func (d DoorState) Reversed() DoorState {
	return [NumDoorStates]DoorState{Closed, Open, Closes, Opens}[d]
}

// Light is the time of day.
type Light uint8

const (
	Day Light = iota
	Dusk
	Night
)

// Weather is the weather.
type Weather uint8

const (
	Clear Weather = iota
	Rain
	Fog
)

// Rate is how many frames are taken in two seconds: 1, 2 or 4. It only decides
// how far things move between frames.
type Rate uint8

// FPS is the rate in frames a second.
func (r Rate) FPS() float64 { return float64(r) / 2 }

// HeldOut reports whether the combination is kept out of training. Every pair
// of two of the three attributes still occurs in training. Of parcels, and of
// what interactions make of them, nothing is held out.
func HeldOut(c Class, o Colour, m Motion) bool {
	if c == Parcel {
		return false
	}
	return (int(c)*5+int(o)*3+int(m)*7+int(c)*int(o))%11 == 4
}

// Split says which scenes a renderer makes. Splits share no seed and no
// background texture with Train.
type Split uint8

const (
	Train Split = iota // training combinations, training backgrounds
	Test               // training combinations, unseen backgrounds
	Held               // at least one held-out combination, unseen backgrounds
)

// Kind is the sort of scene within a split.
type Kind uint8

const (
	Normal Kind = iota // none to three objects of different classes
	Dense              // 8 frames, three or four objects, classes may repeat, no text; for training the vision tower
	Frozen             // a still picture: two equal frames
)

// Object is one actor of a scene.
type Object struct {
	Class  Class
	Colour Colour
	Motion Motion

	path     []place // one a frame
	from, to int     // the frames between which what it does happens
}

// place is where an object is in one frame: centre x, base y, width, height.
// A width of 0 is nowhere.
type place struct {
	cx, by, w, h int
	inDoor       bool // half gone into the dark of the door
	carried      bool // a parcel in a person's arms
	carries      bool // a person with a parcel
}

func (p place) box() box { return box{p.cx - p.w/2, p.by - p.h, p.cx - p.w/2 + p.w, p.by} }

// seen is the part of the object that lies in the picture.
func (p place) seen() box {
	if p.w == 0 {
		return box{}
	}
	b := p.box()
	if b.x0 >= edge || b.x1 <= 0 || b.y0 >= edge || b.y1 <= 0 {
		return box{}
	}
	return box{max(0, b.x0), max(0, b.y0), min(edge, b.x1), min(edge, b.y1)}
}

// Scene is a clip before it is drawn. Objects are ordered by class.
type Scene struct {
	Objects   []Object
	Door      DoorKind
	DoorState DoorState // meaningful only with a door
	Light     Light
	Weather   Weather
	Frames    int // even, 2 to MaxFrames
	Rate      Rate
	Shaky     bool   // the camera trembles by a pixel
	Prompt    string // how the description is asked for
	Tasks     []Task // questions about the clip, with their answers

	still            bool // all frames are the same picture
	place            backdrop
	door             box
	opened           []int // how far the door is open in each frame, 0..1024
	doorFrom, doorTo int   // the frames between which it moves
	shake            [][2]int
	look             rng // decides everything that only changes the picture
	bank             uint64
}

// Bytes is the size of the rendered clip.
func (s *Scene) Bytes() int { return s.Frames * FrameBytes }

// Reversed is the scene as it is described when its frames are played
// backwards. It is for its words; don't draw it.
func (s *Scene) Reversed() *Scene {
	r := *s
	r.Objects = append([]Object(nil), s.Objects...)
	for i := range r.Objects {
		r.Objects[i].Motion = r.Objects[i].Motion.Reversed()
	}
	r.DoorState = s.DoorState.Reversed()
	r.Tasks = nil
	return &r
}
