//go:build unix

package quant

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// Spreading and multiplying stay inside their buffers, and the weights and sums are the group's.
func TestWideKernels(t *testing.T) {
	for _, name := range archISAs() {
		t.Run(name, func(t *testing.T) {
			k := kernelsFor(t, name)
			rng := rand.New(rand.NewPCG(21, 22))
			for l := layoutNone + 1; l < layouts; l++ {
				ik := &k.ints[l]
				if ik.wide == nil {
					continue
				}
				for trial := range 16 {
					nb, n := 1+rng.IntN(4), 1+rng.IntN(4)
					c := newIntCase(t, rng, l, nb, trial%4 == 3, trial%2 == 0)
					got := guarded[byte](t, nb*groupInt8, trial%2 == 0)
					ik.spread(got, groupInt8, c.w, nb)
					for b := range nb {
						checkSpread(t, got[b*groupInt8:][:groupInt8], c.w[b*l.groupBytes():][:l.groupBytes()], l)
					}
					a := guarded[activation](t, nb*n, trial%2 == 0)
					for b := range nb {
						for j := range n {
							a[b*n+j].d = c.cols[j][b].d
							addSign(&a[b*n+j].q, &c.cols[j][b].q)
						}
					}
					out, want := guarded[float32](t, n*groupRows, trial%2 == 0), make([]float32, n*groupRows)
					copy(out, c.init)
					copy(want, c.init)
					ik.wide(got, groupInt8, 1, nb, a, n, out, groupRows)
					for j := range n {
						ik.gemv(c.w, c.cols[j], want[j*groupRows:][:groupRows])
					}
					compareBits(t, "wide", l, nb, out, want)
				}
			}
		})
	}
}

func checkSpread(t *testing.T, got, group []byte, l layout) {
	t.Helper()
	want := make([]byte, groupInt8)
	x := make([]float32, blockLen)
	for r := range groupRows {
		d := f16At(group[2*r:])
		unpackRow(l, x, group, r)
		sum := int32(0)
		for i, v := range x {
			q := int8(0)
			if d != 0 {
				q = int8(math.Round(float64(v) / float64(d)))
			} else {
				q = int8(got[i/4*chunkBytes+4*r+i%4])
			}
			want[i/4*chunkBytes+4*r+i%4] = byte(q)
			sum += int32(q)
		}
		binary.LittleEndian.PutUint32(want[int8Scales+4*r:], math.Float32bits(d))
		binary.LittleEndian.PutUint32(want[int8Sums+4*r:], uint32(-128*sum))
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%v\n%v", got, want)
	}
}
