package mjpeg

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// coded writes a baseline JPEG with random coefficients, of any sampling and with restart intervals: image/jpeg's encoder knows
// 4:2:0 alone.
type coded struct {
	w, h     int
	sampling [][2]int // of each component: 1 or 3
	restart  int
	sparse   int  // about how many of 64 coefficients are there
	size     int  // most bits of one
	wide     bool // quantizers of 16 bits
	tables   bool // Huffman tables are written
	adobe    int  // transform in Adobe's segment; -1: no segment
}

func (c coded) encode(r *rand.Rand) []byte {
	out := []byte{0xFF, markSOI}
	segment := func(marker byte, body []byte) {
		out = append(out, 0xFF, marker)
		out = binary.BigEndian.AppendUint16(out, uint16(len(body)+2))
		out = append(out, body...)
	}
	if c.adobe >= 0 {
		segment(0xEE, append([]byte("Adobe\x00\x64\x00\x00\x00\x00"), byte(c.adobe)))
	}
	for t := range 2 {
		body := []byte{byte(t)}
		if c.wide {
			body[0] |= 0x10
		}
		for range 64 {
			if q := 1 + r.IntN(40); c.wide {
				body = binary.BigEndian.AppendUint16(body, uint16(q*10))
			} else {
				body = append(body, byte(q))
			}
		}
		segment(0xDB, body)
	}
	frame := []byte{8, byte(c.h >> 8), byte(c.h), byte(c.w >> 8), byte(c.w), byte(len(c.sampling))}
	scan := []byte{byte(len(c.sampling))}
	for i, s := range c.sampling {
		frame = append(frame, byte(i+1), byte(s[0]<<4|s[1]), byte(min(i, 1)))
		scan = append(scan, byte(i+1), byte(min(i, 1)*0x11))
	}
	segment(0xC0, frame)
	if c.tables {
		segment(markDHT, standardDHT)
	}
	if c.restart > 0 {
		segment(0xDD, []byte{byte(c.restart >> 8), byte(c.restart)})
	}
	segment(markSOS, append(scan, 0, 63, 0))

	mw, mh := 0, 0
	for _, s := range c.sampling {
		mw, mh = max(mw, 8*s[0]), max(mh, 8*s[1])
	}
	if len(c.sampling) == 1 {
		mw, mh = 8, 8
	}
	w := &writer{out: out}
	mcus := (c.w + mw - 1) / mw * ((c.h + mh - 1) / mh)
	for m := range mcus {
		if c.restart > 0 && m > 0 && m%c.restart == 0 {
			w.flush()
			w.out = append(w.out, 0xFF, 0xD0+byte(m/c.restart-1)&7)
		}
		for i, s := range c.sampling {
			n := s[0] * s[1]
			if len(c.sampling) == 1 {
				n = 1
			}
			for range n {
				c.block(r, w, standardCodes[2*min(i, 1)], standardCodes[2*min(i, 1)+1])
			}
		}
	}
	w.flush()
	return append(w.out, 0xFF, markEOI)
}

func (c coded) block(r *rand.Rand, w *writer, dc, ac map[byte]code) {
	w.number(dc, 0, r.IntN(1<<r.IntN(min(c.size, 9)))-r.IntN(20))
	zeros := 0
	for range 63 {
		if r.IntN(64) >= c.sparse {
			zeros++
			continue
		}
		for ; zeros > 15; zeros -= 16 {
			w.bits(ac[0xF0])
		}
		v := 1 + r.IntN(1<<r.IntN(c.size)) // 1 to half of the most
		if r.IntN(2) == 0 {
			v = -v
		}
		w.number(ac, zeros, v)
		zeros = 0
	}
	if zeros > 0 {
		w.bits(ac[0])
	}
}

type code struct {
	bits uint32
	n    int
}

// standardCodes are the codes of each value, in the order in which standardDHT has its tables.
var standardCodes = func() (all [4]map[byte]code) {
	rest := standardDHT
	for t := range all {
		all[t] = map[byte]code{}
		at, next := 17, uint32(0)
		for n := 1; n <= 16; n++ {
			for range rest[n] {
				all[t][rest[at]] = code{next, n}
				at, next = at+1, next+1
			}
			next <<= 1
		}
		rest = rest[at:]
	}
	return all
}()

type writer struct {
	out  []byte
	acc  uint64
	have int
}

func (w *writer) bits(c code) {
	w.acc, w.have = w.acc<<c.n|uint64(c.bits), w.have+c.n
	for ; w.have >= 8; w.have -= 8 {
		b := byte(w.acc >> (w.have - 8))
		if w.out = append(w.out, b); b == 0xFF {
			w.out = append(w.out, 0)
		}
	}
}

func (w *writer) number(table map[byte]code, zeros, v int) {
	size := bits.Len(uint(max(v, -v)))
	w.bits(table[byte(zeros<<4|size)])
	if v < 0 {
		v += 1<<size - 1
	}
	w.bits(code{uint32(v), size})
}

func (w *writer) flush() {
	if w.have > 0 {
		w.bits(code{1<<(8-w.have) - 1, 8 - w.have})
	}
	w.acc, w.have = 0, 0
}
