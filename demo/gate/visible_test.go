package gate

import "testing"

// TestEveryObjectStandsOutFromWhatIsBehindIt compares the pictures with those
// of the same scene without the object.
func TestEveryObjectStandsOutFromWhatIsBehindIt(t *testing.T) {
	r := New(Test, 33)
	with, without := make([]byte, MaxFrames*FrameBytes), make([]byte, MaxFrames*FrameBytes)
	objects, faint := 0, 0
	for i := range uint64(120) {
		s := r.SceneOf(i, Normal, []int{2, 4, 6, 8}[i%4])
		r.Render(s, with)
		for k := range s.Objects {
			q := *s
			q.Objects = append([]Object(nil), s.Objects...)
			q.Objects[k].path = make([]place, s.Frames)
			r.Render(&q, without)
			best := 0 // share of the object's box that differs, in percent, in the frame where it is seen best
			for f, p := range s.Objects[k].path {
				area := p.seen().area() / unit / unit
				if area < 40 || p.inDoor {
					continue
				}
				n := 0
				for px := f * FrameBytes; px < (f+1)*FrameBytes; px += 3 {
					d := 0
					for c := range 3 {
						d = max(d, abs(int(with[px+c])-int(without[px+c])))
					}
					n += b2i(d >= 10)
				}
				best = max(best, n*100/area)
			}
			objects++
			if o := &s.Objects[k]; best < 25 {
				faint++
				t.Logf("scene %d, %s, %s: %d %% of the %s %s differ", i, s.Light, s.Weather, best, o.Colour, o.Class)
			}
		}
	}
	if objects < 150 || faint*200 > objects {
		t.Errorf("%d of %d objects are hard to see", faint, objects)
	}
}
