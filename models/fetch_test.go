package models

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// content is a made-up model, larger than one read.
func content() []byte {
	b := append([]byte("GGUF"), make([]byte, 700<<10)...)
	for i := range b[4:] {
		b[4+i] = byte(i * i >> 3)
	}
	return b
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// answer is one of a server's, in turn.
type answer func(w http.ResponseWriter, r *http.Request)

// whole serves data as a good server does, ranges included.
func whole(data []byte) answer {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"`+sum(data)[:8]+`"`)
		http.ServeContent(w, r, "m.gguf", time.Time{}, bytes.NewReader(data))
	}
}

// cut is whole, but the connection breaks after n bytes of the body.
func cut(data []byte, n int) answer {
	return func(w http.ResponseWriter, r *http.Request) { whole(data)(&cutter{ResponseWriter: w, left: n}, r) }
}

type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(b []byte) (int, error) {
	if len(b) > c.left {
		_, _ = c.ResponseWriter.Write(b[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(b)
	return c.ResponseWriter.Write(b)
}

// server gives its answers in turn, the last one again and again, and keeps the
// Range headers it saw.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	ranges []string
	paths  []string
}

func serve(t *testing.T, answers ...answer) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		a := answers[min(len(s.ranges), len(answers)-1)]
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		s.paths = append(s.paths, r.URL.Path)
		s.mu.Unlock()
		a(w, r)
	}))
	t.Cleanup(s.CloseClientConnections)
	t.Cleanup(s.Close)
	return s
}

// client doesn't wait between tries.
func client(t *testing.T) *Client {
	return &Client{
		HTTP: &http.Client{Transport: &http.Transport{}}, Stall: 300 * time.Millisecond, Tries: 3,
		Wait:   func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Notice: t.Logf,
	}
}

// get downloads to a new folder, and checks that there is the right file or none.
func get(t *testing.T, c *Client, d Download) (Result, error) {
	t.Helper()
	if d.Dest == "" {
		d.Dest = filepath.Join(t.TempDir(), "m.gguf")
	}
	r, err := c.Get(t.Context(), d)
	data, rerr := os.ReadFile(d.Dest)
	switch {
	case err == nil && (!bytes.Equal(data, content()) || r.SHA256 != sum(content()) || r.Size != int64(len(data))):
		t.Errorf("no error, and not the right file: %d bytes, %+v", len(data), r)
	case err != nil && rerr == nil:
		t.Errorf("%v, and there is a file of %d bytes", err, len(data))
	case err != nil && strings.Contains(err.Error(), "\n"):
		t.Errorf("more than one line: %v", err)
	}
	if left, _ := filepath.Glob(d.Dest + ".part*"); err == nil && len(left) > 0 {
		t.Errorf("%v left behind", left)
	}
	return r, err
}

func TestAGoodServerGivesTheFile(t *testing.T) {
	data := content()
	for name, d := range map[string]Download{
		"all known":     {Size: int64(len(data)), SHA256: strings.ToUpper(sum(data))},
		"hash known":    {SHA256: sum(data)},
		"nothing known": {},
	} {
		d.URLs = []string{serve(t, whole(data)).URL}
		r, err := get(t, client(t), d)
		if want := map[bool]Checked{true: CheckedHash, false: CheckedSize}[d.SHA256 != ""]; err != nil || r.Check != want {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestABrokenConnectionIsGoneOnFromWhereItBroke(t *testing.T) {
	data := content()
	for name, sha := range map[string]string{"with a hash": sum(data), "with the server's ETag": ""} {
		s := serve(t, cut(data, 300<<10), cut(data, 100<<10), whole(data))
		if _, err := get(t, client(t), Download{URLs: []string{s.URL}, SHA256: sha}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(s.ranges) != 3 || s.ranges[0] != "" || !strings.HasPrefix(s.ranges[1], "bytes=") || s.ranges[1] == s.ranges[2] {
			t.Errorf("%s: ranges asked for: %q", name, s.ranges)
		}
	}
}

func TestTheNextRunGoesOnToo(t *testing.T) {
	data := content()
	for name, sha := range map[string]string{"with a hash": sum(data), "with the server's ETag": ""} {
		d := Download{Dest: filepath.Join(t.TempDir(), "m.gguf"), SHA256: sha}
		d.URLs = []string{serve(t, cut(data, 300<<10), cut(data, 0)).URL}
		if _, err := get(t, client(t), d); err == nil || !strings.Contains(err.Error(), "run it again") {
			t.Errorf("%s: %v", name, err)
		}
		s := serve(t, whole(data))
		d.URLs = []string{s.URL}
		if _, err := get(t, client(t), d); err != nil || len(s.ranges) != 1 || s.ranges[0] == "" {
			t.Errorf("%s: %v, ranges %q", name, err, s.ranges)
		}
	}
}

func TestAPartThatWasDamagedMeanwhileIsFetchedAnew(t *testing.T) {
	data := content()
	d := Download{Dest: filepath.Join(t.TempDir(), "m.gguf"), SHA256: sum(data)}
	if err := os.WriteFile(d.Dest+".part", append([]byte("GGUF"), make([]byte, 1000)...), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, whole(data))
	d.URLs = []string{s.URL}
	if _, err := get(t, client(t), d); err != nil || len(s.ranges) != 2 {
		t.Errorf("%v, ranges %q", err, s.ranges)
	}
}

func TestAFileThatChangedBetweenTwoTriesIsNotMixed(t *testing.T) {
	other := append([]byte("GGUF"), make([]byte, 600<<10)...)
	s := serve(t, cut(other, 300<<10), whole(content()))
	if _, err := get(t, client(t), Download{URLs: []string{s.URL}}); err != nil {
		t.Error(err)
	}
}

func TestAServerThatIgnoresRangesStartsOver(t *testing.T) {
	data := content()
	plain := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		_, _ = w.Write(data)
	}
	s := serve(t, cut(data, 300<<10), plain)
	if _, err := get(t, client(t), Download{URLs: []string{s.URL}, SHA256: sum(data)}); err != nil {
		t.Error(err)
	}
}

func TestARangeThatWasNotAskedForIsNotUsed(t *testing.T) {
	data := content()
	odd := func(header string) answer {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", header)
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(data[:1000])
		}
	}
	for _, header := range []string{"", "bytes 0-999/717000", "bytes 5-2/10", "bytes x", "items 1-2/3", "bytes 99999999999999999999-9/9"} {
		s := serve(t, cut(data, 300<<10), odd(header), whole(data))
		if _, err := get(t, client(t), Download{URLs: []string{s.URL}, SHA256: sum(data)}); err != nil {
			t.Errorf("%q: %v", header, err)
		}
	}
}

func TestLengthsThatLie(t *testing.T) {
	data := content()
	says := func(n int) answer {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(n))
			_, _ = w.Write(data)
		}
	}
	endless := func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(data)
		for r.Context().Err() == nil {
			if _, err := w.Write(data); err != nil {
				return
			}
		}
	}
	short := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data[:1000]); w.(http.Flusher).Flush() }
	for name, c := range map[string]struct {
		a    answer
		want string
	}{
		"longer than it sends":            {says(len(data) + 1000), "it broke off"},
		"shorter, against the catalogue":  {says(len(data) - 1000), "are expected"},
		"none, and it never ends":         {endless, "more bytes than"},
		"none, and it ends early":         {short, "it broke off"},
		"another than the file's by size": {says(10), "are expected"},
	} {
		d := Download{URLs: []string{serve(t, c.a).URL}, SHA256: sum(data)}
		if !strings.HasPrefix(name, "longer") {
			d.Size = int64(len(data))
		}
		if _, err := get(t, client(t), d); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWrongBytesAreNotKept(t *testing.T) {
	wrong := content()
	wrong[len(wrong)-1] ^= 1
	d := Download{Dest: filepath.Join(t.TempDir(), "m.gguf"), URLs: []string{serve(t, whole(wrong)).URL}, SHA256: sum(content())}
	if _, err := get(t, client(t), d); !errors.Is(err, ErrChecksum) {
		t.Error(err)
	}
	if left, _ := filepath.Glob(d.Dest + "*"); len(left) > 0 {
		t.Errorf("%v left behind", left)
	}
}

func TestTheServersOwnHashIsUsedWhereNoneIsKnown(t *testing.T) {
	data := content()
	for name, c := range map[string]struct {
		tag string
		ok  bool
	}{"right": {sum(data), true}, "wrong": {sum([]byte("x")), false}, "not a hash": {"abc", true}} {
		cdn := serve(t, whole(data))
		hub := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Linked-Etag", `"`+c.tag+`"`)
			w.Header().Set("X-Linked-Size", strconv.Itoa(len(data)))
			http.Redirect(w, r, cdn.URL+"/blob?signature=secret", http.StatusFound)
		})
		r, err := get(t, client(t), Download{URLs: []string{hub.URL}})
		if (err == nil) != c.ok || err == nil && (r.Check == CheckedServer) != (c.tag == sum(data)) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestAWebPageIsNoModel(t *testing.T) {
	html := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Welcome to the hotel's network") }
	text := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		fmt.Fprint(w, "version https://git-lfs.github.com/spec/v1")
	}
	for want, a := range map[string]answer{"web page": html, "not as a GGUF": text} {
		s := serve(t, a)
		if _, err := get(t, client(t), Download{URLs: []string{s.URL}}); err == nil || !strings.Contains(err.Error(), want) || len(s.ranges) != 1 {
			t.Errorf("%v after %d tries, want %q", err, len(s.ranges), want)
		}
	}
}

func TestRedirectsInACircleEnd(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) })
	if _, err := get(t, client(t), Download{URLs: []string{s.URL + "/x"}}); err == nil || !strings.Contains(err.Error(), "in a circle") {
		t.Error(err)
	}
}

func TestARedirectFromHTTPSToHTTPIsNotFollowed(t *testing.T) {
	plain := serve(t, whole(content()))
	s := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer s.Close()
	c := client(t)
	c.HTTP = s.Client()
	if _, err := get(t, c, Download{URLs: []string{s.URL}}); err == nil || !strings.Contains(err.Error(), "https to http") {
		t.Error(err)
	}
}

func TestAServerThatStallsIsTriedAgain(t *testing.T) {
	data := content()
	stall := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		_, _ = w.Write(data[:300<<10])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	s := serve(t, silent, stall, whole(data))
	if _, err := get(t, client(t), Download{URLs: []string{s.URL}, SHA256: sum(data)}); err != nil || len(s.ranges) != 3 {
		t.Errorf("%v, ranges %q", err, s.ranges)
	}
	if _, err := get(t, client(t), Download{URLs: []string{serve(t, silent).URL}}); err == nil || !strings.Contains(err.Error(), "nothing for too long (3 tries)") {
		t.Error(err)
	}
}

func TestStatusesAreTriedAgainOrNot(t *testing.T) {
	data := content()
	status := func(code int) answer { return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) } }
	for code, again := range map[int]bool{500: true, 503: true, 429: true, 404: false, 401: false, 403: false, 400: false} {
		_, err := get(t, client(t), Download{URLs: []string{serve(t, status(code), whole(data)).URL}})
		if (err == nil) != again {
			t.Errorf("%d: %v", code, err)
		}
		if err != nil && !strings.Contains(err.Error(), strconv.Itoa(code)) {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func TestTheNextSourceIsTriedWhereOneHasNotGotTheFile(t *testing.T) {
	data := content()
	absent := serve(t, http.NotFound)
	d := Download{URLs: []string{absent.URL, filepath.Join(t.TempDir(), "none.gguf"), serve(t, whole(data)).URL}}
	if _, err := get(t, client(t), d); err != nil {
		t.Error(err)
	}
	d.URLs = d.URLs[:2]
	if _, err := client(t).Get(t.Context(), Download{URLs: d.URLs, Dest: filepath.Join(t.TempDir(), "x")}); err == nil || !strings.Contains(err.Error(), "none.gguf") {
		t.Error(err)
	}
}

func TestAFolderIsASource(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.gguf")
	if err := os.WriteFile(path, content(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, client(t), Download{URLs: []string{path}, SHA256: sum(content())}); err != nil {
		t.Error(err)
	}
	if _, err := get(t, client(t), Download{URLs: []string{path}, SHA256: sum([]byte("x"))}); !errors.Is(err, ErrChecksum) {
		t.Error(err)
	}
	if _, err := get(t, client(t), Download{URLs: []string{path}, Size: 7}); !errors.Is(err, ErrChecksum) {
		t.Error(err)
	}
	if _, err := get(t, client(t), Download{URLs: []string{dir}}); err == nil {
		t.Error("a folder was copied")
	}
}

func TestAFileThatIsThereIsCheckedAndNotFetchedAgain(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(dest, content(), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, whole(content()))
	for _, d := range []Download{{SHA256: sum(content())}, {Have: sum(content())}} {
		d.URLs, d.Dest = []string{s.URL}, dest
		if r, err := get(t, client(t), d); err != nil || !r.Already || len(s.ranges) != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if err := os.WriteFile(dest, content()[:1000], 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := get(t, client(t), Download{URLs: []string{s.URL}, Dest: dest, SHA256: sum(content())}); err != nil || r.Already {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAFullDiskIsSaidBeforeTheDownload(t *testing.T) {
	c := client(t)
	c.Free = func(string) (int64, bool) { return reserve + 1000, true }
	_, err := get(t, c, Download{URLs: []string{serve(t, whole(content())).URL}})
	if !errors.Is(err, ErrDiskFull) || !strings.Contains(err.Error(), "--to") {
		t.Error(err)
	}
}

func TestTwoDownloadsOfOneFileDoNotMix(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "m.gguf")
	p, err := openPart(dest)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if _, err := get(t, client(t), Download{URLs: []string{"http://127.0.0.1:1"}, Dest: dest}); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
}

func TestAnInterruptKeepsWhatCame(t *testing.T) {
	data := content()
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		_, _ = w.Write(data[:300<<10])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	d := Download{URLs: []string{s.URL}, Dest: filepath.Join(t.TempDir(), "m.gguf"), SHA256: sum(data)}
	d.Progress = func(_ string, done, total int64) {
		if total != int64(len(data)) {
			t.Errorf("%d of %d", done, total)
		}
		cancel()
	}
	c := client(t)
	c.Stall = time.Minute
	if _, err := c.Get(ctx, d); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if st, err := os.Stat(d.Dest + ".part"); err != nil || st.Size() == 0 {
		t.Errorf("the part: %v, %v", st, err)
	}
}

func TestAddressesAreShownWithoutSecrets(t *testing.T) {
	if got := Redact("https://user:pw@host/a/b.gguf?token=x#y"); got != "https://host/a/b.gguf" {
		t.Error(got)
	}
	_, err := get(t, client(t), Download{URLs: []string{"http://user:secret@127.0.0.1:1/x?sig=secret"}})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 5-9/10", "bytes */10", "bytes 0-0/*", "", "bytes -1-5/9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, h string) {
		if start, size, ok := contentRange(h); ok && (start < 0 || size < 0 || size > 0 && start > size) {
			t.Errorf("%q: from %d of %d", h, start, size)
		}
	})
}
