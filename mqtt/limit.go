package mqtt

import (
	"io"
	"net"
	"sync/atomic"
)

// maxInbound bounds a message sent to us. Without it anyone who may publish could make us allocate 256 MiB, MQTT's own
// bound, before any handler sees the message.
const maxInbound = 512 << 10

// limitConn leaves out PUBLISH packets above limit from what it reads, counts them and says so. Where
// subscriptions are QoS 0, the broker waits for no acknowledgement of what was left out.
type limitConn struct {
	net.Conn
	limit   int
	refused *atomic.Uint64
	tooLong func(topic string, size int) // may be nil; must return soon

	header [5]byte // fixed header, type and up to 4 bytes of length
	out    []byte  // part of header that the reader has not had
	body   int     // bytes of the packet's body still to be passed on
}

const typePublish = 3 // in the upper half of the first byte

func (c *limitConn) Read(p []byte) (int, error) {
	for {
		if len(p) == 0 {
			return 0, nil
		}
		if len(c.out) > 0 {
			n := copy(p, c.out)
			c.out = c.out[n:]
			return n, nil
		}
		if c.body > 0 {
			n, err := c.Conn.Read(p[:min(len(p), c.body)])
			c.body -= n
			return n, err
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
}

// next reads a fixed header; a body that is too long is read away at once.
func (c *limitConn) next() error {
	length, n := 0, 1
	if _, err := io.ReadFull(c.Conn, c.header[:1]); err != nil {
		return err
	}
	for shift := 0; n < len(c.header); shift += 7 {
		if _, err := io.ReadFull(c.Conn, c.header[n:n+1]); err != nil {
			return err
		}
		b := c.header[n]
		n++
		length |= int(b&0x7f) << shift
		if b&0x80 == 0 {
			break
		}
	}
	if length > c.limit {
		if c.header[0]>>4 != typePublish {
			return net.ErrClosed // no other packet to a client is that long: not an MQTT broker
		}
		c.refused.Add(1)
		topic, read, err := c.topic(length)
		if err != nil {
			return err
		}
		if c.tooLong != nil {
			c.tooLong(topic, length-read)
		}
		_, err = io.CopyN(io.Discard, c.Conn, int64(length-read))
		return err
	}
	c.out, c.body = c.header[:n], length
	return nil
}

// topic reads the topic of a PUBLISH of length bytes, "" if it is no topic of ours; read is how many bytes that took.
func (c *limitConn) topic(length int) (topic string, read int, err error) {
	var size [2]byte
	if _, err := io.ReadFull(c.Conn, size[:]); err != nil {
		return "", 0, err
	}
	n := int(size[0])<<8 | int(size[1])
	if n > 4*MaxNameBytes || n+2 > length {
		return "", 2, nil
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c.Conn, b); err != nil {
		return "", 2, err
	}
	return string(b), 2 + n, nil
}
