package mjpeg

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// bufSize is each reader's look-ahead.
const bufSize = 64 << 10

// Splitter cuts a stream of JPEG pictures into single ones, by their own markers. What stands between them is skipped. That
// also reads multipart/x-mixed-replace as cameras write it: boundaries that differ from the one announced, lengths that are
// missing, wrong or absurd, headers without an end. Damaged and oversized pictures are skipped and counted.
type Splitter struct {
	r      *bufio.Reader
	max    int
	hint   int // capacity for the next picture
	broken uint64
	soi    bool // a start marker was read already
}

// NewSplitter reads pictures of at most max bytes from r.
func NewSplitter(r io.Reader, max int) *Splitter {
	return &Splitter{r: bufio.NewReaderSize(r, bufSize), max: max, hint: 32 << 10}
}

// Broken counts the pictures that were skipped.
func (s *Splitter) Broken() uint64 { return s.broken }

// Next returns the next whole picture, which the caller then owns. At the stream's end it returns io.EOF, also if a picture
// is cut off there (that one is counted as broken).
func (s *Splitter) Next() ([]byte, error) {
	for {
		if !s.soi {
			if err := s.seek(); err != nil {
				return nil, err
			}
		}
		s.soi = false
		data, err := s.picture()
		if err == nil {
			s.hint = min(len(data)+len(data)/4, s.max)
			return data, nil
		}
		if !errors.Is(err, errBroken) {
			if errors.Is(err, io.EOF) {
				s.broken++
			}
			return nil, err
		}
		s.broken++
	}
}

// errBroken makes Next look for the next picture.
var errBroken = errors.New("broken picture")

// seek reads past FF D8, a start marker with the FF of another marker after it.
func (s *Splitter) seek() error {
	for skipped := 0; ; {
		chunk, err := s.r.ReadSlice(0xFF)
		if skipped += len(chunk); skipped > s.max {
			return fmt.Errorf("no JPEG picture in %d MiB; is this an MJPEG stream?", s.max>>20)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return err
		}
		next, err := s.r.Peek(2)
		if err != nil {
			return err
		}
		if next[0] == markSOI && next[1] == 0xFF {
			_, err := s.r.Discard(1)
			return err
		}
	}
}

// picture reads one picture, after its start marker. Errors other than errBroken come from the stream.
func (s *Splitter) picture() ([]byte, error) {
	buf := make([]byte, 2, max(s.hint, 512))
	buf[0], buf[1] = 0xFF, markSOI
	scanned := false
	m, err := s.nextMarker()
	for {
		switch {
		case err != nil:
			return nil, err
		case m == markSOI: // a new picture starts inside this one
			s.soi = true
			if scanned {
				return salvage(buf)
			}
			return nil, errBroken
		case m == 0, m == markEOI && !scanned:
			return nil, errBroken
		case m == markEOI:
			return append(buf, 0xFF, m), nil
		}
		buf = append(buf, 0xFF, m)
		if m != 0x01 && (m < 0xD0 || m > 0xD7) {
			if buf, err = s.segment(buf); err != nil {
				return nil, err
			}
		}
		if m == markSOS {
			scanned = true
			buf, m, err = s.scan(buf)
		} else {
			m, err = s.nextMarker()
		}
	}
}

// salvage ends a picture where a part's boundary follows it: some cameras leave the end marker out. Without a boundary the
// picture was cut off.
func salvage(buf []byte) ([]byte, error) {
	tail := max(0, len(buf)-1024) // boundary and part header, at most
	i := bytes.LastIndex(buf[tail:], []byte("\r\n--"))
	if i < 0 {
		return nil, errBroken
	}
	return append(buf[:tail+i], 0xFF, markEOI), nil
}

// nextMarker reads FF and the code after it; anything else there breaks the picture.
func (s *Splitter) nextMarker() (byte, error) {
	c, err := s.r.ReadByte()
	if err != nil {
		return 0, err
	}
	if c != 0xFF {
		return 0, errBroken
	}
	return s.marker()
}

// marker returns the byte after FF and any fill bytes.
func (s *Splitter) marker() (byte, error) {
	for n := 0; ; n++ {
		m, err := s.r.ReadByte()
		if err != nil {
			return 0, err
		}
		if m != 0xFF {
			return m, nil
		}
		if n > s.max {
			return 0, errBroken
		}
	}
}

// segment appends a marker segment: two bytes of length, which counts itself, and the rest.
func (s *Splitter) segment(buf []byte) ([]byte, error) {
	head, err := s.r.Peek(2)
	if err != nil {
		return buf, eof(err)
	}
	if head[0] == 0xFF && head[1] == markSOI { // cut off right here: not a length, but the next picture's start
		s.soi = true
		_, _ = s.r.Discard(2)
		return buf, errBroken
	}
	n := int(head[0])<<8 | int(head[1])
	if n < 2 || len(buf)+n > s.max {
		return buf, errBroken
	}
	at := len(buf)
	buf = append(buf, make([]byte, n)...)
	_, err = io.ReadFull(s.r, buf[at:])
	return buf, eof(err)
}

// scan appends entropy-coded data up to a marker that ends it, and returns that marker's code.
func (s *Splitter) scan(buf []byte) ([]byte, byte, error) {
	for {
		chunk, err := s.r.ReadSlice(0xFF)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return buf, 0, err
		}
		full := err != nil
		if !full {
			chunk = chunk[:len(chunk)-1]
		}
		if len(buf)+len(chunk) > s.max {
			return buf, 0, errBroken
		}
		buf = append(buf, chunk...)
		if full {
			continue
		}
		m, err := s.marker()
		if err != nil {
			return buf, 0, err
		}
		if m != 0 && (m < 0xD0 || m > 0xD7) {
			return buf, m, nil
		}
		buf = append(buf, 0xFF, m) // a stuffed FF, or a restart marker
	}
}

// eof takes the two ends of io.ReadFull and Peek to one.
func eof(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}
