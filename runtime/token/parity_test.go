package token

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"testing"
)

type goldenText struct {
	Text        string
	Special     bool
	Small, Full []int32
}

func loadTexts(t testing.TB, path string) (g []goldenText) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g) < 100 {
		t.Fatalf("%s has only %d texts", path, len(g))
	}
	return g
}

func compareIDs(t *testing.T, tok *Tokenizer, g goldenText, want []int32) {
	t.Helper()
	got := tok.Encode(g.Text, g.Special)
	if slices.Equal(got, want) {
		return
	}
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	t.Errorf("%.60q: from token %d on (after %q): got %v, want %v", g.Text, i, tok.Decode(got[:i]), clip(got[i:]), clip(want[i:]))
}

func clip(ids []int32) []int32 { return ids[:min(8, len(ids))] }

func TestQwenTokensEqualTiktokenOnASmallVocabulary(t *testing.T) {
	tok := mustNew(t, tiktokenConfig(t, "testdata/qwen4000.tiktoken"))
	for _, g := range loadTexts(t, "testdata/qwen.json") {
		compareIDs(t, tok, g, g.Small)
	}
}

func TestSmolLMTokensEqualHuggingFaceOnASmallVocabulary(t *testing.T) {
	tok := mustNew(t, smollmConfig(t))
	for _, g := range loadTexts(t, "testdata/smollm.json") {
		compareIDs(t, tok, g, g.Small)
	}
}

// corpusFrom reads one {"text": ..., "special": ..., "full": [...]} a line.
func corpusFrom(t *testing.T, path string) (g []goldenText) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 64<<20)
	for sc.Scan() {
		var one goldenText
		if err := json.Unmarshal(sc.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		g = append(g, one)
	}
	if sc.Err() != nil || len(g) == 0 {
		t.Fatalf("%s: %d texts, %v", path, len(g), sc.Err())
	}
	return g
}

// The real vocabulary is too large for the repository; parity/run fetches it and
// runs this test on a larger corpus too.
func TestQwenTokensEqualTiktokenOnTheRealVocabulary(t *testing.T) {
	path := os.Getenv("EDGEVLM_QWEN_TIKTOKEN")
	if path == "" {
		t.Skip("EDGEVLM_QWEN_TIKTOKEN is not set; parity/run sets it to PyPI dashscope's qwen.tiktoken")
	}
	tok := mustNew(t, tiktokenConfig(t, path))
	texts := loadTexts(t, "testdata/qwen.json")
	if more := os.Getenv("EDGEVLM_QWEN_CORPUS"); more != "" {
		texts = append(texts, corpusFrom(t, more)...)
	}
	n := 0
	for _, g := range texts {
		compareIDs(t, tok, g, g.Full)
		n += len(g.Full)
	}
	t.Logf("%d texts, %d tokens, vocabulary of %d", len(texts), n, tok.Size())
}
