package compute

import (
	"math"
	"sync"
)

// Attention never holds a whole score matrix: blocks of keys are scored, turned into weights relative to the largest
// score so far, and added to the output, which is rescaled when a larger score appears (FlashAttention, Dao 2022,
// algorithm 1).

// keyBlock is the number of keys that Attend scores at once.
const keyBlock = 128

// A KVSpan is a run of keys and values as kvcache stores them: columns [Lo, Hi) of K [hd, width] and rows [Lo, Hi) of
// V [width, hd], as F16 bits, width = len(K)/hd.
type KVSpan struct {
	K, V   []uint16
	Lo, Hi int
}

// flash is the state of one block of query rows.
type flash struct {
	m, hd  int
	q      []float32 // [m, hd], scaled
	s      []float32 // [m, width of the key block]
	o      []float32 // [m, hd]
	hi     []float32 // [m] largest score so far
	sum    []float32 // [m] sum of the weights so far
	kt, vt []float32 // tiles of a span
	q16    []uint32  // [m, hd/2] q as pairs of bfloat16
	p16    []uint32  // [m, width/2] weights
}

var flashes = sync.Pool{New: func() any { return new(flash) }}

// Attend computes softmax(Q K^T * scale) V for one head without a mask. q and out are [m, hd] with row strides ldq and
// ldo; kt is [hd, n] with row stride ldk (keys transposed), v is [n, hd] with row stride ldv.
func Attend(out []float32, ldo int, q []float32, ldq int, kt []float32, ldk int, v []float32, ldv int, m, n, hd int, scale float32) {
	f := flashes.Get().(*flash)
	defer flashes.Put(f)
	f.begin(m, hd, keyBlock)
	for i := range m {
		copyScaled(f.q[i*hd:(i+1)*hd], q[i*ldq:], scale)
	}
	for j := 0; j < n; j += keyBlock {
		k := min(keyBlock, n-j)
		gemm(f.s, keyBlock, f.q, hd, kt[j:], ldk, m, k, hd, false)
		for i := range m {
			f.weigh(i, f.s[i*keyBlock:i*keyBlock+k])
		}
		gemm(f.o, hd, f.s, keyBlock, v[j*ldv:], ldv, m, hd, k, true)
	}
	for i := range m {
		f.finish(i)
		copy(out[i*ldo:i*ldo+hd], f.o[i*hd:(i+1)*hd])
	}
}

// AttendSpans computes causal attention of one group of query heads over the keys and values of one head. q and out
// hold rows of group*hd values with row strides ldq and ldo. Keys are numbered through the spans; row i sees keys
// [0, first+i].
func AttendSpans(out []float32, ldo int, q []float32, ldq, rows, group, hd int, scale float32, first int, spans []KVSpan) {
	if rows == 0 || len(spans) == 0 {
		return
	}
	f := flashes.Get().(*flash)
	defer flashes.Put(f)
	width := len(spans[0].K) / hd
	m := rows * group
	f.begin(m, hd, width)
	f.kt, f.vt = sized(f.kt, width*hd), sized(f.vt, width*hd)
	for i := range rows {
		copyScaled(f.q[i*group*hd:(i+1)*group*hd], q[i*ldq:], scale)
	}
	start := 0 // the number of the span's first key
	for _, s := range spans {
		n := min(s.Hi-s.Lo, first+rows-start) // keys that any row sees
		if n <= 0 {
			break
		}
		from := max(0, start-first) // rows before it see none of these keys
		FromF16(f.kt, s.K)
		FromF16(f.vt[:n*hd], s.V[s.Lo*hd:(s.Lo+n)*hd])
		lo := s.Lo &^ 7 // whole vectors; scores of keys outside the span are computed and not read
		gemm(f.s[from*group*width:], width, f.q[from*group*hd:], hd, f.kt[lo:], width, m-from*group, min(width, (s.Lo+n+7)&^7)-lo, hd, false)
		for i := from; i < rows; i++ {
			seen := min(n, first+i+1-start)
			for g := range group {
				r := i*group + g
				w := f.s[r*width : (r+1)*width]
				f.weigh(r, w[s.Lo-lo:s.Lo-lo+seen])
				clear(w[s.Lo-lo+seen : s.Lo-lo+n])
			}
		}
		gemm(f.o[from*group*hd:], hd, f.s[from*group*width+s.Lo-lo:], width, f.vt, hd, m-from*group, hd, n, true)
		start += s.Hi - s.Lo
	}
	for i := range rows {
		for g := range group {
			f.finish(i*group + g)
		}
		copy(out[i*ldo:i*ldo+group*hd], f.o[i*group*hd:(i+1)*group*hd])
	}
}

func (f *flash) begin(m, hd, width int) {
	f.m, f.hd = m, hd
	f.q, f.o, f.s = sized(f.q, m*hd), sized(f.o, m*hd), sized(f.s, m*width)
	f.hi, f.sum = sized(f.hi, m), sized(f.sum, m)
	clear(f.o)
	clear(f.sum)
	for i := range f.hi {
		f.hi[i] = float32(math.Inf(-1))
	}
}

// weigh turns the scores of row i into weights relative to the largest score so far.
func (f *flash) weigh(i int, s []float32) {
	if m := maxOf(s); m > f.hi[i] {
		c := exp32(f.hi[i] - m)
		f.hi[i] = m
		f.sum[i] *= c
		Scale(f.o[i*f.hd:(i+1)*f.hd], c)
	}
	f.sum[i] += expSum(s, f.hi[i])
}

func (f *flash) finish(i int) { Scale(f.o[i*f.hd:(i+1)*f.hd], 1/f.sum[i]) }

func copyScaled(dst, x []float32, a float32) {
	copy(dst, x[:len(dst)])
	Scale(dst, a)
}

func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
