package imageproc

import (
	"bytes"
	"encoding/binary"
)

// exifOrientation returns a JPEG's orientation tag (1-8), or 1.
func exifOrientation(data []byte) int {
	for p := 2; p+4 <= len(data) && data[p] == 0xff; {
		marker, n := data[p+1], int(binary.BigEndian.Uint16(data[p+2:]))
		if marker == 0xda || n < 2 || p+2+n > len(data) { // the scan begins
			return 1
		}
		if body := data[p+4 : p+2+n]; marker == 0xe1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")) {
			return tiffOrientation(body[6:])
		}
		p += 2 + n
	}
	return 1
}

// tiffOrientation looks tag 0x0112 up in the first directory.
func tiffOrientation(t []byte) int {
	if len(t) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(t[:2]) {
	case "II":
		order = binary.LittleEndian
	case "MM":
		order = binary.BigEndian
	default:
		return 1
	}
	at := uint64(order.Uint32(t[4:]))
	if at+2 > uint64(len(t)) {
		return 1
	}
	n := int(order.Uint16(t[at:]))
	dir := t[at+2:]
	for ; n > 0 && len(dir) >= 12; n, dir = n-1, dir[12:] {
		if order.Uint16(dir) == 0x0112 && order.Uint16(dir[2:]) == 3 {
			if v := int(order.Uint16(dir[8:])); v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
	}
	return 1
}

// orient turns a picture upright, as PIL's ImageOps.exif_transpose.
func orient(p RGB, o int) RGB {
	if o <= 1 || o > 8 {
		return p
	}
	q := RGB{W: p.W, H: p.H, Pix: make([]byte, len(p.Pix))}
	if o >= 5 {
		q.W, q.H = p.H, p.W
	}
	for y := range q.H {
		for x := range q.W {
			sx, sy := x, y
			if o >= 5 {
				sx, sy = y, x
			}
			if o == 2 || o == 3 || o == 7 || o == 8 {
				sx = p.W - 1 - sx
			}
			if o == 3 || o == 4 || o == 6 || o == 7 {
				sy = p.H - 1 - sy
			}
			copy(q.Pix[3*(y*q.W+x):][:3], p.Pix[3*(sy*p.W+sx):])
		}
	}
	return q
}
