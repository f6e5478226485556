package capture

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"os"
	"strings"
)

// Open opens a source. ctx bounds the opening only; the source lives until Close. A camera of this machine that is missing is
// an error that wraps ErrNoDevice. A camera on the network that can't be reached yet is not an error: Next waits for it.
func Open(ctx context.Context, s Spec) (Source, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, v := range []float64{s.FPS, s.FileFPS} {
		if v < 0 || v > 1000 || math.IsNaN(v) {
			return nil, fmt.Errorf("capture: %v frames a second; use a number from 0 to 1000", v)
		}
	}
	if s.Width < 0 || s.Height < 0 || s.Width > maxSide || s.Height > maxSide {
		return nil, fmt.Errorf("capture: a picture of %dx%d; use 1 to %d pixels, or 0 for 640x480", s.Width, s.Height, maxSide)
	}
	scheme, rest, ok := strings.Cut(s.Source, ":")
	if !ok {
		return nil, fmt.Errorf("capture: source %q has no kind; %s", s.Source, hint(s.Source))
	}
	switch scheme {
	case "files":
		return openFiles(ctx, s, rest)
	case "v4l2":
		return openV4L2(ctx, s, rest)
	case "http", "https", "https+insecure":
		return openHTTP(s)
	case "rtsp", "rtsps":
		return openRTSP(ctx, s)
	case "exec":
		return openExec(s, rest)
	}
	return nil, fmt.Errorf("capture: source kind %q is not known; %s", scheme, hint(s.Source))
}

// hint says what the user may have meant.
func hint(source string) string {
	if strings.HasPrefix(source, "/dev/video") {
		return "write v4l2:" + source
	}
	if _, err := os.Stat(source); err == nil {
		return "write files:" + source
	}
	return "use files:, v4l2:, http://, https://, rtsp:// or exec:"
}

// parseURL parses a URL and checks that it has a host; the error never shows the URL, which may hold a password.
func parseURL(source string) (*url.URL, error) {
	u, err := url.Parse(source)
	if err != nil || u.Host == "" {
		scheme, _, _ := strings.Cut(source, ":")
		return nil, fmt.Errorf("capture: the %s:// address can't be read; write %s://user:password@host:port/path "+
			"(with %%40 for @ in a password)", scheme, scheme)
	}
	return u, nil
}
