package quant

// The K formats' sums: per super-block of 256, and exact up to the products with the activations' scales,
//
//	inner  = sum over the sub-blocks of (scale * sum(q*a)) * activation.d
//	minima = sum over the sub-blocks of min * activation.s
//	out   += d*inner - dmin*minima
//
// Q6_K has two scales a sub-block and no minima. scale*sum(q*a) is an integer of at most 24 bits.

func gemvQ4_KGeneric(w []byte, a []activation, out []float32) { gemvK(layoutQ4_K, w, a, out) }
func gemvQ5_KGeneric(w []byte, a []activation, out []float32) { gemvK(layoutQ5_K, w, a, out) }

func gemvK(l layout, w []byte, a []activation, out []float32) {
	acc := (*[groupRows]float32)(out)
	for ; len(a) > 0; a, w = a[superSubs:], w[l.groupBytes():] {
		for r := range acc {
			var inner, minima float32
			for j := range superSubs {
				ab := &a[j]
				q := unpackSub(l, w[chunksAtK+l.subStride()*j:], r)
				var s int32
				for i, v := range q {
					s += int32(v) * int32(ab.q[i])
				}
				inner = fma32(float32(s*int32(w[scalesAtK+8*j+r])), ab.d, inner)
				minima = fma32(float32(w[minimaAtK+8*j+r]), ab.s, minima)
			}
			acc[r] = fma32(f16At(w[2*r:]), inner, acc[r])
			acc[r] = fma32(-f16At(w[16+2*r:]), minima, acc[r])
		}
	}
}

func gemvQ6_KGeneric(w []byte, a []activation, out []float32) {
	acc := (*[groupRows]float32)(out)
	for ; len(a) > 0; a, w = a[superSubs:], w[groupQ6_K:] {
		for r := range acc {
			var inner float32
			for j := range superSubs {
				ab := &a[j]
				q := unpackSub(layoutQ6_K, w[chunksAt6+192*j:], r)
				var s0, s1 int32
				for i := range 16 {
					s0 += (int32(q[i]) - 32) * int32(ab.q[i])
					s1 += (int32(q[i+16]) - 32) * int32(ab.q[i+16])
				}
				t := s0*int32(int8(w[scalesAt6+16*j+r])) + s1*int32(int8(w[scalesAt6+16*j+8+r]))
				inner = fma32(float32(t), ab.d, inner)
			}
			acc[r] = fma32(f16At(w[2*r:]), inner, acc[r])
		}
	}
}
