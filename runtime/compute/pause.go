//go:build amd64 || arm64

package compute

// pause tells the core that this is a polling loop.
//
//go:noescape
func pause()
