package main

import (
	"fmt"

	"github.com/edgevlm/edgevlm/runtime/vlm"
)

type generateCmd struct {
	samplingFlags
	Model  string  `required:"" placeholder:"FILE" help:"Text model, GGUF."`
	Prompt string  `required:"" placeholder:"TEXT" help:"What to continue or, with the model's chat template, to answer."`
	System *string `placeholder:"TEXT" help:"System turn; \"\" leaves it out, without the flag it is the model's own."`
	Raw    bool    `help:"Leave the chat template out; special tokens in the prompt still count."`
	JSON   bool    `name:"json" help:"Print JSON."`
}

func (c *generateCmd) Run(e *env) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.Raw && c.System != nil {
		return usagef("--system and --raw exclude each other: --raw has no turns")
	}
	p := newProgress(e.stderr)
	eng, err := vlm.Open(e.ctx, c.Model, "", e.options(p))
	p.clear()
	if err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	defer eng.Close()
	err = generateTo(e, p, eng, vlm.Request{
		System: c.System, Prompt: c.Prompt, Raw: c.Raw, MaxTokens: c.MaxTokens, Sampling: c.sampling(),
	}, c.JSON)
	if err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	return nil
}
