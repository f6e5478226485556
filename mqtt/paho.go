package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// pahoDialer opens connections with paho, one client a connection. paho's own reconnecting and its store stay off: the
// spool is the source of truth, and what is in flight must never be sent again by anyone else.
type pahoDialer struct {
	config    Config
	endpoints []endpoint
	limit     int            // bytes of a message to us
	refused   *atomic.Uint64 // longer ones
}

// dial tries every broker in order.
func (d *pahoDialer) dial(ctx context.Context, will message, inbound func(Message)) (link, error) {
	var errs []error
	for _, e := range d.endpoints {
		l, err := d.dialOne(ctx, e, will, inbound)
		if err == nil {
			return l, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, joinLine(errs)
}

// joinLine is errors.Join on one line.
func joinLine(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	err := errs[0]
	for _, e := range errs[1:] {
		err = fmt.Errorf("%w; %w", err, e)
	}
	return err
}

func (d *pahoDialer) dialOne(ctx context.Context, e endpoint, will message, inbound func(Message)) (link, error) {
	tlsConfig, err := d.config.TLS.client(e)
	if err != nil {
		return nil, err
	}
	password := e.password
	if d.config.PasswordFile != "" {
		if password, err = secretFromFile(d.config.PasswordFile); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, d.config.ConnectTimeout)
	defer cancel()
	l := &pahoLink{
		name:     e.String(),
		jobs:     make(chan message, d.config.MaxInFlight+1),
		tokens:   make(chan paho.Token, d.config.MaxInFlight+1),
		acks:     make(chan error, d.config.MaxInFlight+1),
		gone:     make(chan error, 1),
		quit:     make(chan struct{}),
		patience: d.config.ConnectTimeout,
	}
	o := paho.NewClientOptions()
	o.AddBroker("tcp://" + e.host) // for paho's eyes only: open does the work
	o.SetClientID(d.config.ClientID)
	o.SetProtocolVersion(4) // MQTT 3.1.1
	o.SetCleanSession(true) // the spool resends, subscriptions are made anew
	o.SetAutoReconnect(false).SetConnectRetry(false)
	o.SetUsername(e.user).SetPassword(string(password))
	o.SetKeepAlive(d.config.Keepalive).SetPingTimeout(d.config.ConnectTimeout)
	o.SetConnectTimeout(d.config.ConnectTimeout).SetWriteTimeout(d.config.ConnectTimeout)
	if will.topic != "" {
		o.SetBinaryWill(will.topic, will.payload, will.qos, will.retained)
	}
	o.SetConnectionLostHandler(func(_ paho.Client, err error) { l.fail(err) })
	o.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
		inbound(Message{Topic: m.Topic(), Payload: m.Payload(), Retained: m.Retained(), QoS: m.Qos()})
	})
	o.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
		conn, err := open(ctx, e, tlsConfig, d.config.ConnectTimeout)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() {
			if !l.up.Load() {
				conn.Close() // gives up a broker that accepts and says nothing
			}
		})
		tooLong := func(topic string, size int) { inbound(Message{Topic: topic, TooLong: size}) }
		return &limitConn{Conn: conn, limit: d.limit, refused: d.refused, tooLong: tooLong}, nil
	})
	l.client = paho.NewClient(o)
	t := l.client.Connect()
	<-t.Done() // bounded: open heeds ctx, the handshake has ConnectTimeout
	if err := t.Error(); err != nil {
		return nil, fmt.Errorf("mqtt: broker %s: %w", e, explain(err, e, d.config))
	}
	l.up.Store(true)
	l.running.Add(2)
	go l.write()
	go l.wait()
	return l, nil
}

// open opens the byte stream under MQTT.
func open(ctx context.Context, e endpoint, t *tls.Config, timeout time.Duration) (net.Conn, error) {
	switch {
	case e.ws:
		return paho.NewWebsocket(e.scheme()+"://"+e.host+e.path, t, timeout, http.Header{}, nil)
	case e.tls:
		return (&tls.Dialer{Config: t}).DialContext(ctx, "tcp", e.host)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", e.host)
}

// client is the TLS configuration for e; nil without TLS. Files are read at every connect, so that a renewed certificate
// counts.
func (t TLS) client(e endpoint) (*tls.Config, error) {
	if !e.tls {
		return nil, nil
	}
	host, _, err := net.SplitHostPort(e.host)
	if err != nil {
		return nil, fmt.Errorf("mqtt: url: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, InsecureSkipVerify: t.Insecure}
	if t.ServerName != "" {
		c.ServerName = t.ServerName
	}
	read := func(key, path string) ([]byte, error) {
		path, err := credentialPath(path)
		if err != nil {
			return nil, fmt.Errorf("mqtt: tls: %s: %w", key, err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("mqtt: tls: %s: %w", key, err)
		}
		return b, nil
	}
	if t.CAFile != "" {
		pem, err := read("ca_file", t.CAFile)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("mqtt: tls: ca_file %s holds no certificate in PEM", t.CAFile)
		}
	}
	if t.CertFile != "" {
		cert, err := read("cert_file", t.CertFile)
		if err != nil {
			return nil, err
		}
		key, err := read("key_file", t.KeyFile)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("mqtt: tls: cert_file %s and key_file: %w", t.CertFile, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// explain adds what to do to an error of connecting.
func explain(err error, e endpoint, c Config) error {
	var (
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		record    tls.RecordHeaderError
		dns       *net.DNSError
	)
	switch {
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		if e.user == "" {
			return errors.New("refused without a user name: set mqtt.user and mqtt.password_file")
		}
		return fmt.Errorf("refused user %q: check mqtt.user and the password", e.user)
	case errors.Is(err, packets.ErrorRefusedIDRejected):
		return fmt.Errorf("refused client id %q: set mqtt.client_id", c.ClientID)
	case errors.As(err, &authority):
		return errors.New("its certificate is signed by an unknown authority: set mqtt.tls.ca_file to that authority's certificate")
	case errors.As(err, &hostname):
		return fmt.Errorf("its certificate is for another name: set mqtt.tls.server_name (%w)", hostname)
	case errors.As(err, &record):
		return errors.New("no TLS on that port: use mqtt:// or the TLS port, often 8883")
	case errors.As(err, &dns):
		return fmt.Errorf("no such host: check mqtt.url (%s)", dns.Err)
	}
	if inner := errors.Unwrap(err); inner == nil {
		// paho joins its own "network Error" with the cause.
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			list := many.Unwrap()
			return list[len(list)-1]
		}
	}
	return err
}

// pahoLink implements link.
type pahoLink struct {
	name     string
	client   paho.Client
	up       atomic.Bool
	patience time.Duration

	jobs    chan message
	tokens  chan paho.Token
	acks    chan error
	gone    chan error
	quit    chan struct{}
	once    sync.Once
	running sync.WaitGroup
}

var _ link = (*pahoLink)(nil)

func (l *pahoLink) send(m message)      { l.jobs <- m }
func (l *pahoLink) acked() <-chan error { return l.acks }
func (l *pahoLink) lost() <-chan error  { return l.gone }
func (l *pahoLink) broker() string      { return l.name }

func (l *pahoLink) fail(err error) {
	select {
	case l.gone <- err:
	default:
	}
}

// write hands messages to paho, in order. It is a goroutine because Publish blocks while the socket does.
func (l *pahoLink) write() {
	defer l.running.Done()
	for {
		select {
		case <-l.quit:
			return
		case m := <-l.jobs:
			select {
			case l.tokens <- l.client.Publish(m.topic, m.qos, m.retained, m.payload):
			case <-l.quit:
				return
			}
		}
	}
}

// wait passes on PUBACKs in the order of sending.
func (l *pahoLink) wait() {
	defer l.running.Done()
	for {
		select {
		case <-l.quit:
			return
		case t := <-l.tokens:
			select {
			case <-t.Done():
				l.acks <- t.Error() // has room for every message in flight
			case <-l.quit:
				return
			}
		}
	}
}

func (l *pahoLink) subscribe(ctx context.Context, filter string, qos byte) error {
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	t := l.client.Subscribe(filter, qos, nil).(*paho.SubscribeToken)
	select {
	case <-t.Done():
	case <-ctx.Done():
		return fmt.Errorf("mqtt: subscribe %s: no answer from %s", filter, l.name)
	}
	if err := t.Error(); err != nil {
		return fmt.Errorf("mqtt: subscribe %s: %w", filter, err)
	}
	for _, code := range t.Result() {
		if code > 2 {
			return fmt.Errorf("mqtt: subscribe %s: the broker's access rules refuse it", filter)
		}
	}
	return nil
}

func (l *pahoLink) close() {
	l.once.Do(func() {
		l.client.Disconnect(250) // ms
		close(l.quit)
	})
}
