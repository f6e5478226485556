package compute

import (
	"fmt"
	"math"
	"testing"
)

// attend64 is attention of one query over the first n keys, in float64.
func attend64(q []float32, key, value func(j, i int) float64, n, hd int, scale float64) []float64 {
	w := make([]float64, n)
	m, s := math.Inf(-1), 0.0
	for j := range n {
		for i := range hd {
			w[j] += float64(q[i]) * key(j, i) * scale
		}
		m = max(m, w[j])
	}
	for j := range w {
		w[j] = math.Exp(w[j] - m)
		s += w[j]
	}
	out := make([]float64, hd)
	for j := range w {
		for i := range hd {
			out[i] += w[j] / s * value(j, i)
		}
	}
	return out
}

func TestAttendEqualsFloat64(t *testing.T) {
	bothForms(t, func(t *testing.T) {
		for _, c := range []struct{ m, n, hd int }{{1, 1, 4}, {3, 5, 16}, {8, 128, 20}, {33, 129, 80}, {5, 300, 32}} {
			ldq, ldk, ldv := 2*c.hd+1, c.n+3, c.hd+2
			q, kt, v := randoms(1, c.m*ldq, 1.5), randoms(2, c.hd*ldk, 1.5), randoms(3, c.n*ldv, 1)
			got := make([]float32, c.m*ldq)
			scale := 1 / math.Sqrt(float64(c.hd))
			Attend(got, ldq, q, ldq, kt, ldk, v, ldv, c.m, c.n, c.hd, float32(scale))
			for i := range c.m {
				want := attend64(q[i*ldq:], func(j, e int) float64 { return float64(kt[e*ldk+j]) },
					func(j, e int) float64 { return float64(v[j*ldv+e]) }, c.n, c.hd, scale)
				near(t, fmt.Sprintf("%+v row %d", c, i), got[i*ldq:], want)
			}
		}
	})
}

// Rows see exactly their own past, through spans that begin and end anywhere in their pages, whatever the unused
// places hold.
func TestAttendSpansEqualsFloat64(t *testing.T) {
	const width = 64
	nan := f16(float32(math.NaN()))
	bothForms(t, func(t *testing.T) {
		for _, c := range []struct {
			rows, group, hd int
			spans           [][2]int
		}{
			{1, 1, 8, [][2]int{{0, 1}}},
			{1, 6, 128, [][2]int{{0, 64}, {0, 64}, {0, 9}}},
			{5, 3, 16, [][2]int{{0, 64}, {3, 17}, {60, 64}, {0, 30}}},
			{40, 2, 64, [][2]int{{0, 40}}},
			{70, 1, 20, [][2]int{{7, 64}, {0, 64}, {5, 6}}},
		} {
			var spans []KVSpan
			type place struct{ span, col int }
			var keys []place
			for i, s := range c.spans {
				sp := KVSpan{K: make([]uint16, c.hd*width), V: make([]uint16, c.hd*width), Lo: s[0], Hi: s[1]}
				x, y := randoms(uint64(20+i), c.hd*width, 1.5), randoms(uint64(40+i), c.hd*width, 1)
				ToF16(sp.K, x)
				ToF16(sp.V, y)
				for col := range width {
					if col >= s[0] && col < s[1] {
						keys = append(keys, place{i, col})
						continue
					}
					for e := range c.hd {
						sp.K[e*width+col], sp.V[col*c.hd+e] = nan, nan
					}
				}
				spans = append(spans, sp)
			}
			first, ld := len(keys)-c.rows, c.group*c.hd+5
			q := randoms(60, c.rows*ld, 1.5)
			got := make([]float32, c.rows*ld)
			scale := 1 / math.Sqrt(float64(c.hd))
			AttendSpans(got, ld, q, ld, c.rows, c.group, c.hd, float32(scale), first, spans)
			for i := range c.rows {
				for g := range c.group {
					want := attend64(q[i*ld+g*c.hd:],
						func(j, e int) float64 { p := keys[j]; return float64(f32(spans[p.span].K[e*width+p.col])) },
						func(j, e int) float64 { p := keys[j]; return float64(f32(spans[p.span].V[p.col*c.hd+e])) },
						first+i+1, c.hd, scale)
					near(t, fmt.Sprintf("%v row %d head %d", c, i, g), got[i*ld+g*c.hd:], want)
				}
			}
		}
	})
}
