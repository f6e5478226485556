// Package broker is an MQTT broker inside the process, for the demo and for tests. It has no users and no persistence, so
// it listens on loopback only.
package broker

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
)

// maxPacket bounds one packet, in bytes.
const maxPacket = 16 << 20

// Broker is a running broker.
type Broker struct {
	server *mochi.Server
	conns  *conns
	addr   string
	once   sync.Once
	stop   func() bool
}

// Start listens on addr, a loopback host and port; port 0 takes a free one. It runs until Close or until ctx is done.
func Start(ctx context.Context, addr string) (*Broker, error) {
	if err := loopback(addr); err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	tracked := &conns{Listener: l, open: make(map[net.Conn]struct{})}
	capabilities := mochi.NewDefaultServerCapabilities()
	capabilities.MaximumPacketSize = maxPacket
	s := mochi.New(&mochi.Options{
		Capabilities:           capabilities,
		Logger:                 slog.New(slog.DiscardHandler),
		SysTopicResendInterval: 3600, // seconds; nobody reads them
	})
	if err := s.AddHook(new(auth.AllowHook), nil); err != nil {
		l.Close()
		return nil, fmt.Errorf("broker: %w", err)
	}
	if err := s.AddListener(listeners.NewNet("loopback", tracked)); err != nil {
		l.Close()
		return nil, fmt.Errorf("broker: %w", err)
	}
	if err := s.Serve(); err != nil {
		l.Close()
		return nil, fmt.Errorf("broker: %w", err)
	}
	b := &Broker{server: s, conns: tracked, addr: l.Addr().String()}
	b.stop = context.AfterFunc(ctx, func() { b.close() })
	return b, nil
}

// Addr is host:port.
func (b *Broker) Addr() string { return b.addr }

// URL is mqtt://host:port.
func (b *Broker) URL() string { return "mqtt://" + b.addr }

// Close disconnects every client and returns when their connections are gone.
func (b *Broker) Close() error {
	b.stop()
	return b.close()
}

func (b *Broker) close() (err error) {
	b.once.Do(func() {
		done := make(chan error, 1)
		go func() { done <- b.server.Close() }()
		// The server says goodbye to the clients it knows and waits for all; one that was about to become known would keep
		// it waiting for ever.
		hurry := time.NewTicker(200 * time.Millisecond)
		defer hurry.Stop()
		for {
			select {
			case err = <-done:
				return
			case <-hurry.C:
				b.conns.closeAll()
			}
		}
	})
	return err
}

func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("broker: address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host == "localhost" || (ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("broker: address %q is not on loopback: use 127.0.0.1:PORT, or a broker with users for the network", addr)
}
