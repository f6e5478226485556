package quant

import (
	"runtime"
	"sync"
	"unsafe"
)

// Many columns where one instruction multiplies four bytes and adds to 32 bits (VPDPBUSD): the weights of 32 rows, a strip, are
// spread once to unsigned bytes and multiplied by tiles of up to 8 columns, whose bytes are signed. What the weights' bytes are too
// high by is taken off where a sum starts, by the column: zero times the sum of its activations. Sums of integers are exact and
// floats follow in the order of the other kernels, so that the results are the same bits.
//
// A strip has for each block of 32 weights 8 chunks of 32 rows x 4 bytes, then the rows' scales as float32, then where the format
// has them their minima, or for Q6_K the scales of the second half. Of the K formats these are the sub-blocks' integers, and each
// super-block ends in 32 d and 32 dmin.
const (
	stripRows32    = 32
	stripScales    = 1024
	stripBytes     = stripScales + 128
	stripWideBytes = stripBytes + 128
	stripTailBytes = 256
	stripColumns   = 8
	stripBlocks    = 16 // a kernel call: its weights stay in the L1 cache; whole super-blocks
	stripChunk     = 4  // strips a chunk: the columns' blocks stay in L2 while these pass
)

// stripKernel is how weights of one layout are spread and multiplied. The zero value is none.
type stripKernel struct {
	zero   int32 // what a weight's byte is too high by
	halves bool  // sums start anew in the middle of a block: Q6_K
	// fill quantizes columns into a panel. Sums start at -zero times the first half's sum, and the second's with second -1.
	fill   func(panel []byte, x []float32, ldx, cols, nb int, zero, second int32)
	spread func(dst, w []byte, nb int)
	mul    stripTiles
	from   int // columns from which spreading pays
}

// stripTiles are the kernels of 8, 4, 2 and 1 columns; nil: as two of the next.
type stripTiles [4]stripFunc

// stripFunc multiplies nb blocks of a strip by a tile's columns: out[c*ldo : c*ldo+32] += for each column c, or = where add is 0.
type stripFunc = func(w, panel []byte, nb int, out []float32, ldo, add int)

// stripPanel is one block of up to 8 columns; the assembly knows it (384 bytes).
type stripPanel struct {
	q    [blockLen / 4][stripColumns]uint32 // q[k][c] is column c's q[4k:4k+4]
	d, s [stripColumns]float32
	bias [2][stripColumns]int32 // where sums start; the second one is that of a block's second half
}

const stripPanelBytes = 384

var _ = [1]struct{}{}[unsafe.Sizeof(stripPanel{})-stripPanelBytes]

// quantize fills nb blocks of a panel from the columns of x, which lie ldx apart.
func (sk *stripKernel) quantize(panel []byte, x []float32, ldx, cols, nb int) {
	second := int32(-1)
	if sk.halves {
		second = 0
	}
	sk.fill(panel, x, ldx, cols, nb, sk.zero, second)
}

type stripBuffer [stripBlocks*stripWideBytes + stripBlocks/superSubs*stripTailBytes]byte

var stripBuffers = sync.Pool{New: func() any {
	return (*stripBuffer)(aligned(int(unsafe.Sizeof(stripBuffer{}))))
}}

// mulStrips is Mul by strips.
func (m *Matrix) mulStrips(k *kernels, out, x []float32, n int, r Runner) {
	sk := &k.ints[m.layout].strip
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	nb := m.nb
	tiles := (n + stripColumns - 1) / stripColumns
	panels := grow(&s.panels, tiles*nb*stripPanelBytes)
	run(r, tiles, max(1, 16384/(m.cols*stripColumns)), func(from, to int) {
		for t := from; t < to; t++ {
			cols := min(stripColumns, n-t*stripColumns)
			dst := panels[t*nb*stripPanelBytes:][:nb*stripPanelBytes]
			eachColumns(x[t*stripColumns*m.cols:], m.cols, blockLen, cols, func(from int, x []float32, ldx, blocks int) {
				sk.quantize(dst[from*stripPanelBytes:], x, ldx, cols, blocks)
			})
			for b := (m.cols + blockLen - 1) / blockLen; b < nb; b++ { // what pads a super-block
				clear(dst[b*stripPanelBytes:][:stripPanelBytes])
			}
		}
	})
	run(r, m.strips(), share(m.strips(), stripChunk, r), func(from, to int) {
		buffer := stripBuffers.Get().(*stripBuffer)
		defer stripBuffers.Put(buffer)
		for b := 0; b < nb; b += stripBlocks {
			blocks := min(nb, b+stripBlocks) - b
			for strip := from; strip < to; strip++ {
				first := strip * stripRows32 / groupRows
				for g := first; g < min(m.rowGroups(), first+stripRows32/groupRows); g++ {
					w := m.groups(g)[b/m.layout.blocks()*m.layout.groupBytes():]
					sk.spread(buffer[(g-first)*chunkBytes:], w, blocks)
				}
				// The next strip's weights come from memory meanwhile.
				for g := first + stripRows32/groupRows; g < min(m.rowGroups(), first+2*stripRows32/groupRows); g++ {
					w := m.groups(g)[b/m.layout.blocks()*m.layout.groupBytes():]
					k.prefetch(&w[0], blocks/m.layout.blocks()*m.layout.groupBytes())
				}
				for c := 0; c < n; c += stripColumns {
					panel := panels[(c/stripColumns*nb+b)*stripPanelBytes:]
					m.addStrip(&sk.mul, buffer[:], panel, b, blocks, out, strip, c, n)
				}
			}
		}
	})
	runtime.KeepAlive(m)
}

// addStrip adds nb blocks of a strip from block b on, times the columns of a panel, of which the first is column c of n.
func (m *Matrix) addStrip(k *stripTiles, w, panel []byte, b, nb int, out []float32, strip, c, n int) {
	row := strip * stripRows32
	out = out[c*m.rows+row:]
	n = min(stripColumns, n-c)
	live := min(stripRows32, m.rows-row)
	if live == stripRows32 {
		k.mul(w, panel, nb, out, m.rows, n, b)
		return
	}
	var edge [stripColumns * stripRows32]float32
	for c := range n {
		copy(edge[c*stripRows32:][:live], out[c*m.rows:])
	}
	k.mul(w, panel, nb, edge[:], stripRows32, n, b)
	for c := range n {
		copy(out[c*m.rows:][:live], edge[c*stripRows32:])
	}
}

// mul multiplies the n columns of a panel in pieces that there are kernels for.
func (k *stripTiles) mul(w, panel []byte, nb int, out []float32, ldo, n, add int) {
	for i, c := 0, 0; c < n; {
		cols := stripColumns >> i
		if cols > n-c || k[i] == nil {
			i++
			continue
		}
		k[i](w, panel[4*c:], nb, out[c*ldo:], ldo, add)
		c += cols
	}
}
