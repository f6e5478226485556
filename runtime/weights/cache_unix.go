//go:build unix

package weights

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/gguf"
)

// A cache file is a page-aligned head, then the repacked matrices at multiples of 4096:
//
//	8 bytes   magic, with the format's version in it
//	32 bytes  key: SHA-256 of what the content depends on (see keyOf)
//	4 bytes   CRC-32C of each matrix, in the plan's order
//	4 bytes   CRC-32C of all that is before it
//
// Where each matrix lies follows from the plan, which the key covers. The head is written last, and the file gets its
// name only once it is on disk: a name means a whole file.
const (
	cacheMagic = "EVLMW\x00\x00\x01"
	page       = 4096
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// cacheFile is a mapped cache file.
type cacheFile struct {
	data    []byte
	written chan struct{} // closed once a new file is on disk, or has been given up; nil for one that was there
}

func (c *cacheFile) close() error {
	if c.written != nil {
		<-c.written
	}
	return unix.Munmap(c.data)
}

// openCache maps the cache file of these items, making it first where there is none that fits. A nil file means that
// none can be kept; the log has said why.
func openCache(ctx context.Context, f *gguf.File, items []item, o Options) (c *cacheFile, hit bool, err error) {
	key, err := keyOf(items, o.Path)
	if err != nil {
		return nil, false, fmt.Errorf("weights: %w", err)
	}
	size := align(headSize(len(items)))
	for i := range items {
		items[i].offset = size
		size += align(items[i].size)
	}
	path := cachePath(o)
	data, err := mapCache(path, key, items, size, o.Runner)
	if err == nil {
		return &cacheFile{data: data}, true, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		o.Log.Info("repacked weights are made anew", "file", path, "why", err)
	}
	c, err = create(ctx, f, path, key, items, size, o)
	var kept keepError
	if errors.As(err, &kept) {
		o.Log.Warn("repacked weights can't be kept on disk, so every start repacks them", "file", path, "why", kept.error)
		return nil, false, nil
	}
	return c, false, err
}

// keepError is a reason for going on without a cache file.
type keepError struct{ error }

func headSize(n int) int { return len(cacheMagic) + sha256.Size + 4*n + 4 }

func align(n int) int { return (n + page - 1) / page * page }

// cachePath is the model's path with an ending of ours or, in a folder of caches, a name of its own for each model.
func cachePath(o Options) string {
	const ending = ".edgevlm-weights"
	if o.CacheDir == "" {
		return o.Path + ending
	}
	abs, err := filepath.Abs(o.Path)
	if err != nil {
		abs = o.Path
	}
	id := sha256.Sum256([]byte(abs))
	return filepath.Join(o.CacheDir, filepath.Base(abs)+"-"+hex.EncodeToString(id[:4])+ending)
}

// keyOf covers the repacking's version, the processor family, the model file (size, time, a sample of every matrix) and
// the plan.
func keyOf(items []item, path string) (key [sha256.Size]byte, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return key, err
	}
	h := sha256.New()
	fmt.Fprintln(h, quant.PackingVersion, runtime.GOARCH, info.Size(), info.ModTime().UnixNano())
	for _, it := range items {
		fmt.Fprintln(h, it.tensor.Name, it.tensor.Type, it.typ, it.tensor.Shape)
		d := it.tensor.Data
		h.Write(d[:min(64, len(d))])
		h.Write(d[len(d)-min(64, len(d)):])
	}
	h.Sum(key[:0])
	return key, nil
}

// mapCache maps the file at path if it is whole and has that key.
func mapCache(path string, key [sha256.Size]byte, items []item, size int, r quant.Runner) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != int64(size) {
		return nil, fmt.Errorf("it has %d bytes instead of %d", info.Size(), size)
	}
	head := make([]byte, headSize(len(items)))
	if _, err := io.ReadFull(file, head); err != nil {
		return nil, err
	}
	end := len(head) - 4
	switch {
	case string(head[:len(cacheMagic)]) != cacheMagic:
		return nil, errors.New("it is of another version")
	case binary.LittleEndian.Uint32(head[end:]) != crc32.Checksum(head[:end], castagnoli):
		return nil, errors.New("its head is damaged")
	case [sha256.Size]byte(head[len(cacheMagic):]) != key:
		return nil, errors.New("it is of another model file, version or processor")
	}
	data, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map: %w", err)
	}
	_ = unix.Madvise(data, unix.MADV_WILLNEED)
	sums := head[len(cacheMagic)+sha256.Size : end]
	var mu sync.Mutex
	bad := ""
	r.Do(len(items), func(i int) {
		it := items[i]
		if crc32.Checksum(data[it.offset:it.offset+it.size], castagnoli) != binary.LittleEndian.Uint32(sums[4*i:]) {
			mu.Lock()
			bad = it.tensor.Name
			mu.Unlock()
		}
	})
	if bad != "" {
		_ = unix.Munmap(data)
		return nil, fmt.Errorf("tensor %s is damaged", bad)
	}
	return data, nil
}

// create repacks into a new file, maps it, and brings it to disk and to its name in the background.
func create(ctx context.Context, f *gguf.File, path string, key [sha256.Size]byte, items []item, size int, o Options) (*cacheFile, error) {
	removeStale(path)
	if o.CacheDir != "" {
		_ = os.MkdirAll(o.CacheDir, 0o755)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), tempPrefix(path)+"*")
	if err != nil {
		return nil, keepError{err}
	}
	giveUp := func() {
		_ = os.Remove(tmp.Name())
		_ = tmp.Close()
	}
	// The lock tells a later start that somebody still writes this file. Space is taken now: a write through a mapping
	// that finds the disk full is a SIGBUS.
	err = unix.Flock(int(tmp.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		reserve := o.allocate
		if reserve == nil {
			reserve = reserveSpace
		}
		err = reserve(int(tmp.Fd()), int64(size))
	}
	if err != nil {
		giveUp()
		return nil, keepError{err}
	}
	data, err := unix.Mmap(int(tmp.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		giveUp()
		return nil, keepError{err}
	}
	sums := make([]byte, 4*len(items))
	err = each(ctx, f, items, o, func(i int) error {
		it := items[i]
		packed := data[it.offset : it.offset+it.size]
		if err := quant.Pack(packed, it.typ, it.tensor.Type, it.tensor.Data, it.rows(), it.cols()); err != nil {
			return err
		}
		binary.LittleEndian.PutUint32(sums[4*i:], crc32.Checksum(packed, castagnoli))
		return nil
	})
	if err == nil {
		err = unix.Mprotect(data, unix.PROT_READ)
	}
	if err != nil {
		giveUp()
		_ = unix.Munmap(data)
		return nil, err
	}
	head := append([]byte(cacheMagic), key[:]...)
	head = append(head, sums...)
	head = binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))
	c := &cacheFile{data: data, written: make(chan struct{})}
	go func() {
		defer close(c.written)
		if err := finish(tmp, head, path); err != nil {
			giveUp()
			o.Log.Warn("repacked weights can't be kept on disk, so the next start repacks them", "file", path, "why", err)
		}
	}()
	return c, nil
}

// finish writes the head, and gives the file its name once all of it is on disk. It closes the file if it succeeds.
func finish(tmp *os.File, head []byte, path string) error {
	if err := tmp.Sync(); err != nil {
		return err
	}
	if _, err := tmp.WriteAt(head, 0); err != nil {
		return err
	}
	if err := tmp.Chmod(0o644); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return tmp.Close()
}

func tempPrefix(path string) string { return "." + filepath.Base(path) + "." }

// removeStale deletes what starts that were killed have left half written.
func removeStale(path string) {
	entries, _ := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix(path)) {
			continue
		}
		name := filepath.Join(filepath.Dir(path), e.Name())
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			_ = os.Remove(name)
		}
		_ = f.Close()
	}
}
