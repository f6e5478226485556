package models

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// defaultHTTP bounds everything but the body, which the stall watch bounds.
func defaultHTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 20 * time.Second, KeepAlive: 20 * time.Second}).DialContext,
		TLSHandshakeTimeout:   20 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		DisableCompression:    true, // a compressed body has neither length nor ranges of the file
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          2,
	}}
}

var errStalled = fmt.Errorf("%w: the server sent nothing for too long", errBroken)

// download fetches over HTTP and goes on where the connection broke, until there
// is nothing new in several tries.
func (c *Client) download(ctx context.Context, p *part, d Download, from string) error {
	tries := c.Tries
	if tries == 0 {
		tries = 6
	}
	best, fails := p.size, 0
	for {
		err := c.request(ctx, p, d, from)
		var again *retryError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, errBroken) && !errors.As(err, &again):
			return named(from, err)
		}
		// Only what is beyond all earlier tries counts: a server that ignores ranges begins at 0 each time.
		if p.size > best {
			best, fails = p.size, 0
		} else {
			fails++
		}
		if fails >= tries {
			kept := ""
			if p.size > 0 {
				kept = "; what came is kept: run it again to go on"
			}
			return fmt.Errorf("%w (%d tries)%s", named(from, err), fails, kept)
		}
		wait := min(time.Second<<fails, 30*time.Second)
		if again != nil && again.after > 0 {
			wait = min(again.after, time.Minute)
		}
		c.notice("%v; trying again in %v", named(from, err), wait)
		if err := c.wait(ctx, wait); err != nil {
			return err
		}
	}
}

func named(from string, err error) error { return fmt.Errorf("models: %s: %w", Redact(from), err) }

func (c *Client) wait(ctx context.Context, d time.Duration) error {
	if c.Wait != nil {
		return c.Wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// retryError is an answer that may be another one later.
type retryError struct {
	err   error
	after time.Duration
}

func (e *retryError) Error() string { return e.err.Error() }
func (e *retryError) Unwrap() error { return e.err }

// request makes one request and writes its body into p.
func (c *Client) request(ctx context.Context, p *part, d Download, from string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := c.Stall
	if stall == 0 {
		stall = 30 * time.Second
	}
	watch := time.AfterFunc(stall, func() { cancel(errStalled) })
	defer watch.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return errors.New("it is no address")
	}
	req.Header.Set("Accept-Encoding", "identity")
	if c.UserAgent != "" {
		req.Header.Set("User-Agent", c.UserAgent)
	}
	if p.size > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", p.size))
		// With a hash the file is known by its content; without one the server must say that it is still the same.
		if d.SHA256 == "" {
			req.Header.Set("If-Range", p.meta.Validator)
		}
	}
	var linked serverSays
	resp, err := c.client(&linked).Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the address stands before it already
		}
		if errors.Is(err, errRedirects) || errors.Is(err, errDowngrade) {
			return err
		}
		return &retryError{err: err}
	}
	defer resp.Body.Close()
	linked.read(resp)
	total, err := c.accept(p, d, resp, linked)
	if err != nil {
		return err
	}
	if total > 0 {
		if err := c.room(p, total); err != nil {
			return err
		}
		if total == p.size {
			return nil
		}
	}
	b := &body{c: c, p: p, d: d, total: total, contentType: resp.Header.Get("Content-Type"), alive: func() { watch.Reset(stall) }}
	return b.copy(ctx, resp.Body)
}

// accept reads the answer's head: what the body is, and where in the file it
// begins. It returns the size of the whole file, 0 if it isn't known.
func (c *Client) accept(p *part, d Download, resp *http.Response, linked serverSays) (total int64, err error) {
	if e := resp.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return 0, fmt.Errorf("it is compressed (%s) although that was not asked for", e)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		if err := p.reset(linked.validator); err != nil {
			return 0, err
		}
		total = max(0, resp.ContentLength)
	case http.StatusPartialContent:
		start, size, ok := contentRange(resp.Header.Get("Content-Range"))
		if !ok || start != p.size {
			// What it sends can't be placed: all of it, next time.
			return 0, errors.Join(p.reset(""), &retryError{err: fmt.Errorf("a range that was not asked for: %q", resp.Header.Get("Content-Range"))})
		}
		total = size
	case http.StatusRequestedRangeNotSatisfiable:
		if _, size, ok := contentRange(resp.Header.Get("Content-Range")); ok && size == p.size && size > 0 {
			return size, nil
		}
		return 0, errors.Join(p.reset(""), &retryError{err: errors.New("the file has become shorter")})
	default:
		return 0, statusError(resp)
	}
	for _, says := range []int64{total, linked.size} {
		if says > 0 && d.Size > 0 && says != d.Size {
			return 0, fmt.Errorf("the server's file has %d bytes, %d are expected: %w", says, d.Size, ErrChecksum)
		}
	}
	if total == 0 {
		total = max(d.Size, linked.size)
	}
	if linked.sha256 != "" {
		p.meta.SHA256 = linked.sha256
	}
	return total, p.note()
}

func statusError(resp *http.Response) error {
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again
	err := fmt.Errorf("HTTP %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound || code == http.StatusGone:
		return fmt.Errorf("%w: %w", err, errAbsent)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%w: it wants a login; fetch the file with a browser and give its folder with --mirror", err)
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		after, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return &retryError{err: err, after: time.Duration(max(0, after)) * time.Second}
	}
	return err
}

// contentRange reads `bytes 5-9/10` and `bytes */10`; size 0 is not known.
func contentRange(h string) (start, size int64, ok bool) {
	span, whole, found := strings.Cut(strings.TrimPrefix(h, "bytes "), "/")
	if !found || !strings.HasPrefix(h, "bytes ") {
		return 0, 0, false
	}
	if whole != "*" {
		n, err := strconv.ParseInt(whole, 10, 64)
		if err != nil || n < 0 {
			return 0, 0, false
		}
		size = n
	}
	if span == "*" {
		return 0, size, true
	}
	first, last, found := strings.Cut(span, "-")
	a, errA := strconv.ParseInt(first, 10, 64)
	b, errB := strconv.ParseInt(last, 10, 64)
	if !found || errA != nil || errB != nil || a < 0 || b < a || size > 0 && b >= size {
		return 0, 0, false
	}
	return a, size, true
}

// serverSays is what the answers' headers tell about a file. Hugging Face gives the
// hash and size of a large file with the redirect to where it lies.
type serverSays struct {
	validator string
	sha256    string
	size      int64
}

func (s *serverSays) read(resp *http.Response) {
	if tag := resp.Header.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		s.validator = tag
	} else if s.validator = ""; tag == "" {
		s.validator = resp.Header.Get("Last-Modified")
	}
	if tag := strings.ToLower(strings.Trim(resp.Header.Get("X-Linked-Etag"), `"`)); len(tag) == 64 && CheckSHA256(tag) == nil {
		s.sha256 = tag
	}
	if n, err := strconv.ParseInt(resp.Header.Get("X-Linked-Size"), 10, 64); err == nil && n > 0 {
		s.size = n
	}
}

var (
	errRedirects = errors.New("it redirects in a circle or too often")
	errDowngrade = errors.New("it redirects from https to http, where anybody could change the file")
)

// client is the HTTP client with our redirect policy.
func (c *Client) client(linked *serverSays) *http.Client {
	h := *c.HTTP
	h.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if len(via) >= 10 {
			return errRedirects
		}
		if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
			return errDowngrade
		}
		linked.read(req.Response)
		return nil
	}
	return &h
}

// Redact takes user, password and query (signatures) out of an address.
func Redact(from string) string {
	if !isURL(from) {
		return from
	}
	u, err := url.Parse(from)
	if err != nil {
		return "the address"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// Sources are where a catalogue's file may be found, in the order to try. A
// mirror is an address or a folder: one that keeps the original's paths (a mirror
// of Hugging Face), or one that holds the model's folder, or the files themselves.
func Sources(m Model, f File, mirror string) ([]string, error) {
	if mirror == "" {
		return []string{f.URL}, nil
	}
	if !isURL(mirror) {
		return []string{filepath.Join(mirror, m.Name, f.Name), filepath.Join(mirror, f.Name)}, nil
	}
	base, err := url.Parse(mirror)
	original, err2 := url.Parse(f.URL)
	if err != nil || err2 != nil || base.Host == "" {
		return nil, fmt.Errorf("models: mirror %s is no address", Redact(mirror))
	}
	return []string{
		base.JoinPath(original.Path).String(), base.JoinPath(m.Name, f.Name).String(), base.JoinPath(f.Name).String(),
	}, nil
}
