package world

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"strings"
	"testing"
)

var show = flag.Bool("show", false, "print the pixels' hash instead of checking it")

// goldenPixels is the SHA-256 of 12 clips' pixels and words, four of each
// split. A change of it makes the trained model wrong about what it sees: train
// again. Print a new one with: go test ./demo/world -run Golden -show
const goldenPixels = "3b9f55850652c1d3511c8b282234621e2ebdd3e35c397bdd93a61dc08129e489"

func TestGoldenPixelsAreTheSameEverywhere(t *testing.T) {
	h := sha256.New()
	pix := make([]byte, ClipBytes)
	for _, split := range []Split{Train, Test, Held} {
		r := New(split, 7)
		for i := range uint64(4) {
			s := r.Scene(i, Kind(i%3))
			if split == Held {
				s = r.Scene(i, Normal)
			}
			r.Render(s, pix)
			h.Write(pix)
			h.Write([]byte(s.Caption() + s.Prompt + s.Question + s.Answer))
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

func TestSceneFollowsFromSplitSeedAndIndexAlone(t *testing.T) {
	a, b := make([]byte, ClipBytes), make([]byte, ClipBytes)
	r := New(Test, 3)
	for i := range uint64(5) { // the earlier scenes of r must not matter
		r.Render(r.Scene(i, Normal), a)
	}
	q := New(Test, 3)
	s := q.Scene(4, Normal)
	q.Render(s, b)
	q.Render(s, b) // nor drawing twice
	if string(a) != string(b) {
		t.Error("scene 4 depends on what was rendered before")
	}
	if s.Caption() != r.Scene(4, Normal).Caption() {
		t.Error("captions of the same scene differ")
	}
	q = New(Test, 4)
	q.Render(q.Scene(4, Normal), b)
	if string(a) == string(b) {
		t.Error("another seed gives the same clip")
	}
}

func TestHeldOutCombinationsStayOutOfTraining(t *testing.T) {
	for _, split := range []Split{Train, Test, Held} {
		r := New(split, 11)
		for i := range uint64(3000) {
			s := r.Scene(i, Kind(i%2)*Dense)
			held := false
			for _, o := range s.Objects {
				held = held || HeldOut(o.Class, o.Colour, o.Motion)
			}
			if held != (split == Held) {
				t.Fatalf("split %d scene %d: %s", split, i, s.Caption())
			}
		}
	}
}

func TestEveryPairOfAttributesIsTrained(t *testing.T) {
	for c := range Class(NumClasses) {
		for o := range Colour(NumColours) {
			seen := 0
			for m := range Motion(NumMotions) {
				if !HeldOut(c, o, m) {
					seen++
				}
			}
			if seen == 0 {
				t.Errorf("%s %s is never trained", o, c)
			}
		}
		for m := range Motion(NumMotions) {
			seen := 0
			for o := range Colour(NumColours) {
				if !HeldOut(c, o, m) {
					seen++
				}
			}
			if seen == 0 {
				t.Errorf("%s %s is never trained", c, m)
			}
		}
	}
}

func TestReversalIsItsOwnInverse(t *testing.T) {
	for m := range Motion(NumMotions) {
		if m.Reversed().Reversed() != m {
			t.Errorf("%s", m)
		}
	}
	for d := range DoorState(NumDoorStates) {
		if d.Reversed().Reversed() != d {
			t.Errorf("%s", d)
		}
	}
	s := New(Test, 1).Compose(Spec{
		Objects: []Object{{Class: Car, Colour: Red, Motion: Arrives}, {Class: Dog, Colour: Blue, Motion: Left}},
		Door:    GardenGate, State: Opens,
	}, 1)
	if got, want := s.Caption(), "A red car arrives. A blue dog moves left. The gate opens."; got != want {
		t.Errorf("caption %q, want %q", got, want)
	}
	if got, want := s.Reversed().Caption(), "A red car leaves. A blue dog moves right. The gate closes."; got != want {
		t.Errorf("reversed %q, want %q", got, want)
	}
	if s.Objects[0].Motion != Arrives {
		t.Error("Reversed has changed the scene itself")
	}
}

// Opposite motions are each other's films played backwards: with the same
// random numbers, Left's path is Right's, reversed.
func TestOppositePathsMirrorInTime(t *testing.T) {
	for c := range Class(NumClasses) {
		for _, m := range []Motion{Right, Closer, Arrives, Still} {
			for seed := range uint64(50) {
				g, q := newRNG(seed), newRNG(seed)
				a, b := travel(&g, c, m), travel(&q, c, m.Reversed())
				for i := range a {
					j := Frames - 1 - i
					if m == Still {
						j = i
					}
					if a[i] != b[j] {
						t.Fatalf("%s %s, seed %d, frame %d: %v, want %v", c, m, seed, i, a[i], b[j])
					}
				}
			}
		}
	}
}

func TestPathsDoWhatTheirMotionSays(t *testing.T) {
	for seed := range uint64(200) {
		g := newRNG(seed)
		for c := range Class(NumClasses) {
			p := travel(&g, c, Right)
			if p[7].cx-p[0].cx < 20*unit/2 {
				t.Errorf("right by %d/256 px only", p[7].cx-p[0].cx)
			}
			p = travel(&g, c, Away)
			if p[0].h*10 < p[7].h*17 {
				t.Errorf("away: height %d to %d", p[0].h, p[7].h)
			}
			p = travel(&g, c, Leaves)
			if b := p[7].box(); b.x1 > 0 && b.x0 < Size*unit {
				t.Errorf("left but still in view: %v", b)
			}
			if b := p[0].box(); b.x0 < 0 || b.x1 > Size*unit {
				t.Errorf("leaving, yet not wholly there at first: %v", b)
			}
		}
	}
}

func TestWordsOfSomeScenes(t *testing.T) {
	empty := New(Train, 1).Compose(Spec{}, 1)
	if empty.Caption() != "Nothing is there." {
		t.Errorf("empty scene: %q", empty.Caption())
	}
	person := New(Train, 1).Compose(Spec{Objects: []Object{{Class: Person, Colour: Black, Motion: Closer}}}, 1)
	if got := person.Caption(); got != "A person in black comes closer." {
		t.Errorf("%q", got)
	}
	r := New(Train, 5)
	for i := range uint64(2000) {
		s := r.Scene(i, Normal)
		if !strings.HasSuffix(s.Question, "?") || !strings.HasSuffix(s.Answer, ".") || s.Prompt == "" {
			t.Fatalf("scene %d asks %q %q %q", i, s.Prompt, s.Question, s.Answer)
		}
	}
}

func BenchmarkClip(b *testing.B) {
	r := New(Train, 1)
	pix := make([]byte, ClipBytes)
	for i := range b.N {
		r.Render(r.Scene(uint64(i), Normal), pix)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "clips/s")
}
