package mqtt

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

type readConn struct {
	net.Conn
	r io.Reader
}

func (c readConn) Read(p []byte) (int, error) { return c.r.Read(p) }

func publish(topic string, n int) []byte {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload = topic, bytes.Repeat([]byte("x"), n)
	var b bytes.Buffer
	p.Write(&b)
	return b.Bytes()
}

func TestLongMessagesAreLeftOut(t *testing.T) {
	var stream bytes.Buffer
	stream.Write(publish("a", 10))
	stream.Write(publish("b", 100000))
	stream.Write(publish("c", 0))
	var refused atomic.Uint64
	var told []string
	c := &limitConn{Conn: readConn{r: &stream}, limit: 1000, refused: &refused,
		tooLong: func(topic string, size int) { told = append(told, fmt.Sprint(topic, " ", size)) }}
	for _, want := range []string{"a", "c"} {
		p, err := packets.ReadPacket(c)
		if err != nil || p.(*packets.PublishPacket).TopicName != want {
			t.Fatalf("read %v, %v; want %s", p, err, want)
		}
	}
	if len(told) != 1 || told[0] != "b 100000" {
		t.Errorf("told of %q", told)
	}
	if _, err := packets.ReadPacket(c); err == nil || refused.Load() != 1 {
		t.Errorf("at the end: %v, %d refused", err, refused.Load())
	}
}

func FuzzLimitConn(f *testing.F) {
	f.Add(publish("a", 10), 3)
	f.Add(publish("a", 2000), 1)
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0xff, 0x7f}, 9)
	f.Fuzz(func(t *testing.T, stream []byte, step int) {
		var refused atomic.Uint64
		c := &limitConn{Conn: readConn{r: bytes.NewReader(stream)}, limit: 1000, refused: &refused}
		buf := make([]byte, 1+(step&0xff))
		var got []byte
		for range 4*len(stream) + 4 {
			n, err := c.Read(buf)
			got = append(got, buf[:n]...)
			if err != nil {
				break
			}
		}
		if refused.Load() == 0 && !bytes.HasPrefix(stream, got) {
			t.Errorf("%x became %x", stream, got)
		}
	})
}
