package gate

import "math/bits"

// rng is splitmix64. It is ours so that the pixels of a seed never change with
// a Go release.
type rng struct{ state uint64 }

func newRNG(parts ...uint64) rng {
	r := rng{0x9e3779b97f4a7c15}
	for _, p := range parts {
		r.state ^= p
		r.state = r.next()
	}
	return r
}

func (r *rng) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// intn is uniform in [0, n).
func (r *rng) intn(n int) int {
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int(hi)
}

// between is uniform in [lo, hi], and lo where the range is empty.
func (r *rng) between(lo, hi int) int {
	if hi <= lo {
		return lo
	}
	return lo + r.intn(hi-lo+1)
}

// chance is true in percent of 100 cases.
func (r *rng) chance(percent int) bool { return r.intn(100) < percent }

// normalish is roughly normal with mean 0 and standard deviation 32 (the sum
// of eight bytes).
func (r *rng) normalish() int {
	z, sum := r.next(), 0
	for range 8 {
		sum += int(z & 255)
		z >>= 8
	}
	return (sum - 1020) * 39 >> 8
}
