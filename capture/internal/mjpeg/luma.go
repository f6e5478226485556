package mjpeg

import (
	"encoding/binary"
	"errors"
)

// Luma is a picture's brightness at an eighth of its size: one mean, 0 to 255, for each block of 8x8 pixels, row-major.
type Luma struct {
	W, H int // in blocks, rounded up
	Mean []uint8
}

var (
	// ErrOther says that a JPEG is of a kind that DecodeLuma doesn't know; another decoder may.
	ErrOther     = errors.New("not a baseline JPEG")
	errScanEnds  = errors.New("JPEG data ends early")
	errBadCode   = errors.New("JPEG data holds a code that is in no table")
	errBadTables = errors.New("JPEG tables make no sense")
)

// DecodeLuma reads the DC coefficients of a baseline JPEG's brightness (ITU-T T.81, F.2): the mean of a block is all that they
// are. The other coefficients are skipped and nothing is transformed, which is a third of a whole decoding. l's memory is used
// again if it is large enough. The picture's size must have been checked.
func DecodeLuma(data []byte, l *Luma) error {
	h, err := ParseHeader(data)
	if err != nil {
		return err
	}
	if !h.HasHuffman {
		data = AddHuffman(data)
		if h, err = ParseHeader(data); err != nil {
			return err
		}
	}
	var d lumaDecoder
	if err := d.tables(data, h); err != nil {
		return err
	}
	l.W, l.H = (h.Width+7)/8, (h.Height+7)/8
	if n := l.W * l.H; cap(l.Mean) < n {
		l.Mean = make([]uint8, n)
	} else {
		l.Mean = l.Mean[:n]
	}
	return d.scan(h, l)
}

// component is one of a scan's.
type component struct {
	id       byte
	h, v     int // blocks in an MCU
	quant    int // table
	dc, ac   *huffman
	previous int
}

type lumaDecoder struct {
	comps    [3]component
	n        int
	quantDC  [4]int // each table's first entry
	huffDC   [4]huffman
	huffAC   [4]huffman
	restart  int
	bits     uint64 // the next bits, from the top
	have     int
	data     []byte
	p        int
	finished bool // a marker was met: no more bits
}

// tables reads the segments up to and with the first scan's header.
func (d *lumaDecoder) tables(data []byte, h Header) error {
	for p := 2; ; {
		if data[p+1] == 0xFF {
			p++
			continue
		}
		m := data[p+1]
		if m == 0x01 || m >= 0xD0 && m <= 0xD7 {
			p += 2
			continue
		}
		n := int(binary.BigEndian.Uint16(data[p+2:])) // ParseHeader has checked all lengths up to the scan
		if p+2+n > len(data) {
			return errScanEnds
		}
		seg := data[p+4 : p+2+n]
		var err error
		switch {
		case m == 0xC0 || m == 0xC1:
			err = d.frame(seg)
		case isSOF(m):
			return ErrOther
		case m == markDHT:
			err = d.huffmanTables(seg)
		case m == 0xDB:
			err = d.quantTables(seg)
		case m == 0xDD && len(seg) >= 2:
			d.restart = int(binary.BigEndian.Uint16(seg))
		case m == markSOS:
			d.data, d.p = data, p+2+n
			return d.scanHeader(seg)
		}
		if err != nil {
			return err
		}
		p += 2 + n
	}
}

func (d *lumaDecoder) frame(seg []byte) error {
	if len(seg) < 6 || seg[0] != 8 || (seg[5] != 1 && seg[5] != 3) || len(seg) < 6+3*int(seg[5]) {
		return ErrOther
	}
	d.n = int(seg[5])
	for i := range d.n {
		c := seg[6+3*i:]
		d.comps[i] = component{id: c[0], h: int(c[1] >> 4), v: int(c[1] & 15), quant: int(c[2])}
		if c := d.comps[i]; c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.quant > 3 {
			return errBadTables
		}
	}
	if d.n == 1 { // one component is never interleaved
		d.comps[0].h, d.comps[0].v = 1, 1
	}
	for _, c := range d.comps[1:d.n] {
		if c.h > d.comps[0].h || c.v > d.comps[0].v {
			return ErrOther // brightness is not the finest
		}
	}
	return nil
}

func (d *lumaDecoder) quantTables(seg []byte) error {
	for len(seg) > 0 {
		size, t := 64, int(seg[0]&15)
		if seg[0]>>4 != 0 {
			size = 128
		}
		if t > 3 || len(seg) < 1+size {
			return errBadTables
		}
		d.quantDC[t] = int(seg[1])
		if size == 128 {
			d.quantDC[t] = int(binary.BigEndian.Uint16(seg[1:]))
		}
		seg = seg[1+size:]
	}
	return nil
}

func (d *lumaDecoder) scanHeader(seg []byte) error {
	if d.n == 0 || len(seg) < 1+2*d.n || int(seg[0]) != d.n {
		return ErrOther // several scans
	}
	for i := range d.n {
		s := seg[1+2*i:]
		if s[0] != d.comps[i].id || s[1]>>4 > 3 || s[1]&15 > 3 {
			return ErrOther
		}
		d.comps[i].dc, d.comps[i].ac = &d.huffDC[s[1]>>4], &d.huffAC[s[1]&15]
		if !d.comps[i].dc.set || !d.comps[i].ac.set {
			return errBadTables
		}
	}
	return nil
}

// scan decodes every MCU.
func (d *lumaDecoder) scan(h Header, l *Luma) error {
	luma := &d.comps[0]
	mcusX, mcusY := (h.Width+8*luma.h-1)/(8*luma.h), (h.Height+8*luma.v-1)/(8*luma.v)
	quant := d.quantDC[luma.quant]
	for mcu := range mcusX * mcusY {
		if d.restart > 0 && mcu > 0 && mcu%d.restart == 0 {
			if err := d.nextInterval(); err != nil {
				return err
			}
		}
		for i := range d.n {
			c := &d.comps[i]
			for b := range c.h * c.v {
				if err := d.block(c); err != nil {
					return err
				}
				if i > 0 {
					continue
				}
				x, y := mcu%mcusX*c.h+b%c.h, mcu/mcusX*c.v+b/c.h
				if x < l.W && y < l.H {
					l.Mean[y*l.W+x] = uint8(min(max((c.previous*quant+4)>>3+128, 0), 255))
				}
			}
		}
	}
	return nil
}

// block takes a block's DC difference and skips the rest of it.
func (d *lumaDecoder) block(c *component) error {
	size, err := d.symbol(c.dc)
	if err != nil {
		return err
	}
	if size > 11 {
		return errBadCode
	}
	if size > 0 {
		v, err := d.take(int(size))
		if err != nil {
			return err
		}
		if v < 1<<(size-1) {
			v -= 1<<size - 1
		}
		c.previous = min(max(c.previous+v, -1<<15), 1<<15)
	}
	for k := 1; k < 64; {
		rs, err := d.symbol(c.ac)
		if err != nil {
			return err
		}
		run, size := int(rs>>4), int(rs&15)
		if size == 0 {
			if run < 15 {
				return nil
			}
			k += 16
			continue
		}
		if _, err := d.take(size); err != nil {
			return err
		}
		k += run + 1
	}
	return nil
}

// nextInterval goes to the data behind the next restart marker.
func (d *lumaDecoder) nextInterval() error {
	d.bits, d.have, d.finished = 0, 0, false
	for i := range d.comps {
		d.comps[i].previous = 0
	}
	for ; d.p+1 < len(d.data); d.p++ {
		if m := d.data[d.p+1]; d.data[d.p] == 0xFF && m >= 0xD0 && m <= 0xD7 {
			d.p += 2
			return nil
		}
	}
	return errScanEnds
}

// fill gets at least 32 bits, with zeros behind the data's end.
func (d *lumaDecoder) fill() {
	for d.have <= 56 && !d.finished {
		if d.p >= len(d.data) {
			d.finished = true
			return
		}
		b := d.data[d.p]
		if b == 0xFF {
			if d.p+1 >= len(d.data) || d.data[d.p+1] != 0 {
				d.finished = true
				return
			}
			d.p++
		}
		d.p++
		d.bits |= uint64(b) << (56 - d.have)
		d.have += 8
	}
}

// take takes n bits, 1 to 16.
func (d *lumaDecoder) take(n int) (int, error) {
	if d.have < n {
		if d.fill(); d.have < n {
			return 0, errScanEnds
		}
	}
	v := int(d.bits >> (64 - n))
	d.bits <<= n
	d.have -= n
	return v, nil
}

// symbol takes one Huffman code.
func (d *lumaDecoder) symbol(t *huffman) (byte, error) {
	if d.have < 16 {
		d.fill()
	}
	if e := t.short[d.bits>>(64-shortBits)]; e != 0 && int(e>>8) <= d.have {
		n := int(e >> 8)
		d.bits <<= n
		d.have -= n
		return byte(e), nil
	}
	return d.long(t)
}

// long takes a code that is longer than the table of short ones goes.
func (d *lumaDecoder) long(t *huffman) (byte, error) {
	code := int(d.bits >> 48)
	for n := 1; n <= 16; n++ {
		if c := code >> (16 - n); t.count[n] > 0 && c-t.first[n] < t.count[n] && c >= t.first[n] {
			if d.have < n {
				return 0, errScanEnds
			}
			d.bits <<= n
			d.have -= n
			return t.values[t.index[n]+c-t.first[n]], nil
		}
	}
	if d.have < 16 {
		return 0, errScanEnds
	}
	return 0, errBadCode
}
