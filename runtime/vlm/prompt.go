package vlm

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/edgevlm/edgevlm/runtime/qwen2vl"
	"github.com/edgevlm/edgevlm/runtime/token"
)

// The special tokens around media.
const (
	visionStart = "<|vision_start|>"
	visionEnd   = "<|vision_end|>"
	imagePad    = "<|image_pad|>"
	videoPad    = "<|video_pad|>"
)

// marks are their ids, -1 where the vocabulary lacks one.
type marks struct{ start, end, image, video int32 }

func findMarks(t *token.Tokenizer) marks {
	id := func(s string) int32 {
		if id, ok := t.ID(s); ok && t.IsSpecial(id) {
			return id
		}
		return -1
	}
	return marks{id(visionStart), id(visionEnd), id(imagePad), id(videoPad)}
}

func (m marks) check() error {
	if min(m.start, m.end, m.image, m.video) < 0 {
		return errors.New("the vocabulary lacks " + visionStart + ", " + visionEnd + ", " + imagePad + " or " + videoPad + ": it is no Qwen2-VL model")
	}
	return nil
}

func (m marks) pad(video bool) int32 {
	if video {
		return m.video
	}
	return m.image
}

// isPad is false for every token of a model that has no marks.
func (m marks) isPad(id int32) bool { return id >= 0 && (id == m.image || id == m.video) }

// inside says whether a vision block is open after a token, if it was before.
func (m marks) inside(id int32, before bool) bool {
	switch {
	case id < 0:
		return before
	case id == m.start:
		return true
	case id == m.end:
		return false
	}
	return before
}

// part is a run of a prompt: text, or a medium's embeddings.
type part struct {
	tokens []int32   // text, or the pads that stand for the embeddings
	medium *prepared // nil: text
}

func (p part) span() qwen2vl.Span {
	if p.medium == nil {
		return qwen2vl.Span{Tokens: len(p.tokens)}
	}
	return qwen2vl.Span{Grid: p.medium.merged, T: p.medium.t}
}

// assemble turns a request into the prompt's parts, in order. The last one is text.
func (e *Engine) assemble(r Request, media []*prepared) ([]part, error) {
	var blocks strings.Builder
	for _, m := range media {
		pad := imagePad
		if m.video {
			pad = videoPad
		}
		blocks.WriteString(visionStart + pad + visionEnd)
	}
	ids, err := e.encodePrompt(r, blocks.String())
	if err != nil {
		return nil, err
	}
	if bos, ok := e.tok.BOS(); ok && (len(ids) == 0 || ids[0] != bos) {
		ids = append([]int32{bos}, ids...)
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: the prompt has no tokens", ErrRequest)
	}
	return e.place(ids, media)
}

// encodePrompt returns the prompt's tokens with one pad for each medium.
func (e *Engine) encodePrompt(r Request, blocks string) ([]int32, error) {
	if r.Raw {
		ids := e.tok.Encode(r.Prompt, true)
		if !slices.ContainsFunc(ids, e.marks.isPad) {
			ids = append(e.tok.Encode(blocks, true), ids...)
		}
		return ids, nil
	}
	// The text that is encoded must be whole, because words are split across the template's border. Only a prompt that
	// tries to end its turn, or to place media, is encoded by itself, as plain text.
	content := blocks + r.Prompt
	plain := slices.ContainsFunc(e.tok.Encode(r.Prompt, true), e.reserved)
	if plain {
		content = blocks + hole
	}
	text, err := e.tok.Chat(r.System, []token.Message{{Role: "user", Content: content}})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if !plain {
		return e.tok.Encode(text, true), nil
	}
	at := strings.LastIndex(text, hole)
	ids := append(e.tok.Encode(text[:at], true), e.tok.Encode(r.Prompt, false)...)
	return append(ids, e.tok.Encode(text[at+len(hole):], true)...), nil
}

// hole stands for a user's words in a template.
const hole = "\x00"

// Opening returns the tokens that a conversation begins with, up to where the user's pictures and words come. system is
// as in Request.
func (e *Engine) Opening(system *string) ([]int32, error) {
	text, err := e.tok.Chat(system, []token.Message{{Role: "user", Content: hole}})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	ids := e.tok.Encode(text[:strings.LastIndex(text, hole)], true)
	if bos, ok := e.tok.BOS(); ok && (len(ids) == 0 || ids[0] != bos) {
		ids = append([]int32{bos}, ids...)
	}
	return ids, nil
}

// closing returns the tokens of the user's words and of what follows them up to the answer; inside says that a vision
// block is still open.
func (e *Engine) closing(words string, inside bool) ([]int32, error) {
	none := ""
	text, err := e.tok.Chat(&none, []token.Message{{Role: "user", Content: hole}})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	text = text[strings.LastIndex(text, hole)+len(hole):]
	var ids []int32
	if inside {
		ids = append(ids, e.marks.end)
	}
	// As in encodePrompt.
	if slices.ContainsFunc(e.tok.Encode(words, true), e.reserved) {
		return append(append(ids, e.tok.Encode(words, false)...), e.tok.Encode(text, true)...), nil
	}
	return append(ids, e.tok.Encode(words+text, true)...), nil
}

// reserved says whether a token has no place in a user's own words.
func (e *Engine) reserved(id int32) bool {
	if !e.tok.IsSpecial(id) {
		return false
	}
	switch string(e.tok.Piece(id)) {
	case "<|im_start|>", "<|im_end|>", visionStart, visionEnd, "<|vision_pad|>", imagePad, videoPad:
		return true
	}
	return e.tok.IsEOG(id)
}

// place cuts tokens at their pads and fills in the media. A run of pads is one medium: a single pad stands for all its
// embeddings, otherwise there must be one for each.
func (e *Engine) place(ids []int32, media []*prepared) ([]part, error) {
	var parts []part
	next := 0
	text := 0 // where the current text began
	for i := 0; i < len(ids); {
		if !e.marks.isPad(ids[i]) {
			i++
			continue
		}
		end := i
		for end < len(ids) && ids[end] == ids[i] {
			end++
		}
		if i == 0 || ids[i-1] != e.marks.start || end == len(ids) || ids[end] != e.marks.end {
			return nil, fmt.Errorf("%w: %s must stand between %s and %s", ErrRequest, e.tok.Piece(ids[i]), visionStart, visionEnd)
		}
		if next == len(media) {
			return nil, fmt.Errorf("%w: the prompt places more media than the %d given", ErrRequest, len(media))
		}
		m := media[next]
		next++
		if pad := e.marks.pad(m.video); ids[i] != pad {
			return nil, fmt.Errorf("%w: medium %d needs %s in the prompt, not %s", ErrRequest, next, e.tok.Piece(pad), e.tok.Piece(ids[i]))
		}
		if n := end - i; n != 1 && n != m.tokens() {
			return nil, fmt.Errorf("%w: medium %d has %d embeddings, but the prompt has %d pads for it (one is enough)", ErrRequest, next, m.tokens(), n)
		}
		parts = append(parts, part{tokens: ids[text:i]}, part{tokens: slices.Repeat(ids[i:i+1], m.tokens()), medium: m})
		i, text = end, end
	}
	if next < len(media) {
		return nil, fmt.Errorf("%w: the prompt places %d of the %d media given; place all or none", ErrRequest, next, len(media))
	}
	return append(parts, part{tokens: ids[text:]}), nil
}
