package capturetest

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// RTSP is a network camera that sends an H.264 stream as RTP inside its RTSP connection (RFC 2326, section 10.12; RFC 6184), the
// part of RTSP that `ffmpeg -rtsp_transport tcp` needs.
type RTSP struct {
	H264 []byte // an Annex B stream that starts with SPS, PPS and a key frame, without B frames; sent again and again
	FPS  float64
	// User and Password are asked for by Basic, if set.
	User, Password string
	NoSets         bool // leaves SPS and PPS out of the description, as some cameras do
	// HangUp ends each connection after so many pictures; Stall sends nothing more after so many, but stays connected.
	HangUp, Stall int

	Plays atomic.Int64 // times that a client began to play

	listener net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]bool
	closed   bool
}

// Start listens on a port of 127.0.0.1.
func (s *RTSP) Start() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.listener, s.conns = l, map[net.Conn]bool{}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			if s.closed {
				c.Close()
			} else {
				s.conns[c] = true
				s.wg.Go(func() { s.serve(c) })
			}
			s.mu.Unlock()
		}
	})
	return nil
}

// Addr is host:port.
func (s *RTSP) Addr() string { return s.listener.Addr().String() }

// Close ends all connections and waits.
func (s *RTSP) Close() {
	s.mu.Lock()
	s.closed = true
	s.listener.Close()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *RTSP) serve(c net.Conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	r := bufio.NewReader(c)
	stop := make(chan struct{})
	var once sync.Once
	end := func() { once.Do(func() { close(stop) }) }
	defer end()
	var write sync.Mutex
	for {
		method, url, head, err := readRequest(r)
		if err != nil {
			return
		}
		reply := func(status string, extra ...string) {
			write.Lock()
			defer write.Unlock()
			fmt.Fprintf(c, "RTSP/1.0 %s\r\nCSeq: %s\r\n%s\r\n", status, head.Get("CSeq"), strings.Join(extra, ""))
		}
		auth := "Basic " + base64.StdEncoding.EncodeToString([]byte(s.User+":"+s.Password))
		if s.User != "" && method != "OPTIONS" && head.Get("Authorization") != auth {
			reply("401 Unauthorized", "WWW-Authenticate: Basic realm=\"camera\"\r\n")
			continue
		}
		switch method {
		case "OPTIONS":
			reply("200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n")
		case "DESCRIBE":
			sdp := s.sdp()
			reply("200 OK", "Content-Base: "+url+"/\r\nContent-Type: application/sdp\r\n",
				fmt.Sprintf("Content-Length: %d\r\n", len(sdp)), "\r\n"+strings.TrimSuffix(sdp, "\r\n"))
		case "SETUP":
			reply("200 OK", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n")
		case "PLAY":
			reply("200 OK", "Session: 1\r\n")
			s.Plays.Add(1)
			s.wg.Go(func() {
				if s.play(c, &write, stop) != nil {
					c.Close()
				}
			})
		default:
			reply("200 OK", "Session: 1\r\n")
			if method == "TEARDOWN" {
				return
			}
		}
	}
}

// readRequest skips what the client sends inside the stream (RTCP).
func readRequest(r *bufio.Reader) (method, url string, head textproto.MIMEHeader, err error) {
	for {
		b, err := r.Peek(1)
		if err != nil {
			return "", "", nil, err
		}
		if b[0] != '$' {
			break
		}
		var h [4]byte
		if _, err := io.ReadFull(r, h[:]); err != nil {
			return "", "", nil, err
		}
		if _, err := r.Discard(int(binary.BigEndian.Uint16(h[2:]))); err != nil {
			return "", "", nil, err
		}
	}
	tp := textproto.NewReader(r)
	line, err := tp.ReadLine()
	if err != nil {
		return "", "", nil, err
	}
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return "", "", nil, fmt.Errorf("not a request: %q", line)
	}
	head, err = tp.ReadMIMEHeader()
	return fields[0], fields[1], head, err
}

func (s *RTSP) sdp() string {
	var sets []string
	for _, n := range splitNAL(s.H264) {
		if t := n[0] & 31; (t == 7 || t == 8) && len(sets) < 2 {
			sets = append(sets, base64.StdEncoding.EncodeToString(n))
		}
	}
	fmtp := "packetization-mode=1"
	if !s.NoSets {
		fmtp += ";sprop-parameter-sets=" + strings.Join(sets, ",")
	}
	return "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n" +
		"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 " + fmtp +
		"\r\na=control:streamid=0\r\n"
}

var errHangUp = errors.New("hang up")

// play sends one picture after the other, each with its own time.
func (s *RTSP) play(c net.Conn, mu *sync.Mutex, stop <-chan struct{}) error {
	period := time.Duration(float64(time.Second) / s.FPS)
	tick := time.NewTicker(period)
	defer tick.Stop()
	seq := uint16(0)
	sent := 0
	units := accessUnits(s.H264)
	for {
		for _, unit := range units {
			stamp := uint32(float64(sent) / s.FPS * 90000)
			for i, n := range unit {
				mu.Lock()
				err := sendNAL(c, n, stamp, &seq, i == len(unit)-1)
				mu.Unlock()
				if err != nil {
					return err
				}
			}
			sent++
			if s.HangUp > 0 && sent >= s.HangUp {
				return errHangUp
			}
			if s.Stall > 0 && sent >= s.Stall {
				<-stop
				return nil
			}
			select {
			case <-stop:
				return nil
			case <-tick.C:
			}
		}
	}
}

// accessUnits groups NAL units into pictures: a slice that starts at macroblock 0 begins one, and so does what comes before it.
func accessUnits(stream []byte) [][][]byte {
	var units [][][]byte
	var unit [][]byte
	slices := false // unit has a slice
	for _, n := range splitNAL(stream) {
		slice := n[0]&31 == 1 || n[0]&31 == 5
		if slices && (!slice || n[1]&0x80 != 0) {
			units, unit, slices = append(units, unit), nil, false
		}
		unit = append(unit, n)
		slices = slices || slice
	}
	if slices {
		units = append(units, unit)
	}
	return units
}

// sendNAL sends a NAL unit as one RTP packet, or as several FU-A (RFC 6184, section 5.8). last marks the end of a picture.
func sendNAL(w io.Writer, nal []byte, stamp uint32, seq *uint16, last bool) error {
	const most = 1200
	if len(nal) <= most {
		return sendRTP(w, nal, stamp, seq, last)
	}
	indicator, typ, rest := nal[0]&0xE0|28, nal[0]&31, nal[1:]
	for start := byte(0x80); len(rest) > 0; start = 0 {
		n := min(len(rest), most)
		end := byte(0)
		if n == len(rest) {
			end = 0x40
		}
		if err := sendRTP(w, append([]byte{indicator, start | end | typ}, rest[:n]...), stamp, seq, last && end != 0); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

func sendRTP(w io.Writer, payload []byte, stamp uint32, seq *uint16, marker bool) error {
	b := make([]byte, 16, 16+len(payload))
	b[0] = '$'
	binary.BigEndian.PutUint16(b[2:], uint16(12+len(payload)))
	b[4], b[5] = 0x80, 96
	if marker {
		b[5] |= 0x80
	}
	binary.BigEndian.PutUint16(b[6:], *seq)
	*seq++
	binary.BigEndian.PutUint32(b[8:], stamp)
	binary.BigEndian.PutUint32(b[12:], 0x1234)
	_, err := w.Write(append(b, payload...))
	return err
}

// splitNAL cuts an Annex B stream at its start codes.
func splitNAL(b []byte) [][]byte {
	var out [][]byte
	for _, part := range bytes.Split(b, []byte{0, 0, 1}) {
		if part = bytes.TrimRight(part, "\x00"); len(part) > 1 {
			out = append(out, part)
		}
	}
	return out
}
