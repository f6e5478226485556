// Package world renders the small world of the demo model: short clips of a
// yard seen by a camera, with people, cars, dogs and parcels, a door or a
// gate, by day or at night.
//
// Every scene follows from (split, seed, index) alone. All arithmetic is on
// integers, so a scene has the same pixels on every platform. Everything is
// symmetric in time: a clip played backwards is again a clip of this world,
// and its description follows from [Scene.Reversed].
//
// Coordinates are in 1/256 pixel (the constant unit) at 112x112 pixels.
package world

const (
	Frames = 8   // frames of a clip
	FPS    = 2   // frames a second
	Size   = 112 // width and height in pixels
	Pairs  = Frames / 2
	Grid   = Size / 28 // merged vision cells along an edge

	FrameBytes = Size * Size * 3
	ClipBytes  = Frames * FrameBytes // RGB, frame after frame, row-major
)

// unit is one pixel in scene coordinates.
const unit = 256

// Class is what an object is.
type Class uint8

const (
	Person Class = iota
	Car
	Dog
	Parcel
	NumClasses = 4
)

// Colour is an object's main colour; a person's is that of the clothes.
type Colour uint8

const (
	Red Colour = iota
	Blue
	Green
	Yellow
	White
	Black
	NumColours = 6
)

// Motion is what an object does during the whole clip.
type Motion uint8

const (
	Still Motion = iota
	Left
	Right
	Closer
	Away
	Arrives
	Leaves
	NumMotions = 7
)

// Reversed is the motion seen when the clip is played backwards.
func (m Motion) Reversed() Motion {
	return [NumMotions]Motion{Still, Right, Left, Away, Closer, Leaves, Arrives}[m]
}

// DoorKind tells a house door from a garden gate.
type DoorKind uint8

const (
	NoDoor DoorKind = iota
	HouseDoor
	GardenGate
)

// DoorState is what the door or gate does during the whole clip.
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

func (c Class) String() string { return [NumClasses]string{"person", "car", "dog", "parcel"}[c] }

func (c Colour) String() string {
	return [NumColours]string{"red", "blue", "green", "yellow", "white", "black"}[c]
}

// String is the verb phrase, as in "A red car moves left."
func (m Motion) String() string {
	return [NumMotions]string{"stands still", "moves left", "moves right", "comes closer", "goes away", "arrives", "leaves"}[m]
}

func (k DoorKind) String() string { return [3]string{"", "door", "gate"}[k] }

// String is the verb phrase, as in "The gate opens."
func (d DoorState) String() string {
	return [NumDoorStates]string{"is closed", "is open", "opens", "closes"}[d]
}

// HeldOut reports whether the combination is kept out of training. Every pair
// of two of the three attributes still occurs in training.
func HeldOut(c Class, o Colour, m Motion) bool {
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
	Normal Kind = iota // none to two objects of different classes
	Dense              // three or four objects, classes may repeat; for training the vision tower
	Frozen             // nothing moves: what a still picture can show
)

// Object is one actor of a scene.
type Object struct {
	Class  Class
	Colour Colour
	Motion Motion

	path [Frames]place
}

// place is where an object is in one frame: centre x, base y, width, height.
type place struct{ cx, by, w, h int }

func (p place) box() box { return box{p.cx - p.w/2, p.by - p.h, p.cx - p.w/2 + p.w, p.by} }

// Scene is a clip before it is drawn. Objects are ordered by class.
type Scene struct {
	Objects   []Object
	Door      DoorKind
	DoorState DoorState // meaningful only with a door
	Night     bool
	Prompt    string // how the description is asked for
	Question  string // one more question about the clip, and its answer
	Answer    string

	door   box
	look   rng // decides everything that only changes the picture
	bank   uint64
	opened [Frames]int // how far the door is open, 0..1024
}

// Reversed is the scene as it is described when its frames are played
// backwards. It is for its words; don't draw it.
func (s *Scene) Reversed() *Scene {
	r := *s
	r.Objects = append([]Object(nil), s.Objects...)
	for i := range r.Objects {
		r.Objects[i].Motion = r.Objects[i].Motion.Reversed()
	}
	r.DoorState = s.DoorState.Reversed()
	return &r
}
