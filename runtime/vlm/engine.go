package vlm

import (
	"context"
	"log/slog"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/runtime/compute"
	"github.com/edgevlm/edgevlm/runtime/gguf"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/schema"
	"github.com/edgevlm/edgevlm/runtime/token"
	"github.com/edgevlm/edgevlm/runtime/weights"
)

// Engine is a loaded model. Any goroutine may call it; calls wait for each other.
type Engine struct {
	busy   chan struct{} // holds one element while a call is under way
	closed bool          // guarded by busy
	files  []*gguf.File  // the weights may refer to them
	sets   []*weights.Set
	pool   *compute.Pool
	run    npu.Delegate
	report *npu.Report
	tok    *token.Tokenizer
	marks  marks
	images imageproc.Config
	info   Info
	hidden int
	// answerTemperature is Options.AnswerTemperature, 1 where that is 0.
	answerTemperature float64
	threads           int             // of pool, without a limit
	numbers           func() *numbers // built when first needed, as is the next
	schemaVocabulary  func() *schema.Vocabulary
	vocab             int
	log               *slog.Logger
	notify            func(stage string, done, total int64)
}

// acquire waits for the engine, or for ctx to end.
func (e *Engine) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case e.busy <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if e.closed {
		e.release()
		return ErrClosed
	}
	return nil
}

func (e *Engine) release() { <-e.busy }

// Close frees the model. It waits for a call that is under way; closing again does nothing.
func (e *Engine) Close() error {
	e.busy <- struct{}{}
	defer e.release()
	if e.closed {
		return nil
	}
	e.closed = true
	return e.free()
}

func (e *Engine) free() error {
	var err error
	if e.run != nil {
		err = e.run.Close()
	}
	if e.pool != nil {
		e.pool.Close()
	}
	for _, s := range e.sets {
		if e := s.Close(); err == nil {
			err = e
		}
	}
	for _, f := range e.files {
		if e := f.Close(); err == nil {
			err = e
		}
	}
	return err
}

// Info describes the model. It stays the same but for Backend, which becomes "cpu" if an accelerator fails.
func (e *Engine) Info() Info {
	i := e.info
	i.Backend = e.backend()
	return i
}

// Threads is how many the engine was opened with. An accelerator's work takes none of them.
func (e *Engine) Threads() int { return e.threads }

// LimitThreads lets the engine use n threads at most from now on, 1 to Threads, in the call under way too: for a board that
// gets hot. It waits for nothing and changes no answer.
func (e *Engine) LimitThreads(n int) { e.pool.Limit(n) }

// Report says which accelerators were tried, and why each was taken or not.
func (e *Engine) Report() *npu.Report { return e.report }

// Tokenizer is the model's.
func (e *Engine) Tokenizer() *token.Tokenizer { return e.tok }

// backend names what computes now: one driver, or "driver+cpu" where they share the work.
func (e *Engine) backend() string {
	need := npu.StageDecoder
	if e.info.HasVision {
		need |= npu.StageVision
	}
	name := e.run.Device().Driver
	if name != cpuName && e.run.Supports()&need != need {
		name += "+" + cpuName
	}
	return name
}

func (e *Engine) progress(stage string, done, total int) {
	if e.notify != nil {
		e.notify(stage, int64(done), int64(total))
	}
}
