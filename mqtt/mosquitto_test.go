package mqtt_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/mqtttest"
)

func TestMosquittoSendsTheLastWillWhenTheConnectionBreaks(t *testing.T) {
	m := mqtttest.NewMosquitto(t).Start()
	proxy := newProxy(t, m.Addr)
	p, _ := running(t, fast("mqtt://"+proxy.addr()), mqtt.NewMemorySpool(1<<20), nil)
	c := mqtttest.Collect(t, m.URL(), "edgevlm/gate/availability")
	mqtttest.Eventually(t, "it is online", func() bool { return c.Last("edgevlm/gate/availability") == "online" })
	proxy.refuse(true)
	proxy.cut()
	mqtttest.Eventually(t, "the last will says offline", func() bool { return c.Last("edgevlm/gate/availability") == "offline" })
	proxy.refuse(false)
	mqtttest.Eventually(t, "it is online again", func() bool { return c.Last("edgevlm/gate/availability") == "online" })
	if p.Status().Connects < 2 {
		t.Errorf("%d connects", p.Status().Connects)
	}
}

func TestMosquittoKeepsTheDescription(t *testing.T) {
	m := mqtttest.NewMosquitto(t).Start()
	spool := mqtt.NewMemorySpool(1 << 20)
	p, stop := running(t, fast(m.URL()), spool, nil)
	p.Event(event("yard", "first"))
	p.Event(event("yard", "second"))
	stop()
	c := mqtttest.Collect(t, m.URL(), "edgevlm/gate/#")
	mqtttest.Eventually(t, "description and availability are retained", func() bool {
		return strings.Contains(c.Last("edgevlm/gate/yard/description"), `"state":"second"`) && c.Last("edgevlm/gate/availability") == "offline"
	})
	if n := len(c.Messages("edgevlm/gate/yard/event")); n != 0 {
		t.Errorf("%d events are retained", n)
	}
}

func TestEventsOutlastMosquittoOutagesInOrder(t *testing.T) {
	m := mqtttest.NewMosquitto(t, "persistence true").Start()
	c := newDurable(t, m)
	spool := mqtt.NewMemorySpool(64 << 20)
	p, _ := running(t, fast(m.URL()), spool, nil)
	const n = 600
	for i := range n {
		if _, err := p.Event(event("yard", fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		if i%200 == 100 { // in full flight
			m.Stop()
			for range 50 {
				p.Event(event("yard", "meanwhile"))
			}
			m.Start()
		}
	}
	mqtttest.Eventually(t, "the spool is empty", func() bool { return spool.Len() == 0 })
	last := spool.Stats().Dropped
	if last != 0 {
		t.Fatalf("%d dropped", last)
	}
	want := uint64(n + 3*50)
	mqtttest.Eventually(t, "every event arrives", func() bool { return c.seen(t)[want] })
	c.inOrder(t, want)
}

// durable is a subscriber through mosquitto_sub with a persistent session: what is published while it reconnects waits
// for it in the broker.
type durable struct{ out *mqtttest.Sub }

func newDurable(t *testing.T, m *mqtttest.Mosquitto) *durable {
	return &durable{mqtttest.Subscribe(t, m, "edgevlm/gate/yard/event")}
}

func (d *durable) seen(t *testing.T) map[uint64]bool {
	out := map[uint64]bool{}
	for _, e := range d.out.Events(t) {
		out[e.Seq] = true
	}
	return out
}

// inOrder wants 1 to n, each for the first time after the one before, repeats with the id of the first copy.
func (d *durable) inOrder(t *testing.T, n uint64) {
	t.Helper()
	ids := map[uint64]string{}
	next := uint64(1)
	repeats := 0
	for _, e := range d.out.Events(t) {
		if id, ok := ids[e.Seq]; ok {
			repeats++
			if id != e.ID {
				t.Errorf("seq %d has two ids", e.Seq)
			}
			continue
		}
		if e.Seq != next {
			t.Fatalf("seq %d where %d was due", e.Seq, next)
		}
		ids[e.Seq] = e.ID
		next++
	}
	if next != n+1 {
		t.Errorf("events 1 to %d arrived, want %d", next-1, n)
	}
	t.Logf("%d events in order, %d repeated with the same id", n, repeats)
}

func TestMosquittoPasswordAndTLS(t *testing.T) {
	m := mqtttest.NewMosquitto(t, "allow_anonymous false", "password_file {dir}/users", "listener {port} 127.0.0.1",
		"cafile {dir}/ca.pem", "certfile {dir}/server.pem", "keyfile {dir}/server.key", "require_certificate true")
	ca := mqtttest.NewCA(t, m.Dir)
	ca.Issue("server", "127.0.0.1")
	ca.Issue("client", "gate")
	m.AddUser("gate", "s3cret/pass")
	m.Write("password", "s3cret/pass\n")
	m.Start()

	var logged syncBuffer
	log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg := fast("mqtts://" + m.ExtraAddr)
	cfg.User, cfg.PasswordFile = "gate", m.Dir+"/password"
	cfg.TLS = mqtt.TLS{CAFile: m.Dir + "/ca.pem", CertFile: m.Dir + "/client.pem", KeyFile: m.Dir + "/client.key"}
	spool := mqtt.NewMemorySpool(1 << 20)
	p, stop := running(t, cfg, spool, log)
	p.Event(event("yard", "over TLS"))
	mqtttest.Eventually(t, "the event is delivered", func() bool { return spool.Len() == 0 })
	stop()

	for name, c := range map[string]struct {
		edit func(*mqtt.Config)
		want string
	}{
		"wrong password": {func(c *mqtt.Config) { c.PasswordFile, c.Password = "", "wr0ng" }, `refused user "gate"`},
		"no user":        {func(c *mqtt.Config) { c.PasswordFile, c.User = "", "" }, "set mqtt.user"},
		"unknown CA":     {func(c *mqtt.Config) { c.TLS.CAFile = "" }, "mqtt.tls.ca_file"},
		"other name":     {func(c *mqtt.Config) { c.TLS.ServerName = "elsewhere" }, "server_name"},
		"no TLS there":   {func(c *mqtt.Config) { c.URL = "mqtts://" + m.Addr }, "mqtts://"},
		"no CA file":     {func(c *mqtt.Config) { c.TLS.CAFile = "/nowhere" }, "/nowhere"},
	} {
		bad := cfg
		c.edit(&bad)
		p, stop := running(t, bad, mqtt.NewMemorySpool(1<<20), log)
		mqtttest.Eventually(t, name+" is refused", func() bool { return p.Status().LastError != "" })
		if got := p.Status().LastError; !strings.Contains(got, c.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: error %q, want one line naming %q", name, got, c.want)
		}
		stop()
	}
	for _, secret := range []string{"s3cret", "wr0ng"} {
		if strings.Contains(logged.String(), secret) {
			t.Errorf("the log shows a password:\n%s", logged.String())
		}
	}
}

func TestMosquittoOverWebSocket(t *testing.T) {
	m := mqtttest.NewMosquitto(t, "listener {port} 127.0.0.1", "protocol websockets").Start()
	spool := mqtt.NewMemorySpool(1 << 20)
	c := mqtttest.Collect(t, m.URL(), "edgevlm/gate/yard/event")
	p, _ := running(t, fast("ws://"+m.ExtraAddr), spool, nil)
	for i := range 20 {
		p.Event(event("yard", fmt.Sprint(i)))
	}
	mqtttest.Eventually(t, "all arrive", func() bool { return len(c.Messages()) == 20 })
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// proxy is a TCP proxy whose connections can be cut.
type proxy struct {
	l       net.Listener
	mu      sync.Mutex
	conns   []net.Conn
	refuses bool
	silent  bool
}

func newProxy(t *testing.T, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l}
	t.Cleanup(func() { l.Close(); p.cut() })
	go func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			p.mu.Lock()
			if err != nil || p.refuses {
				a.Close()
				if b != nil {
					b.Close()
				}
				p.mu.Unlock()
				continue
			}
			p.conns = append(p.conns, a, b)
			p.mu.Unlock()
			go func() { p.copy(a, b); a.Close() }()
			go func() { p.copy(b, a); b.Close() }()
		}
	}()
	return p
}

// copy is io.Copy that swallows what comes while the proxy is silent.
func (p *proxy) copy(to, from net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		p.mu.Lock()
		silent := p.silent
		p.mu.Unlock()
		if n > 0 && !silent {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// silence makes the connections look alive and carry nothing. One that was silent is never resumed: bytes are missing in it.
func (p *proxy) silence(yes bool) {
	p.mu.Lock()
	p.silent = yes
	p.mu.Unlock()
	if !yes {
		p.cut()
	}
}

func (p *proxy) addr() string { return p.l.Addr().String() }

func (p *proxy) refuse(yes bool) { p.mu.Lock(); p.refuses = yes; p.mu.Unlock() }

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}
