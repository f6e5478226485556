package vlm

import (
	"strconv"
	"strings"
)

// boxScale is what Qwen2-VL's coordinates are fractions of.
const boxScale = 1000

// maxBoxes bounds what one answer can hold, whatever a model repeats.
const maxBoxes = 1000

// ParseBoxes reads the boxes out of an answer that still has its special tokens, written as Qwen2-VL does:
//
//	<|object_ref_start|>label<|object_ref_end|><|box_start|>(x1,y1),(x2,y2)<|box_end|>
//
// with coordinates from 0 to 1000. A label holds for all boxes up to the next label; a box before any label has none.
// One pair of box marks may hold several boxes. Corners come in any order and are clamped to the picture. What is not
// written like that, or has no area, is left out.
func ParseBoxes(answer string) []Box {
	var boxes []Box
	label := ""
	for len(boxes) < maxBoxes {
		at := strings.Index(answer, "<|")
		if at < 0 {
			break
		}
		answer = answer[at:]
		if inside, rest, ok := between(answer, refStart, refEnd); ok {
			label, answer = strings.TrimSpace(inside), rest
		} else if inside, rest, ok := between(answer, boxStart, boxEnd); ok {
			boxes, answer = appendBoxes(boxes, label, inside), rest
		} else {
			answer = answer[len("<|"):]
		}
	}
	return boxes
}

// between splits s = open + inside + end + rest, with no other special token inside.
func between(s, open, end string) (inside, rest string, ok bool) {
	if s, ok = strings.CutPrefix(s, open); !ok {
		return "", "", false
	}
	at := strings.Index(s, "<|")
	if at < 0 || !strings.HasPrefix(s[at:], end) {
		return "", "", false
	}
	return s[:at], s[at+len(end):], true
}

// appendBoxes reads "(x1,y1),(x2,y2)", any number of times.
func appendBoxes(boxes []Box, label, s string) []Box {
	var points [][2]float64
	for {
		s = strings.TrimLeft(s, " ,\n\t")
		if s == "" {
			break
		}
		inside, rest, ok := strings.Cut(s, ")")
		inside, opened := strings.CutPrefix(inside, "(")
		x, y, two := strings.Cut(inside, ",")
		p, good := point(x, y)
		if !ok || !opened || !two || !good {
			return boxes
		}
		points = append(points, p)
		s = rest
	}
	for i := 0; i+1 < len(points) && len(boxes) < maxBoxes; i += 2 {
		a, b := points[i], points[i+1]
		x, y := min(a[0], b[0]), min(a[1], b[1])
		w, h := max(a[0], b[0])-x, max(a[1], b[1])-y
		if w > 0 && h > 0 {
			boxes = append(boxes, Box{label, x, y, w, h})
		}
	}
	return boxes
}

// point reads a corner, in fractions of the picture.
func point(x, y string) (p [2]float64, ok bool) {
	for i, s := range [2]string{x, y} {
		s = strings.TrimSpace(s)
		if s == "" || strings.Trim(s, "-.0123456789") != "" {
			return p, false
		}
		v, err := strconv.ParseFloat(s, 64)
		if err != nil && v == 0 {
			return p, false
		}
		p[i] = min(max(v, 0), boxScale) / boxScale
	}
	return p, true
}
