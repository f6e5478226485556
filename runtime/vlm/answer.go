package vlm

import (
	"slices"
	"strings"

	"github.com/edgevlm/edgevlm/runtime/token"
)

// The special tokens of visual grounding.
const (
	refStart = "<|object_ref_start|>"
	refEnd   = "<|object_ref_end|>"
	boxStart = "<|box_start|>"
	boxEnd   = "<|box_end|>"
)

// answer turns tokens into the text that people read, as they come: control tokens go, and so does what stands between
// <|box_start|> and <|box_end|>; everything else stays, also the labels of objects.
type answer struct {
	tok   *token.Tokenizer
	utf8  *token.Stream
	emit  func(string) // may be nil
	text  strings.Builder
	inBox bool
}

func newAnswer(t *token.Tokenizer, emit func(string)) *answer {
	return &answer{tok: t, utf8: token.NewStream(t), emit: emit}
}

func (a *answer) push(id int32) {
	if a.tok.IsSpecial(id) {
		switch string(a.tok.Piece(id)) {
		case boxStart:
			a.inBox = true
			return
		case boxEnd:
			a.inBox = false
			return
		case refStart, refEnd:
			return
		}
		if !a.userDefined(id) {
			return
		}
	}
	if !a.inBox {
		a.add(a.utf8.Push(id))
	}
}

// userDefined tells tokens like <tool_call>, which are text, from control tokens: they are found in plain text too.
func (a *answer) userDefined(id int32) bool {
	return slices.Equal(a.tok.Encode(string(a.tok.Piece(id)), false), []int32{id})
}

func (a *answer) finish() string {
	a.add(a.utf8.Flush())
	return a.text.String()
}

func (a *answer) add(piece string) {
	if piece == "" {
		return
	}
	a.text.WriteString(piece)
	if a.emit != nil {
		a.emit(piece)
	}
}
