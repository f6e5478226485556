package broker_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/broker"
)

func TestBrokerListensOnLoopbackOnlyAndLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "nonsense"} {
		if _, err := broker.Start(t.Context(), addr); err == nil || !strings.HasPrefix(err.Error(), "broker: ") {
			t.Errorf("%s: %v", addr, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	b, err := broker.Start(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := mqtt.Check(ctx, mqtt.Config{URL: b.URL()}); err != nil {
		t.Error(err)
	}
	if _, err := broker.Start(ctx, b.Addr()); err == nil {
		t.Error("two brokers on one port")
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", b.Addr()); err == nil {
		t.Error("it still listens")
	}
	cancel()
	b.Close() // again is fine
}
