package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// part is a file on its way: DEST.part, and DEST.part.json with what the server
// said about it. Its hash grows with it.
type part struct {
	dest string
	f    *os.File
	size int64
	sum  hash.Hash
	meta partMeta
}

// partMeta is what makes resuming safe: the validator that the bytes belong to.
type partMeta struct {
	Validator string `json:"validator"` // of HTTP: an ETag or a date; "": none
	SHA256    string `json:"sha256"`    // that the server gave
}

func openPart(dest string) (*part, error) {
	f, err := os.OpenFile(dest+".part", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("models: %w", err)
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("models: %s: %w", dest, ErrBusy)
	}
	return &part{dest: dest, f: f, sum: sha256.New()}, nil
}

// close leaves what has come for the next time; a part with nothing in it goes.
func (p *part) close() {
	if p.f == nil {
		return
	}
	if p.size == 0 {
		p.discard()
		return
	}
	p.f.Close()
}

// discard takes the part away. Removed before it is closed, so that it is still
// locked.
func (p *part) discard() {
	if p.f == nil {
		return
	}
	os.Remove(p.dest + ".part")
	os.Remove(p.dest + ".part.json")
	p.f.Close()
	p.f = nil
}

// restore takes up what an earlier download left. Bytes that can't be known to be
// of the same file are not used: there must be a hash or a validator.
func (p *part) restore(ctx context.Context, d Download) error {
	st, err := p.f.Stat()
	if err != nil {
		return fmt.Errorf("models: %w", err)
	}
	size := st.Size()
	if data, err := os.ReadFile(p.dest + ".part.json"); err == nil && json.Unmarshal(data, &p.meta) != nil {
		p.meta = partMeta{}
	}
	if size == 0 || d.Size > 0 && size > d.Size || d.SHA256 == "" && p.meta.Validator == "" {
		return p.reset("")
	}
	report := func(step string, done, _ int64) {
		if d.Progress != nil {
			d.Progress(step, done, size)
		}
	}
	n, err := hashInto(ctx, p.sum, p.f, report)
	if err != nil {
		return fmt.Errorf("models: %s.part: %w", p.dest, err)
	}
	p.size = n
	return nil
}

// reset begins anew, with bytes that belong to a validator.
func (p *part) reset(validator string) error {
	p.size = 0
	p.sum.Reset()
	p.meta = partMeta{Validator: validator}
	_, err := p.f.Seek(0, io.SeekStart)
	if err = errors.Join(err, p.f.Truncate(0)); err != nil {
		return fmt.Errorf("models: %w", err)
	}
	return nil
}

// note keeps the validator and the server's hash for a later run.
func (p *part) note() error {
	data, err := json.Marshal(p.meta)
	if err == nil {
		err = os.WriteFile(p.dest+".part.json", data, 0o644)
	}
	if err != nil {
		return fmt.Errorf("models: %w", err)
	}
	return nil
}

// Write implements io.Writer.
func (p *part) Write(b []byte) (int, error) {
	n, err := p.f.Write(b)
	p.sum.Write(b[:n])
	p.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("models: %w", err)
	}
	return n, nil
}

// finish checks the whole file, brings it to the disk and gives it its name.
func (p *part) finish(d Download, from string) (Result, error) {
	r := Result{Size: p.size, SHA256: hex.EncodeToString(p.sum.Sum(nil)), From: Redact(from), Check: CheckedSize}
	want := d.SHA256
	if want != "" {
		r.Check = CheckedHash
	} else if want = p.meta.SHA256; want != "" {
		r.Check = CheckedServer
	}
	switch {
	case d.Size > 0 && r.Size != d.Size:
		return Result{}, fmt.Errorf("models: %s has %d bytes, %d are expected: %w", r.From, r.Size, d.Size, ErrChecksum)
	case want != "" && r.SHA256 != want:
		return Result{}, fmt.Errorf("models: %s has SHA-256 %s, %s is expected: %w; nothing was kept", r.From, r.SHA256, want, ErrChecksum)
	}
	err := errors.Join(p.f.Chmod(0o644), p.f.Sync())
	if err == nil {
		err = os.Rename(p.dest+".part", p.dest)
	}
	if err == nil {
		err = syncDir(filepath.Dir(p.dest))
	}
	if err != nil {
		return Result{}, fmt.Errorf("models: %w", err)
	}
	os.Remove(p.dest + ".part.json")
	p.f.Close()
	p.f = nil
	return r, nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func hashFile(ctx context.Context, path string, total int64, report func(string, int64, int64)) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = hashInto(ctx, sum, f, func(step string, done, _ int64) {
		if report != nil {
			report(step, done, total)
		}
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// hashInto reads r to its end.
func hashInto(ctx context.Context, sum hash.Hash, r io.Reader, report func(string, int64, int64)) (n int64, err error) {
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		k, err := r.Read(buf)
		sum.Write(buf[:k])
		n += int64(k)
		report("checking", n, 0)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// isURL tells an address from a path.
func isURL(from string) bool {
	return strings.HasPrefix(from, "http://") || strings.HasPrefix(from, "https://")
}
