// Package mjpeg parses the ways in which JPEG pictures follow each other (concatenated, in multipart HTTP, in AVI and in SMJPEG),
// and decodes the pictures. It reads forward only, with bounded memory, whatever the input claims.
package mjpeg

import (
	"encoding/binary"
	"errors"
)

// Markers of ITU-T T.81, table B.1.
const (
	markSOI = 0xD8
	markEOI = 0xD9
	markSOS = 0xDA
	markDHT = 0xC4
)

// Header is what a JPEG says of itself before its scan data.
type Header struct {
	Width, Height int
	Components    int
	// BlockW and BlockH are the size in pixels of the blocks that are coded together (T.81's MCU): 8, 16 or 32. A pixel's value
	// depends on its own block only.
	BlockW, BlockH int
	HasHuffman     bool
	scan           int // offset of the first SOS marker
}

// ParseHeader reads a JPEG's markers up to the first scan. It allocates nothing.
func ParseHeader(data []byte) (Header, error) {
	var h Header
	if len(data) < 4 || data[0] != 0xFF || data[1] != markSOI {
		return h, errors.New("not a JPEG")
	}
	for p := 2; ; {
		if p+4 > len(data) {
			return h, errors.New("JPEG ends in its header")
		}
		if data[p] != 0xFF {
			return h, errors.New("JPEG header without a marker where one belongs")
		}
		m := data[p+1]
		switch {
		case m == 0xFF: // fill byte
			p++
			continue
		case m == 0x01 || m >= 0xD0 && m <= 0xD7: // no parameters
			p += 2
			continue
		case m == markSOI || m == markEOI || m == 0:
			return h, errors.New("JPEG ends before its scan")
		}
		n := int(binary.BigEndian.Uint16(data[p+2:]))
		if n < 2 || p+2+n > len(data) {
			return h, errors.New("JPEG header segment runs past the end")
		}
		seg := data[p+4 : p+2+n]
		switch {
		case isSOF(m):
			if len(seg) < 6 {
				return h, errors.New("JPEG frame header is too short")
			}
			h.Height = int(binary.BigEndian.Uint16(seg[1:]))
			h.Width = int(binary.BigEndian.Uint16(seg[3:]))
			h.Components = int(seg[5])
			h.BlockW, h.BlockH = 8, 8
			for i := 7; i < len(seg) && h.Components > 1; i += 3 { // one component is never interleaved
				h.BlockW = max(h.BlockW, 8*int(seg[i]>>4))
				h.BlockH = max(h.BlockH, 8*int(seg[i]&15))
			}
		case m == markDHT:
			h.HasHuffman = true
		case m == markSOS:
			if h.Width == 0 || h.Height == 0 {
				return h, errors.New("JPEG has no size")
			}
			h.scan = p
			return h, nil
		}
		p += 2 + n
	}
}

func isSOF(m byte) bool { return m >= 0xC0 && m <= 0xCF && m != markDHT && m != 0xC8 && m != 0xCC }

// AddHuffman returns data with the standard Huffman tables before its first scan, or data itself if that can't be found.
func AddHuffman(data []byte) []byte {
	h, err := ParseHeader(data)
	if err != nil {
		return data
	}
	out := make([]byte, 0, len(data)+len(standardDHT)+4)
	out = append(out, data[:h.scan]...)
	out = append(out, 0xFF, markDHT, byte((len(standardDHT)+2)>>8), byte(len(standardDHT)+2))
	out = append(out, standardDHT...)
	return append(out, data[h.scan:]...)
}
