package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	yaml "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func subject(path string) string {
	if path == "" {
		return "the config"
	}
	return "`" + path + "`"
}

func inside(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}

// quote shows a node as the user wrote it, short and on one line.
func quote(n ast.Node) string {
	switch n.(type) {
	case *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "more keys"
	case *ast.SequenceNode:
		return "a list"
	}
	s := strings.Join(strings.Fields(n.String()), " ")
	if utf8.RuneCountInString(s) > 40 {
		s = string([]rune(s)[:40]) + "…"
	}
	return "`" + Redact(s) + "`"
}

// oneLine makes text from the file fit for a terminal: no control characters,
// and not without end.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > 400 {
		s = strings.ToValidUTF8(s[:400], "") + "…"
	}
	return s
}

// hint is what to do about an unknown key: the key that was probably meant, or
// all there are.
func hint(key string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if n := editDistance(strings.ToLower(key), k); n < distance {
			best, distance = k, n
		}
	}
	if best != "" && distance < max(len(key), 2) {
		return "; did you mean `" + best + "`?"
	}
	return "; known are " + strings.Join(known, ", ")
}

// editDistance counts insertions, deletions, substitutions and swaps of
// neighbours (optimal string alignment). Long strings count as far apart.
func editDistance(a, b string) int {
	if len(a) > 32 || len(b) > 32 {
		return 99
	}
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

// checkText finds what a text file never has, and nesting no config needs: the
// YAML parser recurses.
func checkText(data []byte) *Problem {
	depth, line := 0, 1
	for _, b := range data {
		switch b {
		case '\n':
			line++
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case 0:
			return &Problem{line, "holds a zero byte; this is not a text file"}
		}
		if depth > 64 {
			return &Problem{line, "brackets are nested too deeply"}
		}
	}
	if !utf8.Valid(data) {
		good := bytes.ToValidUTF8(data, []byte{0})
		return &Problem{1 + bytes.Count(good[:bytes.IndexByte(good, 0)], []byte{'\n'}), "is not UTF-8 text"}
	}
	return nil
}

var position = regexp.MustCompile(`^\[(\d+):\d+\] `)

// syntaxProblem makes one line of the parser's error, which shows the source.
func syntaxProblem(err error) *Problem {
	line, text := 0, ""
	var e yaml.Error
	if errors.As(err, &e) {
		line, text = tokenLine(e.GetToken()), e.GetMessage()
	} else {
		text, _, _ = strings.Cut(err.Error(), "\n")
		if m := position.FindStringSubmatch(text); m != nil {
			line, _ = strconv.Atoi(m[1])
			text = text[len(m[0]):]
		}
	}
	return &Problem{line, fmt.Sprintf("not YAML: %s", strings.Join(strings.Fields(text), " "))}
}
