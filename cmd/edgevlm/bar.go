package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/models"
)

// bar draws how far a download is, on one line of a terminal. On anything else it
// draws nothing.
type bar struct {
	w     io.Writer // nil: silent
	name  string
	now   func() time.Time
	drawn time.Time
	step  string
	first int64 // bytes done when the step began
	start time.Time
}

func newBar(stderr io.Writer, name string) *bar {
	b := &bar{name: name, now: time.Now}
	if t := terminal(stderr); t != nil {
		b.w = t
	}
	return b
}

// update is a download's progress.
func (b *bar) update(step string, done, total int64) {
	now := b.now()
	if step != b.step || done < b.first {
		b.step, b.first, b.start = step, done, now
	}
	if b.w == nil || now.Sub(b.drawn) < progressEvery {
		return
	}
	b.drawn = now
	fmt.Fprint(b.w, "\r\x1b[K", b.line(done, total, now.Sub(b.start)))
}

// line is the bar's text: what, how much, how fast, how long still.
func (b *bar) line(done, total int64, passed time.Duration) string {
	text := b.step + " " + b.name + "  "
	if total > 0 {
		const width = 20
		n := int(min(width, width*done/total))
		text += "[" + strings.Repeat("#", n) + strings.Repeat(".", width-n) + "] " + models.Bytes(done) + " of " + models.Bytes(total)
	} else {
		text += models.Bytes(done)
	}
	if passed < time.Second {
		return text
	}
	rate := float64(done-b.first) / passed.Seconds()
	text += "  " + models.Bytes(int64(rate)) + "/s"
	if total > done && rate > 0 {
		text += fmt.Sprintf("  %v left", time.Duration(float64(total-done)/rate*float64(time.Second)).Round(time.Second))
	}
	return text
}

func (b *bar) clear() {
	if b.w != nil && !b.drawn.IsZero() {
		fmt.Fprint(b.w, "\r\x1b[K")
		b.drawn = time.Time{}
	}
}
