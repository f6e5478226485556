package capture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/edgevlm/edgevlm/capture/internal/mjpeg"
)

// player plays files once.
type player interface {
	// next returns a picture and its time since the first. io.EOF ends the pass; ErrBadFrame spoils one picture only.
	next(ctx context.Context) (Frame, time.Duration, error)
	close() error
}

// files plays a player, again and again if asked, in real time unless asked not to. Capture times are regular: the time of the
// first Next plus the frame's place in the recording, however late a frame is fetched.
type files struct {
	spec Spec
	path string
	open func(ctx context.Context) (player, error)
	log  *slog.Logger

	ctx    context.Context // ends at Close
	cancel context.CancelFunc

	frames, broken atomic.Uint64

	mu     sync.Mutex // held through Next: frames come in order
	player player     // nil between passes
	start  time.Time
	base   time.Duration // length of the passes before this one
	last   time.Duration // place in this pass
	step   time.Duration // from the frame before to the last one
	inPass int
	known  uint64     // damaged pictures of this pass that are counted already
	held   *heldFrame // read, but its time had not come when Next's ctx ended
}

type heldFrame struct {
	f  Frame
	at time.Duration
}

func openFiles(ctx context.Context, s Spec, path string) (Source, error) {
	f := &files{spec: s, path: path, log: logger(s.Log)}
	f.open = func(ctx context.Context) (player, error) { return openPlayer(ctx, s, path) }
	var err error
	if f.player, err = f.open(ctx); err != nil {
		return nil, fmt.Errorf("capture: open files:%s: %w", path, err)
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f, nil
}

// Unpaced implements Unpaced.
func (s *files) Unpaced() bool { return s.spec.Unpaced }

// Stats implements StatsOf.
func (s *files) Stats() Stats { return Stats{Frames: s.frames.Load(), Broken: s.broken.Load()} }

// Next implements Source.
func (s *files) Next(ctx context.Context) (Frame, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	f, at, err := s.read(ctx)
	if s.ctx.Err() != nil {
		return Frame{}, ErrClosed
	}
	if err != nil {
		return Frame{}, err
	}
	if s.start.IsZero() {
		s.start = time.Now()
	}
	f.At = s.start.Add(at)
	if !s.spec.Unpaced {
		if wait := time.Until(f.At); wait > 0 && !sleep(ctx, wait) {
			s.held = &heldFrame{f, at}
			if s.ctx.Err() != nil {
				return Frame{}, ErrClosed
			}
			return Frame{}, ctx.Err()
		}
	}
	f.Seq = s.frames.Add(1) - 1
	return f, nil
}

// read returns the next sound picture and its time since the start, over the ends of passes and over damaged pictures.
func (s *files) read(ctx context.Context) (Frame, time.Duration, error) {
	if h := s.held; h != nil {
		s.held = nil
		return h.f, h.at, nil
	}
	for {
		if err := ctx.Err(); err != nil {
			return Frame{}, 0, err
		}
		if s.player == nil {
			p, err := s.open(ctx)
			if err != nil {
				return Frame{}, 0, fmt.Errorf("capture: open files:%s again: %w", s.path, err)
			}
			s.player = p
		}
		f, at, err := s.player.next(ctx)
		s.countSkipped()
		switch {
		case err == nil:
			if s.inPass > 0 && at > s.last {
				s.step = at - s.last
			}
			s.last = max(at, s.last)
			s.inPass++
			return f, s.base + s.last, nil
		case errors.Is(err, ErrBadFrame):
			s.broken.Add(1)
			s.warn("skipped", err)
			continue
		case errors.Is(err, io.EOF):
		case ctx.Err() != nil:
			return Frame{}, 0, ctx.Err()
		case s.inPass > 0:
			// A damaged tail: what came before it stands.
			s.broken.Add(1)
			s.warn("the rest can't be read", err)
		default:
			return Frame{}, 0, fmt.Errorf("capture: files:%s: %w", s.path, err)
		}
		if s.inPass == 0 {
			return Frame{}, 0, fmt.Errorf("capture: files:%s: no readable picture in it", s.path)
		}
		if !s.spec.Loop {
			return Frame{}, 0, io.EOF // the player stays at its end, so that Next says EOF again
		}
		s.player.close()
		s.player = nil
		if s.step == 0 {
			s.step = filePeriod(s.spec)
		}
		s.base += s.last + s.step
		s.last, s.inPass, s.known = 0, 0, 0
	}
}

// warn says what is wrong with the files, once: a loop meets it again in every pass.
func (s *files) warn(what string, why error) {
	level := slog.LevelWarn
	if s.base > 0 {
		level = slog.LevelDebug
	}
	s.log.Log(context.Background(), level, "capture: files:"+s.path+": "+what, "why", why)
}

// countSkipped adds the pictures that a player passed over by itself.
func (s *files) countSkipped() {
	if p, ok := s.player.(interface{ skipped() uint64 }); ok {
		s.broken.Add(p.skipped() - s.known)
		s.known = p.skipped()
	}
}

// Close implements Source.
func (s *files) Close() error {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.player != nil {
		s.player.close()
		s.player = nil
	}
	return nil
}

// filePeriod is the time between pictures of files that carry no rate.
func filePeriod(s Spec) time.Duration {
	fps := s.FileFPS
	if fps == 0 {
		fps = s.FPS
	}
	if fps == 0 {
		fps = 1
	}
	return time.Duration(float64(time.Second) / fps)
}

// openPlayer looks at what is there, not at names: several pictures, one, MJPEG, or something for ffmpeg.
func openPlayer(ctx context.Context, s Spec, path string) (player, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil && strings.ContainsAny(path, "*?["):
		paths, err := filepath.Glob(path)
		if err != nil {
			return nil, fmt.Errorf("the pattern is wrong: %w", err)
		}
		if len(paths) == 1 {
			return openPlayer(ctx, s, paths[0])
		}
		return newPictures(s, paths, "no JPEG or PNG picture matches")
	case errors.Is(err, os.ErrNotExist):
		return nil, errors.New("no such file or folder; write files:DIR, files:GLOB or files:FILE")
	case err != nil:
		return nil, err
	case info.IsDir():
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, err
		}
		paths := make([]string, 0, len(entries))
		for _, e := range entries {
			paths = append(paths, filepath.Join(path, e.Name()))
		}
		return newPictures(s, paths, "no JPEG or PNG picture in the folder")
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file; to read from a pipe use exec:cat")
	}
	return openFile(ctx, s, path)
}

// openFile tells the kinds of files apart by their first bytes.
func openFile(ctx context.Context, s Spec, path string) (player, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := bufio.NewReader(file)
	magic, _ := r.Peek(12)
	switch {
	case isPNG(magic):
		file.Close()
		return newPictures(s, []string{path}, "not a picture")
	case len(magic) >= 3 && magic[0] == 0xFF && magic[1] == 0xD8:
		return &concatenated{file: file, split: mjpeg.NewSplitter(r, MaxFrameBytes), period: filePeriod(s)}, nil
	case len(magic) == 12 && string(magic[:4]) == "RIFF" && string(magic[8:]) == "AVI ":
		avi, err := mjpeg.NewAVI(r, MaxFrameBytes)
		if err == nil {
			p := &aviPlayer{file: file, avi: avi, period: avi.Period()}
			if p.period <= 0 {
				p.period = filePeriod(s)
			}
			return p, nil
		}
		if !errors.Is(err, mjpeg.ErrNotMJPEG) {
			file.Close()
			return nil, err
		}
	case len(magic) == 0:
		file.Close()
		return nil, errors.New("the file is empty")
	}
	file.Close()
	return newContainer(ctx, s, path)
}

// naturalLess orders names as people do: frame2 before frame10.
func naturalLess(a, b string) bool {
	for a != "" && b != "" {
		if isDigit(a[0]) && isDigit(b[0]) {
			na, ra := number(a)
			nb, rb := number(b)
			if len(na) != len(nb) {
				return len(na) < len(nb)
			}
			if na != nb {
				return na < nb
			}
			a, b = ra, rb
			continue
		}
		if a[0] != b[0] {
			return a[0] < b[0]
		}
		a, b = a[1:], b[1:]
	}
	return len(a) < len(b)
}

// number cuts a name's leading digits off, without the zeros before them.
func number(s string) (digits, rest string) {
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return strings.TrimLeft(s[:i], "0"), s[i:]
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func sortNatural(paths []string) {
	sort.SliceStable(paths, func(i, j int) bool {
		if naturalLess(paths[i], paths[j]) {
			return true
		}
		return !naturalLess(paths[j], paths[i]) && paths[i] < paths[j]
	})
}
