package mqtt

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestURLs(t *testing.T) {
	for raw, want := range map[string]endpoint{
		"mqtt://broker":                 {host: "broker:1883"},
		"tcp://10.0.0.1:1884":           {host: "10.0.0.1:1884"},
		"mqtts://u:p%40%2F@broker":      {host: "broker:8883", tls: true, user: "u", password: "p@/"},
		"ssl://broker:1":                {host: "broker:1", tls: true},
		"ws://broker":                   {host: "broker:80", ws: true, path: "/mqtt"},
		"wss://user@broker:8084/a/b?c=": {host: "broker:8084", ws: true, tls: true, path: "/a/b?c=", user: "user"},
		"mqtt://[::1]:1883":             {host: "[::1]:1883"},
	} {
		got, err := parseEndpoint(raw)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", raw, got, err, want)
		}
	}
}

func TestConfigErrorsSayWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		want   string
	}{
		"no url":        {Config{}, "mqtt://127.0.0.1:1883"},
		"scheme":        {Config{URL: "http://x"}, "mqtts://"},
		"no scheme":     {Config{URL: "broker"}, "mqtts://"},
		"host and port": {Config{URL: "broker:1883"}, "mqtt"},
		"no host":       {Config{URL: "mqtt://"}, "no host"},
		"path":          {Config{URL: "mqtt://h/path"}, "path"},
		"raw slash":     {Config{URL: "mqtt://u:se/cret@h"}, "%2F"},
		"format":        {Config{URL: "mqtt://h", Formats: []string{"xml"}}, "msgpack"},
		"half a pair":   {Config{URL: "mqtt://h", TLS: TLS{CertFile: "c"}}, "key_file"},
		"two passwords": {Config{URL: "mqtt://h", Password: "hunter2", PasswordFile: "f"}, "keep one"},
		"keepalive":     {Config{URL: "mqtt://h", Keepalive: time.Millisecond}, "1s"},
		"fallback":      {Config{URL: "mqtt://h", Fallback: []string{"x://h"}}, "scheme"},
		"window":        {Config{URL: "mqtt://h", MaxInFlight: 17}, "1 to 16"},
	} {
		err := c.config.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line naming %q", name, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "cret") || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: the error shows a password: %v", name, err)
		}
	}
}

func TestConfigNeverPrintsSecrets(t *testing.T) {
	c := Config{URL: "mqtt://u:hunter2@h", Fallback: []string{"mqtt://u:hunt@er2@h"}, Password: "hunter2"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{c, &c, c.Password, struct{ C Config }{c}} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "hunt") || strings.Contains(got, "er2") {
				t.Errorf("%s prints %s", verb, got)
			}
		}
	}
	if b := jsonPayload(c.Password); strings.Contains(string(b), "hunter2") {
		t.Errorf("JSON shows %s", b)
	}
}

func TestPasswordFileAndCredential(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "mqtt"), []byte("pass word\r\nsecond line\n"), 0o600)
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	for _, path := range []string{filepath.Join(dir, "mqtt"), "credential:mqtt"} {
		if got, err := secretFromFile(path); err != nil || got != "pass word" {
			t.Errorf("%s: %q, %v", path, string(got), err)
		}
	}
	for _, path := range []string{"credential:../mqtt", "credential:", filepath.Join(dir, "none"), dir, os.DevNull} {
		if _, err := secretFromFile(path); err == nil {
			t.Errorf("%s is read", path)
		}
	}
	os.Unsetenv("CREDENTIALS_DIRECTORY")
	if _, err := secretFromFile("credential:mqtt"); err == nil || !strings.Contains(err.Error(), "LoadCredential=") {
		t.Errorf("without systemd: %v", err)
	}
}

func FuzzParseEndpoint(f *testing.F) {
	f.Add("mqtt://u:p@h:1883")
	f.Add("wss://h/path?q")
	f.Fuzz(func(t *testing.T, raw string) {
		e, err := parseEndpoint(raw)
		if err == nil && (e.host == "" || strings.HasPrefix(e.host, ":")) {
			t.Errorf("%q has no host: %+v", raw, e)
		}
	})
}
