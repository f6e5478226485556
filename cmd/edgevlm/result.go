package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// resultJSON is what describe and generate print with --json.
type resultJSON struct {
	Text         string    `json:"text"`
	Tokens       []int32   `json:"tokens"`
	PromptTokens []int32   `json:"prompt_tokens"`
	GridTHW      [][3]int  `json:"grid_thw"`
	Boxes        []boxJSON `json:"boxes"`
	Backend      string    `json:"backend"`
	FinishReason string    `json:"finish_reason"`
	TimingsMS    timingsMS `json:"timings_ms"`
}

// boxJSON is a box in parts of the picture's size, from its top left corner.
type boxJSON struct {
	Label string  `json:"label"`
	X     float64 `json:"x"`
	Y     float64 `json:"y"`
	W     float64 `json:"w"`
	H     float64 `json:"h"`
}

type timingsMS struct {
	Load       float64 `json:"load"`
	Preprocess float64 `json:"preprocess"`
	Vision     float64 `json:"vision"`
	Prefill    float64 `json:"prefill"`
	Decode     float64 `json:"decode"`
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func newResultJSON(r vlm.Result) resultJSON {
	j := resultJSON{
		Text: r.Text, Tokens: orEmpty(r.Tokens), PromptTokens: orEmpty(r.PromptTokens), GridTHW: orEmpty(r.GridTHW),
		Boxes: []boxJSON{}, Backend: r.Backend, FinishReason: r.FinishReason,
		TimingsMS: timingsMS{ms(r.Timings.Load), ms(r.Timings.Preprocess), ms(r.Timings.Vision), ms(r.Timings.Prefill), ms(r.Timings.Decode)},
	}
	for _, b := range r.Boxes {
		j.Boxes = append(j.Boxes, boxJSON(b))
	}
	return j
}

// orEmpty keeps null out of the JSON.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// printJSON prints v indented, but lists of numbers each on one line: token ids
// would fill screens.
func printJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	// A raw line break never stands inside a JSON string.
	numbers := regexp.MustCompile(`\[\n[\s\d,.eE+\-\[\]]*\]`)
	_, err := w.Write(numbers.ReplaceAllFunc(b.Bytes(), func(list []byte) []byte {
		return bytes.ReplaceAll(bytes.Join(bytes.Fields(list), nil), []byte{','}, []byte(", "))
	}))
	return err
}

// generateTo runs one request and prints it: JSON, or the text, which a terminal
// sees as it comes.
func generateTo(e *env, p *progress, eng *vlm.Engine, r vlm.Request, asJSON bool) error {
	streams := !asJSON && terminal(e.stdout) != nil
	n := 0
	res, err := eng.Generate(e.ctx, r, func(piece string) {
		n++
		if streams {
			p.stop() // its line is the text's now
			fmt.Fprint(e.stdout, piece)
		}
	})
	p.clear()
	switch {
	case err != nil && streams && n > 0:
		fmt.Fprintln(e.stdout)
		return err
	case err != nil:
		return err
	case asJSON:
		return printJSON(e.stdout, newResultJSON(res))
	case streams:
		_, err = fmt.Fprintln(e.stdout)
	default:
		_, err = fmt.Fprintln(e.stdout, res.Text)
	}
	return err
}
