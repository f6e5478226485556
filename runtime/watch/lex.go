package watch

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SyntaxError says where a line is wrong.
type SyntaxError struct {
	Column int    // in characters, from 1
	Found  string // the word there; "" at the end
	Want   string
}

func (e *SyntaxError) Error() string {
	found := fmt.Sprintf("at %.40q", e.Found)
	if e.Found == "" {
		found = "at the end"
	}
	return fmt.Sprintf("watch: column %d, %s: want %s", e.Column, found, e.Want)
}

// lexeme is a word, a quoted text, a sign, or the end.
type lexeme struct {
	text   string
	column int
	kind   kind
}

type kind uint8

const (
	end kind = iota
	word
	quoted
	sign
)

func (l lexeme) is(text string) bool {
	return l.kind == word && strings.EqualFold(l.text, text) || l.kind == sign && l.text == text
}

func inWord(r rune) bool {
	return r == '_' || r == '-' || r == '.' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// MaxLine bounds a condition, in bytes.
const MaxLine = 1000

func lex(line string) ([]lexeme, error) {
	switch {
	case len(line) > MaxLine:
		return nil, fmt.Errorf("watch: a condition of %d bytes: at most %d", len(line), MaxLine)
	case !utf8.ValidString(line):
		return nil, fmt.Errorf("watch: %.40q is not UTF-8", line)
	}
	var out []lexeme
	rest, column := line, 1
	skip := func(n int) string {
		s := rest[:n]
		column += utf8.RuneCountInString(s)
		rest = rest[n:]
		return s
	}
	for {
		skip(len(rest) - len(strings.TrimLeftFunc(rest, unicode.IsSpace)))
		at := column
		if rest == "" {
			return append(out, lexeme{column: at}), nil
		}
		r, _ := utf8.DecodeRuneInString(rest)
		switch {
		case inWord(r):
			n := strings.IndexFunc(rest, func(r rune) bool { return !inWord(r) })
			if n < 0 {
				n = len(rest)
			}
			out = append(out, lexeme{skip(n), at, word})
		case r == '"' || r == '\'':
			n := strings.IndexRune(rest[1:], r)
			if n < 0 {
				return nil, &SyntaxError{Column: at, Found: rest, Want: "a closing quote"}
			}
			out = append(out, lexeme{skip(n + 2)[1 : n+1], at, quoted})
		case strings.ContainsRune("<>=!(),", r):
			n := 1
			if strings.HasPrefix(rest[1:], "=") && strings.ContainsRune("<>!=", r) {
				n = 2
			}
			s := skip(n)
			switch s {
			case "==":
				s = "="
			case "!":
				return nil, &SyntaxError{Column: at, Found: s, Want: "!="}
			}
			out = append(out, lexeme{s, at, sign})
		default:
			return nil, &SyntaxError{Column: at, Found: string(r), Want: "a name, a value in quotes, a number, or one of < > = ( )"}
		}
	}
}
