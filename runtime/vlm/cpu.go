package vlm

import (
	"context"
	"errors"
	"fmt"
	stdruntime "runtime"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/runtime/qwen2vl"
)

const cpuName = "cpu"

// cpu is package qwen2vl as a delegate.
type cpu struct {
	text       *qwen2vl.Text
	vision     *qwen2vl.Vision // nil for text only
	visionInt8 bool
}

var _ npu.Delegate = (*cpu)(nil)

func (c *cpu) Device() npu.Device {
	return npu.Device{Driver: cpuName, ID: "0", Name: "CPU " + stdruntime.GOARCH, UMA: true, Stages: c.Supports(),
		MaxContext: c.text.Config().ContextLength, VisionInt8: c.visionInt8}
}

func (c *cpu) Supports() npu.Stage {
	if c.vision == nil {
		return npu.StageDecoder
	}
	return npu.StageVision | npu.StageDecoder
}

func (c *cpu) EncodeVision(ctx context.Context, in npu.VisionInput, dst []float32) error {
	if c.vision == nil {
		return fmt.Errorf("vlm: encode vision: %w", npu.ErrUnsupported)
	}
	return c.vision.Encode(ctx, in.Patches, in.GridTHW, dst)
}

func (c *cpu) NewSession(_ context.Context, maxTokens int) (npu.Session, error) {
	s, err := c.text.NewSession(maxTokens)
	if err != nil {
		return nil, err
	}
	return &cpuSession{s}, nil
}

// Close does nothing: the engine owns the weights' files.
func (c *cpu) Close() error { return nil }

// cpuSession fits qwen2vl's session to the contract.
type cpuSession struct{ *qwen2vl.Session }

var (
	_ npu.Session = (*cpuSession)(nil)
	_ npu.Forker  = (*cpuSession)(nil)
)

func (s *cpuSession) Append(ctx context.Context, c npu.Chunk, logits []float32) error {
	err := s.Session.Append(ctx, c.Tokens, c.Embeds, c.Pos, logits)
	if errors.Is(err, qwen2vl.ErrContextFull) {
		return fmt.Errorf("%w: %w", npu.ErrFull, err)
	}
	return err
}

func (s *cpuSession) Fork(context.Context) (npu.Session, error) {
	f, err := s.Session.Fork()
	if err != nil {
		return nil, err
	}
	return &cpuSession{f}, nil
}
