package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
)

// Int8Wide is the encoding in which a vision tower's weights multiply fastest where four products of bytes add up in 32 bits
// (VPDPBUSD): blocks of 32 with a float32 scale and all 255 values on both sides, packed as strips (see strip.go). It is this
// package's own: no file holds it, NewMatrixAs and Pack make it from other types.
const Int8Wide Type = 1<<16 + 1

// int8WideZero is what weights are kept with added.
const int8WideZero = 128

// int8WideKernel has kernels of 8, 4, 2 and 1 columns.
func int8WideKernel(mul ...stripFunc) stripKernel {
	return stripKernel{zero: int8WideZero, mul: [4]stripFunc(mul)}
}

// stripGeneric is the portable kernel of that many columns.
func stripGeneric(cols int) stripFunc {
	return func(w, panel []byte, nb int, out []float32, ldo int) {
		for ; nb > 0; nb, w, panel = nb-1, w[stripBytes:], panel[min(len(panel), stripPanelBytes):] {
			four := func(at int) uint32 { return binary.LittleEndian.Uint32(panel[at:]) }
			for c := range cols {
				d := math.Float32frombits(four(256 + 4*c))
				for r := range stripRows32 {
					s := int32(four(320 + 4*c))
					for k := range blockLen / 4 {
						q := w[4*(k*stripRows32+r):][:4]
						for i, a := 0, four(4*(k*stripColumns+c)); i < 4; i, a = i+1, a>>8 {
							s += int32(q[i]) * int32(int8(a))
						}
					}
					o := &out[c*ldo+r]
					*o = fma32(float32(s), math.Float32frombits(binary.LittleEndian.Uint32(w[stripScales+4*r:]))*d, *o)
				}
			}
		}
	}
}

// packInt8Wide writes row r of a strip into zeroed memory.
func packInt8Wide(strip []byte, r int, row []float32) error {
	for b := 0; b*blockLen < len(row); b++ {
		x, g := row[b*blockLen:][:blockLen], strip[b*stripBytes:][:stripBytes]
		var top float32
		for i, v := range x {
			if v-v != 0 {
				return fmt.Errorf("quant: weight %d is %v, which int8 can't hold", b*blockLen+i, v)
			}
			top = max(top, float32(math.Abs(float64(v))))
		}
		d := top / 127
		if top < tinyActivation {
			d = 0
		}
		for i, v := range x {
			q := byte(int8WideZero)
			if d > 0 {
				q += byte(int8(math.RoundToEven(float64(v) / float64(d))))
			}
			g[4*(i/4*stripRows32+r)+i%4] = q
		}
		binary.LittleEndian.PutUint32(g[stripScales+4*r:], math.Float32bits(d))
	}
	return nil
}

// unpackInt8Wide decodes row r of a strip.
func unpackInt8Wide(dst []float32, strip []byte, r int) {
	for i := range dst {
		g, k := strip[i/blockLen*stripBytes:], i%blockLen
		d := math.Float32frombits(binary.LittleEndian.Uint32(g[stripScales+4*r:]))
		dst[i] = d * float32(int(g[4*(k/4*stripRows32+r)+k%4])-int8WideZero)
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
			errs[s] = packInt8Wide(m.packed[s*m.nb*stripBytes:], i%stripRows32, row)
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
