package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/edgevlm/edgevlm/capture/internal/mjpeg"
)

// pictures plays single files.
type pictures struct {
	paths  []string
	period time.Duration
	i      int
}

func newPictures(s Spec, paths []string, none string) (player, error) {
	var keep []string
	for _, p := range paths {
		name := strings.ToLower(filepath.Base(p))
		switch filepath.Ext(name) {
		case ".jpg", ".jpeg", ".png":
			if !strings.HasPrefix(name, ".") {
				keep = append(keep, p)
			}
		}
	}
	if len(keep) == 0 {
		return nil, errors.New(none)
	}
	sortNatural(keep)
	return &pictures{paths: keep, period: filePeriod(s)}, nil
}

func (p *pictures) next(context.Context) (Frame, time.Duration, error) {
	if p.i == len(p.paths) {
		return Frame{}, 0, io.EOF
	}
	path, at := p.paths[p.i], time.Duration(p.i)*p.period
	p.i++
	f, err := readPicture(path)
	if err != nil {
		return Frame{}, 0, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return f, at, nil
}

func (p *pictures) close() error { return nil }

// readPicture reads a JPEG as it is and a PNG as RGB. Whatever is wrong with the file is ErrBadFrame: one file spoils no show.
func readPicture(path string) (Frame, error) {
	file, err := os.Open(path)
	if err != nil {
		return Frame{}, fmt.Errorf("%w: %w", ErrBadFrame, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, MaxFrameBytes+1))
	if err != nil {
		return Frame{}, fmt.Errorf("%w: %w", ErrBadFrame, err)
	}
	if len(data) > MaxFrameBytes {
		return Frame{}, fmt.Errorf("%w: more than %d MiB", ErrBadFrame, MaxFrameBytes>>20)
	}
	if !isPNG(data) {
		if !bytes.Contains(data[len(data)-min(len(data), 64<<10):], []byte{0xFF, 0xD9}) {
			return Frame{}, fmt.Errorf("%w: not a JPEG, or cut off", ErrBadFrame)
		}
		return jpegFrame(data)
	}
	conf, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return Frame{}, fmt.Errorf("%w: %w", ErrBadFrame, err)
	}
	if err := checkDims(conf.Width, conf.Height); err != nil {
		return Frame{}, err
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return Frame{}, fmt.Errorf("%w: %w", ErrBadFrame, err)
	}
	pix, w, h := rgbFromImage(img)
	return Frame{Format: RGB24, Width: w, Height: h, Data: pix}, nil
}

func isPNG(data []byte) bool { return bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")) }

// concatenated plays JPEG after JPEG in one file.
type concatenated struct {
	file   *os.File
	split  *mjpeg.Splitter
	period time.Duration
	i      int
	broken uint64
}

func (p *concatenated) next(context.Context) (Frame, time.Duration, error) {
	data, err := p.split.Next()
	p.i += int(p.split.Broken() - p.broken) // a damaged picture keeps its place in time
	p.broken = p.split.Broken()
	if err != nil {
		return Frame{}, 0, err
	}
	at := time.Duration(p.i) * p.period
	p.i++
	f, err := jpegFrame(data)
	return f, at, err
}

func (p *concatenated) skipped() uint64 { return p.broken }

func (p *concatenated) close() error { return p.file.Close() }

// aviPlayer plays an MJPEG AVI.
type aviPlayer struct {
	file   *os.File
	avi    *mjpeg.AVI
	period time.Duration
	i      int
}

func (p *aviPlayer) next(context.Context) (Frame, time.Duration, error) {
	for {
		data, err := p.avi.Next()
		if err != nil {
			return Frame{}, 0, err
		}
		at := time.Duration(p.i) * p.period
		p.i++
		if data == nil {
			continue // the picture before is shown again: nothing new to see
		}
		f, err := jpegFrame(data)
		return f, at, err
	}
}

func (p *aviPlayer) close() error { return p.file.Close() }

// container plays whatever ffmpeg can read, with the container's times.
type container struct {
	cancel context.CancelFunc
	frames chan timedFrame
	broken atomic.Uint64
	err    error // set before frames is closed
	done   chan struct{}
	first  *timedFrame // read by newContainer
	zero   time.Duration
}

type timedFrame struct {
	f   Frame
	pts time.Duration
}

func newContainer(ctx context.Context, s Spec, path string) (player, error) {
	ffmpeg, passthrough, err := ffmpegProgram(ctx)
	if err != nil {
		return nil, fmt.Errorf("neither a picture nor MJPEG: %w", err)
	}
	// "file:" and the list keep ffmpeg from taking a name, or a playlist, for an address on the network.
	input := []string{"-protocol_whitelist", "file,crypto,data", "-i", "file:" + path}
	argv := ffmpegArgs(ffmpeg, input, passthrough, s)
	run, cancel := context.WithCancel(context.Background())
	p := &container{cancel: cancel, frames: make(chan timedFrame, 1), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		defer close(p.frames)
		p.err = runChild(run, argv, logger(s.Log), func(r io.Reader) error {
			return readSMJPEG(r, &p.broken, func(f Frame, pts time.Duration) error {
				select {
				case p.frames <- timedFrame{f, pts}:
					return nil
				case <-run.Done():
					return run.Err()
				}
			})
		})
	}()
	// The first picture is awaited here, so that a file which ffmpeg can't read is an error of Open.
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	t, err := p.read(ctx)
	if err != nil {
		p.close()
		if errors.Is(err, io.EOF) {
			err = errors.New("no picture in it")
		}
		return nil, err
	}
	p.first, p.zero = &t, t.pts
	return p, nil
}

func (p *container) next(ctx context.Context) (Frame, time.Duration, error) {
	if t := p.first; t != nil {
		p.first = nil
		return t.f, 0, nil
	}
	t, err := p.read(ctx)
	return t.f, t.pts - p.zero, err
}

func (p *container) read(ctx context.Context) (timedFrame, error) {
	select {
	case <-ctx.Done():
		return timedFrame{}, ctx.Err()
	case t, ok := <-p.frames:
		if !ok {
			return timedFrame{}, p.ended()
		}
		return t, nil
	}
}

func (p *container) skipped() uint64 { return p.broken.Load() }

// ended is io.EOF where ffmpeg ended well.
func (p *container) ended() error {
	if p.err == nil || errors.Is(p.err, errChildEnded) {
		return io.EOF
	}
	return fmt.Errorf("ffmpeg: %w", p.err)
}

func (p *container) close() error {
	p.cancel()
	<-p.done
	return nil
}
