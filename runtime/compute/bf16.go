package compute

import "math"

// BF16 says that products of pairs of bfloat16 are faster here than those of float32.
func BF16() bool { return vectorBF16 }

// PairBF16 stores a and b, rounded to bfloat16, side by side: a in the low halves of dst, b in the high ones. A nil b is zeros.
func PairBF16(dst []uint32, a, b []float32) {
	if len(dst) == 0 {
		return
	}
	for i := vecPairBF16(dst, a, b); i < len(dst); i++ {
		dst[i] = uint32(bf16(a[i]))
		if b != nil {
			dst[i] |= uint32(bf16(b[i])) << 16
		}
	}
}

// toBF16 stores x as bfloat16 bits, two to an element of dst, whose last one may have zero as its second.
func toBF16(dst []uint32, x []float32) {
	for i := vecToBF16(dst, x); i < len(x); i += 2 {
		dst[i/2] = uint32(bf16(x[i]))
		if i+1 < len(x) {
			dst[i/2] |= uint32(bf16(x[i+1])) << 16
		}
	}
}

// bf16 rounds to the nearest, ties to even; subnormals become zeros, as the instructions have it.
func bf16(f float32) uint16 {
	b := math.Float32bits(f)
	switch mag := b &^ (1 << 31); {
	case mag > 0x7f800000:
		return uint16(b>>16) | 0x40
	case mag < 0x00800000:
		return uint16(b >> 16 & 0x8000)
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// gemmBF16 computes C = A*B, or C += A*B with acc, where an element of A [m, k] and of B [k, n] is a pair whose products are
// summed. B and C have whole registers: rows of a multiple of 16 columns may be read and written from n's last on.
func gemmBF16(c []float32, ldc int, a []uint32, lda int, b []uint32, ldb, m, n, k int, acc bool) {
	if m == 0 || n == 0 || vecGemmBF16(c, ldc, a, lda, b, ldb, m, n, k, acc) {
		return
	}
	for i := range m {
		for j := range n {
			s := float32(0)
			if acc {
				s = c[i*ldc+j]
			}
			for l, x := range a[i*lda : i*lda+k] {
				y := b[l*ldb+j]
				s += math.Float32frombits(x&^0xffff) * math.Float32frombits(y&^0xffff)
				s += math.Float32frombits(x<<16) * math.Float32frombits(y<<16)
			}
			c[i*ldc+j] = s
		}
	}
}

// AttendBF16 is Attend with the queries, keys, values and weights rounded to bfloat16, in which such models are trained; sums stay in
// float32. kp [hd/2, n] are the keys' elements 2i and 2i+1 as pairs, rows ldk apart with ldk at least n rounded up to 16; vp
// [(n+1)/2, hd] are pairs of the values of keys 2j and 2j+1, rows ldv apart. hd is a multiple of 16.
func AttendBF16(out []float32, ldo int, q []float32, ldq int, kp []uint32, ldk int, vp []uint32, ldv int, m, n, hd int, scale float32) {
	f := flashes.Get().(*flash)
	defer flashes.Put(f)
	f.begin(m, hd, keyBlock)
	f.q16, f.p16 = sized(f.q16, m*hd/2), sized(f.p16, m*keyBlock/2)
	for i := range m {
		copyScaled(f.q[i*hd:(i+1)*hd], q[i*ldq:], scale)
	}
	toBF16(f.q16, f.q)
	for j := 0; j < n; j += keyBlock {
		k := min(keyBlock, n-j)
		gemmBF16(f.s, keyBlock, f.q16, hd/2, kp[j:], ldk, m, k, hd/2, false)
		for i := range m {
			s := f.s[i*keyBlock : i*keyBlock+k]
			f.weigh(i, s)
			toBF16(f.p16[i*keyBlock/2:(i+1)*keyBlock/2], s)
		}
		gemmBF16(f.o, hd, f.p16, keyBlock/2, vp[j/2*ldv:], ldv, m, hd, (k+1)/2, true)
	}
	for i := range m {
		f.finish(i)
		copy(out[i*ldo:i*ldo+hd], f.o[i*hd:(i+1)*hd])
	}
}
