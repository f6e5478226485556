//go:build unix

package gguf

import (
	"fmt"
	"math"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Open maps the file at path, read-only, and parses it. The tensors' Data are parts of the mapping: pages are read from
// disk when they are touched.
func Open(path string) (*File, error) {
	data, err := mapFile(path)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	f, err := parse(data)
	if err != nil {
		if data != nil {
			_ = unix.Munmap(data)
		}
		return nil, fmt.Errorf("gguf: %s: %w", path, err)
	}
	f.mapped = data
	return f, nil
}

// mapFile returns nil for an empty file, which can't be mapped.
func mapFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder: give the .gguf file in it", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file, so it can't be mapped: copy it to disk first", path)
	case info.Size() == 0:
		return nil, nil
	case info.Size() > math.MaxInt:
		return nil, fmt.Errorf("%s has %d bytes, too many for this machine's addresses", path, info.Size())
	}
	data, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	return data, nil
}

// Close unmaps the file. Tensors' Data must not be touched after it; the File then has no keys and no tensors.
func (f *File) Close() error {
	data := f.mapped
	*f = File{}
	if data == nil {
		return nil
	}
	return unix.Munmap(data)
}

// Evict lets the kernel drop the pages of t's data, which the program has no more use for (it repacked them, say). They
// may be read again, from disk. It does nothing for a file in memory.
func (f *File) Evict(t Tensor) {
	if f.mapped == nil || len(t.Data) == 0 {
		return
	}
	base := uintptr(unsafe.Pointer(unsafe.SliceData(f.mapped)))
	from := uintptr(unsafe.Pointer(unsafe.SliceData(t.Data))) - base
	if from >= uintptr(len(f.mapped)) {
		return // not a tensor of this file
	}
	page := uintptr(os.Getpagesize())
	to := (from + uintptr(len(t.Data))) / page * page
	from = (from + page - 1) / page * page
	if from < to {
		_ = unix.Madvise(f.mapped[from:to], unix.MADV_DONTNEED)
	}
}
