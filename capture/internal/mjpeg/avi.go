package mjpeg

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrNotMJPEG says that a container is fine but holds another kind of video.
var ErrNotMJPEG = errors.New("the video in it is not MJPEG")

// AVI reads the pictures of a RIFF AVI file in the order in which they stand there, without its index, so that a recording
// which was cut off (or still goes on) plays as far as it goes. The chunk sizes of lists are not believed.
type AVI struct {
	r      *bufio.Reader
	max    int
	stream int // number of the video stream
	period time.Duration
	pos    int64
}

// NewAVI reads the header up to the first picture. Pictures of more than max bytes are an error.
func NewAVI(r io.Reader, max int) (*AVI, error) {
	a := &AVI{r: bufio.NewReaderSize(r, bufSize), max: max, stream: -1}
	var magic [12]byte
	if err := a.read(magic[:]); err != nil || string(magic[:4]) != "RIFF" || string(magic[8:]) != "AVI " {
		return nil, errors.New("not an AVI file")
	}
	if err := a.header(); errors.Is(err, io.EOF) {
		return nil, errors.New("AVI: the file ends in its header")
	} else if err != nil {
		return nil, err
	}
	if a.stream < 0 {
		return nil, fmt.Errorf("AVI: %w", ErrNotMJPEG)
	}
	return a, nil
}

// Period is the time between pictures, 0 if the header gives none.
func (a *AVI) Period() time.Duration { return a.period }

// Next returns the next picture. An empty one (nil) says that the picture before is shown again. io.EOF ends the file.
func (a *AVI) Next() ([]byte, error) {
	for {
		id, n, err := a.chunk()
		if err != nil {
			return nil, err
		}
		switch {
		case id == "LIST" || id == "RIFF": // go inside: movi, rec, AVIX
			if err := a.skip(4); err != nil {
				return nil, err
			}
		case a.isPicture(id):
			if n == 0 {
				return nil, nil
			}
			if n > int64(a.max) {
				return nil, fmt.Errorf("AVI: a picture of %d bytes at byte %d; at most %d are read", n, a.pos, a.max)
			}
			data, err := readBlock(a.r, int(n))
			if err != nil {
				return nil, err
			}
			a.pos += n
			if n%2 == 1 {
				if err := a.skip(1); err != nil && !errors.Is(err, io.EOF) {
					return nil, err
				}
			}
			return data, nil
		default: // sound, index, JUNK
			if err := a.skip(n + n%2); err != nil {
				return nil, err
			}
		}
	}
}

func (a *AVI) isPicture(id string) bool {
	return isDigit(id[0]) && isDigit(id[1]) && int(id[0]-'0')*10+int(id[1]-'0') == a.stream && id[2] == 'd' &&
		(id[3] == 'c' || id[3] == 'b')
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// header walks to the movi list and notes the first MJPEG stream's number and rate.
func (a *AVI) header() error {
	streams := -1
	var strh []byte
	for chunks := 0; chunks < 1000; chunks++ {
		id, n, err := a.chunk()
		if err != nil {
			return err
		}
		if id == "LIST" {
			var kind [4]byte
			if err := a.read(kind[:]); err != nil {
				return err
			}
			switch string(kind[:]) {
			case "movi":
				return nil
			case "hdrl", "strl":
			default:
				if err := a.skip(max(n-4, 0)); err != nil {
					return err
				}
			}
			continue
		}
		if n > 1<<20 && id != "JUNK" {
			return fmt.Errorf("AVI: header chunk %q of %d bytes", id, n)
		}
		if id != "avih" && id != "strh" && id != "strf" {
			if err := a.skip(n + n%2); err != nil {
				return err
			}
			continue
		}
		data, err := readBlock(a.r, int(n+n%2))
		if err != nil {
			return err
		}
		a.pos += n + n%2
		switch id {
		case "avih":
			if len(data) >= 4 {
				a.period = time.Duration(binary.LittleEndian.Uint32(data)) * time.Microsecond
			}
		case "strh":
			streams++
			strh = data
		case "strf":
			a.format(streams, strh, data)
		}
	}
	return errors.New("AVI: no pictures after 1000 header chunks")
}

// format takes a stream if it is the first MJPEG one: strh is AVIStreamHeader, strf is BITMAPINFOHEADER.
func (a *AVI) format(n int, strh, strf []byte) {
	if a.stream >= 0 || len(strh) < 28 || string(strh[:4]) != "vids" || len(strf) < 20 {
		return
	}
	switch string(strf[16:20]) {
	case "MJPG", "mjpg", "AVRn", "JPEG", "jpeg", "dmb1", "IJPG":
	default:
		return
	}
	a.stream = n
	scale, rate := binary.LittleEndian.Uint32(strh[20:]), binary.LittleEndian.Uint32(strh[24:])
	if scale > 0 && rate > 0 {
		a.period = time.Duration(float64(scale) / float64(rate) * float64(time.Second))
	}
}

// chunk reads a chunk's name and size.
func (a *AVI) chunk() (id string, n int64, err error) {
	var b [8]byte
	if err := a.read(b[:]); err != nil {
		return "", 0, err
	}
	for _, c := range b[:4] {
		if c < ' ' || c > '~' {
			return "", 0, fmt.Errorf("AVI: damaged at byte %d", a.pos-8)
		}
	}
	return string(b[:4]), int64(binary.LittleEndian.Uint32(b[4:])), nil
}

func (a *AVI) read(b []byte) error {
	n, err := io.ReadFull(a.r, b)
	a.pos += int64(n)
	return eof(err)
}

func (a *AVI) skip(n int64) error {
	m, err := io.CopyN(io.Discard, a.r, n)
	a.pos += m
	return eof(err)
}

// readBlock reads n bytes into memory that grows with what arrives, not with what was promised.
func readBlock(r io.Reader, n int) ([]byte, error) {
	const step = 1 << 20
	data := make([]byte, 0, min(n, step))
	for len(data) < n {
		at := len(data)
		data = append(data, make([]byte, min(n-at, max(at, step)))...)
		if _, err := io.ReadFull(r, data[at:]); err != nil {
			return nil, eof(err)
		}
	}
	return data, nil
}
