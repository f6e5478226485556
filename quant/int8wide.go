package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
)

// Int8Wide is the encoding in which a vision tower's weights multiply fastest where four products of bytes add up in 32 bits
// (VPDPBUSD): all 255 values on both sides, and since nothing can overflow, blocks of 64, whose products with the scales are half as
// many as those of 32. It is this package's own: no file holds it, NewMatrixAs and Pack make it from other types.
const Int8Wide Type = 1<<16 + 1

// A strip of Int8Wide has for each block of 64 weights 16 chunks of 32 rows x 4 bytes, 128 added, and the rows' scales as float32.
// A panel of up to 8 columns has for each block 16 x 8 columns x 4 signed bytes, the columns' scales, and where their sums start:
// -128 times the sum of their bytes.
const (
	wideLen        = 64
	wideZero       = 128
	wideBytes      = stripRows32*wideLen + 4*stripRows32
	wideScales     = stripColumns * wideLen // in a panel
	wideStarts     = wideScales + 4*stripColumns
	widePanelBytes = wideStarts + 4*stripColumns
	wideBlocks     = 10 // a kernel call: its weights stay in the L1 cache
)

// int8WideGeneric is the portable kernel of that many columns.
func int8WideGeneric(cols int) stripFunc {
	four := binary.LittleEndian.Uint32
	return func(w, panel []byte, nb int, out []float32, ldo, add int) {
		for c := 0; c < cols && add == 0; c++ {
			clear(out[c*ldo:][:stripRows32])
		}
		for ; nb > 0; nb, w, panel = nb-1, w[wideBytes:], panel[min(len(panel), widePanelBytes):] {
			for c := range cols {
				d := math.Float32frombits(four(panel[wideScales+4*c:]))
				for r := range stripRows32 {
					s := int32(four(panel[wideStarts+4*c:]))
					for k := range wideLen / 4 {
						q := w[4*(k*stripRows32+r):][:4]
						for i, a := 0, four(panel[4*(k*stripColumns+c):]); i < 4; i, a = i+1, a>>8 {
							s += int32(q[i]) * int32(int8(a))
						}
					}
					o := &out[c*ldo+r]
					*o = fma32(float32(s), math.Float32frombits(four(w[stripRows32*wideLen+4*r:]))*d, *o)
				}
			}
		}
	}
}

// quantizeWideGeneric fills nb blocks of a panel from the columns of x, which lie ldx apart. Rounding and what becomes of tiny and
// of huge values are as in [activation.quantize].
func quantizeWideGeneric(panel []byte, x []float32, ldx, cols, nb int) {
	for c := range cols {
		for b := range nb {
			p, in := panel[b*widePanelBytes:], x[c*ldx+b*wideLen:][:wideLen]
			var top uint32
			for _, v := range in {
				top = max(top, math.Float32bits(v)&^(1<<31))
			}
			amax := math.Float32frombits(top)
			d, inverse := amax/127, 127/amax
			none := true
			switch {
			case top >= hugeBits:
				d = float32(math.NaN())
			case amax < tinyActivation:
				d = 0
			default:
				none = false
			}
			sum := int32(0)
			for i, v := range in {
				q := int32(0)
				if !none {
					q = int32(math.Float32bits(float32(v*inverse)+0x1.8p23)) - magic
				}
				p[4*(i/4*stripColumns+c)+i%4] = byte(q)
				sum += q
			}
			binary.LittleEndian.PutUint32(p[wideScales+4*c:], math.Float32bits(d))
			binary.LittleEndian.PutUint32(p[wideStarts+4*c:], uint32(-wideZero*sum))
		}
	}
}

// stripSize is the bytes of a strip.
func (m *Matrix) stripSize() int { return m.nb * blockLen / wideLen * wideBytes }

// mulInt8Wide is Mul for Int8Wide.
func (m *Matrix) mulInt8Wide(out, x []float32, n int, r Runner) {
	k := active()
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	nb := m.nb * blockLen / wideLen
	tiles := (n + stripColumns - 1) / stripColumns
	panels := grow(&s.panels, tiles*nb*widePanelBytes)
	run(r, tiles, max(1, 16384/(m.cols*stripColumns)), func(from, to int) {
		for t := from; t < to; t++ {
			cols := min(stripColumns, n-t*stripColumns)
			eachColumns(x[t*stripColumns*m.cols:], m.cols, wideLen, cols, func(from int, x []float32, ldx, blocks int) {
				k.quantizeWide(panels[(t*nb+from)*widePanelBytes:], x, ldx, cols, blocks)
			})
		}
	})
	run(r, m.strips(), share(m.strips(), stripChunk, r), func(from, to int) {
		for b := 0; b < nb; b += wideBlocks {
			blocks := min(nb, b+wideBlocks) - b
			for strip := from; strip < to; strip++ {
				w := m.packed[strip*m.stripSize()+b*wideBytes:]
				if strip+1 < to {
					k.prefetch(&w[m.stripSize()], blocks*wideBytes)
				}
				for c := 0; c < n; c += stripColumns {
					panel := panels[(c/stripColumns*nb+b)*widePanelBytes:]
					m.addStrip(&k.int8Wide, w, panel, b, blocks, out, strip, c, n)
				}
			}
		}
	})
	runtime.KeepAlive(m)
}

// eachColumns calls f with whole blocks of up to 8 columns of x, whose rows are cols long: with those that x has, and with the last
// ones padded, one block of them.
func eachColumns(x []float32, cols, block, n int, f func(from int, x []float32, ldx, nb int)) {
	whole := cols / block
	if whole > 0 {
		f(0, x, cols, whole)
	}
	if left := cols % block; left > 0 {
		var pad [stripColumns * wideLen]float32
		for c := range n {
			copy(pad[c*block:], x[c*cols+whole*block:][:left])
		}
		f(whole, pad[:], block, 1)
	}
}

// packInt8Wide writes row r of a strip.
func packInt8Wide(strip []byte, r int, row []float32) error {
	for b := 0; b*wideLen < len(row); b++ {
		x, g := row[b*wideLen:][:wideLen], strip[b*wideBytes:][:wideBytes]
		var top float32
		for i, v := range x {
			if v-v != 0 {
				return fmt.Errorf("quant: weight %d is %v, which int8 can't hold", b*wideLen+i, v)
			}
			top = max(top, float32(math.Abs(float64(v))))
		}
		d, inverse := top/127, float32(0)
		if top < tinyActivation {
			d = 0
		} else {
			inverse = 127 / top
		}
		for i, v := range x {
			q := int32(math.Float32bits(float32(v*inverse)+0x1.8p23)) - magic
			g[4*(i/4*stripRows32+r)+i%4] = byte(wideZero + q)
		}
		binary.LittleEndian.PutUint32(g[stripRows32*wideLen+4*r:], math.Float32bits(d))
	}
	return nil
}

// unpackInt8Wide decodes row r of a strip.
func unpackInt8Wide(dst []float32, strip []byte, r int) {
	for i := range dst {
		g, k := strip[i/wideLen*wideBytes:], i%wideLen
		d := math.Float32frombits(binary.LittleEndian.Uint32(g[stripRows32*wideLen+4*r:]))
		dst[i] = d * float32(int(g[4*(k/4*stripRows32+r)+k%4])-wideZero)
	}
}

// fillInt8Wide packs weights of another type.
func (m *Matrix) fillInt8Wide(from Type, data []byte, r Runner) error {
	wide, in := m.nb*blockLen, from.RowBytes(m.cols)
	errs := make([]error, m.strips())
	r.Do(len(errs), func(s int) {
		row := make([]float32, wide)
		for i := s * stripRows32; i < min(m.rows, (s+1)*stripRows32) && errs[s] == nil; i++ {
			dequantize(from, row[:m.cols], data[i*in:][:in])
			errs[s] = packInt8Wide(m.packed[s*m.stripSize():], i%stripRows32, row)
		}
	})
	runtime.KeepAlive(m)
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
