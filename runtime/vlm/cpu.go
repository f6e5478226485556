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

var (
	_ npu.Delegate = (*cpu)(nil)
	_ npu.Batcher  = (*cpu)(nil)
)

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
	return full(s.Session.Append(ctx, c.Tokens, c.Embeds, c.Pos, logits))
}

func full(err error) error {
	if errors.Is(err, qwen2vl.ErrContextFull) {
		return fmt.Errorf("%w: %w", npu.ErrFull, err)
	}
	return err
}

// AppendBatch leaves all sessions as they were when it fails.
func (c *cpu) AppendBatch(ctx context.Context, sessions []npu.Session, chunks []npu.Chunk, logits [][]float32) error {
	own, in := make([]*qwen2vl.Session, len(sessions)), make([]qwen2vl.Input, len(sessions))
	for i, s := range sessions {
		s, ok := s.(*cpuSession)
		if !ok {
			return errors.New("vlm: a batch with a session that is not the CPU's")
		}
		own[i], in[i] = s.Session, qwen2vl.Input{Tokens: chunks[i].Tokens, Embeds: chunks[i].Embeds, Pos: chunks[i].Pos, Logits: logits[i]}
	}
	return full(qwen2vl.AppendBatch(ctx, own, in))
}

func (s *cpuSession) Fork(context.Context) (npu.Session, error) {
	f, err := s.Session.Fork()
	if err != nil {
		return nil, err
	}
	return &cpuSession{f}, nil
}
