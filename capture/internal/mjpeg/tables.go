package mjpeg

import (
	"encoding/binary"
	"errors"
)

var (
	// ErrOther says that a JPEG is of a kind that Decoder doesn't know; another decoder may.
	ErrOther     = errors.New("not a baseline JPEG")
	errScanEnds  = errors.New("JPEG data ends early")
	errBadCode   = errors.New("JPEG data holds a code that is in no table")
	errBadTables = errors.New("JPEG tables make no sense")
	errRestart   = errors.New("JPEG data lacks a part: a restart marker is missing")
)

// component is one of a scan's.
type component struct {
	id     byte
	h, v   int // blocks in an MCU
	table  byte
	dc, ac *huffman
	steps  *[64]step
	dcPred int32

	// Where its samples of a row of MCUs stand.
	samples []byte
	stride  int
}

// step is a coefficient's place in its block, in bits 0-7, and its quantizer.
type step uint32

// tables are what stands before a picture's scan data.
type tables struct {
	comps   [3]component
	n       int
	quant   [4][64]step
	quantOK [4]bool
	dc, ac  [4]huffman
	restart int
	jfif    bool
	adobe   int // the colour transform that Adobe's segment names, or -1
}

// read reads the segments up to and with the first scan's header, and returns where its data begins. ParseHeader must have
// liked data.
func (t *tables) read(data []byte, h Header) (int, error) {
	t.n, t.restart, t.jfif, t.adobe = 0, 0, false, -1
	t.quantOK = [4]bool{}
	for i := range t.dc {
		t.dc[i].set, t.ac[i].set = false, false
	}
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
		seg := data[p+4 : p+2+n]
		var err error
		switch {
		case m == 0xC0 || m == 0xC1:
			err = t.frame(seg)
		case isSOF(m):
			return 0, ErrOther
		case m == markDHT:
			err = t.huffmanTables(seg)
		case m == 0xDB:
			err = t.quantTables(seg)
		case m == 0xDD && len(seg) >= 2:
			t.restart = int(binary.BigEndian.Uint16(seg))
		case m == 0xE0 && len(seg) >= 5 && string(seg[:5]) == "JFIF\x00":
			t.jfif = true
		case m == 0xEE && len(seg) >= 12 && string(seg[:5]) == "Adobe":
			t.adobe = int(seg[11])
		case m == markSOS:
			if !h.HasHuffman {
				if err := t.huffmanTables(standardDHT); err != nil {
					return 0, err
				}
			}
			return p + 2 + n, t.scan(seg)
		}
		if err != nil {
			return 0, err
		}
		p += 2 + n
	}
}

func (t *tables) frame(seg []byte) error {
	if t.n > 0 {
		return errBadTables
	}
	if len(seg) < 6 || seg[0] != 8 || (seg[5] != 1 && seg[5] != 3) || len(seg) < 6+3*int(seg[5]) {
		return ErrOther
	}
	t.n = int(seg[5])
	for i := range t.n {
		s, c := seg[6+3*i:], &t.comps[i]
		c.id, c.h, c.v, c.table = s[0], int(s[1]>>4), int(s[1]&15), s[2]
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.table > 3 {
			return errBadTables
		}
	}
	luma, cb, cr := &t.comps[0], &t.comps[1], &t.comps[2]
	if t.n == 1 { // one component is never interleaved
		luma.h, luma.v = 1, 1
		return nil
	}
	if cb.h != cr.h || cb.v != cr.v || !sharesEvenly(luma.h, cb.h) || !sharesEvenly(luma.v, cb.v) {
		return ErrOther
	}
	return nil
}

// sharesEvenly says whether 1, 2 or 4 samples of brightness have one of colour.
func sharesEvenly(luma, chroma int) bool {
	return luma == chroma || luma == 2*chroma || luma == 4*chroma
}

func (t *tables) quantTables(seg []byte) error {
	for len(seg) > 0 {
		size, id := 64, seg[0]&15
		if seg[0]>>4 != 0 {
			size = 128
		}
		if id > 3 || seg[0]>>4 > 1 || len(seg) < 1+size {
			return errBadTables
		}
		for k, at := range places {
			q := uint32(seg[1+k*size/64])
			if size == 128 {
				q = uint32(binary.BigEndian.Uint16(seg[1+2*k:]))
			}
			t.quant[id][k] = step(q<<8 | uint32(at))
		}
		t.quantOK[id] = true
		seg = seg[1+size:]
	}
	return nil
}

// scan reads the scan's header.
func (t *tables) scan(seg []byte) error {
	if t.n == 0 || len(seg) < 1+2*t.n || int(seg[0]) != t.n {
		return ErrOther // several scans
	}
	rgb := t.adobe == 0 && !t.jfif || !t.jfif && t.n == 3 &&
		t.comps[0].id == 'R' && t.comps[1].id == 'G' && t.comps[2].id == 'B'
	if rgb && t.n == 3 {
		return ErrOther
	}
	for i := range t.n {
		s, c := seg[1+2*i:], &t.comps[i]
		if s[0] != c.id || s[1]>>4 > 3 || s[1]&15 > 3 {
			return ErrOther
		}
		c.dc, c.ac, c.steps = &t.dc[s[1]>>4], &t.ac[s[1]&15], &t.quant[c.table]
		if !c.dc.set || !c.ac.set || !t.quantOK[c.table] {
			return errBadTables
		}
	}
	return nil
}

// places are where a block's coefficients stand in memory, column by column, in the order in which they are coded.
var places = [64]uint8{
	0, 8, 1, 2, 9, 16, 24, 17,
	10, 3, 4, 11, 18, 25, 32, 40,
	33, 26, 19, 12, 5, 6, 13, 20,
	27, 34, 41, 48, 56, 49, 42, 35,
	28, 21, 14, 7, 15, 22, 29, 36,
	43, 50, 57, 58, 51, 44, 37, 30,
	23, 31, 38, 45, 52, 59, 60, 53,
	46, 39, 47, 54, 61, 62, 55, 63,
}
