package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgevlm/edgevlm/runtime/vlm"
)

func TestJSONHasEveryKeyAndNoNull(t *testing.T) {
	var b bytes.Buffer
	if err := printJSON(&b, newResultJSON(vlm.Result{})); err != nil {
		t.Fatal(err)
	}
	want := `{
  "text": "",
  "tokens": [],
  "prompt_tokens": [],
  "grid_thw": [],
  "boxes": [],
  "backend": "",
  "finish_reason": "",
  "timings_ms": {
    "load": 0,
    "preprocess": 0,
    "vision": 0,
    "prefill": 0,
    "decode": 0
  }
}
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

func TestListsOfNumbersStandOnOneLineAndTextStaysAsItIs(t *testing.T) {
	r := newResultJSON(vlm.Result{
		Text: "[\n 1,  2 ] <a>", Tokens: []int32{1, 2}, GridTHW: [][3]int{{1, 2, 3}, {4, 5, 6}},
		Boxes:   []vlm.Box{{Label: "[ 1,  2 ]", X: 0.5, W: 1e-7}},
		Timings: vlm.Timings{Load: 1500 * time.Microsecond},
	})
	var b bytes.Buffer
	if err := printJSON(&b, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"tokens": [1, 2],`, `"grid_thw": [[1, 2, 3], [4, 5, 6]],`, `"load": 1.5,`} {
		if !bytes.Contains(b.Bytes(), []byte(want)) {
			t.Errorf("no %s in %s", want, b.String())
		}
	}
	var back resultJSON
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(asJSON(t, r), asJSON(t, back)); d != "" {
		t.Errorf("what was printed is not what was meant:\n%s", d)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
