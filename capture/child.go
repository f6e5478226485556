package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// A child that is asked to stop gets this long before it is killed.
const childGrace = 2 * time.Second

// runChild starts argv in a process group of its own and hands its standard output to read. When ctx ends, or read returns,
// the whole group is ended and waited for. The error is read's, unless the child's own end explains more; the last line that
// the child wrote to standard error is in it. The calling goroutine keeps its thread, for the child dies with that thread if
// this process is killed (Linux).
func runChild(ctx context.Context, argv []string, log *slog.Logger, read func(io.Reader) error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	// A pipe of our own, not StdoutPipe: closing our end unblocks read even if a grandchild keeps the other end.
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	lines := &stderrLines{log: log, name: programName(argv[0])}
	cmd.Stdout, cmd.Stderr = in, lines
	cmd.WaitDelay = childGrace
	ownGroup(cmd)
	err = cmd.Start()
	in.Close()
	if err != nil {
		return fmt.Errorf("start: %w", scrubErr(err))
	}

	readDone := make(chan struct{})
	killed := make(chan struct{})
	said := ""  // before it was told to stop: what it says then is about that
	go func() { // ends the group politely when ctx ends
		defer close(killed)
		select {
		case <-ctx.Done():
			said = lines.last()
			terminateGroup(cmd)
			waitLeader(cmd, childGrace)
			killGroup(cmd)
			out.Close()
		case <-readDone:
		}
	}()
	readErr := read(out)
	close(readDone)
	<-killed
	if ctx.Err() == nil && errors.Is(readErr, io.EOF) {
		waitLeader(cmd, childGrace) // it closed its output, so it is about to exit by itself: let its status be the reason
	}
	killGroup(cmd) // before Wait: until then the group's number can't belong to another
	waitErr := cmd.Wait()
	if ctx.Err() != nil {
		return &stoppedError{ctx.Err(), said}
	}
	return childError(readErr, waitErr, lines.last())
}

// stoppedError says that a child was stopped, and what it had said last: a camera program that hangs often says why.
type stoppedError struct {
	err  error
	last string
}

func (e *stoppedError) Error() string { return e.err.Error() }

func (e *stoppedError) Unwrap() error { return e.err }

// errChildEnded says that a child ended by itself with status 0.
var errChildEnded = errors.New("ended")

// childError says why a child's stream ended.
func childError(readErr, waitErr error, last string) error {
	var exit *exec.ExitError
	switch {
	case readErr != nil && !errors.Is(readErr, io.EOF):
		waitErr = readErr // what it sent made no sense; we killed it for that
	case errors.As(waitErr, &exit) && exit.Exited():
		waitErr = fmt.Errorf("ended with status %d", exit.ExitCode())
	case waitErr == nil:
		waitErr = errChildEnded
	}
	if last != "" {
		return fmt.Errorf("%w: %s", waitErr, last)
	}
	return waitErr
}

func programName(path string) string {
	return path[strings.LastIndexByte(path, '/')+1:]
}

func scrubErr(err error) error { return errors.New(scrub(err.Error())) }

// stderrLines takes a child's standard error: keeps the last line and logs a few, whatever the child writes.
type stderrLines struct {
	log  *slog.Logger
	name string

	mu         sync.Mutex
	part       []byte
	lastLine   []byte
	windowFrom time.Time
	inWindow   int
	suppressed int
}

const (
	stderrLineMax   = 400 // bytes of a line that are kept
	stderrPerWindow = 5   // lines logged in each stderrWindow
	stderrWindow    = 10 * time.Second
)

// Write implements io.Writer; it never fails, so that the child never gets SIGPIPE.
func (s *stderrLines) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexAny(p, "\r\n")
		chunk := p
		if i >= 0 {
			chunk = p[:i]
		}
		s.part = append(s.part, chunk[:min(len(chunk), stderrLineMax-len(s.part))]...)
		if i < 0 {
			break
		}
		s.line()
		p = p[i+1:]
	}
	return n, nil
}

// line takes a whole line. Of a flood, only the lines that are logged cost more than a copy.
func (s *stderrLines) line() {
	line := bytes.TrimSpace(s.part)
	s.part = s.part[:0]
	if len(line) == 0 {
		return
	}
	s.lastLine = append(s.lastLine[:0], line...)
	now := time.Now()
	if now.Sub(s.windowFrom) > stderrWindow {
		if s.suppressed > 0 {
			s.log.Debug("capture: "+s.name+" wrote more lines than are logged", "lines", s.suppressed)
		}
		s.windowFrom, s.inWindow, s.suppressed = now, 0, 0
	}
	if s.inWindow++; s.inWindow > stderrPerWindow {
		s.suppressed++
		return
	}
	s.log.Debug("capture: " + s.name + ": " + printable(line))
}

// printable is a line without credentials and without bytes that are no text.
func printable(line []byte) string { return scrub(strings.ToValidUTF8(string(line), "?")) }

func (s *stderrLines) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.part) > 0 {
		s.line()
	}
	return printable(s.lastLine)
}
