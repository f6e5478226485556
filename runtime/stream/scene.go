package stream

import (
	"math"
	"slices"

	"github.com/edgevlm/edgevlm/runtime/imageproc"
)

const (
	maxShift = 8 // pixels that a camera's shaking is looked for
	// lightStep is the largest change of a pair's light that is taken for slow light, lightSum the largest sum of such
	// changes before everything is taken to be new, in levels.
	lightStep, lightSum = 10, 24
	// wholeScene is the share of changed cells from which all count as changed.
	wholeScene = 0.7
	// maxNoise bounds the noise floor of a block's mean, in levels, so that no scene full of motion hides in it.
	maxNoise = 3
	// clipped bounds what one pixel says against a shift: things that move must not outvote the rest.
	clipped = 24
)

// scene compares pairs with what the model got last of every cell. Pixels are those after imageproc, in levels of 0 to 255.
type scene struct {
	c           Savings
	images      imageproc.Config
	rows, cols  int // merged cells
	block       int // side of a block, the unit that is compared, in pixels
	w, h        int // pixels
	have        bool
	ref, cur    []float32  // [TemporalPatchSize][3][h][w]
	shift       [][2]int   // of cur against ref, of each frame of the pair: cur(x, y) is ref(x+dx, y+dy)
	noise       float64    // of a block's mean
	light       [3]float64 // sum of slow changes since everything was new, of each colour
	diff, level []float32  // of all blocks: [TemporalPatchSize][3][blocks of cells]
	sorted      []float32
}

func newScene(c Savings, images imageproc.Config, rows, cols int) *scene {
	s := &scene{c: c, images: images, rows: rows, cols: cols, block: images.PatchSize}
	if s.block%2 == 0 {
		s.block /= 2
	}
	cell := images.PatchSize * images.MergeSize
	s.w, s.h = cols*cell, rows*cell
	n := images.TemporalPatchSize * 3 * s.w * s.h
	s.ref, s.cur = make([]float32, n), make([]float32, n)
	s.shift = make([][2]int, images.TemporalPatchSize)
	blocks := n / (s.block * s.block)
	s.diff, s.level = make([]float32, blocks), make([]float32, blocks)
	return s
}

// plane is channel c of frame t.
func (s *scene) plane(x []float32, t, c int) []float32 {
	n := s.w * s.h
	return x[(t*3+c)*n : (t*3+c+1)*n]
}

// see takes the pixels of a pair out of its patches.
func (s *scene) see(p imageproc.Patches) {
	ps, ms, ts := s.images.PatchSize, s.images.MergeSize, s.images.TemporalPatchSize
	for c := range 3 {
		mean, std := 255*s.images.Mean[c], 255*s.images.Std[c]
		for t := range ts {
			to := s.plane(s.cur, t, c)
			for row := range s.rows * ms * s.cols * ms {
				cell, in := row/(ms*ms), row%(ms*ms)
				y0 := (cell/s.cols*ms + in/ms) * ps
				x0 := (cell%s.cols*ms + in%ms) * ps
				from := p.Data[((row*3+c)*ts+t)*ps*ps:]
				for y := range ps {
					line := to[(y0+y)*s.w+x0:][:ps]
					src := from[y*ps:][:ps]
					for x := range line {
						line[x] = src[x]*std + mean
					}
				}
			}
		}
	}
}

// compare says which cells of the pair that see took differ from what the model got last of them, and which share of the
// picture that is. Everything is new at first, and when the light has changed a lot.
func (s *scene) compare() (changed []bool, share float64) {
	changed = make([]bool, s.rows*s.cols)
	if !s.have {
		return all(changed), 1
	}
	for t := range s.shift {
		s.shift[t] = s.register(t)
	}
	s.means()
	if s.relight() {
		return all(changed), 1
	}
	limit := float32(max(s.c.Contrast, s.c.Noise*s.floor()))
	perRow, perCell := s.w/s.block, s.images.PatchSize*s.images.MergeSize/s.block
	for i, d := range s.diff {
		if d > limit || -d > limit {
			i %= s.w * s.h / (s.block * s.block)
			changed[i/perRow/perCell*s.cols+i%perRow/perCell] = true
		}
	}
	n := 0
	for _, c := range changed {
		if c {
			n++
		}
	}
	share = float64(n) / float64(len(changed))
	if share > wholeScene {
		all(changed)
	}
	return changed, share
}

func all(x []bool) []bool {
	for i := range x {
		x[i] = true
	}
	return x
}

// register finds by how much frame t is shifted against the reference. No shift is preferred to one that explains little.
func (s *scene) register(t int) (best [2]int) {
	r := s.c.Shift
	if r == 0 || min(s.w, s.h) < 4*r {
		return best
	}
	cur, ref := s.plane(s.cur, t, 1), s.plane(s.ref, t, 1) // green stands for brightness
	step := max(2, min(s.w, s.h)/112*2) | 1
	cost := func(dx, dy int) (sum float64) {
		for y := r; y < s.h-r; y += step {
			a, b := cur[y*s.w:(y+1)*s.w], ref[(y+dy)*s.w:(y+dy+1)*s.w]
			for x := r; x < s.w-r; x += step {
				d := a[x] - b[x+dx]
				if d < 0 {
					d = -d
				}
				sum += float64(min(d, clipped))
			}
		}
		return sum
	}
	least := cost(0, 0) * 0.97
	for dy := -r; dy <= r; dy++ {
		for dx := -r; dx <= r; dx++ {
			if c := cost(dx, dy); (dx != 0 || dy != 0) && c < least {
				least, best = c, [2]int{dx, dy}
			}
		}
	}
	return best
}

// means fills diff and level: the difference of every block's mean to the reference, and the reference's own. Of a block that
// the shift moves across the border only the part that both have counts.
func (s *scene) means() {
	o := 0
	for t, sh := range s.shift {
		dx, dy := sh[0], sh[1]
		for c := range 3 {
			cur, ref := s.plane(s.cur, t, c), s.plane(s.ref, t, c)
			for y0 := 0; y0 < s.h; y0 += s.block {
				ya, yb := max(y0, -dy), min(y0+s.block, s.h-dy)
				for x0 := 0; x0 < s.w; x0 += s.block {
					xa, xb := max(x0, -dx), min(x0+s.block, s.w-dx)
					var sum, was float32
					for y := ya; y < yb; y++ {
						a, b := cur[y*s.w+xa:y*s.w+max(xa, xb)], ref[(y+dy)*s.w+xa+dx:]
						for i, v := range a {
							sum += v
							was += b[i]
						}
					}
					s.diff[o], s.level[o] = 0, 0
					if n := (yb - ya) * (xb - xa); ya < yb && xa < xb {
						s.diff[o], s.level[o] = (sum-was)/float32(n), was/float32(n)
					}
					o++
				}
			}
		}
	}
}

// relight takes slow changes of the light out of diff, an offset and a gain for each colour, and lets the reference follow.
// They are those of the medians of the darker and of the brighter half of all blocks. It says whether the light is
// another one by now.
func (s *scene) relight() (other bool) {
	per := s.w * s.h / (s.block * s.block)
	for c := range 3 {
		var dark, bright, darkAt, brightAt []float32
		var levels []float32
		each := func(f func(d, l float32)) {
			for t := range s.shift {
				o := (t*3 + c) * per
				for i := o; i < o+per; i++ {
					f(s.diff[i], s.level[i])
				}
			}
		}
		each(func(_, l float32) { levels = append(levels, l) })
		middle := median(levels)
		each(func(d, l float32) {
			if l < middle {
				dark, darkAt = append(dark, d), append(darkAt, l)
			} else {
				bright, brightAt = append(bright, d), append(brightAt, l)
			}
		})
		lo, hi := middle, median(brightAt)
		dLo := median(bright)
		if len(dark) > 0 {
			lo, dLo = median(darkAt), median(dark)
		}
		gain := float32(0)
		if hi-lo > 16 {
			gain = min(max((median(bright)-dLo)/(hi-lo), -0.2), 0.2)
		}
		offset := dLo - gain*lo
		change := float64(offset + gain*middle)
		if math.Abs(change) > lightStep {
			continue
		}
		s.light[c] += change
		other = other || math.Abs(s.light[c]) > lightSum
		for t := range s.shift {
			o := (t*3 + c) * per
			for i := o; i < o+per; i++ {
				s.diff[i] -= offset + gain*s.level[i]
			}
			ref := s.plane(s.ref, t, c)
			for i, v := range ref {
				ref[i] = v + offset + gain*v
			}
		}
	}
	return other
}

// floor follows the noise of a block's mean: from the quarter of all blocks that differ least, so that a scene most of which
// moves still has one; quickly down, slowly up.
func (s *scene) floor() float64 {
	s.sorted = append(s.sorted[:0], s.diff...)
	for i, d := range s.sorted {
		if d < 0 {
			s.sorted[i] = -d
		}
	}
	const quartile = 0.3186 // of the absolute value of a normal variable
	slices.Sort(s.sorted)
	now := min(float64(s.sorted[len(s.sorted)/4])/quartile, maxNoise)
	switch {
	case s.noise == 0 || now < s.noise:
		s.noise = (s.noise + now) / 2
		if s.noise < now {
			s.noise = now
		}
	default:
		s.noise += (now - s.noise) / 10
	}
	return s.noise
}

func median(x []float32) float32 {
	if len(x) == 0 {
		return 0
	}
	slices.Sort(x)
	return x[len(x)/2]
}

// kept notes that the model got these cells of the pair. nil means all of them.
func (s *scene) kept(cells []bool) {
	if cells == nil || !slices.Contains(cells, false) {
		s.ref, s.cur = s.cur, s.ref
		s.have, s.light = true, [3]float64{}
		return
	}
	cell := s.images.PatchSize * s.images.MergeSize
	for t, sh := range s.shift {
		dx, dy := sh[0], sh[1]
		for c := range 3 {
			cur, ref := s.plane(s.cur, t, c), s.plane(s.ref, t, c)
			for i, k := range cells {
				if !k {
					continue
				}
				// The cell's place in both pictures: what it leaves in the reference must not stay there as a strip.
				y0, x0 := i/s.cols*cell, i%s.cols*cell
				xa, xb := max(min(x0, x0-dx), 0, -dx), min(max(x0, x0-dx)+cell, s.w, s.w-dx)
				for y := max(min(y0, y0-dy), 0, -dy); y < min(max(y0, y0-dy)+cell, s.h, s.h-dy); y++ {
					copy(ref[(y+dy)*s.w+xa+dx:(y+dy)*s.w+xb+dx], cur[y*s.w+xa:y*s.w+xb])
				}
			}
		}
	}
}

// grown marks the cells within n cells of a marked one as well.
func grown(marks []bool, cols, n int) []bool {
	if n == 0 {
		return marks
	}
	rows := len(marks) / cols
	out := make([]bool, len(marks))
	for i, m := range marks {
		if !m {
			continue
		}
		for y := max(i/cols-n, 0); y <= min(i/cols+n, rows-1); y++ {
			for x := max(i%cols-n, 0); x <= min(i%cols+n, cols-1); x++ {
				out[y*cols+x] = true
			}
		}
	}
	return out
}
