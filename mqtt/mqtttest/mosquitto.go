// Package mqtttest helps tests with brokers: a real mosquitto, a collector of messages, a spool that fails on demand.
package mqtttest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Mosquitto is a real mosquitto on a loopback port of its own. It can be stopped, killed and started again on that port.
type Mosquitto struct {
	t    testing.TB
	path string
	Dir  string // its files: mosquitto.conf, and mosquitto.db where it persists
	Addr string // host:port of the plain listener
	// ExtraAddr is that of the listener with {port} in its configuration.
	ExtraAddr string

	mu  sync.Mutex
	cmd *exec.Cmd
	out lockedBuffer
}

// NewMosquitto prepares Debian's mosquitto with a plain listener on a free loopback port, and the lines of extra
// configuration; {dir} in them becomes
// its directory and {port} the port of ExtraAddr. Call Start next. Without mosquitto the
// test is skipped, and says so.
func NewMosquitto(t testing.TB, extra ...string) *Mosquitto {
	t.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		path = "/usr/sbin/mosquitto"
		if _, err := os.Stat(path); err != nil {
			t.Skip("mosquitto is not installed (apt-get install mosquitto): this test needs the real broker")
		}
	}
	m := &Mosquitto{t: t, path: path, Dir: t.TempDir(), Addr: FreeAddr(t), ExtraAddr: FreeAddr(t)}
	_, port, _ := net.SplitHostPort(m.Addr)
	// A user line, since mosquitto started by root would change to a user who may not read the directory.
	lines := append([]string{"user root", "listener " + port + " 127.0.0.1", "persistence_location " + m.Dir + "/"}, extra...)
	if !strings.Contains(strings.Join(extra, "\n"), "allow_anonymous") {
		lines = append(lines, "allow_anonymous true")
	}
	conf := strings.ReplaceAll(strings.Join(lines, "\n")+"\n", "{dir}", m.Dir)
	_, extraPort, _ := net.SplitHostPort(m.ExtraAddr)
	conf = strings.ReplaceAll(conf, "{port}", extraPort)
	if err := os.WriteFile(filepath.Join(m.Dir, "mosquitto.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	return m
}

// Write puts a file that the configuration names into Dir.
func (m *Mosquitto) Write(name, content string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.Dir, name), []byte(content), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// AddUser adds a user to {dir}/users, for a password_file line.
func (m *Mosquitto) AddUser(user, password string) {
	m.t.Helper()
	file := filepath.Join(m.Dir, "users")
	if _, err := os.Stat(file); err != nil {
		m.Write("users", "")
	}
	if out, err := exec.Command("mosquitto_passwd", "-b", file, user, password).CombinedOutput(); err != nil {
		m.t.Fatalf("mosquitto_passwd: %v: %s", err, out)
	}
}

// URL is mqtt://host:port.
func (m *Mosquitto) URL() string { return "mqtt://" + m.Addr }

// Start runs it and returns when it accepts connections. NewMosquitto only prepares, so that files can be written first.
func (m *Mosquitto) Start() *Mosquitto {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	cmd := exec.Command(m.path, "-c", filepath.Join(m.Dir, "mosquitto.conf"))
	cmd.Stdout, cmd.Stderr = &m.out, &m.out
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.cmd = cmd
	for range 500 {
		if c, err := net.Dial("tcp", m.Addr); err == nil {
			c.Close()
			return m
		}
		time.Sleep(10 * time.Millisecond)
	}
	m.t.Fatalf("mosquitto does not listen on %s:\n%s", m.Addr, m.out.String())
	return nil
}

// Stop ends it as systemd would, so that it saves what it persists. Kill is kill -9.
func (m *Mosquitto) Stop() { m.end(os.Interrupt) }
func (m *Mosquitto) Kill() { m.end(os.Kill) }

func (m *Mosquitto) end(sig os.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cmd == nil {
		return
	}
	m.cmd.Process.Signal(sig)
	m.cmd.Wait()
	m.cmd = nil
}

// Log is what it has printed.
func (m *Mosquitto) Log() string { return m.out.String() }

// FreeAddr is a loopback host:port that nobody listens on.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Eventually waits until ok holds, and fails the test if it does not within a generous time.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never happened: %s", what)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprint(l.b.String())
}
