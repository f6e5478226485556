package token

import (
	"fmt"
	"strings"
)

// Message is one turn of a conversation.
type Message struct {
	Role, Content string // Role: "system", "user" or "assistant"
}

// chatFormat says how Chat writes prompts.
type chatFormat struct {
	chatML        bool
	defaultSystem string // "" for no system turn
}

// The default system prompts of models whose file has no chat template.
const (
	qwen2System  = "You are a helpful assistant."
	smolLMSystem = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
)

func newChatFormat(template, pre string, t *Tokenizer) chatFormat {
	if template != "" {
		return chatFormat{strings.Contains(template, "<|im_start|>"), templateSystem(template)}
	}
	_, n, _ := t.special.find("<|im_start|>", true)
	f := chatFormat{chatML: n == len("<|im_start|>")}
	switch pre {
	case "qwen2":
		f.defaultSystem = qwen2System
	case "smollm":
		f.defaultSystem = smolLMSystem
	}
	return f
}

// templateSystem finds the system prompt that a ChatML template writes itself,
// as literal text between the turn's marks. A line break may stand as \n in a
// Jinja string. It returns "" if the template has none.
func templateSystem(template string) string {
	for {
		_, rest, ok := strings.Cut(template, "<|im_start|>system")
		if !ok {
			return ""
		}
		template = rest
		rest, ok = strings.CutPrefix(rest, "\n")
		if !ok {
			if rest, ok = strings.CutPrefix(rest, `\n`); !ok {
				continue
			}
		}
		text, _, ok := strings.Cut(rest, "<|im_end|>")
		if ok && text != "" && !strings.ContainsAny(text, "{}") && !strings.Contains(text, "' +") && !strings.Contains(text, `" +`) {
			return strings.NewReplacer(`\n`, "\n", `\'`, "'", `\"`, `"`).Replace(text)
		}
	}
}

// Chat renders a conversation as ChatML, ending where the assistant's answer
// begins. system nil takes the model's default system prompt, which is that of
// the file's chat template; "" writes no system turn. Messages may begin with a
// system message instead, which replaces the default. The result is to be
// encoded with parseSpecial.
func (t *Tokenizer) Chat(system *string, messages []Message) (string, error) {
	if !t.chat.chatML {
		return "", fmt.Errorf("token: the model has no ChatML template; give the whole prompt and use --raw")
	}
	own := len(messages) > 0 && messages[0].Role == "system"
	var b strings.Builder
	turn := func(role, content string) {
		b.WriteString("<|im_start|>" + role + "\n" + content + "<|im_end|>\n")
	}
	switch {
	case system != nil && own:
		return "", fmt.Errorf("token: two system prompts, one of them among the messages; give one")
	case system != nil && *system != "":
		turn("system", *system)
	case system == nil && !own && t.chat.defaultSystem != "":
		turn("system", t.chat.defaultSystem)
	}
	for _, m := range messages {
		switch m.Role {
		case "system", "user", "assistant":
		default:
			return "", fmt.Errorf("token: message role %.40q is not system, user or assistant", m.Role)
		}
		turn(m.Role, m.Content)
	}
	b.WriteString("<|im_start|>assistant\n")
	return b.String(), nil
}

// DefaultSystem is the system prompt that Chat writes when none is given; "" if
// it writes none.
func (t *Tokenizer) DefaultSystem() string { return t.chat.defaultSystem }
