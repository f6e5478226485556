package capture

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"strings"
)

// httpAuth answers a camera's challenge: Digest (RFC 7616, with MD5 or SHA-256, qop auth or none) or Basic (RFC 7617). Nothing
// is sent unasked.
type httpAuth struct {
	user, password string
	have           bool
	basic          bool
	digest         *digestChallenge
}

type digestChallenge struct {
	realm, nonce, opaque, algorithm string
	qop                             bool // "auth" was offered
	session                         bool // algorithm ends in -sess
	hash                            func() hash.Hash
	count                           int // requests with this nonce
}

func newHTTPAuth(u *url.Userinfo) *httpAuth {
	if u == nil {
		return &httpAuth{}
	}
	password, _ := u.Password()
	return &httpAuth{user: u.Username(), password: password, have: true}
}

func (a *httpAuth) known() bool { return a.have }

// challenge takes the headers of a 401 and says whether another try can succeed.
func (a *httpAuth) challenge(headers []string) bool {
	if !a.have {
		return false
	}
	a.basic, a.digest = false, nil
	for _, h := range headers {
		for scheme, params := range parseChallenges(h) {
			switch scheme {
			case "basic":
				a.basic = true
			case "digest":
				if d := newDigest(params); d != nil && (a.digest == nil || strings.HasPrefix(d.algorithm, "SHA-256")) {
					a.digest = d
				}
			}
		}
	}
	return a.basic || a.digest != nil
}

// apply puts the answer into a request, if a camera asked before.
func (a *httpAuth) apply(req *http.Request) {
	switch {
	case a.digest != nil:
		req.Header.Set("Authorization", a.digest.answer(a.user, a.password, req.Method, req.URL.RequestURI(), rand.Text()))
	case a.basic:
		req.SetBasicAuth(a.user, a.password)
	}
}

func newDigest(p map[string]string) *digestChallenge {
	d := &digestChallenge{realm: p["realm"], nonce: p["nonce"], opaque: p["opaque"], algorithm: p["algorithm"]}
	name, session := strings.CutSuffix(strings.ToUpper(d.algorithm), "-SESS")
	d.session = session
	switch name {
	case "", "MD5":
		d.hash = md5.New
	case "SHA-256":
		d.hash = sha256.New
	default:
		return nil
	}
	for q := range strings.SplitSeq(p["qop"], ",") {
		if strings.EqualFold(strings.TrimSpace(q), "auth") {
			d.qop = true
		}
	}
	if p["qop"] != "" && !d.qop {
		return nil // auth-int only
	}
	return d
}

// answer computes the Authorization header (RFC 7616, section 3.4; without qop RFC 2069).
func (d *digestChallenge) answer(user, password, method, uri, cnonce string) string {
	h := func(s string) string {
		sum := d.hash()
		sum.Write([]byte(s))
		return hex.EncodeToString(sum.Sum(nil))
	}
	d.count++
	nc := fmt.Sprintf("%08x", d.count)
	a1 := h(user + ":" + d.realm + ":" + password)
	if d.session {
		a1 = h(a1 + ":" + d.nonce + ":" + cnonce)
	}
	a2 := h(method + ":" + uri)
	var b strings.Builder
	fmt.Fprintf(&b, `Digest username="%s", realm="%s", nonce="%s", uri="%s"`, quoteValue(user), quoteValue(d.realm), quoteValue(d.nonce), uri)
	if d.qop {
		fmt.Fprintf(&b, `, qop=auth, nc=%s, cnonce="%s", response="%s"`, nc, cnonce,
			h(a1+":"+d.nonce+":"+nc+":"+cnonce+":auth:"+a2))
	} else {
		fmt.Fprintf(&b, `, response="%s"`, h(a1+":"+d.nonce+":"+a2))
		if d.session {
			fmt.Fprintf(&b, `, cnonce="%s"`, cnonce)
		}
	}
	if d.algorithm != "" {
		fmt.Fprintf(&b, `, algorithm=%s`, d.algorithm)
	}
	if d.opaque != "" {
		fmt.Fprintf(&b, `, opaque="%s"`, quoteValue(d.opaque))
	}
	return b.String()
}

var quoter = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func quoteValue(s string) string { return quoter.Replace(s) }

// parseChallenges reads a WWW-Authenticate header, which may hold several: Digest realm="a, b", nonce=x, Basic realm="c".
func parseChallenges(h string) map[string]map[string]string {
	out := map[string]map[string]string{}
	var current map[string]string
	for h = strings.TrimSpace(h); h != ""; h = strings.TrimLeft(h, " \t,") {
		i := strings.IndexAny(h, " =,")
		if i < 0 {
			i = len(h)
		}
		word, rest := h[:i], strings.TrimLeft(h[i:], " ")
		if !strings.HasPrefix(rest, "=") { // a scheme
			current = map[string]string{}
			out[strings.ToLower(word)] = current
			h = rest
			continue
		}
		var value string
		value, h = cutValue(strings.TrimLeft(rest[1:], " "))
		if current != nil {
			current[strings.ToLower(word)] = value
		}
	}
	return out
}

// cutValue cuts a token or a quoted string off.
func cutValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexAny(s, ", ")
		if i < 0 {
			return s, ""
		}
		return s[:i], s[i:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		case '"':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}
