package capture

import (
	"net/url"
	"regexp"
	"strings"
)

// redactURL returns what may be logged of a URL: no user, no password, no query (cheap cameras take passwords there).
func redactURL(u *url.URL) string {
	c := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return c.String()
}

// userinfo and queries, in text that other programs print.
var (
	reUserinfo = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s'"]*@`)
	reQuery    = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s'"?]*)\?[^\s'"]*`)
)

// scrub takes credentials out of a line that a child wrote.
func scrub(line string) string {
	if !strings.Contains(line, "://") {
		return line
	}
	return reQuery.ReplaceAllString(reUserinfo.ReplaceAllString(line, "$1"), "$1")
}
