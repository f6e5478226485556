//go:build amd64 || arm64

package compute

// pause tells the core that this is a polling loop.
//
//go:noescape
func pause()

// prefetch asks for the n > 0 bytes from p on in the L2 cache. It doesn't wait for them.
//
//go:noescape
func prefetch(p *byte, n int)
