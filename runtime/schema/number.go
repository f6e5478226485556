package schema

import (
	"fmt"
	"math/big"
	"strconv"
)

// What numbers look like.
const (
	fraction       = 6 // digits after the point
	wholeDigits    = 12
	integerDigits  = 15 // exact in a float64
	unlimitedWhole = int64(999_999_999_999_999_999)
)

var tens = [...]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// digits is a number begun.
type digits struct {
	neg   bool
	v     int64 // of the digits so far, without the point
	whole int8  // digits before the point
	part  int8  // digits after it, -1: no point yet
}

func (n *node) start() digits { return digits{part: -1} }

// scale is the digits after the point that lo and hi are in.
func (n *node) scale() int {
	if n.integer {
		return 0
	}
	return fraction
}

// limits are what the digits must be between, whatever the sign.
func (n *node) limits(neg bool) (lo, hi int64) {
	if neg {
		return max(1, -n.hi), -n.lo // there is no -0
	}
	return max(0, n.lo), n.hi
}

// shortest returns the fewest bytes that make a number of n; ok is false if none do.
func (d digits) shortest(n *node) (s string, ok bool) {
	if d.whole == 0 && !d.neg {
		// The sign is still open.
		a, okA := d.complete(n)
		d.neg = true
		b, okB := d.complete(n)
		switch {
		case okB && (!okA || len(b)+1 < len(a)):
			return "-" + b, true
		default:
			return a, okA
		}
	}
	return d.complete(n)
}

// complete is shortest for a sign that is settled.
func (d digits) complete(n *node) (s string, ok bool) {
	scale := n.scale()
	most := wholeDigits
	if n.integer {
		most = integerDigits
	}
	lo, hi := n.limits(d.neg)
	if hi < lo || hi < 0 {
		return "", false
	}
	best := 1 << 30
	// Try k more digits before the point and j after it.
	try := func(k, j int) {
		size := k + j
		if d.part < 0 && j > 0 {
			size++
		}
		if size >= best {
			return
		}
		base, span := d.v*tens[k+j], tens[k+j]
		from := int64(0)
		if d.whole == 0 && k > 1 {
			from = tens[k-1+j] // no leading zeros
		}
		unit := tens[scale-j-max(int(d.part), 0)]
		r := max(from, (lo+unit-1)/unit-base)
		if r >= span || r < 0 || (base+r) > hi/unit {
			return
		}
		best = size
		s = ""
		if k+j > 0 {
			s = fmt.Sprintf("%0*d", k+j, r)
		}
		if d.part < 0 && j > 0 {
			s = s[:k] + "." + s[k:]
		}
		ok = true
	}
	if d.part >= 0 {
		for j := range scale - int(d.part) + 1 {
			if int(d.part)+j > 0 {
				try(0, j)
			}
		}
		return s, ok
	}
	least := 0
	if d.whole == 0 {
		least = 1
	}
	if d.whole == 1 && d.v == 0 {
		most = 1
	}
	for k := least; k <= most-int(d.whole); k++ {
		for j := range scale + 1 {
			if try(k, j); ok && best == k {
				return s, ok
			}
		}
	}
	return s, ok
}

// feed adds a byte; ok is false if no number of n begins so.
func (d digits) feed(n *node, b byte) (_ digits, ok bool) {
	switch {
	case b == '-' && !d.neg && d.whole == 0:
		d.neg = true
	case b == '.' && d.part < 0 && d.whole > 0 && !n.integer:
		d.part = 0
	case b < '0' || b > '9', d.whole == 1 && d.v == 0 && d.part < 0:
		return d, false
	case d.part >= 0:
		if int(d.part) == n.scale() {
			return d, false
		}
		d.v, d.part = d.v*10+int64(b-'0'), d.part+1
	default:
		if d.whole == integerDigits || !n.integer && d.whole == wholeDigits {
			return d, false
		}
		d.v, d.whole = d.v*10+int64(b-'0'), d.whole+1
	}
	_, ok = d.complete(n)
	return d, ok
}

// done says whether the number may end here.
func (d digits) done(n *node) bool {
	s, ok := d.complete(n)
	return ok && s == ""
}

// bounds turns a schema's limits, decimal numbers or nil, into units of n; ok is false if no number is between them.
func (n *node) bounds(minimum, maximum, above, below *big.Rat) bool {
	unit := new(big.Rat).SetInt64(tens[n.scale()])
	most := unlimitedWhole
	if n.integer {
		most = tens[integerDigits] - 1
	}
	n.lo, n.hi = -most, most
	clamp := func(i *big.Int) int64 {
		switch {
		case !i.IsInt64():
			return int64(i.Sign()) * (most + 1)
		default:
			return max(-most-1, min(most+1, i.Int64()))
		}
	}
	floor := func(r *big.Rat) (f *big.Int, exact bool) {
		x := new(big.Rat).Mul(r, unit)
		f = new(big.Int).Div(x.Num(), x.Denom()) // Euclidean, and the denominator is positive
		return f, x.IsInt()
	}
	if minimum != nil {
		f, exact := floor(minimum)
		if !exact {
			f.Add(f, big.NewInt(1))
		}
		n.lo = max(n.lo, clamp(f))
	}
	if above != nil {
		f, _ := floor(above)
		n.lo = max(n.lo, clamp(f.Add(f, big.NewInt(1))))
	}
	if maximum != nil {
		f, _ := floor(maximum)
		n.hi = min(n.hi, clamp(f))
	}
	if below != nil {
		f, exact := floor(below)
		if exact {
			f.Sub(f, big.NewInt(1))
		}
		n.hi = min(n.hi, clamp(f))
	}
	return n.lo <= n.hi
}

// rational reads a JSON number; ok is false for one that is too large to be meant.
func rational(s string) (*big.Rat, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != 0 && (f < -1e30 || f > 1e30 || f > -1e-30 && f < 1e-30) || len(s) > 100 {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}
