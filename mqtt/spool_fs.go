package mqtt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// spoolFS is what DiskSpool needs of its directory; tests put a disk under it that loses power, fills up or fails.
type spoolFS interface {
	names() ([]string, error)
	open(name string) (spoolFile, error)   // for reading; for writing too, where the disk allows it
	create(name string) (spoolFile, error) // empty
	rename(from, to string) error
	remove(name string) error
	syncDir() error // makes create, rename and remove last
}

// spoolFile is one file of the spool.
type spoolFile interface {
	io.ReaderAt
	io.WriterAt
	size() (int64, error)
	sync() error // makes what was written last
	Close() error
}

// osFS is a directory. Its lock keeps a second process out.
type osFS struct {
	dir  string
	lock *os.File
}

// openOSFS makes dir if need be and locks it. The lock is an open file, so a killed process leaves none behind.
func openOSFS(dir string) (*osFS, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	f, err := os.Open(dir) // works on a read-only disk as well
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errSpoolInUse
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return &osFS{dir: dir, lock: f}, nil
}

var errSpoolInUse = errors.New("in use by another edgevlm process")

func (o *osFS) Close() error { return o.lock.Close() }

func (o *osFS) names() ([]string, error) {
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

func (o *osFS) open(name string) (spoolFile, error) {
	path := filepath.Join(o.dir, name)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, unix.EROFS) || errors.Is(err, os.ErrPermission) {
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (o *osFS) create(name string) (spoolFile, error) {
	f, err := os.OpenFile(filepath.Join(o.dir, name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (o *osFS) rename(from, to string) error {
	return os.Rename(filepath.Join(o.dir, from), filepath.Join(o.dir, to))
}

func (o *osFS) remove(name string) error { return os.Remove(filepath.Join(o.dir, name)) }

func (o *osFS) syncDir() error { return unix.Fsync(int(o.lock.Fd())) }

type osFile struct{ *os.File }

func (f osFile) size() (int64, error) {
	i, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return i.Size(), nil
}

// sync is fdatasync: a segment never changes its size after it was made, so that the journal of the file system has
// nothing to write.
func (f osFile) sync() error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}
