package eval

import (
	"context"
	"fmt"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// maxTokens is longer than any true answer.
const maxTokens = 80

// Engine asks a loaded model.
func Engine(e *vlm.Engine) Asker { return engine{e} }

type engine struct{ *vlm.Engine }

// Ask encodes the clip once. Each round is one sequence of its vision tokens,
// forked for each question.
func (e engine) Ask(ctx context.Context, frames []imageproc.RGB, rounds []Round) ([][]Answer, error) {
	media, err := e.Embed(ctx, vlm.Media{Frames: frames, Video: true})
	if err != nil {
		return nil, err
	}
	out := make([][]Answer, len(rounds))
	for i, r := range rounds {
		if out[i], err = e.round(ctx, media, r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (e engine) round(ctx context.Context, media *vlm.Embedded, r Round) ([]Answer, error) {
	seq, err := e.NewSequence(ctx)
	if err != nil {
		return nil, err
	}
	defer seq.Close()
	tok := e.Tokenizer()
	if err := seq.Append(ctx, tok.Encode("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>", true)); err != nil {
		return nil, err
	}
	if r.View.Times == True && r.View.Keep == nil {
		err = seq.AppendMedia(ctx, media)
	} else {
		err = see(ctx, seq, media, r.View)
	}
	if err != nil {
		return nil, err
	}
	var out []Answer
	for i, q := range r.Questions {
		s := seq
		if i < len(r.Questions)-1 {
			if s, err = seq.Fork(ctx); err != nil {
				return nil, err
			}
			defer s.Close()
		}
		if err := s.Prefill(ctx, tok.Encode("<|vision_end|>"+q+"<|im_end|>\n<|im_start|>assistant\n", true)); err != nil {
			return nil, err
		}
		res, err := s.Generate(ctx, maxTokens, vlm.Sampling{}, nil)
		if err != nil {
			return nil, err
		}
		out = append(out, Answer{res.Text, res.Boxes, len(res.Tokens)})
	}
	return out, nil
}

// see appends some of a clip's vision tokens, or all at other times. The text
// after them stands where it would stand after the whole clip.
func see(ctx context.Context, seq *vlm.Sequence, media *vlm.Embedded, v View) error {
	pairs, h, w := media.GridTHW[0], media.GridTHW[1]/2, media.GridTHW[2]/2
	n := pairs * h * w
	if v.Keep != nil && len(v.Keep) != n {
		return fmt.Errorf("eval: %d vision tokens, expected %d: the model resizes the clips", n, len(v.Keep))
	}
	dim := len(media.Rows) / n
	start := seq.Next()
	var c npu.Chunk
	for i := range n {
		if v.Keep != nil && !v.Keep[i] {
			continue
		}
		t := i / (h * w)
		switch v.Times {
		case Equal:
			t = 0
		case Reversed:
			t = pairs - 1 - t
		}
		c.Embeds = append(c.Embeds, media.Rows[i*dim:(i+1)*dim]...)
		c.Pos = append(c.Pos, [3]int32{start + int32(t), start + int32(i/w%h), start + int32(i%w)})
	}
	return seq.AppendAt(ctx, c, start+int32(max(pairs, h, w)))
}
