package capturetest

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync/atomic"
	"time"
)

// MJPEG is an http.Handler that plays pictures as a network camera does.
type MJPEG struct {
	Pictures [][]byte      // JPEG files, sent again and again
	Period   time.Duration // between pictures; 0 is 20 ms
	// Limit ends the stream after so many pictures; 0 never does.
	Limit int

	Snapshot      bool   // one image/jpeg a request in place of a stream
	NoLength      bool   // parts without Content-Length
	Length        int    // a Content-Length that lies; 0 tells the truth
	WrongBoundary bool   // announces another boundary than it sends
	NoEnd         bool   // leaves the JPEG end marker out
	Raw           bool   // JPEG after JPEG without parts
	Garbage       []byte // sent between pictures

	User, Password string // if set, asked for
	Digest         bool   // by Digest (MD5, qop=auth) in place of Basic

	Requests atomic.Int64 // requests so far, those without a password too
	sent     atomic.Int64
}

// NewMJPEGServer starts a camera on a port of 127.0.0.1. Close it after the source that reads it.
func NewMJPEGServer(m *MJPEG) *httptest.Server {
	return httptest.NewServer(m)
}

const digestNonce = "0123456789abcdef"

// ServeHTTP implements http.Handler.
func (m *MJPEG) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.Requests.Add(1)
	if m.User != "" && !m.allowed(r) {
		if m.Digest {
			w.Header().Add("WWW-Authenticate", `Digest realm="camera, \"front\"", nonce="`+digestNonce+`", qop="auth,auth-int", opaque="xyz", algorithm=MD5`)
		} else {
			w.Header().Add("WWW-Authenticate", `Basic realm="camera"`)
		}
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	if m.Snapshot {
		w.Header().Set("Content-Type", "image/jpeg")
		_, _ = w.Write(m.next())
		return
	}
	boundary := "frame"
	announced := boundary
	if m.WrongBoundary {
		announced = "--other"
	}
	if m.Raw {
		w.Header().Set("Content-Type", "video/x-motion-jpeg")
	} else {
		w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary="+announced)
	}
	period := m.Period
	if period == 0 {
		period = 20 * time.Millisecond
	}
	tick := time.NewTicker(period)
	defer tick.Stop()
	flush := http.NewResponseController(w)
	for i := 0; m.Limit == 0 || i < m.Limit; i++ {
		data := m.next()
		if m.NoEnd {
			data = data[:len(data)-2]
		}
		var err error
		switch length := len(data); {
		case m.Raw:
			_, err = w.Write(append(append([]byte{}, m.Garbage...), data...))
		default:
			_, _ = w.Write(m.Garbage)
			fmt.Fprintf(w, "--%s\r\nContent-Type: image/jpeg\r\n", boundary)
			if m.Length != 0 {
				length = m.Length
			}
			if !m.NoLength {
				fmt.Fprintf(w, "Content-Length: %d\r\n", length)
			}
			fmt.Fprint(w, "\r\n")
			_, _ = w.Write(data)
			_, err = fmt.Fprint(w, "\r\n")
		}
		if err != nil || flush.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

func (m *MJPEG) next() []byte {
	n := m.sent.Add(1) - 1
	return m.Pictures[int(n)%len(m.Pictures)]
}

var digestField = regexp.MustCompile(`(\w+)=(?:"([^"]*)"|([^ ,]*))`)

func (m *MJPEG) allowed(r *http.Request) bool {
	if !m.Digest {
		user, password, ok := r.BasicAuth()
		return ok && user == m.User && password == m.Password
	}
	f := map[string]string{}
	for _, g := range digestField.FindAllStringSubmatch(r.Header.Get("Authorization"), -1) {
		f[g[1]] = g[2] + g[3]
	}
	h := func(s string) string {
		sum := md5.Sum([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	want := h(h(m.User+`:camera, "front":`+m.Password) + ":" + digestNonce + ":" + f["nc"] + ":" + f["cnonce"] + ":auth:" +
		h(r.Method+":"+r.URL.RequestURI()))
	return f["username"] == m.User && f["nonce"] == digestNonce && f["opaque"] == "xyz" && f["response"] == want
}
