package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync/atomic"

	"github.com/edgevlm/edgevlm/capture/internal/mjpeg"
)

// openExec runs a program that writes JPEG after JPEG to its standard output, and runs it again when it ends.
func openExec(s Spec, command string) (Source, error) {
	argv, err := splitCommand(command)
	if err != nil {
		return nil, fmt.Errorf("capture: exec: %w", err)
	}
	name := programName(argv[0])
	if argv[0], err = exec.LookPath(argv[0]); err != nil {
		return nil, fmt.Errorf("capture: exec: program %q can't be run; install it or write its full path", name)
	}
	log := logger(s.Log)
	var broken atomic.Uint64
	return newLive(s, liveConfig{
		name: "exec:" + name, broken: &broken,
		session: func(ctx context.Context, emit func(Frame)) error {
			return runChild(ctx, argv, log, func(r io.Reader) error { return readMJPEG(r, &broken, emit) })
		},
	}), nil
}

// readMJPEG emits each picture of a stream, with the time at which its last byte came, until the stream ends.
func readMJPEG(r io.Reader, broken *atomic.Uint64, emit func(Frame)) error {
	split := mjpeg.NewSplitter(r, MaxFrameBytes)
	base := broken.Load()
	own := uint64(0)
	for {
		data, err := split.Next()
		broken.Store(base + own + split.Broken())
		if err != nil {
			return err
		}
		f, err := jpegFrame(data)
		if err != nil {
			own++
			continue
		}
		emit(f)
	}
}

// jpegFrame makes a frame of a JPEG picture whose header is sound.
func jpegFrame(data []byte) (Frame, error) {
	h, err := mjpeg.ParseHeader(data)
	if err != nil {
		return Frame{}, fmt.Errorf("capture: %w: %w", ErrBadFrame, err)
	}
	if err := checkDims(h.Width, h.Height); err != nil {
		return Frame{}, err
	}
	return Frame{Format: JPEG, Width: h.Width, Height: h.Height, Data: data}, nil
}

// splitCommand splits a command line at white space. Single and double quotes group, a backslash takes the next character as
// it is (not in single quotes). There is no shell: for pipes and variables write sh -c '...'.
func splitCommand(line string) ([]string, error) {
	var argv []string
	var word strings.Builder
	var quote rune
	inWord, escaped := false, false
	for _, c := range line {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			inWord, escaped = true, true
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				word.WriteRune(c)
			}
		case c == '\'' || c == '"':
			inWord, quote = true, c
		case c == ' ' || c == '\t' || c == '\n':
			if inWord {
				argv = append(argv, word.String())
				word.Reset()
				inWord = false
			}
		default:
			inWord = true
			word.WriteRune(c)
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("the command ends inside quotes; close them")
	}
	if inWord {
		argv = append(argv, word.String())
	}
	if len(argv) == 0 || argv[0] == "" {
		return nil, errors.New("no command; write exec:PROGRAM ARGS, for example exec:rpicam-vid -t 0 -n --codec mjpeg -o -")
	}
	return argv, nil
}
