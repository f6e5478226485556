package mjpeg

import (
	"bytes"
	"encoding/binary"
)

// padding is how many zeros stand behind an interval's bytes: more than a block can take (63 coefficients of 31 bits and a
// first one of 27) and a look ahead.
const padding = 272

// bitstream gives the bits of scan data, one restart interval after the other.
type bitstream struct {
	data []byte // the whole picture
	next int    // where in it the next interval begins

	buf  []byte // the interval without stuffing, and padding
	end  int    // how much of buf is data
	p    int    // what was loaded of it
	acc  uint64 // the next bits, from the top
	have int    // how many of acc count
}

// interval loads the data up to the next marker that is not stuffing, and returns that marker; 0: the data ends.
func (b *bitstream) interval() (marker byte) {
	b.buf = b.buf[:0]
	for rest := b.data[b.next:]; ; {
		i := bytes.IndexByte(rest, 0xFF)
		if i < 0 || i+1 == len(rest) {
			b.buf = append(b.buf, rest[:max(i, 0)]...)
			if i < 0 {
				b.buf = append(b.buf, rest...)
			}
			b.next = len(b.data)
			break
		}
		b.buf = append(b.buf, rest[:i]...)
		m := rest[i+1]
		if m == 0xFF { // fill byte
			rest = rest[i+1:]
			continue
		}
		rest = rest[i+2:]
		if m != 0 {
			marker, b.next = m, len(b.data)-len(rest)
			break
		}
		b.buf = append(b.buf, 0xFF)
	}
	b.end = len(b.buf)
	b.buf = append(b.buf, padded[:]...)
	b.p, b.acc, b.have = 0, 0, 0
	return marker
}

var padded [padding]byte

// over says whether more bits were taken than the interval has.
func (b *bitstream) over() bool { return 8*b.p-b.have > 8*b.end }

// fill has 56 bits at least, zeros behind the interval's end.
func (b *bitstream) fill() {
	b.acc |= binary.BigEndian.Uint64(b.buf[b.p:]) >> (b.have & 63)
	b.p += (63 - b.have) >> 3
	b.have |= 56
}

// first decodes a block's first coefficient, which is coded by its difference to the one before.
func (b *bitstream) first(k *component) error {
	b.fill()
	s := k.dc.look[b.acc>>(64-lookBits)]
	if s == 0 {
		s = k.dc.long(uint32(b.acc >> 48))
	}
	if s == 0 || s.zeros() != 0 || s.size() > 11 {
		return errBadCode
	}
	k.dcPred += s.number(b.acc)
	b.acc <<= s.length()
	b.have -= int(s.length())
	return nil
}

// block decodes a block's coefficients into c, which is zero, dequantized and column by column. set has a bit for each that is
// not zero, and for the first. It keeps the reader's state in variables of its own: a block is some tens of codes, and a call or
// a store for each would cost as much as the code itself. So does skip.
func (b *bitstream) block(k *component, c *[64]int32) (set uint64, err error) {
	if err := b.first(k); err != nil {
		return 0, err
	}
	steps := k.steps
	c[0], set = k.dcPred*int32(steps[0]>>8), 1
	acc, have, p, buf, look := b.acc, b.have, b.p, b.buf, &k.ac.look
	for i := 1; i < 64; i++ {
		if have < 32 {
			acc |= binary.BigEndian.Uint64(buf[p:]) >> (have & 63)
			p += (63 - have) >> 3
			have |= 56
		}
		s := look[acc>>(64-lookBits)]
		if s == 0 {
			if s = k.ac.long(uint32(acc >> 48)); s == 0 {
				return 0, errBadCode
			}
		}
		v := s.number(acc)
		acc <<= s.length()
		have -= int(s.length())
		if s.size() == 0 {
			if s.zeros() == 0 { // the rest is zero
				break
			}
			if s.zeros() != 15 {
				return 0, errBadCode
			}
			i += 15
			continue
		}
		if i += int(s.zeros()); i > 63 {
			return 0, errBadCode
		}
		at := steps[i]
		c[at&63] = v * int32(at>>8)
		set |= 1 << (at & 63)
	}
	b.acc, b.have, b.p = acc, have, p
	if b.over() {
		return 0, errScanEnds
	}
	return set, nil
}

// skip goes over a block and takes its first coefficient only.
func (b *bitstream) skip(k *component) error {
	if err := b.first(k); err != nil {
		return err
	}
	acc, have, p, buf, look := b.acc, b.have, b.p, b.buf, &k.ac.look
	for i := 1; i < 64; i++ {
		if have < 32 {
			acc |= binary.BigEndian.Uint64(buf[p:]) >> (have & 63)
			p += (63 - have) >> 3
			have |= 56
		}
		s := look[acc>>(64-lookBits)]
		if s == 0 {
			if s = k.ac.long(uint32(acc >> 48)); s == 0 {
				return errBadCode
			}
		}
		acc <<= s.length()
		have -= int(s.length())
		if s.size() == 0 {
			if s.zeros() == 0 {
				break
			}
			if s.zeros() != 15 {
				return errBadCode
			}
			i += 15
			continue
		}
		if i += int(s.zeros()); i > 63 {
			return errBadCode
		}
	}
	b.acc, b.have, b.p = acc, have, p
	if b.over() {
		return errScanEnds
	}
	return nil
}
