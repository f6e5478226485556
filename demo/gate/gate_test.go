package gate

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"reflect"
	"testing"
)

var show = flag.Bool("show", false, "print the pixels' hash instead of checking it")

// goldenPixels is the SHA-256 of 18 clips' pixels, words and labels. A change
// of it makes the trained model wrong about what it sees: train again. Print a
// new one with: go test ./demo/gate -run Golden -v -args -show
const goldenPixels = "08c52da13bb706bb4444fbf97421611124ce596bd2af8604e9a641b398cb359c"

func TestGoldenPixelsAreTheSameEverywhere(t *testing.T) {
	h := sha256.New()
	pix := make([]byte, MaxFrames*FrameBytes)
	labels, places := make([]int8, 256*NumLabels), make([]float32, 256*NumPlaces)
	for _, split := range []Split{Train, Test, Held} {
		r := New(split, 7)
		for i := range uint64(6) {
			kind := Kind(i % 3)
			if split == Held {
				kind = Normal
			}
			s := r.Scene(i, kind)
			r.Render(s, pix)
			h.Write(pix[:s.Bytes()])
			s.Targets(labels, places)
			for _, v := range labels[:s.Cells()*NumLabels] {
				h.Write([]byte{byte(v)})
			}
			h.Write([]byte(s.Caption() + s.Reversed().Caption() + s.Prompt))
			for _, k := range s.Tasks {
				h.Write([]byte(string(k.Kind) + k.Q + k.A))
			}
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
	a, b := make([]byte, MaxFrames*FrameBytes), make([]byte, MaxFrames*FrameBytes)
	r := New(Test, 3)
	for i := range uint64(5) { // the earlier scenes of r must not matter
		r.Render(r.Scene(i, Normal), a)
	}
	q := New(Test, 3)
	s := q.Scene(4, Normal)
	q.Render(s, b)
	q.Render(s, b) // nor drawing twice
	if string(a[:s.Bytes()]) != string(b[:s.Bytes()]) {
		t.Error("scene 4 depends on what was rendered before")
	}
	if !reflect.DeepEqual(s, r.Scene(4, Normal)) {
		t.Error("the same scene differs")
	}
	q = New(Test, 4)
	if q.Render(q.SceneOf(4, Normal, s.Frames), b); string(a[:s.Bytes()]) == string(b[:s.Bytes()]) {
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
	for c := range Class(Parcel) {
		for o := range Colour(NumColours) {
			if seen := count(freeMotions, func(m int) bool { return !HeldOut(c, o, Motion(m)) }); seen < freeMotions/2 {
				t.Errorf("%s %s is trained with %d motions only", o, c, seen)
			}
		}
		for m := range Motion(IsPut) {
			if seen := count(NumColours, func(o int) bool { return !HeldOut(c, Colour(o), m) }); seen < NumColours/2 {
				t.Errorf("%s %s is trained with %d colours only", c, m, seen)
			}
		}
	}
}

func count(n int, ok func(int) bool) int {
	k := 0
	for i := range n {
		k += b2i(ok(i))
	}
	return k
}

func TestTrainAndTestShareNoBackground(t *testing.T) {
	a, b := New(Train, 1), New(Test, 1)
	for i := range 8 {
		for j := range 8 {
			if *a.texture(a.bank, i) == *b.texture(b.bank, j) {
				t.Errorf("texture %d of training is %d of the test", i, j)
			}
		}
	}
}

func TestLengthsAreWhatWasAskedFor(t *testing.T) {
	r := New(Train, 5)
	sum, seen := 0, map[int]int{}
	const n = 4000
	for i := range uint64(n) {
		s := r.Scene(i, Normal)
		sum += s.Frames
		seen[s.Frames]++
	}
	if len(seen) != len(lengths) || sum < 8*n || sum > 10*n {
		t.Errorf("lengths %v, mean %.1f", seen, float64(sum)/n)
	}
	for _, frames := range []int{2, 14, 32} {
		if s := r.SceneOf(1, Normal, frames); s.Frames != frames || len(s.opened) != frames {
			t.Errorf("%d frames, want %d", s.Frames, frames)
		}
	}
}

func TestReversalIsItsOwnInverse(t *testing.T) {
	for m := range Motion(NumMotions) {
		if m.Reversed().Reversed() != m {
			t.Errorf("%s", m)
		}
	}
	s, err := New(Test, 1).Compose(Spec{
		Objects: []Object{{Person, Orange, Puts, nil, 0, 0}, {Car, Orange, Still, nil, 0, 0}, {Parcel, Orange, IsPut, nil, 0, 0}},
		Door:    GardenGate, State: Opens, Frames: 12, Rate: 2,
	}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Caption(), "A person in orange leaves an orange parcel. An orange car stands still. The gate opens."; got != want {
		t.Errorf("caption %q, want %q", got, want)
	}
	if got, want := s.Reversed().Caption(), "A person in orange takes an orange parcel. An orange car stands still. The gate closes."; got != want {
		t.Errorf("reversed %q, want %q", got, want)
	}
	if s.Objects[0].Motion != Puts || s.Reversed().Reversed().Caption() != s.Caption() {
		t.Error("Reversed is not its own inverse")
	}
}

func TestAStillIsOnePictureTwice(t *testing.T) {
	r := New(Train, 9)
	pix := make([]byte, 2*FrameBytes)
	for i := range uint64(40) {
		s := r.Scene(i, Frozen)
		r.Render(s, pix)
		if s.Frames != 2 || string(pix[:FrameBytes]) != string(pix[FrameBytes:]) || s.Reversed().Caption() != s.Caption() {
			t.Fatalf("still %d: %s", i, s.Caption())
		}
	}
}

func TestASteadyCameraShowsTheSameScene(t *testing.T) {
	a, b := New(Test, 2), New(Test, 2)
	b.Steady = true
	shaky := 0
	for i := range uint64(60) {
		s, q := a.Scene(i, Normal), b.Scene(i, Normal)
		shaky += b2i(s.Shaky)
		if q.Shaky || s.Caption() != q.Caption() || s.Frames != q.Frames {
			t.Errorf("scene %d: %s and %s", i, s.Caption(), q.Caption())
		}
	}
	if shaky == 0 {
		t.Error("no camera trembles")
	}
}

func TestImpossibleScenesAreRefused(t *testing.T) {
	r := New(Test, 1)
	for name, sp := range map[string]Spec{
		"odd length":          {Frames: 7, Rate: 2},
		"too long":            {Frames: 34, Rate: 2},
		"no rate":             {Frames: 8},
		"two cars":            {Frames: 8, Rate: 2, Objects: []Object{{Class: Car}, {Class: Car}}},
		"a parcel alone":      {Frames: 8, Rate: 2, Objects: []Object{{Class: Parcel, Motion: IsPut}}},
		"a car takes":         {Frames: 8, Rate: 2, Objects: []Object{{Class: Car, Motion: Takes}, {Class: Parcel, Motion: IsTaken}}},
		"in without a door":   {Frames: 8, Rate: 2, Objects: []Object{{Class: Person, Motion: Enters}}},
		"in at a closed door": {Frames: 8, Rate: 2, Objects: []Object{{Class: Person, Motion: Enters}}, Door: HouseDoor},
		"crosses in 2 frames": {Frames: 2, Rate: 2, Objects: []Object{{Class: Person, Motion: Crosses}}},
	} {
		if _, err := r.Compose(sp, 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func BenchmarkClip(b *testing.B) {
	r := New(Train, 1)
	pix := make([]byte, MaxFrames*FrameBytes)
	for i := range b.N {
		r.Render(r.SceneOf(uint64(i), Normal, 8), pix)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "clips/s")
}
