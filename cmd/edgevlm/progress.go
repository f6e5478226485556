package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// terminal returns w's terminal, nil for pipes, files and test buffers.
func terminal(w io.Writer) *os.File {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// progress draws one line on a terminal while something takes longer than half a
// second. On anything else it draws nothing.
type progress struct {
	mu    sync.Mutex
	w     io.Writer // nil: silent
	start time.Time
	drawn time.Time // zero: nothing stands on the line
}

const (
	progressAfter = 500 * time.Millisecond
	progressEvery = 100 * time.Millisecond
)

func newProgress(stderr io.Writer) *progress {
	p := &progress{start: time.Now()}
	if t := terminal(stderr); t != nil {
		p.w = t
	}
	return p
}

// update says how far a stage is; total 0 is unknown.
func (p *progress) update(stage string, done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.w == nil || now.Sub(p.start) < progressAfter || now.Sub(p.drawn) < progressEvery {
		return
	}
	p.drawn = now
	fmt.Fprint(p.w, "\r\x1b[K", stage, " ", amount(done, total))
}

func amount(done, total int64) string {
	if total > 0 {
		return fmt.Sprintf("%d %%", min(100, 100*done/total))
	}
	return fmt.Sprint(done)
}

// clear takes the line away. The next stage gets its half second of silence.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w != nil && !p.drawn.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	p.start, p.drawn = time.Now(), time.Time{}
}

// stop clears the line for good.
func (p *progress) stop() {
	p.clear()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.w = nil
}
