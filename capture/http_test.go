package capture_test

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/capture/capturetest"
)

func pictures() [][]byte {
	return [][]byte{capturetest.JPEG(48, 32, 0), capturetest.JPEG(48, 32, 1), capturetest.JPEG(48, 32, 2)}
}

// camera starts an HTTP camera and returns its address with user and password in it.
func camera(t *testing.T, m *capturetest.MJPEG) string {
	t.Helper()
	m.Pictures = pictures()
	srv := capturetest.NewMJPEGServer(m)
	t.Cleanup(srv.Close)
	u, _ := url.Parse(srv.URL)
	if m.User != "" {
		u.User = url.UserPassword(m.User, m.Password)
	}
	return u.String() + "/video?token=hidden"
}

func TestHTTPReadsWhateverCamerasMakeOfMultipart(t *testing.T) {
	for name, m := range map[string]*capturetest.MJPEG{
		"as it should be":   {},
		"no length":         {NoLength: true},
		"length too short":  {Length: 10},
		"length too long":   {Length: 100000},
		"length absurd":     {Length: 1 << 60},
		"wrong boundary":    {WrongBoundary: true},
		"no end marker":     {NoEnd: true},
		"no parts":          {Raw: true},
		"garbage":           {Garbage: []byte("\xFF\xD8\x00\xFFgarbage\r\n\r\n")},
		"basic":             {User: "ann", Password: "p@ss:word"},
		"digest":            {User: "ann", Password: "p@ss:word", Digest: true},
		"snapshots":         {Snapshot: true},
		"snapshots, digest": {Snapshot: true, User: "ann", Password: "x y", Digest: true},
		"ends and restarts": {Limit: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := open(t, capture.Spec{Source: camera(t, m), FPS: 50})
			last := capture.Frame{}
			for i := range 4 {
				f, err := src.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if f.Width != 48 || f.Height != 32 || i > 0 && (f.Seq <= last.Seq || !f.At.After(last.At)) {
					t.Errorf("frame %d: %dx%d, number %d at %v", i, f.Width, f.Height, f.Seq, f.At)
				}
				if !bytes.Equal(f.Data, m.Pictures[0]) && !bytes.Equal(f.Data, m.Pictures[1]) && !bytes.Equal(f.Data, m.Pictures[2]) {
					t.Errorf("frame %d is none of the pictures sent", i)
				}
				last = f
			}
			if s := capture.StatsOf(src); s.Broken != 0 {
				t.Errorf("stats %+v", s)
			}
			src.Close()
		})
	}
}

func TestHTTPErrorsSayWhatToDoAndKeepSecrets(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/page":
			w.Header().Set("Content-Type", "text/html")
		case "/hls":
			w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
		case "/hang":
			<-r.Context().Done()
		default:
			http.NotFound(w, r)
		}
	}))
	defer page.Close()
	tlsServer := httptest.NewUnstartedServer(&capturetest.MJPEG{Pictures: pictures()})
	tlsServer.Config.ErrorLog = log.New(io.Discard, "", 0)
	tlsServer.StartTLS()
	defer tlsServer.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	secret := func(u string) string { return strings.Replace(u, "://", "://ann:secret@", 1) }
	for name, c := range map[string]struct{ url, want string }{
		"not found":      {secret(page.URL) + "/x?pwd=secret", "check the path"},
		"a page":         {secret(page.URL) + "/page?pwd=secret", "text/html page"},
		"HLS":            {secret(page.URL) + "/hls", "exec:ffmpeg"},
		"refused":        {secret(gone.URL) + "/?pwd=secret", "connection refused"},
		"no user":        {camera(t, &capturetest.MJPEG{User: "u", Password: "p"}) + "", ""},
		"wrong password": {strings.Replace(camera(t, &capturetest.MJPEG{User: "u", Password: "p", Digest: true}), "u:p@", "u:secret@", 1), "check user and password"},
		"certificate":    {secret(tlsServer.URL), "https+insecure://"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "no user" {
				c.url, c.want = strings.Replace(c.url, "u:p@", "", 1), "write user and password into the address"
			}
			var lines safeBuffer
			st := newStates()
			src := open(t, capture.Spec{Source: c.url, OnState: st.on, Log: debugLog(&lines)})
			why := st.wait(t, c.want)
			src.Close()
			if all := why + lines.String(); strings.Contains(all, "secret") || strings.Contains(all, "hidden") || strings.Contains(why, "\n") {
				t.Errorf("%s\n%s", why, lines.String())
			}
		})
	}
}

func TestHTTPSWithTheCamerasOwnCertificateIfAskedFor(t *testing.T) {
	srv := httptest.NewTLSServer(&capturetest.MJPEG{Pictures: pictures()})
	defer srv.Close()
	src := open(t, capture.Spec{Source: strings.Replace(srv.URL, "https", "https+insecure", 1)})
	if _, err := src.Next(t.Context()); err != nil {
		t.Error(err)
	}
	src.Close()
}

func TestHTTPCloseDoesNotWaitForACameraThatHangs(t *testing.T) {
	hang := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(hang)
		<-r.Context().Done()
	}))
	defer srv.Close()
	src := open(t, capture.Spec{Source: srv.URL})
	<-hang
	began := time.Now()
	src.Close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestHTTPAddressThatCantBeReadShowsNoPassword(t *testing.T) {
	for _, source := range []string{"http://ann:sec%ret@host/", "http://", "rtsp://ann:se cret@:99999999/"} {
		_, err := capture.Open(t.Context(), capture.Spec{Source: source})
		if err == nil || strings.Contains(err.Error(), "ret@") || !strings.Contains(err.Error(), "user:password@host") {
			t.Errorf("%v", err)
		}
	}
}

func TestChallengesOfRFC7616(t *testing.T) {
	got := capture.ParseChallenges(`Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, nonce="a\"b", Basic realm="x, y"`)
	if got["digest"]["qop"] != "auth, auth-int" || got["digest"]["nonce"] != `a"b` || got["digest"]["algorithm"] != "MD5" ||
		got["basic"]["realm"] != "x, y" {
		t.Errorf("%q", got)
	}
}

func FuzzChallenges(f *testing.F) {
	f.Add(`Digest realm="a", nonce=b,Basic realm="c"`)
	f.Add(`,=, "=\`)
	f.Fuzz(func(_ *testing.T, h string) { capture.ParseChallenges(h) })
}
