//go:build !unix

package weights

import (
	"context"

	"github.com/edgevlm/edgevlm/runtime/gguf"
)

// cacheFile doesn't exist where files can't be mapped.
type cacheFile struct{ data []byte }

func (*cacheFile) close() error { return nil }

func openCache(context.Context, *gguf.File, []item, Options) (*cacheFile, bool, error) {
	return nil, false, nil
}
