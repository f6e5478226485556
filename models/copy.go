package models

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// copy takes a file out of a folder, such as one on a USB stick.
func (c *Client) copy(ctx context.Context, p *part, d Download, path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("models: %s: %w", path, errAbsent)
	}
	if err != nil {
		return fmt.Errorf("models: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("models: %w", err)
	case !st.Mode().IsRegular():
		return fmt.Errorf("models: %s is no file", path)
	case d.Size > 0 && st.Size() != d.Size:
		return fmt.Errorf("models: %s has %d bytes, %d are expected: %w", path, st.Size(), d.Size, ErrChecksum)
	}
	// Copying is quick; a part of another source is not gone on with.
	if err := p.reset(""); err != nil {
		return err
	}
	if err := c.room(p, st.Size()); err != nil {
		return err
	}
	b := &body{c: c, p: p, d: d, total: st.Size()}
	return b.copy(ctx, f)
}

// body writes what comes into a part, and looks at it meanwhile.
type body struct {
	c           *Client
	p           *part
	d           Download
	total       int64 // bytes of the whole file; 0: not known
	contentType string
	alive       func() // after every read
}

// errBroken is a body that ended early or came too long, or a server that failed: worth another try.
var errBroken = errors.New("it broke off")

func (b *body) copy(ctx context.Context, r io.Reader) error {
	buf := make([]byte, 256<<10)
	fill := 0 // the first bytes are looked at before any is written
	checked := b.p.size > 0
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		n, rerr := r.Read(buf[fill:])
		if b.alive != nil && n > 0 {
			b.alive()
		}
		fill += n
		if !checked && (fill >= 16 || rerr != nil) {
			if fill == 0 && !errors.Is(rerr, io.EOF) {
				return b.ended(ctx, rerr)
			}
			if fill > 0 {
				if err := checkHead(buf[:fill], b.p.dest, b.contentType); err != nil {
					return err
				}
			}
			checked = true
		}
		if checked && fill > 0 {
			if b.total > 0 && b.p.size+int64(fill) > b.total {
				return fmt.Errorf("%w: more bytes than the %d announced", errBroken, b.total)
			}
			if b.total == 0 && b.p.size>>24 != (b.p.size+int64(fill))>>24 {
				if err := b.c.room(b.p, b.p.size+int64(fill)); err != nil {
					return err
				}
			}
			if _, err := b.p.Write(buf[:fill]); err != nil {
				return err
			}
			fill = 0
			if b.d.Progress != nil {
				b.d.Progress("downloading", b.p.size, b.total)
			}
		}
		if rerr != nil {
			return b.ended(ctx, rerr)
		}
	}
}

// ended tells a whole body from one that broke off.
func (b *body) ended(ctx context.Context, rerr error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.Is(rerr, io.EOF):
		return fmt.Errorf("%w: %v", errBroken, rerr)
	case b.total > 0 && b.p.size < b.total:
		return fmt.Errorf("%w after %d of %d bytes", errBroken, b.p.size, b.total)
	}
	return nil
}
