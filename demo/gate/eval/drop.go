package eval

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
)

const (
	block  = 7                       // pixels along the edge of what is compared
	cells  = gate.Grid * gate.Grid   // vision tokens of a frame pair
	across = gate.Size / gate.Grid   // pixels of a cell
	blocks = across / block          // blocks along the edge of a cell
	values = 2 * 3 * blocks * blocks // of a cell in a pair
)

// Limits of a change, in grey levels: a block has changed when it moved by more
// than noiseFactor times what blocks of this clip usually move by from pair to
// pair, and in any case by these.
const (
	noiseFactor = 5
	least, most = 1, 8
)

// changes are the mean colours of the blocks of each cell in each pair.
type changes struct {
	means [][cells][values]float32
	limit float32
}

// changed measures a clip.
func changed(frames []imageproc.RGB) changes {
	c := changes{means: make([][cells][values]float32, len(frames)/2)}
	for t := range len(frames) / 2 * 2 {
		for y := range gate.Size {
			for x := range gate.Size {
				cell := y/across*gate.Grid + x/across
				b := y%across/block*blocks + x%across/block
				m := &c.means[t/2][cell]
				for k := range 3 {
					m[(t%2*3+k)*blocks*blocks+b] += float32(frames[t].Pix[(y*gate.Size+x)*3+k]) / (block * block)
				}
			}
		}
	}
	var moved []float32
	for i := 1; i < len(c.means); i++ {
		for j := range cells {
			for k, v := range c.means[i][j] {
				moved = append(moved, float32(math.Abs(float64(v-c.means[i-1][j][k]))))
			}
		}
	}
	if len(moved) > 0 {
		slices.Sort(moved)
		n := len(moved)
		c.limit = min(most, max(least, noiseFactor*(moved[(n-1)/2]+moved[n/2])/2))
	}
	return c
}

// drop says which tokens to keep: all of the first pair, those that have changed
// since they were last kept, and of the others all but a share.
func drop(c changes, share float64, rnd *rand.Rand) []bool {
	keep := make([]bool, len(c.means)*cells)
	for j := range cells {
		last := 0
		for i := range c.means {
			stays := true
			for k, v := range c.means[i][j] {
				stays = stays && max(v-c.means[last][j][k], c.means[last][j][k]-v) <= c.limit
			}
			if i == 0 || !stays || share < 1 && rnd.Float64() >= share {
				keep[i*cells+j], last = true, i
			}
		}
	}
	return keep
}

// gone is how many tokens a selection leaves out.
func gone(keep []bool) int {
	n := 0
	for _, k := range keep {
		if !k {
			n++
		}
	}
	return n
}
