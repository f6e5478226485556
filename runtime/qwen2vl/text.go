package qwen2vl

import (
	"context"
	"errors"

	"github.com/edgevlm/edgevlm/runtime/compute"
	"github.com/edgevlm/edgevlm/runtime/gguf"
)

var errTODO = errors.New("qwen2vl: not implemented yet")

// TextConfig is the shape of a decoder.
type TextConfig struct {
	Arch          string // qwen2vl, qwen2 or llama
	Name          string // general.name, may be empty
	VocabSize     int
	Hidden        int
	Layers        int
	Heads         int
	KVHeads       int
	HeadDim       int
	FFN           int // width of the feed-forward layer
	ContextLength int // tokens
	MRoPESection  [3]int
	RopeDim       int // rotated elements of a head
	RopeBase      float64
	RopeScale     float64 // positions are divided by it
	NormEps       float64
	Tied          bool // the output matrix is the embedding
}

// Text is a decoder's weights. It is safe for concurrent use.
type Text struct{ c TextConfig }

// LoadText reads a decoder of architecture qwen2vl, qwen2 or llama.
func LoadText(f *gguf.File, pool *compute.Pool) (*Text, error) { return nil, errTODO }

// Config returns the shape.
func (m *Text) Config() TextConfig { return m.c }

// NewSession starts an empty sequence of at most maxTokens tokens.
func (m *Text) NewSession(maxTokens int) (*Session, error) { return nil, errTODO }

// Session is one sequence.
type Session struct{}

// Append adds rows.
func (s *Session) Append(ctx context.Context, tokens []int32, embeds []float32, pos [][3]int32, logits []float32) error {
	return errTODO
}

// Truncate drops all rows from n on.
func (s *Session) Truncate(n int) error { return errTODO }

// Len returns the number of rows.
func (s *Session) Len() int { return 0 }

// Fork returns a sequence with the same rows.
func (s *Session) Fork() (*Session, error) { return nil, errTODO }

// Close gives the memory back.
func (s *Session) Close() error { return errTODO }

// VisionConfig is the shape of a vision tower.
type VisionConfig struct {
	Name                 string
	PatchSize            int // pixels
	MergeSize            int // patches per side of a merge group
	TemporalPatchSize    int // frames
	Embed                int
	Depth                int
	Heads                int
	FFN                  int
	OutDim               int // the decoder's hidden size
	NormEps              float64
	Mean, Std            [3]float32
	MinPixels, MaxPixels int // 0: the file does not say
}

// Vision is a vision tower's weights.
type Vision struct{ c VisionConfig }

// LoadVision reads a tower.
func LoadVision(f *gguf.File, pool *compute.Pool) (*Vision, error) { return nil, errTODO }

// Config returns the shape.
func (v *Vision) Config() VisionConfig { return v.c }

// Encode computes embeddings.
func (v *Vision) Encode(ctx context.Context, patches []float32, grid GridTHW, dst []float32) error {
	return errTODO
}
