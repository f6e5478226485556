package token

import (
	"strings"
	"unicode/utf8"
)

// Decode joins the tokens' text, special tokens as they are written. Bytes that
// make no UTF-8 come out as U+FFFD, one for each maximal part of a character, as
// Python's and Rust's replacing decoders do. Ids outside the vocabulary are left
// out.
func (t *Tokenizer) Decode(ids []int32) string {
	s := NewStream(t)
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(s.Push(id))
	}
	b.WriteString(s.Flush())
	return b.String()
}

// Stream decodes tokens as they come and never cuts a character: what Push
// returns is valid UTF-8, and all of it joined, Flush's last, is what Decode
// returns for all the tokens.
type Stream struct {
	t       *Tokenizer
	pending []byte // the beginning of a character
}

// NewStream returns an empty stream.
func NewStream(t *Tokenizer) *Stream { return &Stream{t: t} }

// Push takes a token and returns the text that is whole now, maybe none.
func (s *Stream) Push(id int32) string {
	s.pending = append(s.pending, s.t.Piece(id)...)
	return s.take(false)
}

// Flush returns what is left, an unfinished character as U+FFFD.
func (s *Stream) Flush() string { return s.take(true) }

func (s *Stream) take(all bool) string {
	p := s.pending
	var b strings.Builder
	i := 0
	for i < len(p) {
		r, n := utf8.DecodeRune(p[i:])
		if r == utf8.RuneError && n <= 1 {
			if !all && !utf8.FullRune(p[i:]) {
				break
			}
			n = 1
			for i+n < len(p) && !utf8.FullRune(p[i:i+n+1]) {
				n++
			}
			b.WriteString("\uFFFD")
		} else {
			b.Write(p[i : i+n])
		}
		i += n
	}
	s.pending = append(p[:0], p[i:]...)
	return b.String()
}
