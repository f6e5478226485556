package main

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/edgevlm/edgevlm/runtime/gguf"
)

type inspectCmd struct {
	JSON bool   `name:"json" help:"Print JSON."`
	File string `arg:"" help:"A GGUF file."`
}

// inspection is what inspect prints with --json. Arrays of more than
// maxElements values are cut: {"length": n, "first": [...]}.
type inspection struct {
	File         string         `json:"file"`
	Version      int            `json:"version"`
	Architecture string         `json:"architecture"`
	Metadata     map[string]any `json:"metadata"`
	Tensors      []tensorInfo   `json:"tensors"`
	Types        []typeTotal    `json:"types"`
	Weights      int64          `json:"weights"`
	Bytes        int64          `json:"bytes"`
}

type tensorInfo struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Shape   []int  `json:"shape"` // ggml's order: the contiguous axis first
	Weights int64  `json:"weights"`
	Bytes   int64  `json:"bytes"`
}

type typeTotal struct {
	Type    string `json:"type"`
	Tensors int    `json:"tensors"`
	Weights int64  `json:"weights"`
	Bytes   int64  `json:"bytes"`
}

type cutArray struct {
	Length int   `json:"length"`
	First  []any `json:"first"`
}

// maxElements is how much of an array is shown.
const maxElements = 8

func (c *inspectCmd) Run(e *env) error {
	f, err := gguf.Open(c.File)
	if err != nil {
		return fmt.Errorf("inspect: %w", err)
	}
	defer f.Close()
	in := inspectFile(c.File, f)
	if c.JSON {
		return printJSON(e.stdout, in)
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s: GGUF %d, architecture %s, %s weights, %s\n", c.File, in.Version, plain(in.Architecture, 40), count(in.Weights), bytesText(in.Bytes))
	fmt.Fprintf(w, "\nMetadata, %d keys\n", len(f.Keys()))
	for _, k := range f.Keys() {
		fmt.Fprintf(w, "  %s\t%s\n", plain(k, 60), metaText(in.Metadata[k]))
	}
	fmt.Fprintf(w, "\nTensors, %d\n  name\ttype\tshape\tbytes\n", len(in.Tensors))
	for _, t := range in.Tensors {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%d\n", plain(t.Name, 60), t.Type, strings.Trim(fmt.Sprint(t.Shape), "[]"), t.Bytes)
	}
	fmt.Fprintf(w, "\nTypes\n  type\ttensors\tweights\tbytes\n")
	for _, t := range in.Types {
		fmt.Fprintf(w, "  %s\t%d\t%s\t%s\n", t.Type, t.Tensors, count(t.Weights), bytesText(t.Bytes))
	}
	return w.Flush()
}

func inspectFile(name string, f *gguf.File) inspection {
	in := inspection{File: name, Version: f.Version(), Architecture: f.Arch(), Metadata: map[string]any{}, Tensors: []tensorInfo{}}
	for _, k := range f.Keys() {
		v, _ := f.Value(k)
		in.Metadata[k] = shownValue(v)
	}
	totals := map[string]*typeTotal{}
	for _, t := range f.Tensors() {
		info := tensorInfo{t.Name, t.Type.String(), orEmpty(t.Shape), int64(t.Len()), int64(len(t.Data))}
		in.Tensors = append(in.Tensors, info)
		sum := totals[info.Type]
		if sum == nil {
			sum = &typeTotal{Type: info.Type}
			totals[info.Type] = sum
		}
		sum.Tensors++
		sum.Weights += info.Weights
		sum.Bytes += info.Bytes
		in.Weights += info.Weights
		in.Bytes += info.Bytes
	}
	in.Types = []typeTotal{}
	for _, t := range totals {
		in.Types = append(in.Types, *t)
	}
	slices.SortFunc(in.Types, func(a, b typeTotal) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Type, b.Type))
	})
	return in
}

// shownValue is a metadata value fit for JSON: long arrays cut, and numbers that
// JSON lacks as text.
func shownValue(v any) any {
	switch x := v.(type) {
	case float32:
		// The shortest decimal that is this float32, not the float64 nearest to it.
		f, err := strconv.ParseFloat(strconv.FormatFloat(float64(x), 'g', -1, 32), 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Sprint(x)
		}
		return f
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Sprint(x)
		}
		return x
	case nil:
		return nil
	}
	r := reflect.ValueOf(v)
	if r.Kind() != reflect.Slice {
		return v
	}
	first := make([]any, min(r.Len(), maxElements))
	for i := range first {
		first[i] = shownValue(r.Index(i).Interface())
	}
	if r.Len() > maxElements {
		return cutArray{r.Len(), first}
	}
	return first
}

func metaText(v any) string {
	switch x := v.(type) {
	case string:
		return plain(x, 80)
	case []any:
		return "[" + elements(x) + "]"
	case cutArray:
		return fmt.Sprintf("[%s, ... %d in all]", elements(x.First), x.Length)
	}
	return fmt.Sprint(v)
}

func elements(all []any) string {
	texts := make([]string, len(all))
	for i, v := range all {
		if s, ok := v.(string); ok {
			v = plain(s, 24)
		}
		texts[i] = fmt.Sprint(v)
	}
	return strings.Join(texts, ", ")
}

// plain shows a file's text on one line, quoted where it has characters that a
// terminal might act on, and cut to n runes.
func plain(s string, n int) string {
	more := ""
	if utf8.RuneCountInString(s) > n {
		s, more = string([]rune(s)[:n]), "..."
	}
	if q := strconv.Quote(s); q != `"`+s+`"` || s == "" || strings.TrimSpace(s) != s {
		s = q
	}
	return s + more
}

func count(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f B", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.2f M", float64(n)/1e6)
	}
	return strconv.FormatInt(n, 10)
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.2f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
