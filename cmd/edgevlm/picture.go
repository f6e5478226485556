package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/edgevlm/edgevlm/runtime/imageproc"
)

// The picture beside a sentence: cells of a terminal, each two pixels high.
const (
	pictureCols = 28
	pictureRows = 14
)

// showsPictures says whether w is a terminal that wants colours and is wide
// enough for a picture and a sentence.
func showsPictures(w io.Writer) bool {
	t := terminal(w)
	if t == nil || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	width, height, err := term.GetSize(int(t.Fd()))
	return err == nil && width >= pictureCols+24 && height >= pictureRows+2
}

// textWidth is the room beside a picture on w, in cells.
func textWidth(w io.Writer) int {
	if t := terminal(w); t != nil {
		if width, _, err := term.GetSize(int(t.Fd())); err == nil {
			return min(width-pictureCols-3, 72)
		}
	}
	return 48
}

// halfBlocks draws a picture as rows of coloured half-blocks, cols cells wide:
// the upper pixel of a cell is the block's colour, the lower one its background.
func halfBlocks(p imageproc.RGB, cols, rows int) []string {
	small := shrink(p, cols, 2*rows)
	lines := make([]string, rows)
	for y := range lines {
		var b strings.Builder
		for x := range cols {
			up, low := small[(2*y)*cols+x], small[(2*y+1)*cols+x]
			fmt.Fprintf(&b, "\x1b[38;2;%d;%d;%d;48;2;%d;%d;%dm▀", up[0], up[1], up[2], low[0], low[1], low[2])
		}
		b.WriteString("\x1b[0m")
		lines[y] = b.String()
	}
	return lines
}

// shrink averages a picture's pixels into w x h, row-major. Every output pixel
// covers at least one of the input's.
func shrink(p imageproc.RGB, w, h int) [][3]uint8 {
	out := make([][3]uint8, w*h)
	for y := range h {
		y0, y1 := span(y, h, p.H)
		for x := range w {
			x0, x1 := span(x, w, p.W)
			var sum [3]int
			for yy := y0; yy < y1; yy++ {
				for xx := x0; xx < x1; xx++ {
					px := p.Pix[3*(yy*p.W+xx):]
					for c := range sum {
						sum[c] += int(px[c])
					}
				}
			}
			n := (y1 - y0) * (x1 - x0)
			for c := range sum {
				out[y*w+x][c] = uint8(sum[c] / n)
			}
		}
	}
	return out
}

// span is the i-th of n parts of 0..size, never empty.
func span(i, n, size int) (from, to int) {
	from = min(i*size/n, size-1)
	return from, max((i+1)*size/n, from+1)
}

// wrap breaks text into lines of at most width runes, at spaces where it can.
func wrap(text string, width int) []string {
	width = max(width, 1)
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		for utf8.RuneCountInString(word) > width { // no space to break at
			r := []rune(word)
			if line != "" {
				lines, line = append(lines, line), ""
			}
			lines, word = append(lines, string(r[:width])), string(r[width:])
		}
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// beside puts lines of text to the right of a picture, from its third row on.
func beside(picture, text []string) string {
	var b strings.Builder
	for i := range max(len(picture), len(text)+2) {
		if i < len(picture) {
			b.WriteString(picture[i])
		} else {
			b.WriteString(strings.Repeat(" ", pictureCols))
		}
		if j := i - 2; j >= 0 && j < len(text) {
			b.WriteString("  " + text[j])
		}
		b.WriteString("\x1b[K\n")
	}
	return b.String()
}
