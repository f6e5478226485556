package qwen2vl

// GridTHW is a grid of patches: temporal, vertical, horizontal.
type GridTHW = [3]int

// A Span is a run of text tokens or one vision block of a prompt.
type Span struct {
	Tokens int     // the number of text tokens; ignored for a vision block, which has t*h*w tokens
	Grid   GridTHW // the merged grid (after the 2x2 merger) of a vision block; zero for text
	// T is the temporal position of each temporal patch, relative to the start of the block; nil means 0, 1, 2, ...
	// Where it is shorter than Grid[0], the rest continues by ones.
	T []int32
}

// Len returns the number of tokens of the span.
func (s Span) Len() int {
	if s.Grid == (GridTHW{}) {
		return max(s.Tokens, 0)
	}
	return max(s.Grid[0], 0) * max(s.Grid[1], 0) * max(s.Grid[2], 0)
}

// MRoPEPositions returns the (t, h, w) position of every token of a prompt, the first at start, and the position of the
// token after it. Text advances all three together. A vision block that starts at p gives its tokens (p+t, p+h, p+w),
// and the next span starts at the largest of all of them + 1, as Qwen2-VL was trained (get_rope_index of
// transformers 4.57). The rope delta of a prompt that starts at 0 is next minus the number of its tokens.
func MRoPEPositions(spans []Span, start int32) (pos [][3]int32, next int32) {
	n := 0
	for _, s := range spans {
		n += s.Len()
	}
	pos = make([][3]int32, 0, n)
	next = start
	for _, s := range spans {
		if s.Grid == (GridTHW{}) {
			for range s.Len() {
				pos = append(pos, [3]int32{next, next, next})
				next++
			}
			continue
		}
		p := next
		t := int32(-1)
		for i := range s.Grid[0] {
			if t++; i < len(s.T) {
				t = s.T[i]
			}
			for h := range int32(s.Grid[1]) {
				for w := range int32(s.Grid[2]) {
					pos = append(pos, [3]int32{p + t, p + h, p + w})
					next = max(next, p+max(t, h, w)+1)
				}
			}
		}
	}
	return pos, next
}
