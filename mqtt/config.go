package mqtt

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Formats of published events.
const (
	FormatJSON    = "json"
	FormatMsgpack = "msgpack"
)

// Config is the connection to the broker. The zero value of everything but URL is usable; see withDefaults.
type Config struct {
	// URL is mqtt://, mqtts://, ws:// or wss:// (tcp:// and ssl:// mean the first two), [user[:password]@]host[:port].
	URL      string   `yaml:"url"`
	Fallback []string `yaml:"fallback"` // more URLs, tried in order when those before can't be reached
	User     string   `yaml:"user"`
	Password Secret   `yaml:"password"`
	// PasswordFile is read at every connect; its first line is the password. credential:NAME means the file NAME of
	// systemd's $CREDENTIALS_DIRECTORY, here and in TLS.
	PasswordFile string   `yaml:"password_file"`
	ClientID     string   `yaml:"client_id"` // edgevlm-<device>
	TLS          TLS      `yaml:"tls"`
	Formats      []string `yaml:"formats"` // json, msgpack: the event topics that are published; both unless set

	Keepalive      time.Duration `yaml:"keepalive"`       // 15 s; whole seconds
	ConnectTimeout time.Duration `yaml:"connect_timeout"` // 10 s
	AckTimeout     time.Duration `yaml:"ack_timeout"`     // 30 s without a PUBACK is a dead connection
	ReconnectMin   time.Duration `yaml:"reconnect_min"`   // 500 ms, doubled with each failure,
	ReconnectMax   time.Duration `yaml:"reconnect_max"`   // up to 30 s, with jitter
	DrainTimeout   time.Duration `yaml:"drain_timeout"`   // 3 s to publish what is left at shutdown
	MaxInFlight    int           `yaml:"max_in_flight"`   // 16 messages without a PUBACK
}

// TLS options of mqtts:// and wss://.
type TLS struct {
	CAFile     string `yaml:"ca_file"`   // PEM; instead of the system's authorities
	CertFile   string `yaml:"cert_file"` // PEM; the client's certificate
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name"` // name in the broker's certificate, where it isn't the URL's host
	Insecure   bool   `yaml:"insecure"`    // don't check the broker's certificate
}

// Secret is a string that no log, error or dump shows.
type Secret string

const redacted = "(hidden)"

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

func (s Secret) GoString() string             { return fmt.Sprintf("%q", s.String()) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String shows the configuration without secrets, also those inside URLs.
func (c Config) String() string {
	type plain Config // drops the methods
	p := plain(c)
	p.URL = redactURL(c.URL)
	p.Fallback = make([]string, len(c.Fallback))
	for i, u := range c.Fallback {
		p.Fallback[i] = redactURL(u)
	}
	return fmt.Sprintf("%+v", p)
}

// GoString is String: a dump must not show more than a log.
func (c Config) GoString() string { return c.String() }

func redactURL(raw string) string {
	if _, host, ok := cutLast(raw, "@"); ok {
		scheme, _, _ := strings.Cut(raw, "://")
		return scheme + "://" + redacted + "@" + host
	}
	return raw
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// Validate says what is wrong with c, without opening a connection or a file.
func (c Config) Validate() error {
	if _, err := c.endpoints(); err != nil {
		return err
	}
	for _, f := range c.Formats {
		if f != FormatJSON && f != FormatMsgpack {
			return fmt.Errorf("mqtt: formats: %q is not known: use json, msgpack or both", f)
		}
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		return fmt.Errorf("mqtt: tls: cert_file and key_file belong together: set both or none")
	}
	if c.Password != "" && c.PasswordFile != "" {
		return fmt.Errorf("mqtt: password and password_file are both set: keep one")
	}
	for name, d := range map[string]time.Duration{"keepalive": c.Keepalive, "connect_timeout": c.ConnectTimeout, "ack_timeout": c.AckTimeout,
		"reconnect_min": c.ReconnectMin, "reconnect_max": c.ReconnectMax, "drain_timeout": c.DrainTimeout} {
		if d < 0 {
			return fmt.Errorf("mqtt: %s is negative", name)
		}
	}
	if c.Keepalive > 0 && (c.Keepalive < time.Second || c.Keepalive > 65535*time.Second) {
		return fmt.Errorf("mqtt: keepalive is %v: use 1s to 65535s", c.Keepalive)
	}
	if c.MaxInFlight < 0 || c.MaxInFlight > 16 {
		return fmt.Errorf("mqtt: max_in_flight is %d: use 1 to 16", c.MaxInFlight)
	}
	if len(c.ClientID) > 128 || strings.ContainsFunc(c.ClientID, func(r rune) bool { return r < ' ' || r == 0xFFFD }) {
		return fmt.Errorf("mqtt: client_id: use up to 128 printable characters")
	}
	return nil
}

func (c Config) withDefaults(device string) Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.Keepalive, 15*time.Second)
	set(&c.ConnectTimeout, 10*time.Second)
	set(&c.AckTimeout, 30*time.Second)
	set(&c.ReconnectMin, 500*time.Millisecond)
	set(&c.ReconnectMax, 30*time.Second)
	set(&c.DrainTimeout, 3*time.Second)
	if c.MaxInFlight == 0 {
		c.MaxInFlight = 16
	}
	if c.ClientID == "" {
		c.ClientID = "edgevlm-" + device
	}
	if len(c.Formats) == 0 {
		c.Formats = []string{FormatJSON, FormatMsgpack}
	}
	return c
}

func (c Config) publishes(format string) bool { return slices.Contains(c.Formats, format) }

// endpoint is one broker's address, taken apart.
type endpoint struct {
	tls, ws  bool
	host     string // host:port
	path     string // ws only
	user     string
	password Secret
}

func (e endpoint) scheme() string {
	switch {
	case e.ws && e.tls:
		return "wss"
	case e.ws:
		return "ws"
	case e.tls:
		return "mqtts"
	}
	return "mqtt"
}

// String names the broker in logs and errors: no user, no password.
func (e endpoint) String() string { return e.scheme() + "://" + e.host }

func (c Config) endpoints() ([]endpoint, error) {
	if c.URL == "" {
		return nil, fmt.Errorf("mqtt: url is missing: set it to the broker's address, for example mqtt://127.0.0.1:1883")
	}
	out := make([]endpoint, 0, 1+len(c.Fallback))
	for _, raw := range append([]string{c.URL}, c.Fallback...) {
		e, err := parseEndpoint(raw)
		if err != nil {
			return nil, err
		}
		if c.User != "" {
			e.user = c.User
		}
		if c.Password != "" {
			e.password = c.Password
		}
		out = append(out, e)
	}
	return out, nil
}

func parseEndpoint(raw string) (endpoint, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" {
		// Not url's own error: it would quote a part of the password.
		return endpoint{}, fmt.Errorf("mqtt: url %s can't be read: write mqtt://user@host:1883 (in a password write %%40 for @ and %%2F for /, or use password_file)", redactURL(schemeOnly(raw)))
	}
	var e endpoint
	port := ""
	switch u.Scheme {
	case "mqtt", "tcp":
		port = "1883"
	case "mqtts", "ssl", "tls":
		e.tls, port = true, "8883"
	case "ws":
		e.ws, port = true, "80"
	case "wss":
		e.ws, e.tls, port = true, true, "443"
	default:
		return e, fmt.Errorf("mqtt: url %s: unknown scheme: use mqtt://, mqtts://, ws:// or wss://", redactURL(schemeOnly(raw)))
	}
	if u.Hostname() == "" {
		return e, fmt.Errorf("mqtt: url %s names no host: write %s://host:%s", redactURL(schemeOnly(raw)), u.Scheme, port)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	e.host = net.JoinHostPort(u.Hostname(), port)
	if e.ws {
		if e.path = u.EscapedPath(); e.path == "" {
			e.path = "/mqtt"
		}
		if u.RawQuery != "" {
			e.path += "?" + u.RawQuery
		}
	} else if (u.Path != "" && u.Path != "/") || u.RawQuery != "" {
		return e, fmt.Errorf("mqtt: url %s: only ws:// and wss:// have a path", e)
	}
	if u.User != nil {
		e.user = u.User.Username()
		p, _ := u.User.Password()
		e.password = Secret(p)
	}
	return e, nil
}

// schemeOnly cuts a URL that can't be read, before anything that may be secret.
func schemeOnly(raw string) string {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return "without ://"
	}
	if strings.ContainsAny(rest, "@") || len(rest) > 80 {
		return scheme + "://..."
	}
	return scheme + "://" + rest
}

// credentialPath resolves credential:NAME to the file that systemd put there.
func credentialPath(path string) (string, error) {
	name, ok := strings.CutPrefix(path, "credential:")
	if !ok {
		return path, nil
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", fmt.Errorf("%s: no $CREDENTIALS_DIRECTORY: start under systemd with LoadCredential=%s:FILE, or name a file", path, name)
	}
	if name == "" || name != filepath.Base(name) {
		return "", fmt.Errorf("%s: a credential's name has no slash", path)
	}
	return filepath.Join(dir, name), nil
}

// secretFromFile is the first line of a password file.
func secretFromFile(path string) (Secret, error) {
	path, err := credentialPath(path)
	if err != nil {
		return "", fmt.Errorf("mqtt: password_file: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("mqtt: password_file: %w", err)
	}
	defer f.Close()
	b := make([]byte, 4096)
	n, _ := f.Read(b) // an error leaves the line empty
	line, _, _ := strings.Cut(string(b[:n]), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", fmt.Errorf("mqtt: password_file %s: its first line is empty", path)
	}
	return Secret(line), nil
}
