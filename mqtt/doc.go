// Package mqtt carries what edgevlm sees to an MQTT 3.1.1 broker, and loses none of it on the way.
//
// An Event is appended to a Spool and leaves it only after the broker's PUBACK; a Publisher owns the connection and
// republishes what is retained each time it comes up. Topics names every topic; DecodeEvent reads an event back.
package mqtt
