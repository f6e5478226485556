// Package vlm answers questions about pictures and clips: it puts a vision-language model's parts together.
package vlm

import (
	"context"
	"errors"
)

// Engine is a loaded model.
type Engine struct{}

var errTODO = errors.New("vlm: not implemented yet")

// Open loads a model from a text GGUF and its mmproj GGUF; mmproj "" loads a model for text only.
func Open(ctx context.Context, textPath, mmprojPath string, o Options) (*Engine, error) {
	return nil, errTODO
}

// OpenBytes is Open for files in memory, which must not change while the Engine is open.
func OpenBytes(ctx context.Context, text, mmproj []byte, o Options) (*Engine, error) {
	return nil, errTODO
}

// Close frees the model. It waits for a call that is under way.
func (e *Engine) Close() error { return nil }

// Info describes the model.
func (e *Engine) Info() Info { return Info{} }

// Generate answers a request.
func (e *Engine) Generate(ctx context.Context, r Request, emit func(piece string)) (Result, error) {
	return Result{}, errTODO
}
