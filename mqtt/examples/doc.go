// Package examples holds readers of msgpack events in Go, Python and Node, and the test that runs them.
package examples
