package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/edgevlm/edgevlm/demo"
)

func TestBenchStreamCountsWhatAWindowCosts(t *testing.T) {
	dir := t.TempDir()
	text, mmproj := filepath.Join(dir, "text.gguf"), filepath.Join(dir, "mmproj.gguf")
	for path, data := range map[string][]byte{text: demo.Text(), mmproj: demo.MMProj()} {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"bench", "--stream", "--json", "--no-cache", "--model", text, "--mmproj", mmproj, "--size", "224x224", "--window", "8s"}
	var out, errs bytes.Buffer
	if code := run(context.Background(), args, &out, &errs); code != 0 {
		t.Fatalf("code %d: %s", code, errs.String())
	}
	var r map[string]any
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"anew_s", "pair_s", "still_s", "tenth_s", "one_question_s", "ten_questions_s", "step_max_over_median", "tenth_cosine"} {
		if x, ok := r[key].(float64); !ok || !(x > 0) {
			t.Errorf("%s is %v", key, r[key])
		}
	}
	// 64 cells a pair, eight pairs; of the 64 cells 2x2 change, which is less than a tenth, and the tower computes one more around
	// them. A sequence of 64 tokens begins every four pairs.
	tokens := r["tokens"].(map[string]any)
	for key, want := range map[string]float64{"anew": 512, "pair": 128, "still": 16, "tenth": 24} {
		if tokens[key] != want {
			t.Errorf("%v %s tokens, want %v", tokens[key], key, want)
		}
	}
	if x := r["tenth_recomputed"].(float64); x != 0.25 {
		t.Errorf("%v of the patches recomputed, want a quarter", x)
	}
	if code := run(context.Background(), []string{"bench", "--stream", "--model", text}, &out, &errs); code != exitUsage {
		t.Errorf("without a tower: code %d", code)
	}
	if code := run(context.Background(), append(args, "--fps", "0.1"), &out, &errs); code != exitUsage {
		t.Errorf("a window of less than two frames: code %d", code)
	}
}
