package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
)

// Int8 is the encoding in which a vision tower's weights multiply fastest where a product of bytes is one of unsigned with
// signed ones (VPMADDUBSW): blocks of 32 with a float32 scale, like Q8_0, but with the activations in [-96, 96] and the
// weights' scale such that four products always fit 16 bits, so that half of the widening to 32 bits falls away. Of 8 bits
// each side loses about 0.4. It is this package's own: no file holds it, NewMatrixAs and Pack make it from other types.
const Int8 Type = 1 << 16

// Int8Type is the encoding of about eight bits whose products are fastest with the instruction set in use.
func Int8Type() Type {
	switch {
	case active().name == "avx512vnni":
		return Int8Wide
	case runtime.GOARCH == "amd64":
		return Int8
	}
	return Q8_0
}

// A group of Int8 is 8 rows x 32 weights: 8 chunks of 8 rows x 4 signed bytes, then the rows' scales as float32, then for
// each row -96*sum(q) as int32: activations are kept with 96 added, and this takes it off again. Sixteen groups (fewer at the
// end of the matrix) lie block by block, so that the kernel reads memory in one go.
//
// The kernels add the products of weights 8j, 8j+1, 8j+4 and 8j+5 in 16 bits, and those of the other four. With activations
// in [0, 192] the sum fits as long as the positive weights among the four add to at most 170, and the negative ones too.
const (
	int8ActZero = 96
	int8MaxFour = 32767 / (2 * int8ActZero)
	int8Scales  = 256
	int8Sums    = int8Scales + 32
	groupInt8   = int8Sums + 32
)

// Sizes of the pieces that mulInt8 works in: a call's weights stay in the L1 cache, a chunk's in L2.
const (
	int8Blocks = 10 // a kernel call ends within some 15 µs
	int8Groups = 16
	int8Panel  = 32 // columns
	int8Depth  = 40 // blocks for which a chunk's weights and a panel's activations stay in L2
)

// packInt8 writes up to 8 rows of whole blocks as groups that lie stride bytes apart, into zeroed memory.
func packInt8(dst []byte, stride int, rows [][]float32) error {
	for r, row := range rows {
		for b := 0; b*blockLen < len(row); b++ {
			x := row[b*blockLen:][:blockLen]
			for i, v := range x {
				if v-v != 0 {
					return fmt.Errorf("quant: weight %d is %v, which int8 can't hold", b*blockLen+i, v)
				}
			}
			q, d := roundInt8(x)
			g := dst[b*stride:][:groupInt8]
			sum := int32(0)
			for i, v := range q {
				g[i/4*chunkBytes+4*r+i%4] = byte(v)
				sum += int32(v)
			}
			binary.LittleEndian.PutUint32(g[int8Scales+4*r:], math.Float32bits(d))
			binary.LittleEndian.PutUint32(g[int8Sums+4*r:], uint32(-int8ActZero*sum))
		}
	}
	return nil
}

// roundInt8 is x as d*q with the smallest d that keeps q within its limits.
func roundInt8(x []float32) (q [blockLen]int8, d float32) {
	var top float64
	for i, v := range x {
		a := math.Abs(float64(v))
		top = max(top, a/127)
		if i%8 == 0 {
			for _, odd := range [2]int{0, 2} {
				var positive, negative float64
				for _, k := range [4]int{0, 1, 4, 5} {
					positive += max(0, float64(x[i+odd+k]))
					negative -= min(0, float64(x[i+odd+k]))
				}
				top = max(top, positive/int8MaxFour, negative/int8MaxFour)
			}
		}
	}
	if top < 0x1p-100 {
		return q, 0
	}
	for d = float32(top); ; d *= 1.002 { // rounding may carry a sum over the limit
		for i, v := range x {
			q[i] = int8(max(-127, min(127, math.RoundToEven(float64(v)/float64(d)))))
		}
		if fitsInt8(&q) {
			return q, d
		}
	}
}

// fitsInt8 says whether no sum of four products can leave 16 bits.
func fitsInt8(q *[blockLen]int8) bool {
	for i := 0; i < blockLen; i += 8 {
		for _, odd := range [2]int{0, 2} {
			positive, negative := 0, 0
			for _, k := range [4]int{0, 1, 4, 5} {
				positive += max(0, int(q[i+odd+k]))
				negative -= min(0, int(q[i+odd+k]))
			}
			if positive > int8MaxFour || negative > int8MaxFour {
				return false
			}
		}
	}
	return true
}

// unpackInt8 decodes row r of 8, whose groups lie stride bytes apart.
func unpackInt8(dst []float32, groups []byte, stride, r int) {
	for i := range dst {
		g := groups[i/blockLen*stride:]
		d := math.Float32frombits(binary.LittleEndian.Uint32(g[int8Scales+4*r:]))
		k := i % blockLen
		dst[i] = d * float32(int8(g[k/4*chunkBytes+4*r+k%4]))
	}
}

// quantizeU8 fills every stride-th activation of dst from x, one for 32 values: x = d*(q-96), q in [0, 192] as unsigned
// bytes. The other fields stay as they are.
func quantizeU8(dst []activation, stride int, x []float32) {
	for i := 0; i < len(x); i += blockLen {
		dst[i/blockLen*stride].quantizeU8(x[i:][:blockLen:blockLen])
	}
}

func (a *activation) quantizeU8(x []float32) {
	var top uint32
	for _, v := range x[:blockLen] {
		top = max(top, math.Float32bits(v)&^(1<<31))
	}
	amax := math.Float32frombits(top)
	inverse := int8ActZero / amax
	switch a.d = amax / int8ActZero; {
	case top >= hugeBits:
		a.d, inverse = float32(math.NaN()), 0
	case amax < tinyActivation:
		a.d, inverse = 0, 0
	}
	for i, v := range x[:blockLen] {
		if inverse == 0 {
			v = 0
		}
		a.q[i] = int8(int32(math.Float32bits(float32(v*inverse)+0x1.8p23)) - magic + int8ActZero)
	}
}

// int8Group is where group g begins in m.packed, and the bytes from one of its blocks to the next.
func (m *Matrix) int8Group(g int) (at, stride int) {
	first := g / int8Groups * int8Groups
	stride = min(int8Groups, m.rowGroups()-first) * groupInt8
	return first*m.nb*groupInt8 + (g-first)*groupInt8, stride
}

// int8Kernel multiplies the Int8 layout: groups of 8 rows, side by side in w, by nb blocks, stride bytes apart, of a panel of
// n columns, a [nb, n], adding to out [n, 8*groups] with rows ldo apart.
type int8Kernel = func(w []byte, stride, groups, nb int, a []activation, n int, out []float32, ldo int)

func mulInt8Generic(w []byte, stride, groups, nb int, a []activation, n int, out []float32, ldo int) {
	for b := range nb {
		for c := range n {
			ab := &a[b*n+c]
			for i := range groups * groupRows {
				g := w[b*stride+i/groupRows*groupInt8:][:groupInt8]
				r := i % groupRows
				s := int32(binary.LittleEndian.Uint32(g[int8Sums+4*r:]))
				for k, q := range ab.q {
					s += int32(int8(g[k/4*chunkBytes+4*r+k%4])) * int32(uint8(q))
				}
				d := math.Float32frombits(binary.LittleEndian.Uint32(g[int8Scales+4*r:]))
				o := &out[c*ldo+i]
				*o = fma32(float32(s), d*ab.d, *o)
			}
		}
	}
}

// mulInt8 is Mul for Int8.
func (m *Matrix) mulInt8(out, x []float32, n int, r Runner) {
	k := active()
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	nb := m.nb
	acts := grow(&s.acts, n*nb)
	panels := (n + int8Panel - 1) / int8Panel
	// A panel's blocks follow one another, each with all its columns: the kernel reads them in one go.
	width := func(p int) int { return min(int8Panel, n-p*int8Panel) }
	run(r, n, max(1, 16384/m.cols), func(from, to int) {
		var pad [blockLen]float32
		whole := m.cols / blockLen
		for c := from; c < to; c++ {
			p := c / int8Panel
			dst := acts[p*int8Panel*nb+c%int8Panel:]
			row := x[c*m.cols:][:m.cols]
			k.quantizeU8(dst, width(p), row[:whole*blockLen])
			if whole < nb {
				clear(pad[copy(pad[:], row[whole*blockLen:]):])
				dst[whole*width(p)].quantizeU8(pad[:])
			}
		}
	})
	groups := m.rowGroups()
	run(r, groups, groupsOfChunk(groups, r), func(from, to int) {
		at, stride := m.int8Group(from)
		for c := range n {
			clear(out[c*m.rows:][from*groupRows : min(m.rows, to*groupRows)])
		}
		for k0 := 0; k0 < nb; k0 += int8Depth {
			for p := range panels {
				w, c := width(p), p*int8Panel
				a := acts[c*nb:][:w*nb]
				for b := k0; b < min(nb, k0+int8Depth); b += int8Blocks {
					blocks := min(nb, k0+int8Depth, b+int8Blocks) - b
					m.addGroups(k.int8, m.packed[at+b*stride:], stride, from, to, blocks, a[b*w:], w, out[c*m.rows:])
				}
			}
		}
	})
}

// groupsOfChunk is how many groups a chunk takes so that every thread gets about four chunks: a divisor of int8Groups, so that a
// chunk stays within groups that lie together.
func groupsOfChunk(groups int, r Runner) int {
	size := int8Groups
	for size > 1 && groups < 4*size*r.Threads() {
		size /= 2
	}
	return size
}

// addGroups adds groups [from, to), which w begins with, times a panel to out, whose rows are those of m.
func (m *Matrix) addGroups(kernel int8Kernel, w []byte, stride, from, to, nb int, a []activation, n int, out []float32) {
	full := min(to, m.rows/groupRows) // groups whose 8 rows all exist
	if full > from {
		kernel(w, stride, full-from, nb, a, n, out[from*groupRows:], m.rows)
	}
	if full == to {
		return
	}
	var edge [int8Panel * groupRows]float32
	live := m.rows - full*groupRows
	last := out[full*groupRows:]
	for c := range n {
		copy(edge[c*groupRows:][:live], last[c*m.rows:])
	}
	kernel(w[(full-from)*groupInt8:], stride, 1, nb, a, n, edge[:], groupRows)
	for c := range n {
		copy(last[c*m.rows:][:live], edge[c*groupRows:])
	}
}

// fillInt8 packs weights of another type.
func (m *Matrix) fillInt8(from Type, data []byte, r Runner) error {
	wide := m.nb * blockLen
	in := from.RowBytes(m.cols)
	errs := make([]error, m.rowGroups())
	r.Do(m.rowGroups(), func(g int) {
		at, stride := m.int8Group(g)
		live := min(groupRows, m.rows-g*groupRows)
		weights := make([]float32, live*wide)
		rows := make([][]float32, live)
		for i := range live {
			rows[i] = weights[i*wide:][:wide]
			dequantize(from, rows[i][:m.cols], data[(g*groupRows+i)*in:][:in])
		}
		errs[g] = packInt8(m.packed[at:], stride, rows)
	})
	runtime.KeepAlive(m)
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
