//go:build !unix

package gguf

import (
	"fmt"
	"os"
)

// Open reads the file at path and parses it.
func Open(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	f, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("gguf: %s: %w", path, err)
	}
	return f, nil
}

// Close empties the File.
func (f *File) Close() error {
	*f = File{}
	return nil
}

// Evict does nothing here: there is no mapping whose pages could be dropped.
func (f *File) Evict(Tensor) {}
