package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/compute"
)

// ReadBandwidth measures how fast the pool's threads together read memory, in thousands of millions of bytes a second:
// the best of several passes over a buffer larger than any cache. The reader is bytes.IndexByte, which the standard
// library has in assembly for every board.
func ReadBandwidth(pool *compute.Pool) float64 {
	const size, chunk, passes = 256 << 20, 1 << 20, 6
	buf := make([]byte, size)
	for i := range buf {
		buf[i] = byte(i | 1) // every page its own memory, and no zero to find
	}
	best := time.Duration(1 << 62)
	for range passes {
		start := time.Now()
		pool.Do(size/chunk, func(i int) {
			if bytes.IndexByte(buf[i*chunk:(i+1)*chunk], 0) >= 0 {
				panic("bench: the buffer changed")
			}
		})
		best = min(best, time.Since(start))
	}
	return size / best.Seconds() / 1e9
}

// peakGOPS measures the matrix product of type t with weights and activations that stay in the cache: operations a second of
// all threads, two for a multiply-add, in thousands of millions.
func peakGOPS(t quant.Type, pool *compute.Pool) (float64, error) {
	const rows, cols, n, atLeast = 1536, 256, 64, 200 * time.Millisecond
	// Encoders exist for fewer types than kernels; a type without one is measured as its nearest.
	if t == quant.Q5_K {
		t = quant.Q4_K
	}
	rng := rand.New(rand.NewPCG(5, 6))
	w := make([]float32, rows*cols)
	for i := range w {
		w[i] = float32(rng.NormFloat64())
	}
	from := t
	if quant.PackedBytes(t, rows, cols) > 0 {
		from = quant.F32 // types that no file holds are made from it too
	}
	data := make([]byte, rows*from.RowBytes(cols))
	if err := quant.Quantize(from, data, w); err != nil {
		return 0, fmt.Errorf("bench: %w", err)
	}
	m, err := quant.NewMatrixAs(t, from, data, rows, cols, pool)
	if err != nil {
		return 0, fmt.Errorf("bench: %w", err)
	}
	x, out := make([]float32, n*cols), make([]float32, n*rows)
	copy(x, w)
	best := time.Duration(1 << 62)
	for begin := time.Now(); time.Since(begin) < atLeast; {
		start := time.Now()
		m.Mul(out, x, n, pool)
		best = min(best, time.Since(start))
	}
	return 2 * rows * cols * n / best.Seconds() / 1e9, nil
}

// peakRSS is the most memory the process has had resident, in bytes; 0 where /proc doesn't say.
func peakRSS() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}
