package token

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A splitter cuts text into the words that BPE works on, whose concatenation is
// the text. Each equals a regular expression (in split_test.go, where regexp2
// checks it), written by hand because that is fast and cannot backtrack: one
// pass, whatever the text. Unicode classes are those of Go's unicode tables.
type splitter func(text string, emit func(word string))

type class uint8

const (
	other class = iota
	letter
	number
	space
)

// classOf returns the class and length of text's first rune. A byte that is no
// UTF-8 is "other".
func classOf(text string) (class, int) {
	if c := text[0]; c < utf8.RuneSelf {
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			return letter, 1
		case c >= '0' && c <= '9':
			return number, 1
		case c == ' ' || c >= '\t' && c <= '\r':
			return space, 1
		}
		return other, 1
	}
	r, n := utf8.DecodeRuneInString(text)
	switch {
	case r == utf8.RuneError:
		return other, n
	case unicode.IsLetter(r):
		return letter, n
	case unicode.Is(unicode.N, r):
		return number, n
	case unicode.IsSpace(r):
		return space, n
	}
	return other, n
}

// run returns the end of the longest run of class c that begins at i.
func run(text string, i int, c class) int {
	for i < len(text) {
		k, n := classOf(text[i:])
		if k != c {
			break
		}
		i += n
	}
	return i
}

// spaceEnd is where \s+(?!\S)|\s+ stops, given the run of white space that
// begins at 0 and ends at e: before its last rune if a word follows, which then
// takes that rune.
func spaceEnd(text string, e int) int {
	if e < len(text) {
		if _, n := utf8.DecodeLastRuneInString(text[:e]); e > n {
			return e - n
		}
	}
	return e
}

// contraction returns the length of 's|'t|'re|'ve|'m|'ll|'d at the start of
// text, or 0. With fold, letters match in any case, as (?i:) does in Rust: that
// includes U+017F, the long s.
func contraction(text string, fold bool) int {
	if len(text) < 2 || text[0] != '\'' {
		return 0
	}
	at := func(i int) byte {
		if i >= len(text) {
			return 0
		}
		c := text[i]
		if fold && c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		return c
	}
	switch c, d := at(1), at(2); {
	case c == 's' || c == 't' || c == 'm' || c == 'd':
		return 2
	case (c == 'r' || c == 'v') && d == 'e' || c == 'l' && d == 'l':
		return 3
	case fold && strings.HasPrefix(text[1:], "\u017f"):
		return 3
	}
	return 0
}

func newline(c byte) bool { return c == '\r' || c == '\n' }

// splitQwen2 is
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func splitQwen2(text string, emit func(string)) { splitModern(text, 1, emit) }

// splitLlama3 is the same with up to three digits together: \p{N}{1,3}.
func splitLlama3(text string, emit func(string)) { splitModern(text, 3, emit) }

func splitModern(text string, digits int, emit func(string)) {
	for text != "" {
		e := modernEnd(text, digits)
		emit(text[:e])
		text = text[e:]
	}
}

func modernEnd(text string, digits int) int {
	if n := contraction(text, true); n > 0 {
		return n
	}
	c, n := classOf(text)
	if c == letter {
		return run(text, n, letter)
	}
	if c != number && !newline(text[0]) && n < len(text) {
		if k, w := classOf(text[n:]); k == letter {
			return run(text, n+w, letter)
		}
	}
	switch c {
	case number:
		for i := 1; i < digits && n < len(text); i++ {
			k, w := classOf(text[n:])
			if k != number {
				break
			}
			n += w
		}
		return n
	case other:
		return symbolsEnd(text, n)
	}
	if text[0] == ' ' && n < len(text) {
		if k, w := classOf(text[n:]); k == other {
			return symbolsEnd(text, n+w)
		}
	}
	e := run(text, n, space)
	for i := e - 1; i >= 0; i-- { // \s*[\r\n]+ ends at the run's last line break
		if newline(text[i]) {
			return i + 1
		}
	}
	return spaceEnd(text, e)
}

// symbolsEnd is where [^\s\p{L}\p{N}]+[\r\n]* ends, from inside it.
func symbolsEnd(text string, i int) int {
	i = run(text, i, other)
	for i < len(text) && newline(text[i]) {
		i++
	}
	return i
}

// splitGPT2 is
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func splitGPT2(text string, emit func(string)) {
	for text != "" {
		e := gpt2End(text)
		emit(text[:e])
		text = text[e:]
	}
}

func gpt2End(text string) int {
	if n := contraction(text, false); n > 0 {
		return n
	}
	c, n := classOf(text)
	if c != space {
		return run(text, n, c)
	}
	if text[0] == ' ' && n < len(text) {
		if k, w := classOf(text[n:]); k != space {
			return run(text, n+w, k)
		}
	}
	return spaceEnd(text, run(text, n, space))
}

// splitSmolLM first takes every \p{N} out as a word of its own, then splits what
// stands between as GPT-2 does.
func splitSmolLM(text string, emit func(string)) {
	from := 0
	for i := 0; i < len(text); {
		c, n := classOf(text[i:])
		if c == number {
			splitGPT2(text[from:i], emit)
			emit(text[i : i+n])
			from = i + n
		}
		i += n
	}
	splitGPT2(text[from:], emit)
}
