package broker

import (
	"net"
	"sync"
)

// conns is a listener that knows which of its connections are open.
type conns struct {
	net.Listener

	mu   sync.Mutex
	open map[net.Conn]struct{}
}

func (l *conns) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = struct{}{}
	return &tracked{Conn: c, of: l}, nil
}

// closeAll closes what is open now.
func (l *conns) closeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		c.Close()
	}
}

type tracked struct {
	net.Conn
	of *conns
}

func (c *tracked) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c.Conn)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
