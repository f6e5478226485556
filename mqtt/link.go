package mqtt

import "context"

// message is one PUBLISH to be sent.
type message struct {
	topic    string
	payload  []byte
	qos      byte
	retained bool

	seq   uint64 // the event that the broker has once this is acknowledged; 0: none
	state uint64 // version of the retained state that this carries; 0: none
}

// Message is one that arrived on a subscription.
type Message struct {
	Topic    string
	Payload  []byte
	Retained bool
	QoS      byte
	// TooLong is the size of a payload that was too long to be read, 0 otherwise; Payload is nil then.
	TooLong int
}

// link is one connection to a broker, from CONNACK until it is lost. It is not reused.
type link interface {
	// send queues m; it must not be called while more than MaxInFlight messages are unanswered.
	send(m message)
	// acked yields one result for each send, in order.
	acked() <-chan error
	subscribe(ctx context.Context, filter string, qos byte) error
	// lost yields why, once.
	lost() <-chan error
	// close says DISCONNECT where that is possible at once, and drops the connection.
	close()
	broker() string
}

// dialer opens links. will, if it has a topic, is published by the broker when the connection ends without DISCONNECT; inbound is called for
// each message, must not block, and may be called until the link is closed.
type dialer func(ctx context.Context, will message, inbound func(Message)) (link, error)
