package mjpeg

import "bytes"

// lookBits is how long the codes are that one look decodes.
const lookBits = 10

// huffman is a table of codes (T.81, annex C).
type huffman struct {
	set bool
	// look holds a symbol for every beginning of lookBits bits; 0: the code is longer, or there is none.
	look [1 << lookBits]symbol
	// For longer codes: limit is the first code of a length that is none, moved to the top of 16 bits, and place what to add
	// to a code to find its value.
	limit  [17]uint32
	place  [17]int32
	values [256]byte
	dht    []byte // what it was made from: a camera sends the same tables with each picture
}

// symbol is a code with what it says of the bits behind it.
type symbol uint32

func symbolOf(length int, value byte) symbol {
	size := int(value & 15)
	return symbol(length + size | size<<8 | int(value>>4)<<12 | length<<16)
}

// length is how many bits the code and the number behind it have.
func (s symbol) length() symbol { return s & 63 }

// size is how many bits the number has.
func (s symbol) size() symbol { return s >> 8 & 15 }

// zeros is how many coefficients before it are zero.
func (s symbol) zeros() symbol { return s >> 12 & 15 }

// number is the number, for a code that stands at the top of next: one that begins with 0 is negative (T.81, F.2.2.1).
func (s symbol) number(next uint64) int32 {
	x := next << (s >> 16 & 31)
	return int32(x>>1>>(63-s.size())) - (1<<s.size()-1)&^int32(int64(x)>>63)
}

// huffmanTables reads a DHT segment.
func (t *tables) huffmanTables(seg []byte) error {
	for len(seg) > 0 {
		if len(seg) < 17 || seg[0]&15 > 3 || seg[0]>>4 > 1 {
			return errBadTables
		}
		h := &t.dc[seg[0]&15]
		if seg[0]>>4 == 1 {
			h = &t.ac[seg[0]&15]
		}
		n, err := h.read(seg[1:])
		if err != nil {
			return err
		}
		seg = seg[1+n:]
	}
	return nil
}

// read fills the table from 16 counts and the values, and returns how many bytes those are.
func (h *huffman) read(seg []byte) (int, error) {
	values := 0
	for _, n := range seg[:16] {
		values += int(n)
	}
	if values > 256 || len(seg) < 16+values {
		return 0, errBadTables
	}
	if seg = seg[:16+values]; bytes.Equal(seg, h.dht) {
		h.set = true
		return len(seg), nil
	}
	h.set, h.dht = false, h.dht[:0]
	clear(h.look[:])
	copy(h.values[:], seg[16:])
	code, values := 0, 0
	for n := 1; n <= 16; n++ {
		h.place[n] = int32(values - code)
		for range seg[n-1] {
			if n <= lookBits && code < 1<<n {
				s := symbolOf(n, h.values[values])
				for i := range 1 << (lookBits - n) {
					h.look[code<<(lookBits-n)+i] = s
				}
			}
			code++
			values++
		}
		if code > 1<<n {
			return 0, errBadTables
		}
		h.limit[n] = uint32(code << (16 - n))
		code <<= 1
	}
	h.set, h.dht = true, append(h.dht, seg...)
	return len(seg), nil
}

// long finds a code that is longer than a look goes in the next 16 bits; 0: there is none.
func (h *huffman) long(next uint32) symbol {
	for n := lookBits + 1; n <= 16; n++ {
		if next < h.limit[n] {
			return symbolOf(n, h.values[uint8(int32(next>>(16-n))+h.place[n])])
		}
	}
	return 0
}
