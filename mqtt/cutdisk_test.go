package mqtt

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"
)

// cutDisk is a disk in memory that loses power: what was not synced is on it in part, sector by sector. Directory changes
// reach it in order, as a journal writes them, and only syncDir makes them last.
type cutDisk struct {
	mu      sync.Mutex
	files   map[string]*cutFile
	durable map[string]*cutFile
	changes []func(map[string]*cutFile)
	space   int64 // bytes that can still be allocated; < 0: no bound
	err     error // every write and sync fails
	dead    bool  // the power is off: nothing changes any more
	slow    time.Duration
	fuse    int // writes, syncs and changes until the power goes off; 0: never
}

type cutFile struct {
	d       *cutDisk
	data    []byte // as the process sees it
	durable []byte
	writes  []cutWrite // not synced
}

type cutWrite struct {
	off  int64
	data []byte
}

func newCutDisk() *cutDisk {
	return &cutDisk{files: map[string]*cutFile{}, durable: map[string]*cutFile{}, space: -1}
}

// off counts one change of the disk, and says that it does not happen.
func (d *cutDisk) off() bool {
	if d.fuse > 0 {
		d.fuse--
		d.dead = d.dead || d.fuse == 0
	}
	return d.dead
}

func (d *cutDisk) isDead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

func (d *cutDisk) change(f func(map[string]*cutFile)) error {
	if d.err != nil {
		return d.err
	}
	if d.off() {
		return errors.New("power is off")
	}
	f(d.files)
	d.changes = append(d.changes, f)
	return nil
}

func (d *cutDisk) names() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for name := range d.files {
		out = append(out, name)
	}
	return out, nil
}

func (d *cutDisk) open(name string) (spoolFile, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.files[name]; f != nil {
		return f, nil
	}
	return nil, os.ErrNotExist
}

func (d *cutDisk) create(name string) (spoolFile, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := &cutFile{d: d}
	return f, d.change(func(m map[string]*cutFile) { m[name] = f })
}

func (d *cutDisk) rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files[from] == nil {
		return os.ErrNotExist
	}
	return d.change(func(m map[string]*cutFile) { m[to] = m[from]; delete(m, from) })
}

func (d *cutDisk) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	if f == nil {
		return os.ErrNotExist
	}
	if d.space >= 0 {
		d.space += int64(len(f.data))
	}
	return d.change(func(m map[string]*cutFile) { delete(m, name) })
}

func (d *cutDisk) syncDir() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil || d.off() {
		return errors.Join(d.err, errors.New("no sync"))
	}
	for _, f := range d.changes {
		f(d.durable)
	}
	d.changes = nil
	return nil
}

// cut turns the power off and returns the disk as the next start finds it.
func (d *cutDisk) cut(r *rand.Rand) *cutDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	for _, f := range d.changes[:r.IntN(len(d.changes)+1)] {
		f(d.durable)
	}
	next := newCutDisk()
	for name, f := range d.durable {
		data := slices.Clone(f.durable)
		for _, w := range f.writes {
			for at := int64(0); at < int64(len(w.data)); {
				// A sector is written whole or not at all.
				n := min(512-(w.off+at)%512, int64(len(w.data))-at)
				if r.IntN(2) == 0 {
					data = writeAt(data, w.data[at:at+n], w.off+at)
				}
				at += n
			}
		}
		g := &cutFile{d: next, data: data, durable: slices.Clone(data)}
		next.files[name], next.durable[name] = g, g
	}
	return next
}

func writeAt(b, p []byte, off int64) []byte {
	if need := off + int64(len(p)); need > int64(len(b)) {
		b = append(b, make([]byte, need-int64(len(b)))...)
	}
	copy(b[off:], p)
	return b
}

func (f *cutFile) ReadAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *cutFile) WriteAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.err != nil {
		return 0, f.d.err
	}
	if f.d.off() {
		return 0, errors.New("power is off")
	}
	if grow := off + int64(len(p)) - int64(len(f.data)); grow > 0 && f.d.space >= 0 {
		if grow > f.d.space {
			return 0, errors.New("no space left on device")
		}
		f.d.space -= grow
	}
	f.data = writeAt(f.data, p, off)
	f.writes = append(f.writes, cutWrite{off, slices.Clone(p)})
	return len(p), nil
}

func (f *cutFile) size() (int64, error) { return int64(len(f.data)), nil }

func (f *cutFile) sync() error {
	time.Sleep(f.d.slow)
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.err != nil {
		return f.d.err
	}
	if f.d.off() {
		return errors.New("power is off")
	}
	for _, w := range f.writes {
		f.durable = writeAt(f.durable, w.data, w.off)
	}
	f.writes = nil
	return nil
}

func (f *cutFile) Close() error { return nil }
