// Command go prints the events of every edgevlm device on a broker:
//
//	go run ./mqtt/examples/go mqtt://127.0.0.1:1883
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/edgevlm/edgevlm/mqtt"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./mqtt/examples/go mqtt://HOST:1883")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var seen recent
	s, err := mqtt.NewSubscriber(mqtt.Config{URL: os.Args[1]}, []string{"edgevlm/+/+/event/msgpack"}, func(m mqtt.Message) {
		e, err := mqtt.DecodeEvent(m.Topic, m.Payload)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		if seen.repeated(e.ID) {
			return
		}
		text := e.Text
		if c := e.Condition; c != nil { // one that started or ended, instead of a description
			text = c.Name + " " + c.State
		}
		fmt.Printf("%s %s/%s: %s\n", e.CapturedAt.Last.Format("15:04:05"), e.Device, e.Camera, text)
	}, nil)
	if err == nil {
		err = s.Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// recent remembers the ids of the last events: one that came before is a repeat, after a connection broke.
type recent struct {
	ids  map[string]bool
	ring [1024]string
	next int
}

func (r *recent) repeated(id string) bool {
	if r.ids[id] {
		return true
	}
	if r.ids == nil {
		r.ids = map[string]bool{}
	}
	delete(r.ids, r.ring[r.next])
	r.ids[id] = true
	r.ring[r.next] = id
	r.next = (r.next + 1) % len(r.ring)
	return false
}
