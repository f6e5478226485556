package capture

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// httpCamera reads a camera's MJPEG stream, or its picture again and again.
type httpCamera struct {
	url    *url.URL // without user and password
	auth   *httpAuth
	client *http.Client
	fps    float64
	broken atomic.Uint64
}

func openHTTP(s Spec) (Source, error) {
	u, err := parseURL(s.Source)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  15 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    1,
		DisableCompression:     true,
	}
	if u.Scheme == "https+insecure" {
		u.Scheme = "https"
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // asked for by name
	}
	c := &httpCamera{auth: newHTTPAuth(u.User), fps: s.FPS}
	u.User = nil
	c.url = u
	c.client = &http.Client{Transport: transport}
	return newLive(s, liveConfig{
		name: redactURL(u), session: c.session, broken: &c.broken, stall: stallFor(s.FPS),
		close: transport.CloseIdleConnections,
	}), nil
}

// session opens the address and reads it by what it turns out to be.
func (c *httpCamera) session(ctx context.Context, emit func(Frame)) error {
	for {
		began := time.Now()
		resp, err := c.get(ctx)
		if err != nil {
			return err
		}
		kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		switch {
		case kind == "image/jpeg" || kind == "image/jpg":
			err = c.snapshot(resp, emit)
			if err == nil && !sleep(ctx, c.period()-time.Since(began)) {
				err = ctx.Err()
			}
		case strings.HasPrefix(kind, "text/") || kind == "application/json":
			err = fmt.Errorf("the answer is a %s page, not pictures; check the path, the camera's manual has it", kind)
		case strings.Contains(kind, "mpegurl") || kind == "video/mp4" || kind == "video/mp2t":
			err = fmt.Errorf("the answer is %s; read it with exec:ffmpeg -loglevel error -i URL -f mjpeg -", kind)
		default: // multipart/x-mixed-replace, or a bare stream under many names
			err = readMJPEG(resp.Body, &c.broken, emit)
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = errors.New("the camera ended the stream")
			}
		}
		resp.Body.Close()
		if err != nil {
			return trimURL(err)
		}
	}
}

// snapshot emits the one picture of a response. A damaged one is counted.
func (c *httpCamera) snapshot(resp *http.Response, emit func(Frame)) error {
	data, err := io.ReadAll(io.LimitReader(resp.Body, MaxFrameBytes+1))
	if err != nil {
		return err
	}
	f, err := jpegFrame(data)
	if err != nil || len(data) > MaxFrameBytes {
		c.broken.Add(1)
		return nil
	}
	emit(f)
	return nil
}

// period is the time between snapshots.
func (c *httpCamera) period() time.Duration {
	fps := c.fps
	if fps <= 0 {
		fps = 1
	}
	return time.Duration(float64(time.Second) / fps)
}

// get asks for the address, a second time if the camera wants to know who asks.
func (c *httpCamera) get(ctx context.Context) (*http.Response, error) {
	for try := 0; ; try++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url.String(), nil)
		if err != nil {
			return nil, trimURL(err)
		}
		req.Header.Set("User-Agent", "edgevlm")
		c.auth.apply(req)
		resp, err := c.client.Do(req)
		if err != nil {
			return nil, trimURL(err)
		}
		switch {
		case resp.StatusCode == http.StatusOK:
			return resp, nil
		case resp.StatusCode == http.StatusUnauthorized && try == 0 && resp.Request.URL.Host == c.url.Host &&
			c.auth.challenge(resp.Header.Values("WWW-Authenticate")):
			resp.Body.Close()
			continue
		}
		resp.Body.Close()
		return nil, statusError(resp.StatusCode, c.auth.known())
	}
}

func statusError(code int, haveUser bool) error {
	text := fmt.Sprintf("HTTP status %d %s", code, http.StatusText(code))
	switch {
	case code == http.StatusUnauthorized && !haveUser:
		return errors.New(text + "; write user and password into the address: http://user:password@host/path")
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return errors.New(text + "; check user and password in the address")
	case code == http.StatusNotFound:
		return errors.New(text + "; check the path, the camera's manual has it")
	}
	return errors.New(text)
}

// trimURL takes the address out of net/http's errors: live puts a redacted one in front.
func trimURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	var unknown *tls.CertificateVerificationError
	if errors.As(err, &unknown) {
		return fmt.Errorf("%w; if it is the camera's own certificate, write https+insecure://", err)
	}
	return err
}
