package mjpeg

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// SMJPEG reads what `ffmpeg -f smjpeg` writes: JPEG pictures with their times. It is the one container of ffmpeg's that carries
// both and that can be read in a few lines (the format is Loki Software's, sjmpeg_format.txt).
type SMJPEG struct {
	r    *bufio.Reader
	max  int
	ms   int64  // time of the last picture, without the wrap of its 32 bits
	last uint32 // the same as it stood in the file
}

// NewSMJPEG reads the header. Pictures of more than max bytes are an error.
func NewSMJPEG(r io.Reader, max int) (*SMJPEG, error) {
	s := &SMJPEG{r: bufio.NewReaderSize(r, bufSize), max: max}
	var magic [16]byte
	if _, err := io.ReadFull(s.r, magic[:]); err != nil {
		return nil, err // io.EOF if nothing came at all
	}
	if string(magic[:8]) != "\x00\nSMJPEG" {
		return nil, errors.New("not SMJPEG")
	}
	for chunks := 0; chunks < 1000; chunks++ {
		id, err := s.id()
		if err != nil {
			return nil, noEOF(err)
		}
		if id == "HEND" {
			return s, nil
		}
		n, err := s.uint32()
		if err != nil {
			return nil, noEOF(err)
		}
		if n > 1<<20 {
			return nil, fmt.Errorf("SMJPEG: header chunk %q of %d bytes", id, n)
		}
		if _, err := s.r.Discard(int(n)); err != nil {
			return nil, noEOF(err)
		}
	}
	return nil, errors.New("SMJPEG: header without an end")
}

// Next returns the next picture and its time by the stream's clock, whose zero is near its start. io.EOF ends the stream.
func (s *SMJPEG) Next() ([]byte, time.Duration, error) {
	for {
		id, err := s.id()
		if err != nil || id == "DONE" {
			return nil, 0, doneOr(err)
		}
		if id != "vidD" && id != "sndD" {
			return nil, 0, fmt.Errorf("SMJPEG: unknown chunk %q", id)
		}
		ms, err := s.uint32()
		if err != nil {
			return nil, 0, err
		}
		n, err := s.uint32()
		if err != nil {
			return nil, 0, err
		}
		if int64(n) > int64(s.max) {
			return nil, 0, fmt.Errorf("SMJPEG: a picture of %d bytes; at most %d are read", n, s.max)
		}
		data, err := readBlock(s.r, int(n))
		if err != nil {
			return nil, 0, err
		}
		if id == "vidD" {
			s.ms += int64(int32(ms - s.last))
			s.last = ms
			return data, time.Duration(s.ms) * time.Millisecond, nil
		}
	}
}

func (s *SMJPEG) id() (string, error) {
	var b [4]byte
	_, err := io.ReadFull(s.r, b[:])
	return string(b[:]), eof(err)
}

func (s *SMJPEG) uint32() (uint32, error) {
	var b [4]byte
	_, err := io.ReadFull(s.r, b[:])
	return binary.BigEndian.Uint32(b[:]), eof(err)
}

// doneOr is io.EOF after the DONE chunk, else the error.
func doneOr(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

// noEOF keeps an early end from looking like a regular one.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
