package token

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestChatEqualsTheTemplatesRenderedByJinja(t *testing.T) {
	data, err := os.ReadFile("testdata/chat.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, Template, Want string
		System               *string
		Messages             []Message
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, g := range cases {
		c := miniConfig("qwen2")
		c.ChatTemplate = g.Template
		tok := mustNew(t, c)
		got, err := tok.Chat(g.System, g.Messages)
		if err != nil || got != g.Want {
			t.Errorf("%s, %d messages: %v\n got %q\nwant %q", g.Name, len(g.Messages), err, got, g.Want)
		}
		if g.System != nil { // as the first message it does the same
			got, err = tok.Chat(nil, append([]Message{{"system", *g.System}}, g.Messages...))
			if err != nil || got != g.Want {
				t.Errorf("%s, system message: %v, %q", g.Name, err, got)
			}
		}
	}
}

func TestAnEmptySystemPromptLeavesTheSystemTurnOut(t *testing.T) {
	tok := mustNew(t, miniConfig("qwen2"))
	empty := ""
	got, err := tok.Chat(&empty, []Message{{"user", "Hi"}})
	if want := "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"; err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

func TestWithoutATemplateTheModelFamilyGivesTheSystemPrompt(t *testing.T) {
	for pre, want := range map[string]string{"qwen2": qwen2System, "smollm": smolLMSystem, "gpt-2": ""} {
		tok := mustNew(t, miniConfig(pre))
		got, err := tok.Chat(nil, []Message{{"user", "Hi"}})
		if err != nil || tok.DefaultSystem() != want || strings.HasPrefix(got, "<|im_start|>system\n"+want+"<|im_end|>\n") != (want != "") {
			t.Errorf("%s: %q, %v", pre, got, err)
		}
	}
}

func TestChatRefusesWhatItCannotRender(t *testing.T) {
	system := "Be brief."
	c := miniConfig("llama-bpe")
	c.ChatTemplate = "{{ '<|start_header_id|>' }}"
	if _, err := mustNew(t, c).Chat(nil, []Message{{"user", "Hi"}}); err == nil {
		t.Error("a template that is not ChatML is no error")
	}
	if _, err := mustNew(t, Config{Pre: "qwen2", Tokens: []string{"a"}}).Chat(nil, nil); err == nil {
		t.Error("a vocabulary without <|im_start|> is no error")
	}
	tok := mustNew(t, miniConfig("qwen2"))
	if _, err := tok.Chat(nil, []Message{{"tool", "Hi"}}); err == nil {
		t.Error("an unknown role is no error")
	}
	if _, err := tok.Chat(&system, []Message{{"system", "Hi"}}); err == nil {
		t.Error("two system prompts are no error")
	}
}
