package models

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Download says what to fetch and where to put it.
type Download struct {
	// URLs are http(s) addresses or paths of files. The next is tried where one
	// isn't there.
	URLs []string
	Dest string
	// Size in bytes and SHA256 in hexadecimal are what must come; 0 and "": not
	// known.
	Size   int64
	SHA256 string
	// Have is the hash of what an earlier download put there; "": not known. A file
	// that still has it is not fetched again.
	Have string
	// Progress, if any, hears of every piece: what is done of total bytes (0:
	// not known). step is "downloading" or "checking".
	Progress func(step string, done, total int64)
}

// Checked says what a file's bytes were compared with.
type Checked string

// From best to least.
const (
	CheckedHash   Checked = "sha256"        // the hash asked for
	CheckedServer Checked = "server sha256" // the hash that the server gave
	CheckedSize   Checked = "size"          // the length only
)

// Result is a file that is there.
type Result struct {
	Size    int64
	SHA256  string
	From    string // without user and password
	Check   Checked
	Already bool // it had been there before
}

// Client fetches files. The zero value works.
type Client struct {
	HTTP      *http.Client // nil: one with timeouts for everything but the body
	UserAgent string
	Stall     time.Duration // how long a server may send nothing; 0: 30 s
	Tries     int           // in a row without a new byte; 0: 6

	Wait   func(ctx context.Context, d time.Duration) error // between two tries; nil: a timer
	Free   func(dir string) (bytes int64, known bool)       // on the disk; nil: the system is asked
	Notice func(format string, args ...any)                 // hears what goes wrong and is tried again; nil: nobody
}

// Errors that callers may tell apart.
var (
	ErrChecksum = errors.New("the bytes are not the right ones")
	ErrBusy     = errors.New("another download of this file is running")
	ErrDiskFull = errors.New("not enough space on the disk")
)

// errAbsent says that a source hasn't got the file.
var errAbsent = errors.New("not there")

// reserve is what a download leaves free on the disk, in bytes.
const reserve = 64 << 20

// Get puts the file at d.Dest: nothing is there before it is whole and checked.
// What had come when a download broke off is kept beside it as Dest.part, and the
// next one goes on from there.
func (c *Client) Get(ctx context.Context, d Download) (Result, error) {
	if err := CheckSHA256(d.SHA256); err != nil {
		return Result{}, fmt.Errorf("models: %w", err)
	}
	d.SHA256 = strings.ToLower(d.SHA256)
	if c.HTTP == nil {
		own := *c
		own.HTTP = defaultHTTP()
		defer own.HTTP.CloseIdleConnections()
		c = &own
	}
	if len(d.URLs) == 0 {
		return Result{}, errors.New("models: nowhere to fetch from")
	}
	if err := os.MkdirAll(filepath.Dir(d.Dest), 0o755); err != nil {
		return Result{}, fmt.Errorf("models: %w", err)
	}
	p, err := openPart(d.Dest)
	if err != nil {
		return Result{}, err
	}
	defer p.close()
	if r, ok := c.present(ctx, d); ok {
		p.discard()
		return r, nil
	}
	if err := p.restore(ctx, d); err != nil {
		return Result{}, err
	}
	var absent error
	for _, from := range d.URLs {
		r, err := c.getFrom(ctx, p, d, from)
		if err == nil {
			return r, nil
		}
		if !errors.Is(err, errAbsent) {
			return Result{}, err
		}
		if absent == nil {
			absent = err
		} else {
			absent = fmt.Errorf("%w; %s", absent, strings.TrimPrefix(err.Error(), "models: "))
		}
	}
	return Result{}, absent
}

// present says whether the file is there already and is the one asked for.
func (c *Client) present(ctx context.Context, d Download) (Result, bool) {
	st, err := os.Stat(d.Dest)
	want := cmp.Or(d.SHA256, d.Have)
	if err != nil || !st.Mode().IsRegular() || want == "" || d.Size > 0 && st.Size() != d.Size {
		return Result{}, false
	}
	sum, err := hashFile(ctx, d.Dest, st.Size(), d.Progress)
	if err != nil || sum != want {
		return Result{}, false
	}
	r := Result{Size: st.Size(), SHA256: sum, Check: CheckedSize, Already: true}
	if d.SHA256 != "" {
		r.Check = CheckedHash
	}
	return r, true
}

// getFrom fetches from one source. A part of an earlier run that turns out wrong
// is thrown away once, and everything is fetched.
func (c *Client) getFrom(ctx context.Context, p *part, d Download, from string) (Result, error) {
	for {
		resumed := p.size > 0
		fetch := c.download
		if !isURL(from) {
			fetch = c.copy
		}
		if err := fetch(ctx, p, d, from); err != nil {
			return Result{}, err
		}
		r, err := p.finish(d, from)
		if !errors.Is(err, ErrChecksum) {
			return r, err
		}
		if rerr := p.reset(""); rerr != nil {
			return Result{}, rerr
		}
		if !resumed {
			p.discard()
			return Result{}, err
		}
		c.notice("what an earlier download had left was damaged: fetching all of it again")
	}
}

func (c *Client) notice(format string, args ...any) {
	if c.Notice != nil {
		c.Notice(format, args...)
	}
}

// room checks that the rest of a file fits on the disk.
func (c *Client) room(p *part, total int64) error {
	free := c.Free
	if free == nil {
		free = diskFree
	}
	have, known := free(filepath.Dir(p.dest))
	if need := total - p.size; known && need+reserve > have {
		return fmt.Errorf("models: %s needs %s, %s has %s: %w; make room or choose another folder with --to",
			filepath.Base(p.dest), Bytes(need), filepath.Dir(p.dest), Bytes(have), ErrDiskFull)
	}
	return nil
}

// checkHead looks at a file's first bytes: a captive portal or a login page answers
// with a web page where a model should be.
func checkHead(head []byte, dest, contentType string) error {
	if strings.HasPrefix(contentType, "text/html") {
		return errors.New("it is a web page; is there a login in front of this network or of this file?")
	}
	if strings.HasSuffix(dest, ".gguf") && !bytes.HasPrefix(head, []byte("GGUF")) {
		return fmt.Errorf("it begins with %q and not as a GGUF file does", head[:min(len(head), 16)])
	}
	return nil
}

// Bytes is a number of bytes for people: 940.4 MiB.
func Bytes(n int64) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, u
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}
